package io.gpunode.agent.admin;

import io.gpunode.agent.time.Tick;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelDuplexHandler;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.socket.DuplexChannel;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.FullHttpResponse;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpObject;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.handler.codec.http.TooLongHttpHeaderException;
import io.netty.handler.codec.http.TooLongHttpLineException;
import io.netty.util.ReferenceCountUtil;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/**
 * One connection: reads a request, answers it, and only then reads the next, so that a client that sends many requests and reads no answer costs one
 * answer. Owned by the event loop.
 */
@SuppressWarnings("FutureReturnValueIgnored") // What fails on a channel closes it, and its handlers hear of that.
final class HttpConnection extends ChannelDuplexHandler {
    private static final long DISCARD_LIMIT_BYTES = 256 * 1_024;

    private final Routes routes;
    private final Connections connections;
    private @Nullable ChannelHandlerContext context;
    private @Nullable HttpRequest request;
    private boolean answering;
    private boolean served;
    private Tick deadline;
    private boolean requestBegun;

    /** Whether a message was asked for and has not come yet. */
    private boolean wanting;

    /** What is still discarded of a refused client's bytes; negative when nothing was refused. */
    private long discarding = -1;

    HttpConnection(Routes routes, Connections connections) {
        this.routes = routes;
        this.connections = connections;
        this.deadline = connections.clock().now().plus(connections.deadlines().request());
    }

    /** Whether an answer is on its way. */
    boolean answering() {
        return answering;
    }

    /** Whether it ever sent a complete request. */
    boolean served() {
        return served;
    }

    /** Whether it has outstayed the deadline of its state. */
    boolean late() {
        return connections.clock().now().reached(deadline);
    }

    /** Closes it. */
    void close() {
        ChannelHandlerContext channel = context;
        if (channel != null) {
            channel.close();
        }
    }

    /**
     * Bytes arrived: from the first of a request, it has to be complete in time.
     *
     * @return whether they are of use; if not, the request was refused and they are only taken so that the client reads the refusal: closing on unread
     *     bytes would make the kernel throw the refusal away
     */
    boolean bytesArrived(ChannelHandlerContext channel, int bytes) {
        if (discarding >= 0) {
            discarding -= bytes;
            if (discarding < 0) {
                channel.close();
            } else {
                channel.read();
            }
            return false;
        }
        if (!requestBegun && !answering) {
            requestBegun = true;
            deadline = connections.clock().now().plus(connections.deadlines().request());
        }
        return true;
    }

    @Override
    public void channelActive(ChannelHandlerContext channel) {
        context = channel;
        connections.opened(this);
        want(channel);
    }

    @Override
    public void channelInactive(ChannelHandlerContext channel) {
        connections.closed(this);
        channel.fireChannelInactive();
    }

    @Override
    public void channelRead(ChannelHandlerContext channel, Object message) {
        wanting = false;
        try {
            if (message instanceof HttpObject part && part.decoderResult().isFailure()) {
                refuse(channel, part.decoderResult().cause());
                return;
            }
            if (message instanceof HttpRequest begun) {
                request = begun;
            }
            HttpRequest whole = request;
            if (message instanceof LastHttpContent && whole != null) {
                request = null;
                answer(channel, whole);
            } else if (whole != null && hasBody(whole)) {
                request = null;
                discarding = DISCARD_LIMIT_BYTES;
                send(channel, text(HttpResponseStatus.REQUEST_ENTITY_TOO_LARGE, "a request here has no body"), true);
            } else {
                want(channel);
            }
        } finally {
            ReferenceCountUtil.release(message);
        }
    }

    /** What was read held no whole message: the flow control forgets the wish for one then. */
    @Override
    public void channelReadComplete(ChannelHandlerContext channel) {
        if (wanting) {
            channel.read();
        }
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext channel, Throwable cause) {
        // A reset by the peer and the like: nothing of it is worth a log line, and nobody is left to answer.
        channel.close();
    }

