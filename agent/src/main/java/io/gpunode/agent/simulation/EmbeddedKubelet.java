package io.gpunode.agent.simulation;

import com.google.common.util.concurrent.ListenableFuture;
import io.gpunode.agent.lifecycle.Service;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import io.gpunode.deviceplugin.v1beta1.AllocateRequest;
import io.gpunode.deviceplugin.v1beta1.AllocateResponse;
import io.gpunode.deviceplugin.v1beta1.ContainerAllocateRequest;
import io.gpunode.deviceplugin.v1beta1.ContainerPreferredAllocationRequest;
import io.gpunode.deviceplugin.v1beta1.DevicePluginGrpc;
import io.gpunode.deviceplugin.v1beta1.DevicePluginOptions;
import io.gpunode.deviceplugin.v1beta1.Empty;
import io.gpunode.deviceplugin.v1beta1.ListAndWatchResponse;
import io.gpunode.deviceplugin.v1beta1.NUMANode;
import io.gpunode.deviceplugin.v1beta1.PreferredAllocationRequest;
import io.gpunode.deviceplugin.v1beta1.PreferredAllocationResponse;
import io.gpunode.deviceplugin.v1beta1.RegisterRequest;
import io.gpunode.deviceplugin.v1beta1.RegistrationGrpc;
import io.gpunode.pluginregistration.v1.PluginInfo;
import io.grpc.Server;
import io.grpc.ServerTransportFilter;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A kubelet's device manager and PodResources server in this process, to the wire contract of the real one: its order of calls, its error texts,
 * its ways of losing track. It is the other end of the agent's tests and of the {@code simulate} command.
 *
 * <p>Faults are methods that say what goes wrong from now on: {@link #hangRegister}, {@link #delayRegister}, {@link #holdRegister}, {@link #refuseRegister},
 * {@link #neverWatch}, {@link #readStreams}, {@link #cancelStreams}, {@link #deleteSockets}, {@link #podResourcesFault}, and {@link #bind} without
 * {@link #start} for a socket that nobody listens on yet. {@link #stop} and {@link #start} again is a kubelet that vanishes and comes back:
 * plugins' sockets are deleted when it starts, not when it stops; containers keep their devices; every resource has no devices until its plugin
 * registers again. With {@link #readmit} after it, it is a node that was booted anew.
 *
 * <p>What it knows is guarded by one lock that is never held over a call. Methods may be called from any thread but the event loop's: several wait.
 */
public final class EmbeddedKubelet implements Service, AutoCloseable {
    /** The resource of whole GPUs. */
    public static final String GPU_RESOURCE = "nvidia.com/gpu";

    /** The only word that counts as healthy. */
    static final String HEALTHY = "Healthy";

    private static final Log LOG = Log.of(EmbeddedKubelet.class);
    private static final String UNHEALTHY = "Unhealthy";
    private static final String HELD_BACK = "held back";
    private static final Duration GRACE = Duration.ofMinutes(5);
    private static final Duration CLOSE_LIMIT = Duration.ofSeconds(4);
    private static final int REGISTRATIONS_KEPT = 1_000;
    private static final int FILE_TYPE = 0170000;
    private static final int SOCKET = 0140000;

    private final KubeletOptions options;
    private final EventLoops loops;
    private final MonotonicClock clock;
    private final Random random;
    /** Pods are admitted one after the other; guards {@link #random} too. */
    private final ReentrantLock admissions = new ReentrantLock();

    /** Guards the sockets and servers; may be held over a wait for the event loop, unlike {@link #lock}. */
    private final ReentrantLock lifecycle = new ReentrantLock();

    private final List<Server> servers = new ArrayList<>();
    private @Nullable BoundSocket registrationSocket;

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final Map<String, Resource> resources = new LinkedHashMap<>();
    private final List<RunningContainer> containers = new ArrayList<>();
    private final List<PluginConnection> connections = new ArrayList<>();
    private final Deque<Registration> registrations = new ArrayDeque<>();
    private final List<CompletableFuture<Registration>> awaitingRegistration = new ArrayList<>();
    private long registerCalls;
    private boolean running;
    private final PodResourcesServer podResources;
    private final @Nullable PluginsRegistry pluginsRegistry;

    private boolean hangRegister;
    private boolean neverWatch;
    private Duration registerDelay = Duration.ZERO;
    private CompletionStage<?> registerHold = CompletableFuture.completedStage(null);
    private Status refuseRegister = Status.OK;
    private boolean readStreams = true;

    /**
     * @param loops on which its servers and clients run; a loop that others share is fine, it never blocks there
     * @param clock for the ticks in what it reports and for its five minutes of grace
     */
    public EmbeddedKubelet(KubeletOptions options, EventLoops loops, MonotonicClock clock) {
        this.options = options;
        this.loops = loops;
        this.clock = clock;
        this.random = new Random(options.seed());
        this.podResources =
                new PodResourcesServer(this::containers, this::devices, options.groupedByNumaNode(), this::signal);
        this.pluginsRegistry = options.pluginsRegistry()
                .map(directory -> new PluginsRegistry(directory, options.registryInterval(), loops, new Found()))
                .orElse(null);
    }

    @Override
    public String name() {
        return "embedded-kubelet";
    }

    /**
     * The first half of {@link #start}: deletes all sockets in the device plugin directory and creates {@code kubelet.sock}, on which nobody
     * listens before {@link #start}: who dials it is refused.
     *
     * @throws IOException when a directory or socket cannot be created; names it
     */
    public void bind() throws IOException {
        lifecycle.lock();
        try {
            if (registrationSocket != null) {
                throw new IllegalStateException("the kubelet is already bound");
            }
            Files.createDirectories(options.devicePluginDirectory());
            deleteSockets(options.devicePluginDirectory());
            registrationSocket = BoundSocket.bind(options.registrationSocket());
        } finally {
            lifecycle.unlock();
        }
    }

    /** Starts, or starts again after {@link #stop}. Returns when both sockets are listened on. */
    @Override
    public void start() throws IOException {
        lifecycle.lock();
        try {
            if (isRunning()) {
                throw new IllegalStateException("the kubelet is already running");
            }
            if (registrationSocket == null) {
                bind();
            }
            Path podResourcesSocket = options.podResourcesSocket();
            Path parent = podResourcesSocket.toAbsolutePath().getParent();
            if (parent != null) {
                Files.createDirectories(parent);
            }
            Files.deleteIfExists(podResourcesSocket);
            servers.add(BoundSocket.bind(podResourcesSocket).serve(loops, podResources, podResources.connections()));
            // Whoever sees the next socket listen may register at once.
            restarted(true);
            servers.add(Objects.requireNonNull(registrationSocket)
                    .serve(loops, new Registrar(), new ServerTransportFilter() {}));
            if (pluginsRegistry != null) {
                pluginsRegistry.start();
            }
        } finally {
            lifecycle.unlock();
        }
        LOG.info("embedded kubelet started", "socket", options.registrationSocket());
    }

    /** Vanishes as a process does: all connections end, the socket files stay and refuse. */
    @Override
    public void stop(Duration limit) throws InterruptedException, IOException {
        lifecycle.lockInterruptibly();
        try {
            if (pluginsRegistry != null) {
                pluginsRegistry.stop();
            }
            List<PluginConnection> open = restarted(false);
            if (registrationSocket != null) {
                registrationSocket.close();
                registrationSocket = null;
            }
            servers.forEach(Server::shutdownNow);
            Tick deadline = clock.now().plus(limit);
            for (Server server : servers) {
                Duration left = deadline.since(clock.now());
                if (!server.awaitTermination(left.toNanos(), TimeUnit.NANOSECONDS)) {
                    LOG.warn("a server of the embedded kubelet did not end in time", "limit", limit);
                }
            }
            servers.clear();
            open.forEach(PluginConnection::close);
        } finally {
            lifecycle.unlock();
        }
    }

    /** A kubelet starts and ends without devices and without plugins; gives the connections that it had. */
    private List<PluginConnection> restarted(boolean isRunning) {
        lock.lock();
        try {
            running = isRunning;
            List<PluginConnection> open = List.copyOf(connections);
            connections.clear();
            for (Resource resource : resources.values()) {
                resource.restarted(clock.now());
            }
            changed.signalAll();
            return open;
        } finally {
            lock.unlock();
        }
    }

    /** {@link #stop} and {@link #start}. */
    public void restart() throws InterruptedException, IOException {
        stop(CLOSE_LIMIT);
        start();
    }

    /** Stops for good; an interrupt ends only the waiting. */
    @Override
    public void close() throws IOException {
        try {
            stop(CLOSE_LIMIT);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Whether it is between {@link #start} and {@link #stop}. */
    public boolean isRunning() {
        return locked(() -> running);
    }

    // ---- What plugins did
    // -------------------------------------------------------------------------------------------------------------

    /** The next Register call's outcome, of any resource. Completes on the event loop. */
    public CompletionStage<Registration> nextRegistration() {
        CompletableFuture<Registration> next = new CompletableFuture<>();
        locked(() -> awaitingRegistration.add(next));
        return next;
    }

    /** The newest 1 000 Register calls that have been dealt with, oldest first, over all restarts. */
    public List<Registration> registrations() {
        return locked(() -> List.copyOf(registrations));
    }

    /** Register calls so far, over all restarts. */
    public long registerCalls() {
        return locked(() -> registerCalls);
    }

    /** The sockets, by file name, of the plugins of a resource to which it is connected now, oldest first. */
    public List<String> endpoints(String resource) {
        List<String> endpoints = new ArrayList<>();
        for (PluginConnection connection : locked(() -> List.copyOf(connections))) {
            if (connection.resource().equals(resource)) {
                endpoints.add(String.valueOf(connection.socket().getFileName()));
            }
        }
        return endpoints;
    }

    /** What is known of each resource now. One whose plugin has been gone for 5 minutes is forgotten. */
    public Map<String, DeviceList> devices() {
        return locked(this::deviceLists);
    }

    /** What is known of one resource now; empty when it never registered, or is forgotten. */
    public Optional<DeviceList> devices(String resource) {
        return Optional.ofNullable(devices().get(resource));
    }

    /**
     * Waits until some resource's devices are as wanted.
     *
     * @param wanted quick; called under the kubelet's lock at every change
     * @throws TimeoutException when they are not within the limit; says how they are
     */
    public DeviceList awaitDevices(Predicate<DeviceList> wanted, Duration limit)
            throws InterruptedException, TimeoutException {
        List<DeviceList> found = new ArrayList<>(1);
        await(
                () -> {
                    deviceLists().values().stream().filter(wanted).findFirst().ifPresent(found::add);
                    return !found.isEmpty();
                },
                limit,
                () -> "the devices are not as wanted: " + deviceLists().values());
        return found.getFirst();
    }

    /** {@link #awaitDevices(Predicate, Duration)} for one resource. */
    public DeviceList awaitDevices(String resource, Predicate<DeviceList> wanted, Duration limit)
            throws InterruptedException, TimeoutException {
        return awaitDevices(list -> list.resource().equals(resource) && wanted.test(list), limit);
    }

    /**
     * Waits until PodResources has been asked this often.
     *
     * @param calls over all restarts
     */
    public void awaitPodResourcesCalls(long calls, Duration limit) throws InterruptedException, TimeoutException {
        await(
                () -> podResources.calls() >= calls,
                limit,
                () -> podResources.calls() + " PodResources calls, not " + calls);
    }

    /** PodResources calls so far, over all restarts. */
    public long podResourcesCalls() {
        return podResources.calls();
    }

    /** Waits until this many connections to the PodResources socket are open. */
    public void awaitPodResourcesConnections(int open, Duration limit) throws InterruptedException, TimeoutException {
        await(
                () -> podResources.open() == open,
                limit,
                () -> podResources.open() + " PodResources connections are open, not " + open);
    }

    // ---- Pods
    // -------------------------------------------------------------------------------------------------------------------------

    /** Admits a container that asks for {@link #GPU_RESOURCE}; see {@link #runPod(String, String, String, String, int)}. */
    public Admission runPod(String namespace, String pod, String container, int gpus) throws InterruptedException {
        return runPod(GPU_RESOURCE, namespace, pod, container, gpus);
    }

    /**
     * Admits one container as the kubelet does: chooses among the healthy free devices, asks GetPreferredAllocation if it is offered, then calls
     * Allocate. Pods are admitted one after the other. A resource that never registered is refused: a cluster's scheduler would not have sent
     * such a pod.
     *
     * @param count devices; with zero the container runs and no plugin is asked
     * @throws IllegalArgumentException when the count is negative or a container of this name already runs
     */
    public Admission runPod(String resource, String namespace, String pod, String container, int count)
            throws InterruptedException {
        if (count < 0) {
            throw new IllegalArgumentException("a container asks for 0 or more devices, not " + count);
        }
        admissions.lockInterruptibly();
        try {
            requireNew(namespace, pod, container);
            if (count == 0) {
                return admit(new RunningContainer(
                        namespace, pod, container, resource, List.of(), AllocateResponse.getDefaultInstance()));
            }
            Candidates candidates = candidates(resource, count);
            List<String> chosen = choose(candidates, count);
            AllocateResponse response = allocate(candidates.plugin, chosen);
            List<DeviceList.Device> devices =
                    chosen.stream().map(candidates.devices::get).toList();
            return admit(new RunningContainer(namespace, pod, container, resource, devices, response));
        } catch (RefusedException e) {
            return new Admission.Refused(KubeletErrors.admissionFailed(e.text));
        } finally {
            admissions.unlock();
        }
    }

    /**
     * Admits a container again that the checkpoint knows, as a kubelet does with the pods of a node that was booted anew: the plugin is not asked, the old
     * answer is replayed, if all its devices are known and healthy by now; else the pod fails.
     *
     * @throws IllegalArgumentException when no such container runs
     */
    public Admission readmit(String namespace, String pod, String container) {
        lock.lock();
        try {
            RunningContainer known = containers.stream()
                    .filter(running -> running.namespace().equals(namespace)
                            && running.pod().equals(pod)
                            && running.container().equals(container))
                    .findFirst()
                    .orElseThrow(() -> new IllegalArgumentException(
                            "container " + container + " of pod " + namespace + "/" + pod + " is in no checkpoint"));
            forgetTheGone();
            Resource resource = resources.get(known.resource());
            String refusal =
                    resource == null ? KubeletErrors.unregistered(known.resource()) : resource.refusalOf(known.ids());
            if (refusal.isEmpty()) {
                return new Admission.Admitted(known.ids(), known.response());
            }
            containers.remove(known);
            return new Admission.Refused(KubeletErrors.admissionFailed(refusal));
        } finally {
            lock.unlock();
        }
    }

    /**
     * Ends a pod: its containers' devices are free again. No plugin is told; there is no such call.
     *
     * @return whether it ran
     */
    public boolean endPod(String namespace, String pod) {
        return locked(() -> containers.removeIf(running ->
                running.namespace().equals(namespace) && running.pod().equals(pod)));
    }

    /** The containers that run, oldest first. They outlive the kubelet's restarts. */
    public List<RunningContainer> containers() {
        return locked(() -> List.copyOf(containers));
    }

    // ---- Faults
    // -----------------------------------------------------------------------------------------------------------------------

    /** Whether Register gets no answer at all. */
    public void hangRegister(boolean on) {
        locked(() -> hangRegister = on);
    }

    /** How long every Register waits before anything is done about it. */
    public void delayRegister(Duration delay) {
        locked(() -> registerDelay = delay);
    }

    /** What every Register that comes from now on waits for before anything is done about it, besides the delay. */
    public void holdRegister(CompletionStage<?> until) {
        locked(() -> registerHold = until);
    }

    /** Whether plugins are taken and then forgotten: an old kubelet never dials, a newer one dials, asks for the options, and never for the devices. */
    public void neverWatch(boolean on) {
        locked(() -> neverWatch = on);
    }

    /** Deletes every socket in the device plugin directory, its own too, as it does when it starts. */
    public void deleteSockets() throws IOException {
        deleteSockets(options.devicePluginDirectory());
    }

    /**
     * Answers every Register with an error.
     *
     * @param status {@link Status#OK} for none
     */
    public void refuseRegister(Status status) {
        locked(() -> refuseRegister = status);
    }

    /** Whether lists are read from the streams, those open now and later ones; a plugin that sends on is pushed back by flow control. */
    public void readStreams(boolean on) {
        List<PluginConnection> open = locked(() -> {
            readStreams = on;
            return List.copyOf(connections);
        });
        open.forEach(connection -> connection.reading(on));
    }

    /** Ends all ListAndWatch streams as a kubelet with a fault does, without a restart; it does not dial again. */
    public void cancelStreams() {
        locked(() -> List.copyOf(connections)).forEach(PluginConnection::cancelStream);
    }

    /** The same for one resource. */
    public void cancelStreams(String resource) {
        locked(() -> List.copyOf(connections)).stream()
                .filter(connection -> connection.resource().equals(resource))
                .forEach(PluginConnection::cancelStream);
    }

    /** How PodResources answers from now on. */
    public void podResourcesFault(PodResourcesFault fault) {
        podResources.fault(fault);
    }

    // ---- Registration
    // -----------------------------------------------------------------------------------------------------------------

    private final class Registrar extends RegistrationGrpc.RegistrationImplBase {
        @Override
        public void register(RegisterRequest request, StreamObserver<Empty> observer) {
            Tick receivedAt = clock.now();
            // A plugin that gives up does not stop the kubelet: what follows goes on, and its answer goes nowhere.
            ((ServerCallStreamObserver<Empty>) observer).setOnCancelHandler(() -> {});
            boolean hang;
            Status refuse;
            Duration delay;
            CompletionStage<?> hold;
            lock.lock();
            try {
                registerCalls++;
                hang = hangRegister;
                refuse = refuseRegister;
                delay = registerDelay;
                hold = registerHold;
            } finally {
                lock.unlock();
            }
            if (hang) {
                record(request, receivedAt, receivedAt, HELD_BACK);
                return;
            }
            if (!refuse.isOk()) {
                refuse(request, receivedAt, observer, refuse);
                return;
            }
            var _ = hold.thenRun(() -> {
                if (delay.isZero()) {
                    connect(request, receivedAt, observer);
                } else {
                    var _ = loops.loop()
                            .schedule(
                                    () -> connect(request, receivedAt, observer),
                                    delay.toNanos(),
                                    TimeUnit.NANOSECONDS);
                }
            });
        }

        private void connect(RegisterRequest request, Tick receivedAt, StreamObserver<Empty> observer) {
            String refusal = KubeletErrors.refusal(request.getVersion(), request.getResourceName());
            if (!refusal.isEmpty()) {
                refuse(request, receivedAt, observer, Status.UNKNOWN.withDescription(refusal));
                return;
            }
            PluginConnection connection;
            try {
                connection = connectionTo(
                        request.getResourceName(),
                        options.devicePluginDirectory().resolve(request.getEndpoint()));
            } catch (InvalidPathException | IllegalStateException e) {
                refuse(request, receivedAt, observer, Status.UNKNOWN.withDescription(e.getMessage()));
                return;
            }
            if (options.version().dialsWithinRegister) {
                connectThenAnswer(connection, request, receivedAt, observer);
            } else {
                answerThenConnect(connection, request, receivedAt, observer);
            }
        }
    }

    /** Registers plugins that were found in the directory of the plugins' sockets. */
    private final class Found implements PluginsRegistry.Registrar {
        @Override
        public CompletionStage<Void> register(PluginInfo info, Path socket) {
            Tick receivedAt = clock.now();
            Status refuse;
            lock.lock();
            try {
                registerCalls++;
                refuse = refuseRegister;
            } finally {
                lock.unlock();
            }
            String refusal = refuse.isOk() ? KubeletErrors.refusal(info) : String.valueOf(refuse.getDescription());
            CompletionStage<Void> registered = refusal.isEmpty()
                    ? connect(info, socket)
                    : CompletableFuture.failedFuture(new IllegalStateException(refusal));
            RegisterRequest request = RegisterRequest.newBuilder()
                    .setResourceName(info.getName())
                    .setVersion(String.join(",", info.getSupportedVersionsList()))
                    .setEndpoint(socket.getFileName().toString())
                    .build();
            return registered.whenComplete(
                    (_, error) -> record(request, receivedAt, clock.now(), error == null ? "" : text(error)));
        }

        private CompletionStage<Void> connect(PluginInfo info, Path socket) {
            PluginConnection connection;
            try {
                Path endpoint = info.getEndpoint().isEmpty() ? socket : Path.of(info.getEndpoint());
                connection = connectionTo(info.getName(), endpoint);
            } catch (InvalidPathException | IllegalStateException e) {
                return CompletableFuture.failedFuture(e);
            }
            return connection
                    .dial(options.dialLimit())
                    .thenCompose(PluginConnection::options)
                    .whenComplete((offered, error) -> {
                        if (error != null) {
                            drop(connection);
                        } else {
                            adopt(connection, offered);
                        }
                    })
                    .thenApply(_ -> null);
        }

        @Override
        public void deregister(String resource, Path socket) {
            locked(() -> List.copyOf(connections)).stream()
                    .filter(connection -> connection.resource().equals(resource)
                            && connection.socket().equals(socket))
                    .forEach(PluginConnection::cancelStream);
        }
    }

    private PluginConnection connectionTo(String resource, Path socket) {
        lock.lock();
        try {
            if (!running) {
                throw new IllegalStateException("the kubelet stopped");
            }
            if (options.version().refusesHeldSocket
                    && connections.stream()
                            .anyMatch(held -> held.resource().equals(resource)
                                    && held.socket().equals(socket))) {
                throw new IllegalStateException("a plugin of " + resource + " is already registered at " + socket);
            }
            PluginConnection connection = new PluginConnection(resource, socket, readStreams, loops, new Streams());
            connections.add(connection);
            return connection;
        } finally {
            lock.unlock();
        }
    }

    private void connectThenAnswer(
            PluginConnection connection, RegisterRequest request, Tick receivedAt, StreamObserver<Empty> observer) {
        var _ = connection
                .dial(options.dialLimit())
                .thenCompose(PluginConnection::options)
                .whenComplete((offered, error) -> {
                    if (error != null) {
                        drop(connection);
                        refuse(request, receivedAt, observer, Status.UNKNOWN.withDescription(text(error)));
                    } else {
                        adopt(connection, offered);
                        accept(request, receivedAt, observer);
                    }
                });
    }

    private void answerThenConnect(
            PluginConnection connection, RegisterRequest request, Tick receivedAt, StreamObserver<Empty> observer) {
        accept(request, receivedAt, observer);
        if (locked(() -> neverWatch)) {
            drop(connection);
            return;
        }
        var _ = connection.dial(options.dialLimit()).whenComplete((_, error) -> {
            if (error != null) {
                drop(connection);
                LOG.warn("Failed to dial device plugin", "resource", request.getResourceName(), "error", text(error));
            } else {
                adopt(connection, request.getOptions());
            }
        });
    }

    /** The newest registration of a resource is the one that is asked for devices; an older one's stream stays open. */
    private void adopt(PluginConnection connection, DevicePluginOptions offered) {
        lock.lock();
        try {
            if (!connections.contains(connection)) {
                return;
            }
            Resource resource =
                    resources.computeIfAbsent(connection.resource(), name -> new Resource(name, clock.now()));
            resource.plugin = connection;
            resource.preferredAllocation = offered.getGetPreferredAllocationAvailable();
            changed.signalAll();
            if (neverWatch) {
                return;
            }
        } finally {
            lock.unlock();
        }
        connection.watch();
    }

    private void drop(PluginConnection connection) {
        locked(() -> connections.remove(connection));
        connection.close();
    }

    private void accept(RegisterRequest request, Tick receivedAt, StreamObserver<Empty> observer) {
        Tick answeredAt = clock.now();
        observer.onNext(Empty.getDefaultInstance());
        observer.onCompleted();
        record(request, receivedAt, answeredAt, "");
    }

    private void refuse(RegisterRequest request, Tick receivedAt, StreamObserver<Empty> observer, Status status) {
        Tick answeredAt = clock.now();
        observer.onError(status.asRuntimeException());
        record(request, receivedAt, answeredAt, KubeletErrors.rpcError(status));
    }

    private void record(RegisterRequest request, Tick receivedAt, Tick answeredAt, String refusal) {
        Registration registration = new Registration(
                request.getResourceName(),
                request.getVersion(),
                request.getEndpoint(),
                receivedAt,
                answeredAt,
                refusal);
        List<CompletableFuture<Registration>> waiting;
        lock.lock();
        try {
            registrations.addLast(registration);
            if (registrations.size() > REGISTRATIONS_KEPT) {
                registrations.removeFirst();
            }
            waiting = List.copyOf(awaitingRegistration);
            awaitingRegistration.clear();
            changed.signalAll();
        } finally {
            lock.unlock();
        }
        waiting.forEach(future -> future.complete(registration));
    }

    private static String text(Throwable error) {
        Throwable cause = error.getCause();
        String message = cause == null ? error.getMessage() : cause.getMessage();
        return message == null ? error.toString() : message;
    }

    // ---- Streams
    // ----------------------------------------------------------------------------------------------------------------------

    private final class Streams implements PluginConnection.Owner {
        @Override
        public void listed(PluginConnection connection, ListAndWatchResponse list) {
            Tick now = clock.now();
            List<DeviceList.Device> devices = new ArrayList<>(list.getDevicesCount());
            for (var device : list.getDevicesList()) {
                List<Long> nodes = device.getTopology().getNodesList().stream()
                        .map(NUMANode::getID)
                        .toList();
                devices.add(new DeviceList.Device(device.getID(), device.getHealth(), nodes));
            }
            lock.lock();
            try {
                Resource resource = resources.get(connection.resource());
                if (resource != null && connections.contains(connection)) {
                    resource.listed(devices, now);
                    changed.signalAll();
                }
            } finally {
                lock.unlock();
            }
        }

        @Override
        public void ended(PluginConnection connection, Status status) {
            PluginConnection alsoLost = null;
            lock.lock();
            try {
                Resource resource = resources.get(connection.resource());
                if (connections.remove(connection) && resource != null) {
                    PluginConnection newest = resource.plugin;
                    boolean defect = options.version().oldStreamEndsNew && newest != null;
                    if (connection.equals(newest) || defect) {
                        resource.disconnected(clock.now());
                        changed.signalAll();
                        LOG.info(
                                "ListAndWatch ended",
                                "resource",
                                connection.resource(),
                                "error",
                                KubeletErrors.rpcError(status));
                    }
                    if (defect && !connection.equals(newest)) {
                        alsoLost = newest;
                        connections.remove(newest);
                    }
                }
            } finally {
                lock.unlock();
            }
            connection.close();
            if (alsoLost != null) {
                alsoLost.close();
            }
        }
    }

    // ---- Allocation
    // -------------------------------------------------------------------------------------------------------------------

    private void requireNew(String namespace, String pod, String container) {
        for (RunningContainer running : containers()) {
            if (running.namespace().equals(namespace)
                    && running.pod().equals(pod)
                    && running.container().equals(container)) {
                throw new IllegalArgumentException(
                        "container " + container + " of pod " + namespace + "/" + pod + " already runs; end it first");
            }
        }
    }

    private Admission admit(RunningContainer container) {
        locked(() -> containers.add(container));
        return new Admission.Admitted(container.ids(), container.response());
    }

    private Candidates candidates(String name, int count) throws RefusedException {
        lock.lock();
        try {
            if (!running) {
                throw new RefusedException("the kubelet is not running");
            }
            forgetTheGone();
            Resource resource = resources.get(name);
            if (resource == null) {
                throw new RefusedException(KubeletErrors.unregistered(name));
            }
            Set<String> inUse = new HashSet<>();
            for (RunningContainer container : containers) {
                if (container.resource().equals(name)) {
                    inUse.addAll(container.ids());
                }
            }
            Map<String, DeviceList.Device> free = new LinkedHashMap<>();
            boolean healthy = false;
            for (DeviceList.Device device : resource.devices) {
                healthy |= device.healthy();
                if (device.healthy() && !inUse.contains(device.id())) {
                    free.put(device.id(), device);
                }
            }
            if (!healthy) {
                throw new RefusedException(KubeletErrors.noHealthyDevices(name));
            }
            if (free.size() < count) {
                throw new RefusedException("requested number of devices unavailable for " + name + ". Requested: "
                        + count + ", Available: " + free.size());
            }
            PluginConnection plugin = resource.plugin;
            if (plugin == null) {
                throw new RefusedException("endpoint " + name + " has been stopped");
            }
            return new Candidates(plugin, resource.preferredAllocation, free);
        } finally {
            lock.unlock();
        }
    }

    /** The plugin's preference first, in as far as it names free devices; what is missing is filled up in any order. */
    private List<String> choose(Candidates candidates, int count) throws RefusedException, InterruptedException {
        List<String> order = new ArrayList<>(candidates.devices.keySet());
        Collections.shuffle(order, random);
        Set<String> chosen = new HashSet<>();
        if (candidates.preferredAllocation) {
            List<String> preferred = new ArrayList<>(preferred(candidates.plugin, order, count));
            preferred.retainAll(candidates.devices.keySet());
            take(preferred, chosen, count);
        }
        take(order, chosen, count);
        List<String> ids = new ArrayList<>(chosen);
        Collections.sort(ids);
        Collections.shuffle(ids, random);
        return ids;
    }

    private static void take(List<String> from, Set<String> chosen, int count) {
        for (String id : from) {
            if (chosen.size() == count) {
                return;
            }
            chosen.add(id);
        }
    }

    private List<String> preferred(PluginConnection plugin, List<String> available, int count)
            throws RefusedException, InterruptedException {
        PreferredAllocationRequest request = PreferredAllocationRequest.newBuilder()
                .addContainerRequests(ContainerPreferredAllocationRequest.newBuilder()
                        .addAllAvailableDeviceIDs(available)
                        .setAllocationSize(count))
                .build();
        PreferredAllocationResponse response = answer(
                "GetPreferredAllocation",
                "device plugin GetPreferredAllocation rpc failed with err: ",
                DevicePluginGrpc.newFutureStub(plugin.channel()).getPreferredAllocation(request));
        return response.getContainerResponsesCount() == 0
                ? List.of()
                : response.getContainerResponses(0).getDeviceIDsList();
    }

    private AllocateResponse allocate(PluginConnection plugin, List<String> ids)
            throws RefusedException, InterruptedException {
        AllocateRequest request = AllocateRequest.newBuilder()
                .addContainerRequests(ContainerAllocateRequest.newBuilder().addAllDevicesIds(ids))
                .build();
        AllocateResponse response = answer(
                "Allocate", "", DevicePluginGrpc.newFutureStub(plugin.channel()).allocate(request));
        if (response.getContainerResponsesCount() == 0) {
            throw new RefusedException("no containers return in allocation response " + response);
        }
        return response;
    }

    private <T> T answer(String call, String errorPrefix, ListenableFuture<T> future)
            throws RefusedException, InterruptedException {
        try {
            return future.get(options.callLimit().toNanos(), TimeUnit.NANOSECONDS);
        } catch (ExecutionException e) {
            Status status = e.getCause() instanceof StatusRuntimeException failure
                    ? failure.getStatus()
                    : Status.fromThrowable(e);
            throw new RefusedException(errorPrefix + KubeletErrors.rpcError(status));
        } catch (TimeoutException e) {
            throw new RefusedException(call + " was not answered within "
                    + options.callLimit().toMillis() + " ms, where a kubelet would wait on");
        } finally {
            future.cancel(true);
        }
    }

    // ---- State
    // ------------------------------------------------------------------------------------------------------------------------

    private Map<String, DeviceList> deviceLists() {
        forgetTheGone();
        Map<String, DeviceList> lists = new LinkedHashMap<>();
        for (Resource resource : resources.values()) {
            lists.put(resource.name, resource.list());
        }
        return lists;
    }

    private void forgetTheGone() {
        Tick now = clock.now();
        resources
                .values()
                .removeIf(resource ->
                        resource.plugin == null && now.since(resource.changedAt).compareTo(GRACE) >= 0);
    }

    private void signal() {
        lock.lock();
        try {
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    private <T> T locked(Supplier<T> action) {
        lock.lock();
        try {
            return action.get();
        } finally {
            lock.unlock();
        }
    }

    /** Waits under the lock; the limit is real time whatever the clock, so that a test with a clock of its own ends too. */
    private void await(BooleanSupplier wanted, Duration limit, Supplier<String> otherwise)
            throws InterruptedException, TimeoutException {
        lock.lockInterruptibly();
        try {
            long left = limit.toNanos();
            while (!wanted.getAsBoolean()) {
                if (left <= 0) {
                    throw new TimeoutException("after " + limit.toMillis() + " ms " + otherwise.get());
                }
                left = changed.awaitNanos(left);
            }
        } finally {
            lock.unlock();
        }
    }

    private static void deleteSockets(Path directory) throws IOException {
        try (DirectoryStream<Path> files = Files.newDirectoryStream(directory)) {
            for (Path file : files) {
                if (isSocket(file)) {
                    Files.deleteIfExists(file);
                }
            }
        }
    }

    /** A plugin may remove its file at the same time. */
    private static boolean isSocket(Path file) throws IOException {
        try {
            int mode = (Integer) Files.getAttribute(file, "unix:mode", LinkOption.NOFOLLOW_LINKS);
            return (mode & FILE_TYPE) == SOCKET;
        } catch (NoSuchFileException e) {
            return false;
        }
    }

    /** A resource that has registered; guarded by the kubelet's lock. */
    private static final class Resource {
        private final String name;
        private @Nullable PluginConnection plugin;
        private boolean preferredAllocation;
        private List<DeviceList.Device> devices = List.of();
        private long messages;
        private Tick changedAt;

        Resource(String name, Tick now) {
            this.name = name;
            this.changedAt = now;
        }

        /** Why a container cannot have these devices again; empty when it can. */
        String refusalOf(List<String> ids) {
            Set<String> healthy = new HashSet<>();
            for (DeviceList.Device device : devices) {
                if (device.healthy()) {
                    healthy.add(device.id());
                }
            }
            if (healthy.isEmpty()) {
                return KubeletErrors.noHealthyDevices(name);
            }
            return healthy.containsAll(ids)
                    ? ""
                    : "previously allocated devices are no longer healthy; cannot allocate unhealthy devices " + name;
        }

        void listed(List<DeviceList.Device> list, Tick now) {
            devices = list;
            messages++;
            changedAt = now;
        }

        void disconnected(Tick now) {
            plugin = null;
            devices = devices.stream()
                    .map(device -> new DeviceList.Device(device.id(), UNHEALTHY, device.numaNodes()))
                    .toList();
            changedAt = now;
        }

        void restarted(Tick now) {
            plugin = null;
            devices = List.of();
            messages = 0;
            changedAt = now;
        }

        DeviceList list() {
            return new DeviceList(name, devices, plugin != null, messages, changedAt);
        }
    }

    /**
     * What a container may be given.
     *
     * @param devices free and healthy, by id
     */
    private record Candidates(
            PluginConnection plugin, boolean preferredAllocation, Map<String, DeviceList.Device> devices) {}

    /** An admission ends here. */
    private static final class RefusedException extends Exception {
        private final String text;

        RefusedException(String text) {
            super(text);
            this.text = text;
        }
    }
}
