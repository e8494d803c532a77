package io.gpunode.agent.deviceplugin;

import io.gpunode.agent.deviceplugin.RegistrationState.Observation;
import io.gpunode.agent.deviceplugin.RegistrationState.Outcome;
import io.gpunode.agent.deviceplugin.RegistrationState.Step;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.net.SocketFile;
import io.gpunode.agent.net.UnixSockets;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import io.gpunode.deviceplugin.v1beta1.Empty;
import io.gpunode.deviceplugin.v1beta1.RegisterRequest;
import io.gpunode.deviceplugin.v1beta1.RegistrationGrpc;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.IntSupplier;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Keeps one resource registered with the kubelet, whatever happens to the kubelet: looks, asks the {@link RegistrationState} what follows,
 * does it. Owns the server, the state and the call in flight; all of it belongs to the thread that calls {@link #turn}.
 */
final class KubeletRegistration implements AutoCloseable {
    private static final int MOST_PASSED = 64;
    private static final Log LOG = Log.of(KubeletRegistration.class);
    static final String API_VERSION = "v1beta1";
    /** The kubelet dials back before it answers, for 10 s at most. */
    private static final Duration REGISTER_LIMIT = Duration.ofSeconds(15);
    /** A kubelet that restarts is back within this time. */
    private static final Duration TROUBLE = Duration.ofSeconds(30);
    /** A failed bind is known at once; more steps than this in one turn would be a loop in the states. */
    private static final int MOST_STEPS = 8;
    /** What a kubelet may take to read a retired resource's last list. */
    private static final Duration RETIRE_LIMIT = Duration.ofSeconds(1);

    private static final Duration RETIRE_POLL = Duration.ofMillis(20);

    private static final int PREPARED_A_TURN = 1024;
    /** Nobody is there, or no longer. */
    private static final Set<Status.Code> UNREACHABLE = EnumSet.of(Status.Code.UNAVAILABLE, Status.Code.CANCELLED);

    private static final String ASK_SELINUX = "if SELinux is enforcing, ausearch -m avc -ts recent says what it denied";

    /** One try to become registered. */
    interface Attempt {
        /** How it ended; null while it has not. */
        @Nullable Outcome outcome();

        /** Its end is of no interest any more. */
        void cancel();
    }

    /**
     * What the registrations of one agent share.
     *
     * @param kubelet what is called: the kubelet's socket; or its {@code plugins_registry} directory, where it finds the agent's sockets
     * @param byRegistry whether the kubelet finds them, as opposed to being called
     * @param held what containers hold, for placing others
     * @param numbers of registrations; each call gives the next one
     * @param wake asks for a turn; any thread
     */
    record Surroundings(
            Path kubelet,
            boolean byRegistry,
            SocketNames names,
            Supplier<HeldDevices> held,
            IntSupplier numbers,
            EventLoops loops,
            MonotonicClock clock,
            InstantSource wall,
            Runnable wake) {}

    private final String resource;
    private final Surroundings around;
    private final PluginCounts counts;

    private RegistrationState state = new RegistrationState.NotReady("the agent is starting");
    private @Nullable DevicePluginServer server;
    /** Whether a kubelet may know the server's socket: then it is not registered again, see {@link SocketNames}. */
    private boolean spent;

    private @Nullable Attempt attempt;
    /** Why there was no attempt: the socket could not be made. */
    private @Nullable Outcome unserved;

    /** Older agents' sockets from before the first registration: who serves there sees this one come, and steps aside. */
    private @Nullable Set<String> predecessors;
    /** Older agents' sockets at the last registration. */
    private Set<String> olderThen = Set.of();
    /** Other agents' sockets that have come or gone since about the last registration. */
    private final Set<String> passed = new HashSet<>();

    private String loggedError = "";
    private @Nullable Tick retireBy;
    private volatile Told told;

    /** What {@code status} is told, published as a whole. */
    record Told(
            RegistrationState state,
            Instant since,
            String lastError,
            @Nullable Instant lastErrorAt,
            AdvertisedDevices devices,
            String socket,
            int streams) {}

    KubeletRegistration(String resource, Surroundings around, PluginCounts counts) {
        this.resource = resource;
        this.around = around;
        this.counts = counts;
        this.told = new Told(state, around.wall().instant(), "", null, AdvertisedDevices.none(resource), "", 0);
    }

    /**
     * Does what is due.
     *
     * @param devices the newest list
     * @param notReady why it should not be told to the kubelet yet; empty when it should
     * @param others other agents that serve this resource
     * @param passing their sockets that have come or gone since the last turn
     * @return the longest wait until the next turn
     */
    Duration turn(AdvertisedDevices devices, String notReady, SocketNames.Others others, Set<String> passing) {
        if (passed.size() < MOST_PASSED) {
            passed.addAll(passing);
        }
        if (server != null) {
            server.publish(devices);
        }
        for (int steps = 0; steps < MOST_STEPS; steps++) {
            Step step = RegistrationState.after(state, look(others, notReady));
            apply(step.state());
            if (!step.register()) {
                publish(devices);
                return moreToPrepare(devices) ? Duration.ZERO : step.pause();
            }
            register(devices, others.older());
        }
        throw new IllegalStateException("registration of " + resource + " does not come to rest in state " + state);
    }

    /** Readies the search for the next GetPreferredAllocation, a slice of some milliseconds a turn, when there is nothing else to do. */
    private static boolean moreToPrepare(AdvertisedDevices devices) {
        int count = devices.devices().size();
        return count > 0
                && count <= SubsetSearch.MOST_GPUS
                && devices.scores().search().prepare(PREPARED_A_TURN);
    }

    String resource() {
        return resource;
    }

    PluginCounts counts() {
        return counts;
    }

    /** The newest for {@code status}. Any thread. */
    Told told() {
        return told;
    }

    /** The resource is no longer offered: its last list is empty and its stream ends in good order. No turn after this. */
    void retire() {
        forget();
        if (server != null) {
            server.retire();
        }
        retireBy = around.clock().now().plus(RETIRE_LIMIT);
        apply(new RegistrationState.Stopped("the resource is no longer offered"));
    }

    /** After {@link #retire}: the longest wait until this is to be asked again; zero when all is over. */
    Duration retiring() {
        DevicePluginServer retired = server;
        if (retired == null) {
            return Duration.ZERO;
        }
        boolean late = retireBy == null || around.clock().now().reached(retireBy);
        if (!late && !retired.ended()) {
            return RETIRE_POLL;
        }
        retired.close();
        server = null;
        return Duration.ZERO;
    }

    /** Begins to end, without waiting for it; {@link #close} follows. */
    void shutDown() {
        forget();
        if (server != null) {
            server.shutDown();
        }
    }

    /** Ends serving; nothing is sent from here on. Only after the last turn. */
    @Override
    public void close() {
        forget();
        if (server != null) {
            server.close();
            server = null;
        }
        apply(new RegistrationState.Stopped("the agent is stopping"));
        publish(told.devices());
    }

    private Observation look(SocketNames.Others others, String notReady) {
        DevicePluginServer running = server;
        Attempt inFlight = attempt;
        return new Observation(
                around.clock().now(),
                around.byRegistry() ? directory(around.kubelet()) : SocketFile.look(around.kubelet()),
                running == null ? new SocketFile.Missing() : SocketFile.look(running.socket()),
                running == null ? new SocketFile.Missing() : running.bound(),
                others.newer(),
                contested(others.older()),
                notReady,
                running == null ? 0 : running.openStreams(),
                counts.streamsOpened(),
                running != null && running.left(),
                inFlight == null ? unserved : inFlight.outcome(),
                around.byRegistry());
    }

    /**
     * Whether another agent may have registered after this one, also one that came and went unseen. A predecessor that goes soon after this one's
     * registration may have had its own in flight; one that goes later had been silent.
     */
    private boolean contested(Set<String> older) {
        return settled(state)
                ? !rivals(older).equals(rivals(olderThen)) || !olderThen.containsAll(passed)
                : !older.equals(olderThen) || !passed.isEmpty();
    }

    private boolean settled(RegistrationState when) {
        return when instanceof RegistrationState.Registered registered
                && !registered.fresh(around.clock().now());
    }

    /** Older agents that began to serve after this one did. */
    private Set<String> rivals(Set<String> older) {
        Set<String> known = predecessors;
        if (older.isEmpty() || known == null || known.containsAll(older)) {
            return Set.of();
        }
        Set<String> rivals = new HashSet<>(older);
        rivals.removeAll(known);
        return rivals;
    }

    /** The kubelet's end, where it is a directory. */
    private static SocketFile directory(Path path) {
        try {
            Map<String, Object> attributes = Files.readAttributes(path, "unix:dev,ino");
            return attributes.get("dev") instanceof Number device && attributes.get("ino") instanceof Number inode
                    ? new SocketFile.Present(device.longValue(), inode.longValue(), "")
                    : new SocketFile.Unusable(path + " has no inode");
        } catch (NoSuchFileException e) {
            return new SocketFile.Unusable(
                    "there is no directory " + path
                            + "; the kubelet makes it when it starts (systemctl status kubelet), or set kubelet.registration: socket");
        } catch (IOException e) {
            return new SocketFile.Unusable("cannot look at " + path + ": " + e.getMessage());
        }
    }

    /** Serves, on a socket that no kubelet has been told of, and tells the kubelet of it. */
    private void register(AdvertisedDevices devices, Set<String> older) {
        forget();
        if (predecessors == null) {
            predecessors = Set.copyOf(older);
        }
        olderThen = Set.copyOf(older);
        passed.clear();
        try {
            if (around.byRegistry()) {
                RegistryOffer offer = new RegistryOffer(resource, around.wake());
                replace(devices, offer)
                        .showAs(around.names().socket(resource, around.numbers().getAsInt()));
                attempt = offer;
            } else {
                Call call = new Call(serve(devices).socket());
                attempt = call;
                call.begin();
            }
        } catch (IOException e) {
            unserved = new Outcome(String.valueOf(e.getMessage()), false);
        }
    }

    private DevicePluginServer serve(AdvertisedDevices devices) throws IOException {
        DevicePluginServer running = server;
        if (running != null && !spent && !running.left() && running.bound().equals(SocketFile.look(running.socket()))) {
            return running;
        }
        return replace(devices, null);
    }

    private DevicePluginServer replace(AdvertisedDevices devices, @Nullable RegistryOffer offer) throws IOException {
        int number = around.numbers().getAsInt();
        // A kubelet takes a socket in its plugins_registry for served as soon as it sees it.
        Path socket = offer == null
                ? around.names().socket(resource, number)
                : around.names().hidden(resource, number);
        DevicePluginServer running = server;
        server = null;
        DevicePluginServer opened;
        try {
            // Before the old one ends: an older agent that looks in between would find nobody and come back.
            opened = DevicePluginServer.open(
                    socket, around.loops(), devices, around.held(), counts, around.clock(), around.wake(), offer);
        } finally {
            if (running != null) {
                // Before the new registration: its end must not reach the kubelet afterwards (kubernetes#121994).
                running.close();
            }
        }
        spent = false;
        server = opened;
        return opened;
    }

    private void forget() {
        Attempt old = attempt;
        attempt = null;
        unserved = null;
        if (old != null) {
            Outcome outcome = old.outcome();
            spent |= outcome == null || !outcome.unreachable();
            old.cancel();
        }
    }

    /** The one place where the state changes. */
    private void apply(RegistrationState next) {
        RegistrationState before = state;
        state = next;
        if (next.equals(before)) {
            return;
        }
        switch (next) {
            case RegistrationState.Registering _ ->
                LOG.debug("registering", "resource", resource, "socket", around.kubelet());
            case RegistrationState.Registered _ when before instanceof RegistrationState.Registered -> {}
            case RegistrationState.Registered _ -> {
                forget();
                counts.registered();
                loggedError = "";
                LOG.info("registered with the kubelet", "resource", resource, "socket", socket());
            }
            case RegistrationState.Retrying retrying -> {
                forget();
                counts.registrationFailed();
                if (!retrying.error().equals(loggedError)) {
                    loggedError = retrying.error();
                    LOG.warn(
                            "not registered with the kubelet, trying again",
                            "resource",
                            resource,
                            "error",
                            loggedError);
                }
                Tick since = retrying.attempts().firstFailure();
                if (around.clock().now().reached(since.plus(TROUBLE))) {
                    counts.unserved(retrying.error());
                }
            }
            case RegistrationState.SteppedAside _ -> {
                forget();
                spent = true;
                DevicePluginServer running = server;
                if (running != null && settled(before) && !around.byRegistry()) {
                    running.silence();
                } else if (running != null) {
                    // A kubelet that starts would find this socket in its plugins_registry.
                    server = null;
                    running.close();
                }
                LOG.info("stepped aside", "resource", resource, "reason", next.reason());
            }
            case RegistrationState.NoKubelet _, RegistrationState.NotReady _ -> {
                forget();
                LOG.info("not registered with the kubelet", "resource", resource, "reason", next.reason());
            }
            case RegistrationState.Stopped _ ->
                LOG.info("no longer serving", "resource", resource, "reason", next.reason());
        }
    }

    private String socket() {
        DevicePluginServer running = server;
        return running == null ? "" : running.socket().toString();
    }

    private void publish(AdvertisedDevices devices) {
        Told before = told;
        Instant since = before.state().word().equals(state.word())
                ? before.since()
                : around.wall().instant();
        String error = before.lastError();
        Instant errorAt = before.lastErrorAt();
        if (state instanceof RegistrationState.Retrying retrying && !retrying.equals(before.state())) {
            error = retrying.error();
            errorAt = around.wall().instant();
        }
        DevicePluginServer running = server;
        told = new Told(state, since, error, errorAt, devices, socket(), running == null ? 0 : running.openStreams());
    }

    /** One call of Register. Begun and forgotten by the loop; ends on the event loop. */
    private final class Call implements StreamObserver<Empty>, Attempt {
        private final Path ownSocket;
        private final ManagedChannel channel;
        private volatile @Nullable Outcome outcome;

        Call(Path ownSocket) {
            this.ownSocket = ownSocket;
            this.channel = UnixSockets.channel(around.kubelet(), around.loops()).build();
        }

        void begin() {
            RegistrationGrpc.newStub(channel)
                    .withDeadlineAfter(REGISTER_LIMIT.toMillis(), TimeUnit.MILLISECONDS)
                    .register(
                            RegisterRequest.newBuilder()
                                    .setVersion(API_VERSION)
                                    .setEndpoint(ownSocket.getFileName().toString())
                                    .setResourceName(resource)
                                    .setOptions(DevicePluginService.OPTIONS)
                                    .build(),
                            this);
        }

        @Override
        public @Nullable Outcome outcome() {
            return outcome;
        }

        @Override
        public void cancel() {
            channel.shutdownNow();
        }

        @Override
        public void onNext(Empty response) {}

        @Override
        public void onCompleted() {
            end(Outcome.SUCCESS);
        }

        @Override
        public void onError(Throwable error) {
            Status status = Status.fromThrowable(error);
            end(new Outcome(describe(status), UNREACHABLE.contains(status.getCode())));
        }

        private void end(Outcome end) {
            outcome = end;
            channel.shutdownNow();
            around.wake().run();
        }

        private String describe(Status status) {
            return switch (status.getCode()) {
                case UNAVAILABLE -> unreachable(rootOf(status));
                case CANCELLED -> unreachable("it ended while it was called");
                case DEADLINE_EXCEEDED ->
                    "the kubelet did not answer Register within " + REGISTER_LIMIT.toSeconds()
                            + " s; if it goes on, restart it (systemctl restart kubelet)";
                default -> {
                    String text = "the kubelet refused to register " + resource + ": " + status.getCode() + ": "
                            + status.getDescription();
                    yield deniedByPolicy(text)
                            ? text + "; the kubelet may not connect to " + ownSocket + ": " + ASK_SELINUX
                            : text;
                }
            };
        }

        private String unreachable(String why) {
            String text = "cannot reach the kubelet at " + around.kubelet() + ": " + why;
            return deniedByPolicy(why) ? text + "; the agent must run as root, and " + ASK_SELINUX : text;
        }

        private static boolean deniedByPolicy(String text) {
            return text.contains("ermission denied");
        }

        private static String rootOf(Status status) {
            Throwable cause = status.getCause();
            if (cause == null) {
                return String.valueOf(status.getDescription());
            }
            while (cause.getCause() != null) {
                cause = cause.getCause();
            }
            return String.valueOf(cause.getMessage());
        }
    }
}