    private void want(ChannelHandlerContext channel) {
        wanting = true;
        channel.read();
    }

    private static boolean hasBody(HttpRequest request) {
        return HttpUtil.isTransferEncodingChunked(request) || HttpUtil.getContentLength(request, 0L) > 0;
    }

    private void answer(ChannelHandlerContext channel, HttpRequest whole) {
        served = true;
        connections.served(this);
        boolean last = !HttpUtil.isKeepAlive(whole);
        if (!whole.method().equals(HttpMethod.GET) && !whole.method().equals(HttpMethod.HEAD)) {
            FullHttpResponse refusal =
                    text(HttpResponseStatus.METHOD_NOT_ALLOWED, "only GET and HEAD are allowed here");
            refusal.headers().set(HttpHeaderNames.ALLOW, "GET, HEAD");
            send(channel, refusal, last);
            return;
        }
        ByteBuf body = channel.alloc().buffer(routes.sizeHint(whole.uri()));
        boolean sent = false;
        try {
            FullHttpResponse response = new DefaultFullHttpResponse(HttpVersion.HTTP_1_1, HttpResponseStatus.OK, body);
            response.setStatus(HttpResponseStatus.valueOf(routes.answer(whole, response.headers(), body)));
            sent = true;
            send(channel, response, last);
        } finally {
            if (!sent) {
                body.release();
            }
        }
    }

    private void refuse(ChannelHandlerContext channel, Throwable cause) {
        FullHttpResponse refusal = switch (cause) {
            case TooLongHttpLineException _ ->
                text(HttpResponseStatus.REQUEST_URI_TOO_LONG, "the request line is too long");
            case TooLongHttpHeaderException _ ->
                text(HttpResponseStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the headers are too long");
            default -> text(HttpResponseStatus.BAD_REQUEST, "not an HTTP request");
        };
        discarding = DISCARD_LIMIT_BYTES;
        send(channel, refusal, true);
    }

    private void send(ChannelHandlerContext channel, FullHttpResponse response, boolean last) {
        long bytes = response.content().readableBytes();
        if (!connections.admit(bytes)) {
            response.release();
            channel.close();
            return;
        }
        answering = true;
        requestBegun = false;
        deadline = connections.clock().now().plus(connections.deadlines().answer());
        response.headers()
                .set(HttpHeaderNames.CONTENT_LENGTH, bytes)
                .set(HttpHeaderNames.CACHE_CONTROL, "no-store")
                .set("x-content-type-options", "nosniff");
        if (!response.headers().contains(HttpHeaderNames.CONTENT_SECURITY_POLICY)) {
            response.headers().set(HttpHeaderNames.CONTENT_SECURITY_POLICY, Page.RUNS_NOTHING);
        }
        if (last) {
            response.headers().set(HttpHeaderNames.CONNECTION, "close");
        }
        channel.writeAndFlush(response).addListener((ChannelFutureListener) done -> {
            connections.answered(bytes);
            answering = false;
            if (done.isSuccess() && discarding >= 0 && channel.channel() instanceof DuplexChannel duplex) {
                duplex.shutdownOutput();
                channel.channel().read();
                return;
            }
            if (last || !done.isSuccess()) {
                channel.close();
                return;
            }
            deadline = connections.clock().now().plus(connections.deadlines().idle());
            // As a task of its own: many requests sent at once would otherwise be answered inside each other until the
            // stack ends.
            channel.executor().execute(() -> want(channel));
        });
    }

    private static FullHttpResponse text(HttpResponseStatus status, String text) {
        FullHttpResponse response = new DefaultFullHttpResponse(
                HttpVersion.HTTP_1_1, status, Unpooled.copiedBuffer(text + "\n", StandardCharsets.UTF_8));
        response.headers().set(HttpHeaderNames.CONTENT_TYPE, AdminServer.PLAIN_TEXT);
        return response;
    }
}
