package io.gpunode.agent.admin;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.lifecycle.Service;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.net.EventLoops;
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
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The HTTP/1.1 server of {@code /metrics}, {@code /healthz}, {@code /readyz}, {@code /state} and the status page. Pages answer from memory; limits on
 * lines, headers, time, connections, unread answers and scrapes keep any client from costing more than its share.
 *
 * <p>It has an event loop of its own: whatever clients do here, the sockets of the kubelet are served by another thread.
 */
public final class AdminServer implements Service {
    static final String PLAIN_TEXT = "text/plain; charset=utf-8";

    private static final Log LOG = Log.of(AdminServer.class);
    private static final int REQUEST_LINE_BYTES = 4_096;
    private static final int HEADER_BYTES = 8_192;
    private static final int CHUNK_BYTES = 1_024;

    /** Small, since all complete requests in it are decoded at once. */
    private static final int READ_BYTES = 2_048;

    /** What arrives while the loop is busy; the kernel's own limit applies, too. */
    private static final int BACKLOG = 1_024;

    /** errno(3) of Linux. */
    private static final int EADDRINUSE = 98;

    private static final int EADDRNOTAVAIL = 99;
    private static final int EACCES = 13;

    private static final Duration BIND_LIMIT = Duration.ofSeconds(5);
    private static final Duration BEAT = Duration.ofSeconds(5);
    private static final Duration BEAT_BOUND = Duration.ofSeconds(20);
    private static final int WARM_UP_MILLIS = 1_000;

    private final AgentConfig.Http http;
    private final AdminState state;
    private final Meters meters;
    private final Map<String, Page> pages = new TreeMap<>();
    private @Nullable Listening listening;

    /**
     * What is there between start and stop.
     *
     * @param channels one for each address, in the order of the setting
     */
    private record Listening(
            EventLoops loops, Connections connections, List<Channel> channels, Heartbeats.Beat heartbeat) {}

    /**
     * @param http where, and within which limits
     * @param state what its own pages look at
     * @param metrics answers {@code /metrics}
     */
    public AdminServer(AgentConfig.Http http, AdminState state, Page metrics, Meters meters) {
        this.http = http;
        this.state = state;
        this.meters = meters;
        pages.put("/", new StatusPage(state));
        pages.put("/metrics", metrics);
        pages.put("/healthz", new HealthPage(state.heartbeats()));
        pages.put("/health", new CompatibleHealthPage());
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
        start(Connections.Limits.of(http));
    }

    void start(Connections.Limits limits) throws IOException {
        EventLoops loops = EventLoops.open("http");
        Connections connections = new Connections(loops.loop(), state.clock(), limits, meters);
        List<Channel> channels = new ArrayList<>();
        try {
            ServerBootstrap bootstrap = new ServerBootstrap()
                    .group(loops.group())
                    .channel(EpollServerSocketChannel.class)
                    .option(ChannelOption.SO_REUSEADDR, true)
                    .option(ChannelOption.SO_BACKLOG, BACKLOG)
                    .childOption(ChannelOption.AUTO_READ, false)
                    .childOption(ChannelOption.TCP_NODELAY, true)
                    .childOption(
                            ChannelOption.RECVBUF_ALLOCATOR,
                            new FixedRecvByteBufAllocator(READ_BYTES).maxMessagesPerRead(1))
                    .childHandler(new Pipeline(new Routes(pages), connections));
            for (String each : http.listen()) {
                channels.add(bind(bootstrap, ListenAddress.parse(each)));
            }
        } catch (IOException | RuntimeException e) {
            loops.close();
            throw e;
        }
        Heartbeats.Beat heartbeat = state.heartbeats().register("http", BEAT_BOUND);
        var _ = loops.loop()
                .scheduleWithFixedDelay(heartbeat::turned, BEAT.toNanos(), BEAT.toNanos(), TimeUnit.NANOSECONDS);
        listening = new Listening(loops, connections, List.copyOf(channels), heartbeat);
    }

    private static Channel bind(ServerBootstrap bootstrap, ListenAddress address) throws IOException {
        ChannelFuture bound = bootstrap.bind(address.toSocketAddress());
        if (!bound.awaitUninterruptibly(BIND_LIMIT.toMillis(), TimeUnit.MILLISECONDS)) {
            bound.cancel(false);
            throw new IOException(
                    "http.listen: listening on " + address + " took longer than " + BIND_LIMIT.toSeconds() + " s");
        }
        if (!bound.isSuccess()) {
            throw refusal(address, bound.cause());
        }
        LOG.info("listening", "address", address);
        return bound.channel();
    }

    /** Applies other limits; addresses and the web configuration's file stay as they were at the start. Any thread. */
    public void configure(AgentConfig.Http next) {
        Listening now = listening;
        if (now != null) {
            Connections.Limits limits = Connections.Limits.of(next);
            now.loops.loop().execute(() -> now.connections.limits(limits));
        }
    }

    /** Where it listens first, with the port that the kernel chose for port 0. */
    public InetSocketAddress address() {
        return addresses().getFirst();
    }

    /** Where it listens, with the ports that the kernel chose for port 0. */
    List<InetSocketAddress> addresses() {
        List<InetSocketAddress> addresses = new ArrayList<>();
        for (Channel channel : started().channels) {
            addresses.add((InetSocketAddress) channel.localAddress());
        }
        return addresses;
    }

    private Listening started() {
        Listening now = listening;
        if (now == null) {
            throw new IllegalStateException("the HTTP server has not been started");
        }
        return now;
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
        Listening now = listening;
        if (now == null) {
            return;
        }
        listening = null;
        now.heartbeat.close();
        for (Channel channel : now.channels) {
            channel.close().awaitUninterruptibly(limit.toMillis(), TimeUnit.MILLISECONDS);
        }
        now.loops
                .loop()
                .submit(now.connections::closeAll)
                .awaitUninterruptibly(limit.toMillis(), TimeUnit.MILLISECONDS);
        now.loops.close();
    }

    /** How many connections are open; for tests. */
    int connectionCount() {
        Listening now = started();
        return now.loops
                .loop()
                .submit(now.connections::count)
                .syncUninterruptibly()
                .getNow();
    }

    private static IOException refusal(ListenAddress address, Throwable cause) {
        int error = cause instanceof Errors.NativeIoException refused ? -refused.expectedErr() : 0;
        String text = switch (error) {
            case EADDRINUSE ->
                "address in use: " + address + "; see what holds it: ss -ltnp 'sport = :" + address.port()
                        + "'; or set http.listen";
            case EADDRNOTAVAIL ->
                "cannot listen on " + address + ": this machine has no such address; see which it has: ip address;"
                        + " or set http.listen";
            case EACCES ->
                "cannot listen on " + address + ": user " + System.getProperty("user.name")
                        + " may not take this port; set http.listen to one of 1024 and more";
            default -> "cannot listen on " + address + ": " + cause.getMessage() + "; set http.listen";
        };
        return new IOException(text, cause);
    }

    /** Puts the handlers of a connection together. */
    private static final class Pipeline extends ChannelInitializer<Channel> {
        private final HttpDecoderConfig limits = new HttpDecoderConfig()
                .setMaxInitialLineLength(REQUEST_LINE_BYTES)
                .setMaxHeaderSize(HEADER_BYTES)
                .setMaxChunkSize(CHUNK_BYTES)
                .setStrictLineParsing(true)
                .setUseRfc9112TransferEncoding(true);

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
