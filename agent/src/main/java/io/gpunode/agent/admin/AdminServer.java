package io.gpunode.agent.admin;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.json.JsonWriter;
import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.lifecycle.Service;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.os.PortHolder;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.os.SystemdSockets;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.FixedRecvByteBufAllocator;
import io.netty.channel.epoll.EpollServerDomainSocketChannel;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.netty.channel.unix.DomainSocketAddress;
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
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.Executor;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
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
    private static final Duration LOOK = Duration.ofSeconds(1);
    private static final Duration WORKER_REST = Duration.ofSeconds(10);

    /** Twice as many handshakes as connections: those of closed ones are only thrown away. Beyond it a connection is closed. */
    private static final int HANDSHAKE_QUEUE = 2 * Connections.MOST_ENCRYPTED;

    private static final int WARM_UP_MILLIS = 1_000;

    private final AgentConfig.Http http;
    private final AdminState state;
    private final Meters meters;
    private final InstantSource wall;
    private final LocalCommands commands;
    private final Map<String, Page> pages = new TreeMap<>();
    private volatile @Nullable Listening listening;

    /**
     * What is there between start and stop.
     *
     * @param channels one for each address, in the order of the setting
     */
    private record Listening(
            EventLoops loops,
            Connections connections,
            List<Channel> channels,
            Optional<LocalSocket> local,
            Heartbeats.Beat heartbeat,
            Optional<WebConfigKeeper> web,
            List<ThreadPoolExecutor> workers) {}

    /** Without commands. */
    AdminServer(AgentConfig.Http http, AdminState state, Page metrics, Meters meters, InstantSource wall) {
        this(http, state, metrics, LocalCommands.NONE, meters, wall);
    }

    /**
     * @param http where, and within which limits
     * @param state what its own pages look at
     * @param metrics answers {@code /metrics}
     * @param commands what the local socket, and no other, does; with any of them it is always there
     */
    public AdminServer(
            AgentConfig.Http http,
            AdminState state,
            Page metrics,
            LocalCommands commands,
            Meters meters,
            InstantSource wall) {
        this.http = http;
        this.commands = commands;
        this.state = state;
        this.meters = meters;
        this.wall = wall;
        AdminState withHttp = state.with(new HttpSection(() -> listening));
        pages.put("/", new StatusPage(withHttp));
        pages.put("/metrics", metrics);
        pages.put("/healthz", new HealthPage(state.heartbeats()));
        pages.put("/health", new CompatibleHealthPage());
        pages.put("/readyz", new ReadyPage(state.readiness()));
        pages.put("/state", new StatePage(withHttp));
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
        Optional<WebConfigKeeper> web = Optional.empty();
        Supplier<WebConfig> config = () -> WebConfig.NONE;
        if (!http.webConfigFile().isEmpty()) {
            WebConfigKeeper keeper = WebConfigKeeper.open(Path.of(http.webConfigFile()), state.clock(), wall, meters);
            web = Optional.of(keeper);
            config = keeper::inForce;
        }
        EventLoops loops = EventLoops.open("http");
        Connections connections = new Connections(loops.loop(), state.clock(), limits, config, meters);
        ThreadPoolExecutor slow = worker("http-worker", PasswordCheck.MOST_CHECKS);
        ThreadPoolExecutor handshakes = worker("http-tls", HANDSHAKE_QUEUE);
        Gate gate = new Gate(config, loops.loop(), state.clock(), slow);
        List<Channel> channels = new ArrayList<>();
        Optional<LocalSocket> local = Optional.empty();
        try {
            Routes routes = new Routes(pages);
            Pipeline handlers = new Pipeline(routes, LocalCommands.NONE, connections, gate, handshakes);
            if (http.systemdSocket()) {
                for (SystemdSockets.Passed passed : SystemdSockets.ofProcess()) {
                    channels.add(adopt(bootstrap(loops, handlers), passed));
                }
            } else {
                if (SystemdSockets.arePassed()) {
                    LOG.warn("systemd passes sockets that are not served; set http.systemdSocket");
                }
                for (String each : http.listen()) {
                    channels.add(bind(bootstrap(loops, handlers), ListenAddress.parse(each)));
                }
            }
            if (http.asksLocally()
                    || (!commands.equals(LocalCommands.NONE)
                            && !http.localSocket().isEmpty())) {
                Gate open = new Gate(() -> WebConfig.NONE, loops.loop(), state.clock(), slow);
                local = local(
                        bootstrap(loops, new Pipeline(routes, commands, connections, open, handshakes)),
                        http.localSocket());
            }
        } catch (IOException | RuntimeException e) {
            loops.close();
            throw e;
        }
        List<ThreadPoolExecutor> workers = new ArrayList<>(List.of(slow, handshakes));
        Heartbeats.Beat heartbeat = state.heartbeats().register("http", BEAT_BOUND);
        var _ = loops.loop()
                .scheduleWithFixedDelay(heartbeat::turned, BEAT.toNanos(), BEAT.toNanos(), TimeUnit.NANOSECONDS);
        if (web.isPresent()) {
            WebConfigKeeper keeper = web.get();
            // Of its own, so that nobody who has passwords checked keeps a removed user or certificate in force.
            // One look that waits is enough.
            ThreadPoolExecutor looks = worker("http-config", 1);
            looks.setRejectedExecutionHandler(new ThreadPoolExecutor.DiscardPolicy());
            workers.add(looks);
            var _ = loops.loop()
                    .scheduleWithFixedDelay(
                            () -> looks.execute(keeper::look), LOOK.toNanos(), LOOK.toNanos(), TimeUnit.NANOSECONDS);
        }
        listening =
                new Listening(loops, connections, List.copyOf(channels), local, heartbeat, web, List.copyOf(workers));
    }

    /**
     * A thread that is there while it is needed.
     *
     * @param queue how much may wait for it
     */
    private static ThreadPoolExecutor worker(String name, int queue) {
        ThreadPoolExecutor worker = new ThreadPoolExecutor(
                1,
                1,
                WORKER_REST.toSeconds(),
                TimeUnit.SECONDS,
                new ArrayBlockingQueue<>(queue),
                task -> Thread.ofPlatform().daemon().name(name).unstarted(task));
        worker.allowCoreThreadTimeOut(true);
        return worker;
    }

    private static ServerBootstrap bootstrap(EventLoops loops, Pipeline handlers) {
        return new ServerBootstrap()
                .group(loops.group())
                .childOption(ChannelOption.AUTO_READ, false)
                .childOption(
                        ChannelOption.RECVBUF_ALLOCATOR,
                        new FixedRecvByteBufAllocator(READ_BYTES).maxMessagesPerRead(1))
                .childHandler(handlers);
    }

    private static Channel bind(ServerBootstrap bootstrap, ListenAddress address) throws IOException {
        Throwable refused = null;
        for (InetSocketAddress each : address.toSocketAddresses()) {
            ChannelFuture bound = bootstrap
                    .clone()
                    .channel(EpollServerSocketChannel.class)
                    .option(ChannelOption.SO_REUSEADDR, true)
                    .option(ChannelOption.SO_BACKLOG, BACKLOG)
                    .childOption(ChannelOption.TCP_NODELAY, true)
                    .bind(each);
            if (finished(bound)) {
                LOG.info("listening", "address", address);
                return bound.channel();
            }
            refused = refused == null ? bound.cause() : refused;
            if (error(bound.cause()) == EADDRINUSE) {
                // Without IPv6 the next one is tried; half of a port that somebody else holds would only mislead.
                break;
            }
        }
        throw refusal(address, refused);
    }

    /** Serves a socket that listens already; it is as its unit wants it, and goes on when this process ends. */
    private static Channel adopt(ServerBootstrap bootstrap, SystemdSockets.Passed passed) throws IOException {
        ChannelFuture adopted = bootstrap
                .channelFactory(() -> passed.unix()
                        ? new EpollServerDomainSocketChannel(passed.descriptor(), true)
                        : new EpollServerSocketChannel(passed.descriptor()))
                .register();
        if (!finished(adopted)) {
            throw new IOException("a socket that systemd passes cannot be served: " + passed, adopted.cause());
        }
        LOG.info("listening", "address", adopted.channel().localAddress(), "socket", passed.name());
        return adopted.channel();
    }

    /** The socket for commands on this machine; that it cannot be had is no reason not to serve the others. */
    private static Optional<LocalSocket> local(ServerBootstrap bootstrap, String path) {
        try {
            return Optional.of(LocalSocket.open(Path.of(path), at -> {
                ChannelFuture bound = bootstrap
                        .channel(EpollServerDomainSocketChannel.class)
                        .bind(new DomainSocketAddress(at.toString()));
                if (!finished(bound)) {
                    throw new IOException("cannot listen on " + at, bound.cause());
                }
                return bound.channel();
            }));
        } catch (IOException e) {
            LOG.warn("commands on this machine cannot ask the agent; see http.localSocket", "socket", path, "error", e);
            return Optional.empty();
        }
    }

    private static boolean finished(ChannelFuture future) {
        if (!future.awaitUninterruptibly(BIND_LIMIT.toMillis(), TimeUnit.MILLISECONDS)) {
            future.cancel(false);
        }
        return future.isSuccess();
    }

    /** Applies other limits; addresses and the web configuration's file stay as they were at the start. Any thread. */
    public void configure(AgentConfig.Http next) {
        Listening now = listening;
        if (now != null) {
            Connections.Limits limits = Connections.Limits.of(next);
            now.loops.loop().execute(() -> now.connections.limits(limits));
        }
    }

    /** Where it listens for IPv4 or IPv6 first, with the port that the kernel chose for port 0; unresolved when it does not. */
    public InetSocketAddress address() {
        List<InetSocketAddress> all = addresses();
        return all.isEmpty() ? InetSocketAddress.createUnresolved("unix", 0) : all.getFirst();
    }

    /** Where it listens for IPv4 or IPv6. */
    List<InetSocketAddress> addresses() {
        List<InetSocketAddress> addresses = new ArrayList<>();
        for (Channel channel : started().channels) {
            if (channel.localAddress() instanceof InetSocketAddress address) {
                addresses.add(address);
            }
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
     * Asks itself for {@code /metrics} over a real connection as Prometheus does, so that the first scrape finds all code loaded; where a client needs TLS or a password,
     * only the page is made. Takes a second at most; that it fails is not important.
     */
    public void warmUp() {
        Listening now = started();
        if (now.web.isPresent() || http.systemdSocket()) {
            Page metrics = pages.getOrDefault("/metrics", new CompatibleHealthPage());
            now.loops.loop().submit(() -> metrics.write((_, _, _) -> {})).awaitUninterruptibly(WARM_UP_MILLIS);
            return;
        }
        InetSocketAddress address = address();
        InetAddress host =
                address.getAddress().isAnyLocalAddress() ? InetAddress.getLoopbackAddress() : address.getAddress();
        try (Socket socket = new Socket()) {
            socket.setSoTimeout(WARM_UP_MILLIS);
            socket.connect(new InetSocketAddress(host, address.getPort()), WARM_UP_MILLIS);
            socket.getOutputStream()
                    .write(String.join(
                                    "\r\n",
                                    "GET /metrics HTTP/1.1",
                                    "Host: localhost",
                                    "Accept: application/openmetrics-text",
                                    "Accept-Encoding: gzip",
                                    "Connection: close",
                                    "",
                                    "")
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
        now.workers.forEach(ThreadPoolExecutor::shutdownNow);
        for (Channel channel : now.channels) {
            channel.close().awaitUninterruptibly(limit.toMillis(), TimeUnit.MILLISECONDS);
        }
        now.local.ifPresent(local -> local.close(limit));
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

    /** The errno of a refusal of the kernel; 0 for anything else. */
    private static int error(@Nullable Throwable cause) {
        return cause instanceof Errors.NativeIoException refused ? -refused.expectedErr() : 0;
    }

    private static IOException refusal(ListenAddress address, @Nullable Throwable cause) {
        String text = switch (error(cause)) {
            case EADDRINUSE ->
                SystemdSockets.arePassed()
                        ? "address in use: " + address
                                + " is held by systemd, which has passed its socket to this process:"
                                + " set http.systemdSocket: true; or systemctl disable --now gpu-node-agent.socket"
                        : "address in use: " + address
                                + PortHolder.of(new SystemHostFiles(Path.of("/")), address.port())
                                        .map(holder -> " is held by " + holder.text())
                                        .orElse("")
                                + "; gpu-node-agent preflight says who holds it and how it lets go; or set http.listen";
            case EADDRNOTAVAIL ->
                "cannot listen on " + address + ": this machine has no such address; see which it has: ip address;"
                        + " or set http.listen";
            case EACCES ->
                "cannot listen on " + address + ": user " + System.getProperty("user.name")
                        + " may not take this port; set http.listen to one of 1024 and more";
            default ->
                "cannot listen on " + address + ": " + (cause == null ? "no answer of the kernel" : cause.getMessage())
                        + "; set http.listen";
        };
        return new IOException(text, cause);
    }

    /** What {@code /state} and the status page show of the server itself. */
    private record HttpSection(Supplier<@Nullable Listening> listening) implements StateSection {
        private static final String SUBJECT = "HTTP";

        @Override
        public String name() {
            return "http";
        }

        @Override
        public void write(JsonWriter json) {
            Listening now = listening.get();
            json.beginObject().name("listen").beginArray();
            if (now != null) {
                for (Channel channel : now.channels) {
                    if (channel.localAddress() instanceof InetSocketAddress address) {
                        json.value(ListenAddress.text(address));
                    }
                }
            }
            json.endArray().name("webConfig");
            if (now != null && now.web.isPresent()) {
                now.web.get().write(json);
            } else {
                json.nullValue();
            }
            json.endObject();
        }

        @Override
        public List<StatusLine> lines() {
            Listening now = listening.get();
            return List.of(
                    now != null && now.web.isPresent()
                            ? now.web.get().line()
                            : new StatusLine(SUBJECT, StatusLine.Tone.NEUTRAL, "plain", "Without TLS, for everybody."));
        }
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
        private final LocalCommands commands;
        private final Connections connections;
        private final Gate gate;
        private final Executor handshakes;

        Pipeline(Routes routes, LocalCommands commands, Connections connections, Gate gate, Executor handshakes) {
            this.routes = routes;
            this.commands = commands;
            this.connections = connections;
            this.gate = gate;
            this.handshakes = handshakes;
        }

        @Override
        protected void initChannel(Channel channel) {
            WebConfig web = gate.config();
            HttpConnection connection = new HttpConnection(routes, commands, connections, gate, web);
            if (web.tls().isPresent()) {
                channel.pipeline().addLast(new TlsDoor(web.tls().get(), handshakes));
            }
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
