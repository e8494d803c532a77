package io.gpunode.agent.net;

import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.util.concurrent.ScheduledFuture;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Bounds the open connections of a listening socket: while there are that many, others wait in the kernel's queue, and one that says nothing
 * is closed soon. First in the pipeline of the listening channel, whose messages are the connections. Lives on the event loop.
 */
final class ConnectionLimit extends ChannelInboundHandlerAdapter {
    private final int most;
    private final Duration silence;
    private int open;

    /** @param silence how long a new connection may take to send its first byte */
    ConnectionLimit(int most, Duration silence) {
        this.most = most;
        this.silence = silence;
    }

    @Override
    public void channelRead(ChannelHandlerContext context, Object connection) {
        Channel listening = context.channel();
        Channel accepted = (Channel) connection;
        open++;
        listening.config().setAutoRead(open < most);
        accepted.closeFuture().addListener(_ -> {
            open--;
            if (listening.isOpen()) {
                listening.config().setAutoRead(open < most);
            }
        });
        accepted.pipeline().addFirst(new FirstByte());
        context.fireChannelRead(connection);
    }

    /** Waits for a connection's first byte. */
    private final class FirstByte extends ChannelInboundHandlerAdapter {
        private @Nullable ScheduledFuture<?> end;

        @Override
        public void channelActive(ChannelHandlerContext context) {
            Runnable close = () -> {
                var _ = context.close();
            };
            end = context.executor().schedule(close, silence.toNanos(), TimeUnit.NANOSECONDS);
            context.fireChannelActive();
        }

        @Override
        public void channelRead(ChannelHandlerContext context, Object message) {
            context.pipeline().remove(this);
            context.fireChannelRead(message);
        }

        @Override
        public void handlerRemoved(ChannelHandlerContext context) {
            if (end != null) {
                end.cancel(false);
            }
        }
    }
}
