package io.gpunode.agent.admin;

import io.gpunode.agent.admin.PasswordCheck.Verdict;
import io.gpunode.agent.time.Tick;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelDuplexHandler;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.socket.DuplexChannel;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.DefaultHttpContent;
import io.netty.handler.codec.http.DefaultHttpResponse;
import io.netty.handler.codec.http.FullHttpResponse;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpObject;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.handler.codec.http.TooLongHttpHeaderException;
import io.netty.handler.codec.http.TooLongHttpLineException;
import io.netty.util.ReferenceCountUtil;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * One connection: reads a request, answers it, and only then reads the next, so that a client that sends many requests and reads no answer costs one
 * answer. Owned by the event loop.
 */
@SuppressWarnings("FutureReturnValueIgnored") // What fails on a channel closes it, and its handlers hear of that.
final class HttpConnection extends ChannelDuplexHandler {
    /** Enough for a client that sends a megabyte of headers to come to the answer. */
    private static final long DISCARD_LIMIT_BYTES = 2 << 20;

    private static final String METRICS = "/metrics";

    /** The longest of what commands do is a build. */
    private static final Duration COMMAND_LIMIT = Duration.ofHours(13);

    private final Routes routes;
    private final LocalCommands commands;
    private final Connections connections;
    private final Gate gate;
    private final WebConfig opened;
    private @Nullable ChannelHandlerContext context;
    private @Nullable HttpRequest request;
    private boolean answering;

    /** Who waits to hear who asks; {@code null} when nobody does. */
    private @Nullable Asking asking;

    private boolean served;
    private Tick deadline;
    private boolean requestBegun;

    /** Whether the answer that is on its way counts as a scrape. */
    private boolean scraping;

    private long answerBytes;

    /** Whether a message was asked for and has not come yet. */
    private boolean wanting;

    /** What is still discarded of a refused client's bytes; negative when nothing was refused. */
    private long discarding = -1;

    /** @param web the configuration when it was opened: what it was asked for there holds for it */
    HttpConnection(Routes routes, LocalCommands commands, Connections connections, Gate gate, WebConfig web) {
        this.routes = routes;
        this.commands = commands;
        this.connections = connections;
        this.gate = gate;
        this.opened = web;
        this.deadline = connections.clock().now().plus(connections.limits().request());
    }

    /** How much would be lost with it: nothing for a client that never sent a complete request, most for one whom an answer is on its way to. */
    int worth() {
        if (answering) {
            return 3;
        }
        return served ? 2 : asking == null ? 0 : 1;
    }

