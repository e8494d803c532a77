package io.gpunode.agent.admin;

import io.gpunode.agent.lifecycle.Service;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.time.MonotonicClock;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.FixedRecvByteBufAllocator;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.netty.channel.unix.Errors;
import io.netty.handler.codec.http.HttpDecoderConfig;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.handler.flow.FlowControlHandler;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The HTTP/1.1 server of {@code /metrics}, {@code /healthz}, {@code /readyz}, {@code /state} and the status page, on the event loop that all sockets
 * share. Pages answer from memory; limits on lines, headers, time, connections and unread answers keep any client from costing more than its share.
 */
public final class AdminServer implements Service {
    static final String PLAIN_TEXT = "text/plain; charset=utf-8";

    private static final Log LOG = Log.of(AdminServer.class);
    private static final int REQUEST_LINE_BYTES = 4_096;
    private static final int HEADER_BYTES = 8_192;
    private static final int CHUNK_BYTES = 1_024;

    /** Small, since all complete requests in it are decoded at once. */
    private static final int READ_BYTES = 2_048;

    private static final int BACKLOG = 128;

    /** errno(3) of Linux. */
    private static final int EADDRINUSE = 98;

    private static final Duration BIND_LIMIT = Duration.ofSeconds(5);
    private static final int WARM_UP_MILLIS = 1_000;

    private final String listen;
    private final EventLoops loops;
    private final MonotonicClock clock;
    private final Connections.Deadlines deadlines;
    private final Map<String, Page> pages = new TreeMap<>();
    private @Nullable Channel server;
    private @Nullable Connections connections;

    /**
     * @param listen {@code http.listen}
     * @param state what its own pages look at
     * @param metrics answers {@code /metrics}
     */
    public AdminServer(String listen, EventLoops loops, AdminState state, Page metrics) {
        this(listen, loops, state, metrics, Connections.Deadlines.USUAL);
    }

    AdminServer(String listen, EventLoops loops, AdminState state, Page metrics, Connections.Deadlines deadlines) {
        this.listen = listen;
        this.loops = loops;
        this.clock = state.clock();
        this.deadlines = deadlines;
        Page health = new HealthPage(state.heartbeats());
        pages.put("/", new StatusPage(state));
        pages.put("/metrics", metrics);
        pages.put("/healthz", health);
        pages.put("/health", health);
        pages.put("/readyz", new ReadyPage(state.readiness()));
        pages.put("/state", new StatePage(state));
    }

    @Override
    public String name() {
        return "http";
    }

    /**
     * Listens.
     *
     * @throws IllegalArgumentException when {@code http.listen} is no address
     * @throws IOException when it cannot be listened on; says what holds it and what to do
     */
    @Override
    public void start() throws IOException {
        ListenAddress address = ListenAddress.parse(listen);
        Routes routes = new Routes(pages);
        Connections all = new Connections(loops.loop(), clock, deadlines);
        ChannelFuture bound = new ServerBootstrap()
                .group(loops.group())
                .channel(EpollServerSocketChannel.class)
                .option(ChannelOption.SO_REUSEADDR, true)
                .option(ChannelOption.SO_BACKLOG, BACKLOG)
                .childOption(ChannelOption.AUTO_READ, false)
                .childOption(ChannelOption.TCP_NODELAY, true)
                .childOption(
                        ChannelOption.RECVBUF_ALLOCATOR,
                        new FixedRecvByteBufAllocator(READ_BYTES).maxMessagesPerRead(1))
                .childHandler(new Pipeline(routes, all))
                .bind(address.toSocketAddress());
        if (!bound.awaitUninterruptibly(BIND_LIMIT.toMillis(), TimeUnit.MILLISECONDS)) {
            bound.cancel(false);
            throw new IOException(
                    "http.listen: listening on " + address + " took longer than " + BIND_LIMIT.toSeconds() + " s");
        }
        if (!bound.isSuccess()) {
            throw refusal(address, bound.cause());
        }
        connections = all;
        server = bound.channel();
        LOG.info("listening", "address", address);
    }

