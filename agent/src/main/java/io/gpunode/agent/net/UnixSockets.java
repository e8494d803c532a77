package io.gpunode.agent.net;

import io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.NettyServerBuilder;
import io.netty.channel.ChannelOption;
import io.netty.channel.epoll.EpollDomainSocketChannel;
import io.netty.channel.epoll.EpollServerDomainSocketChannel;
import io.netty.channel.unix.DomainSocketAddress;
import java.io.IOException;
import java.net.ConnectException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/** gRPC over unix domain sockets, as the kubelet speaks it. */
public final class UnixSockets {
    /** The longest path in bytes: {@code sun_path} of {@code sockaddr_un} (unix(7)) holds 108, the last is NUL. */
    public static final int LONGEST_PATH_BYTES = 107;

    private static final int MOST_CALLS = 32;
    /** Some 20,000 device ids; the kubelet can send no more than a plugin lists. */
    private static final int LARGEST_MESSAGE_BYTES = 1 << 20;

    /** Then a connection without a call is closed. The kubelet's is never without: its stream. */
    private static final int IDLE_SECONDS = 60;

    private static final int MOST_RESETS = 200;
    private static final int RESET_WINDOW_SECONDS = 30;

    private UnixSockets() {}

    /**
     * Checks that a path can be a socket's.
     *
     * @param path absolute
     * @param setting where it was configured, for the message
     * @throws IllegalArgumentException when it is too long; names path, length, limit and what to change
     */
    public static void checkPath(Path path, String setting) {
        int bytes = path.toString().getBytes(StandardCharsets.UTF_8).length;
        if (bytes > LONGEST_PATH_BYTES) {
            throw new IllegalArgumentException("socket path \"" + path + "\" has " + bytes + " bytes, Linux allows "
                    + LONGEST_PATH_BYTES + "; set " + setting + " to a shorter path");
        }
    }

    /**
     * A server on a socket. Calls are handled on the event loop: they must be quick. The kubelet's client sends the socket's path as authority
     * and a PING after each message (its bandwidth probe), which is not abuse.
     */
    public static NettyServerBuilder server(Path socket, EventLoops loops) {
        return NettyServerBuilder.forAddress(new DomainSocketAddress(socket.toString()))
                .channelType(EpollServerDomainSocketChannel.class)
                .bossEventLoopGroup(loops.group())
                .workerEventLoopGroup(loops.group())
                // See the client's.
                .withChildOption(ChannelOption.SO_KEEPALIVE, null)
                .permitKeepAliveTime(0, TimeUnit.NANOSECONDS)
                .permitKeepAliveWithoutCalls(true)
                .directExecutor();
    }

    /**
     * {@link #server} for a socket that others than its one client may reach: what one connection, and all of them together, can take up is bounded.
     *
     * @param connections how many may be open
     * @param silence how long a new connection may take to send its first byte
     */
    public static NettyServerBuilder boundedServer(Path socket, EventLoops loops, int connections, Duration silence) {
        return server(socket, loops)
                .channelFactory(() -> {
                    EpollServerDomainSocketChannel listening = new EpollServerDomainSocketChannel();
                    listening.pipeline().addFirst(new ConnectionLimit(connections, silence));
                    return listening;
                })
                .maxConcurrentCallsPerConnection(MOST_CALLS)
                .maxInboundMessageSize(LARGEST_MESSAGE_BYTES)
                .maxConnectionIdle(IDLE_SECONDS, TimeUnit.SECONDS)
                // A client that opens calls only to reset them.
                .maxRstFramesPerWindow(MOST_RESETS, RESET_WINDOW_SECONDS);
    }

    /** A client of a socket; its callbacks run on the event loop. */
    public static NettyChannelBuilder channel(Path socket, EventLoops loops) {
        return NettyChannelBuilder.forAddress(new DomainSocketAddress(socket.toString()))
                .channelType(EpollDomainSocketChannel.class)
                .eventLoopGroup(loops.group())
                // gRPC's default is TCP's; with none in its place Netty does not warn at each connection.
                .withOption(ChannelOption.SO_KEEPALIVE, null)
                .overrideAuthority("localhost")
                .usePlaintext()
                .directExecutor();
    }

    /**
     * Whether somebody listens on a socket right now. Does not block: a listener whose queue is full counts as one.
     *
     * @return false when nobody listens or there is no socket
     */
    public static boolean isListening(Path socket) {
        try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            channel.configureBlocking(false);
            channel.connect(UnixDomainSocketAddress.of(socket));
            return true;
        } catch (ConnectException e) {
            return false;
        } catch (IOException e) {
            String message = String.valueOf(e.getMessage());
            return !message.contains("No such file") && !message.contains("refused");
        }
    }
}