    /** What counts of the answer that is on its way, in bytes; 0 when there is none, or a short one. */
    long answerBytes() {
        return answerBytes;
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

    /** Closes it at once: what it has not taken is dropped, and with TLS it is told no goodbye, for which it might not listen. */
    void abort() {
        ended();
        ChannelHandlerContext channel = context;
        if (channel != null) {
            // From the first handler, which is that of TLS, only the socket is left to hear of it.
            ChannelHandlerContext first = channel.pipeline().firstContext();
            (first == null ? channel : first).close();
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
        if (!requestBegun && !answering && asking == null) {
            requestBegun = true;
            deadline = connections.clock().now().plus(connections.limits().request());
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
        ended();
        Asking gone = asking;
        if (gone != null) {
            asking = null;
            gate.forget(gone);
        }
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
                send(channel, refusalOfBody(whole), true);
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

    /** Whether something may follow the headers; what it is does not matter here, and where it ends is not this server's to guess. */
    private static boolean hasBody(HttpRequest request) {
        return request.headers().contains(HttpHeaderNames.TRANSFER_ENCODING)
                || HttpUtil.getContentLength(request, 0L) > 0;
    }

    private FullHttpResponse refusalOfBody(HttpRequest request) {
        return routes.has(request.uri()) && !isRead(request.method())
                ? refusalOfMethod()
                : text(HttpResponseStatus.REQUEST_ENTITY_TOO_LARGE, "a request here has no body");
    }

    private static FullHttpResponse refusalOfMethod() {
        FullHttpResponse refusal = text(HttpResponseStatus.METHOD_NOT_ALLOWED, "only GET and HEAD are allowed here");
        refusal.headers().set(HttpHeaderNames.ALLOW, "GET, HEAD");
        return refusal;
    }

    private static boolean isRead(HttpMethod method) {
        return method.equals(HttpMethod.GET) || method.equals(HttpMethod.HEAD);
    }

    /** What is wrong with a request that could be parsed (RFC 9112, sections 2.3, 3.2 and 6.1); empty when nothing is. */
    private static String problem(HttpRequest request) {
        if (request.protocolVersion().majorVersion() != 1) {
            return "only HTTP/1.0 and HTTP/1.1 are spoken here";
        }
        int hosts = request.headers().getAll(HttpHeaderNames.HOST).size();
        if (hosts > 1 || (hosts == 0 && request.protocolVersion().minorVersion() > 0)) {
            return hosts == 0 ? "the header Host is missing" : "there is more than one header Host";
        }
        return request.headers().contains(HttpHeaderNames.TRANSFER_ENCODING)
                        && request.headers().contains(HttpHeaderNames.CONTENT_LENGTH)
                ? "Transfer-Encoding and Content-Length do not go together"
                : "";
    }

    private void answer(ChannelHandlerContext channel, HttpRequest whole) {
        String problem = problem(whole);
        if (!problem.isEmpty()) {
            refuse(
                    channel,
                    whole.protocolVersion().majorVersion() == 1
                            ? HttpResponseStatus.BAD_REQUEST
                            : HttpResponseStatus.HTTP_VERSION_NOT_SUPPORTED,
                    problem);
            return;
        }
        WebConfig web = gate.config();
        if (!gate.withinRate(web)) {
            FullHttpResponse refusal = text(HttpResponseStatus.TOO_MANY_REQUESTS, "too many requests; see rate_limit");
            refusal.headers().set(HttpHeaderNames.RETRY_AFTER, "1");
            send(channel, refusal, !HttpUtil.isKeepAlive(whole));
            return;
        }
        if (web.users().isEmpty()) {
            serve(channel, whole);
            return;
        }
        // Nothing more is read of this connection until the answer is known; the deadline is that of an answer.
        requestBegun = false;
        Asking now = new Asking(channel, whole);
        asking = now;
        deadline = connections.clock().now().plus(connections.limits().answer());
        gate.admit(web, whole.headers().get(HttpHeaderNames.AUTHORIZATION, ""), now);
    }

    /** A request of somebody who is not known yet. */
    private final class Asking implements Consumer<Verdict> {
        private final ChannelHandlerContext channel;
        private final HttpRequest whole;

        Asking(ChannelHandlerContext channel, HttpRequest whole) {
            this.channel = channel;
            this.whole = whole;
        }

        @Override
        public void accept(Verdict verdict) {
            asking = null;
            if (!channel.channel().isActive()) {
                return;
            }
            switch (verdict) {
                case RIGHT -> serve(channel, whole);
                case WRONG -> {
                    FullHttpResponse refusal = text(HttpResponseStatus.UNAUTHORIZED, "Unauthorized");
                    refusal.headers().set(HttpHeaderNames.WWW_AUTHENTICATE, "Basic realm=\"gpu-node-agent\"");
                    send(channel, refusal, !HttpUtil.isKeepAlive(whole));
                }
                case BUSY -> {
                    FullHttpResponse refusal =
                            text(HttpResponseStatus.SERVICE_UNAVAILABLE, "too many passwords wait to be checked");
                    refusal.headers().set(HttpHeaderNames.RETRY_AFTER, "1");
                    send(channel, refusal, !HttpUtil.isKeepAlive(whole));
                }
            }
        }
    }

    /** Answers somebody who may ask. */
    private void serve(ChannelHandlerContext channel, HttpRequest whole) {
        served = true;
        connections.served(this);
        // What encrypts a connection was agreed on when it was opened; a change of that reaches it by its end.
        boolean last = !HttpUtil.isKeepAlive(whole) || !gate.config().tls().equals(opened.tls());
        String path = Routes.path(whole.uri());
        if (commands.has(path)) {
            if (whole.method().equals(HttpMethod.POST)) {
                command(channel, path);
            } else {
                FullHttpResponse refusal = text(HttpResponseStatus.METHOD_NOT_ALLOWED, "only POST is allowed here");
                refusal.headers().set(HttpHeaderNames.ALLOW, "POST");
                send(channel, refusal, last);
            }
            return;
        }
        if (routes.has(whole.uri()) && !isRead(whole.method())) {
            send(channel, refusalOfMethod(), last);
            return;
        }
        boolean scrape = path.equals(METRICS);
        if (scrape && !connections.admitScrape()) {
            FullHttpResponse refusal = text(
                    HttpResponseStatus.SERVICE_UNAVAILABLE,
                    "too many scrapes at one time; http.maxConcurrentScrapes is "
                            + connections.limits().scrapes());
            refusal.headers().set(HttpHeaderNames.RETRY_AFTER, "1");
            send(channel, refusal, last);
            return;
        }
        scraping = scrape;
        ByteBuf body = null;
        boolean sent = false;
        try {
            body = channel.alloc().buffer(routes.sizeHint(whole));
            FullHttpResponse response = new DefaultFullHttpResponse(HttpVersion.HTTP_1_1, HttpResponseStatus.OK, body);
            response.setStatus(HttpResponseStatus.valueOf(routes.answer(whole, response.headers(), body)));
            sent = true;
            send(channel, response, last);
        } finally {
            if (!sent) {
                if (body != null) {
                    body.release();
                }
                ended();
            }
        }
    }

    /** Has something done, and passes on what is said of it; nothing more is read of this connection. */
    private void command(ChannelHandlerContext channel, String path) {
        answering = true;
        requestBegun = false;
        deadline = connections.clock().now().plus(COMMAND_LIMIT);
        HttpResponse head = new DefaultHttpResponse(HttpVersion.HTTP_1_1, HttpResponseStatus.OK);
        head.headers()
                .set(HttpHeaderNames.CONTENT_TYPE, AdminServer.PLAIN_TEXT)
                .set(HttpHeaderNames.CACHE_CONTROL, "no-store")
                .set(HttpHeaderNames.CONNECTION, "close");
        channel.writeAndFlush(head);
        commands.run(path, new Lines(channel));
    }

    /** The lines of a command's answer. */
    private record Lines(ChannelHandlerContext channel) implements LocalCommands.Answer {
        @Override
        public void line(String text) {
            channel.executor().execute(() -> {
                if (channel.channel().isWritable()) {
                    channel.writeAndFlush(content(text));
                }
            });
        }

        @Override
        public void end(String text) {
            channel.executor().execute(() -> {
                channel.write(content(text));
                channel.writeAndFlush(LastHttpContent.EMPTY_LAST_CONTENT).addListener(ChannelFutureListener.CLOSE);
            });
        }

        private static DefaultHttpContent content(String text) {
            return new DefaultHttpContent(
                    Unpooled.copiedBuffer(text.replace('\n', ' ') + "\n", StandardCharsets.UTF_8));
        }
    }

    private void refuse(ChannelHandlerContext channel, Throwable cause) {
        switch (cause) {
            case TooLongHttpLineException _ ->
                refuse(channel, HttpResponseStatus.REQUEST_URI_TOO_LONG, "the request line is too long");
            case TooLongHttpHeaderException _ ->
                refuse(channel, HttpResponseStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the headers are too long");
            default -> refuse(channel, HttpResponseStatus.BAD_REQUEST, "not an HTTP request");
        }
    }

    /** Answers what cannot be trusted to end where it seems to; nothing of the connection is read as a request any more. */
    private void refuse(ChannelHandlerContext channel, HttpResponseStatus status, String why) {
        discarding = DISCARD_LIMIT_BYTES;
        send(channel, text(status, why), true);
    }

    private void send(ChannelHandlerContext channel, FullHttpResponse response, boolean last) {
        long bytes = response.content().readableBytes();
        answerBytes += connections.admit(bytes);
        answering = true;
        requestBegun = false;
        deadline = connections.clock().now().plus(connections.limits().answer());
        response.headers()
                .set(HttpHeaderNames.CONTENT_LENGTH, bytes)
                .set(HttpHeaderNames.CACHE_CONTROL, "no-store")
                .set("x-content-type-options", "nosniff");
        if (!response.headers().contains(HttpHeaderNames.CONTENT_SECURITY_POLICY)) {
            response.headers().set(HttpHeaderNames.CONTENT_SECURITY_POLICY, Page.RUNS_NOTHING);
        }
        gate.config().headers().forEach(response.headers()::set);
        if (last) {
            response.headers().set(HttpHeaderNames.CONNECTION, "close");
        }
        channel.writeAndFlush(response).addListener((ChannelFutureListener) done -> {
            ended();
            answering = false;
            if (done.isSuccess() && discarding >= 0 && channel.channel() instanceof DuplexChannel duplex) {
                if (opened.tls().isPresent()) {
                    ServerTls.sayGoodbye(channel.pipeline());
                } else {
                    duplex.shutdownOutput();
                }
                channel.channel().read();
                return;
            }
            if (last || !done.isSuccess()) {
                channel.close();
                return;
            }
            deadline = connections.clock().now().plus(connections.limits().idle());
            // As a task of its own: many requests sent at once would otherwise be answered inside each other until the
            // stack ends.
            channel.executor().execute(() -> want(channel));
        });
    }

    /** The answer is not on its way any more; idempotent. */
    private void ended() {
        connections.answered(answerBytes);
        answerBytes = 0;
        if (scraping) {
            scraping = false;
            connections.scraped();
        }
    }

    private static FullHttpResponse text(HttpResponseStatus status, String text) {
        FullHttpResponse response = new DefaultFullHttpResponse(
                HttpVersion.HTTP_1_1, status, Unpooled.copiedBuffer(text + "\n", StandardCharsets.UTF_8));
        response.headers().set(HttpHeaderNames.CONTENT_TYPE, AdminServer.PLAIN_TEXT);
        return response;
    }
}
