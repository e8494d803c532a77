package io.gpunode.agent.admin;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.socket.DuplexChannel;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Executor;

/**
 * First in the pipeline of a connection that has to be encrypted: at the first byte it puts TLS in its own place, so that a connection that says nothing
 * costs next to nothing. A client that speaks plain HTTP is told so, in the words that it would hear from any exporter.
 */
@SuppressWarnings("FutureReturnValueIgnored") // What fails on a channel closes it.
final class TlsDoor extends ChannelInboundHandlerAdapter {
    private static final byte[] PLAIN_HTTP =
            "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
                    .getBytes(StandardCharsets.US_ASCII);

    private static final int DISCARD_LIMIT_BYTES = 1 << 20;

    private final ServerTls tls;
    private final Executor worker;
    private int discarding = -1;

    TlsDoor(ServerTls tls, Executor worker) {
        this.tls = tls;
        this.worker = worker;
    }

    @Override
    public void channelRead(ChannelHandlerContext context, Object message) {
        if (!(message instanceof ByteBuf bytes) || !bytes.isReadable()) {
            context.fireChannelRead(message);
            return;
        }
        if (discarding >= 0) {
            discarding -= bytes.readableBytes();
            bytes.release();
            if (discarding < 0) {
                context.close();
            } else {
                context.read();
            }
            return;
        }
        byte first = bytes.getByte(bytes.readerIndex());
        if (first >= 'A' && first <= 'Z') {
            bytes.release();
            discarding = DISCARD_LIMIT_BYTES;
            context.writeAndFlush(Unpooled.wrappedBuffer(PLAIN_HTTP)).addListener((ChannelFutureListener) done -> {
                if (done.isSuccess() && done.channel() instanceof DuplexChannel duplex) {
                    // Closing on unread bytes would make the kernel throw the answer away.
                    duplex.shutdownOutput();
                    context.read();
                } else {
                    context.close();
                }
            });
            return;
        }
        context.pipeline()
                .addAfter(
                        context.name(),
                        null,
                        tls.newHandler(task -> worker.execute(whileOpen(context.channel(), task))));
        context.fireChannelRead(message);
        context.pipeline().remove(this);
    }

    /** A handshake whose connection is gone is reckoned no further: who closes at once would otherwise have this agent work for nobody. */
    static Runnable whileOpen(Channel channel, Runnable task) {
        return () -> {
            if (channel.isOpen()) {
                task.run();
            }
        };
    }
}
