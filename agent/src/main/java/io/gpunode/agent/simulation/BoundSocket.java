package io.gpunode.agent.simulation;

import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.net.UnixSockets;
import io.grpc.BindableService;
import io.grpc.Server;
import io.grpc.ServerTransportFilter;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelOutboundHandlerAdapter;
import io.netty.channel.ChannelPromise;
import io.netty.channel.epoll.EpollServerDomainSocketChannel;
import io.netty.channel.unix.DomainSocketAddress;
import io.netty.channel.unix.Socket;
import java.io.IOException;
import java.net.SocketAddress;
import java.nio.file.Path;

/**
 * A unix socket that is bound first and listens later, and whose file stays when it is closed. Netty's own server channel does both at once
 * and removes the file; a kubelet's file is there a moment before it listens and stays when the kubelet ends. One owner.
 */
final class BoundSocket {
    private static final int BACKLOG = 128;

    private final Path path;
    private final Socket socket;
    private boolean handedOver;

    private BoundSocket(Path path, Socket socket) {
        this.path = path;
        this.socket = socket;
    }

    /** Creates the file; connections to it are refused until {@link #serve}. */
    static BoundSocket bind(Path path) throws IOException {
        UnixSockets.checkPath(path, "the simulated node's directory");
        Socket socket = Socket.newSocketDomain();
        try {
            socket.bind(new DomainSocketAddress(path.toString()));
        } catch (IOException e) {
            socket.close();
            throw new IOException("cannot bind " + path + ": " + e.getMessage(), e);
        }
        return new BoundSocket(path, socket);
    }

    /** Listens; the server owns the socket from here on. Once. */
    Server serve(EventLoops loops, BindableService service, ServerTransportFilter filter) throws IOException {
        socket.listen(BACKLOG);
        handedOver = true;
        return UnixSockets.server(path, loops)
                .channelFactory(this::channel)
                .addService(service)
                .addTransportFilter(filter)
                .build()
                .start();
    }

    /** Closes what {@link #serve} has not taken over. */
    void close() throws IOException {
        if (!handedOver) {
            socket.close();
        }
    }

    private EpollServerDomainSocketChannel channel() {
        EpollServerDomainSocketChannel channel = new EpollServerDomainSocketChannel(socket.intValue(), true);
        channel.pipeline().addFirst(new AlreadyBound());
        return channel;
    }

    /** Keeps gRPC from binding what is bound. */
    private static final class AlreadyBound extends ChannelOutboundHandlerAdapter {
        @Override
        public void bind(ChannelHandlerContext context, SocketAddress address, ChannelPromise promise) {
            promise.setSuccess();
        }
    }
}