    /** Where it listens, with the port that the kernel chose for port 0. */
    public InetSocketAddress address() {
        Channel channel = server;
        if (channel == null) {
            throw new IllegalStateException("the HTTP server has not been started");
        }
        return (InetSocketAddress) channel.localAddress();
    }

    /**
     * Asks itself for {@code /metrics} over a real connection, so that the first scrape finds all code loaded. Takes a second at most; that it fails is not
     * important.
     */
    public void warmUp() {
        InetSocketAddress address = address();
        InetAddress host =
                address.getAddress().isAnyLocalAddress() ? InetAddress.getLoopbackAddress() : address.getAddress();
        try (Socket socket = new Socket()) {
            socket.setSoTimeout(WARM_UP_MILLIS);
            socket.connect(new InetSocketAddress(host, address.getPort()), WARM_UP_MILLIS);
            socket.getOutputStream()
                    .write("GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
                            .getBytes(StandardCharsets.US_ASCII));
            InputStream answer = socket.getInputStream();
            byte[] buffer = new byte[8_192];
            int count = 0;
            while (count >= 0) {
                count = answer.read(buffer);
            }
        } catch (IOException e) {
            LOG.debug("warming up failed", "error", e.toString());
        }
    }

    /** Stops listening and closes all connections. */
    @Override
    public void stop(Duration limit) {
        Channel channel = server;
        Connections all = connections;
        if (channel == null || all == null) {
            return;
        }
        server = null;
        connections = null;
        channel.close().awaitUninterruptibly(limit.toMillis(), TimeUnit.MILLISECONDS);
        loops.loop().submit(all::closeAll).awaitUninterruptibly(limit.toMillis(), TimeUnit.MILLISECONDS);
    }

    /** How many connections are open; for tests. */
    int connectionCount() {
        Connections all = connections;
        return all == null
                ? 0
                : loops.loop().submit(all::count).syncUninterruptibly().getNow();
    }

    private static IOException refusal(ListenAddress address, Throwable cause) {
        if (cause instanceof Errors.NativeIoException refused && refused.expectedErr() == -EADDRINUSE) {
            return new IOException(
                    "address in use: " + address + "; see what holds it: ss -ltnp 'sport = :" + address.port()
                            + "'; or set http.listen",
                    cause);
        }
        return new IOException("cannot listen on " + address + ": " + cause.getMessage() + "; set http.listen", cause);
    }

    /** Puts the handlers of a connection together. */
    private static final class Pipeline extends ChannelInitializer<Channel> {
        private final HttpDecoderConfig limits = new HttpDecoderConfig()
                .setMaxInitialLineLength(REQUEST_LINE_BYTES)
                .setMaxHeaderSize(HEADER_BYTES)
                .setMaxChunkSize(CHUNK_BYTES);

        private final Routes routes;
        private final Connections connections;

        Pipeline(Routes routes, Connections connections) {
            this.routes = routes;
            this.connections = connections;
        }

        @Override
        protected void initChannel(Channel channel) {
            HttpConnection connection = new HttpConnection(routes, connections);
            channel.pipeline()
                    .addLast(new ByteWatch(connection))
                    .addLast(new HttpServerCodec(limits))
                    .addLast(new FlowControlHandler())
                    .addLast(connection);
        }
    }

    /** Sees the bytes before the decoder does, which says nothing of half a request. */
    private static final class ByteWatch extends ChannelInboundHandlerAdapter {
        private final HttpConnection connection;

        ByteWatch(HttpConnection connection) {
            this.connection = connection;
        }

        @Override
        public void channelRead(ChannelHandlerContext context, Object message) {
            if (message instanceof ByteBuf bytes && !connection.bytesArrived(context, bytes.readableBytes())) {
                bytes.release();
                return;
            }
            context.fireChannelRead(message);
        }
    }
}
