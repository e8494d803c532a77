package io.gpunode.agent.deviceplugin;

import io.gpunode.agent.deviceplugin.RegistrationState.Observation;
import io.gpunode.agent.deviceplugin.RegistrationState.Outcome;
import io.gpunode.agent.deviceplugin.RegistrationState.Step;
import io.gpunode.agent.inventory.SnapshotSource;
import io.gpunode.agent.lifecycle.DutyCycle;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.net.SocketFile;
import io.gpunode.agent.net.UnixSockets;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.deviceplugin.v1beta1.Empty;
import io.gpunode.deviceplugin.v1beta1.RegisterRequest;
import io.gpunode.deviceplugin.v1beta1.RegistrationGrpc;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Keeps one resource registered with the kubelet, whatever happens to the kubelet: looks, asks the {@link RegistrationState} what follows,
 * does it. Owns the server, the state and the call in flight; all of it belongs to the thread that calls {@link #turn()}.
 */
final class KubeletRegistration implements DutyCycle.Duty, AutoCloseable {
    private static final Log LOG = Log.of(KubeletRegistration.class);
    private static final String API_VERSION = "v1beta1";
    /** The kubelet dials back before it answers, for 10 s at most. */
    private static final Duration REGISTER_LIMIT = Duration.ofSeconds(15);
    /** A failed bind is known at once; more steps than this in one turn would be a loop in the states. */
    private static final int MOST_STEPS = 8;

    private static final int PREPARED_A_TURN = 1024;

    private final String resource;
    private final Path kubeletSocket;
    private final Path ownSocket;
    private final EventLoops loops;
    private final SnapshotSource source;
    private final Supplier<CdiCoverage> coverage;
    private final DeviceCatalog catalog;
    private final PluginCounts counts;
    private final MonotonicClock clock;
    private final InstantSource wall;
    private final Runnable wake;

    private RegistrationState state = new RegistrationState.NotReady("the agent is starting");
    private @Nullable DevicePluginServer server;
    private @Nullable Call call;
    private String loggedError = "";
    private volatile Told told;

    /** What {@code status} is told, published as a whole. */
    record Told(
            RegistrationState state,
            Instant since,
            String lastError,
            @Nullable Instant lastErrorAt,
            AdvertisedDevices devices,
            int streams) {}

    KubeletRegistration(
            String resource,
            Path kubeletSocket,
            Path ownSocket,
            EventLoops loops,
            SnapshotSource source,
            Supplier<CdiCoverage> coverage,
            DeviceCatalog catalog,
            PluginCounts counts,
            MonotonicClock clock,
            InstantSource wall,
            Runnable wake) {
        this.resource = resource;
        this.kubeletSocket = kubeletSocket;
        this.ownSocket = ownSocket;
        this.loops = loops;
        this.source = source;
        this.coverage = coverage;
        this.catalog = catalog;
        this.counts = counts;
        this.clock = clock;
        this.wall = wall;
        this.wake = wake;
        this.told = new Told(state, wall.instant(), "", null, AdvertisedDevices.none(resource), 0);
    }

    @Override
    public Duration turn() {
        AdvertisedDevices devices =
                catalog.update(source.current(), coverage.get()).getFirst();
        if (server != null) {
            server.publish(devices);
        }
        for (int steps = 0; steps < MOST_STEPS; steps++) {
            Step step = state.next(look());
            apply(step.state());
            if (!step.register()) {
                publish(devices);
                return moreToPrepare(devices) ? Duration.ZERO : step.pause();
            }
            register(devices);
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

    /** The newest for {@code status}. Any thread. */
    Told told() {
        return told;
    }

    /** Ends serving. Only after the last turn. */
    @Override
    public void close() {
        forget();
        if (server != null) {
            server.close();
            server = null;
        }
        apply(new RegistrationState.Stopped());
        publish(told.devices());
    }

    private Observation look() {
        DevicePluginServer running = server;
        Call inFlight = call;
        return new Observation(
                clock.now(),
                SocketFile.look(kubeletSocket),
                SocketFile.look(ownSocket),
                running == null ? new SocketFile.Missing() : running.bound(),
                catalog.notReady(),
                running == null ? 0 : running.openStreams(),
                counts.streamsOpened(),
                inFlight == null ? null : inFlight.outcome);
    }

    /** Serves, anew when the socket file is not the one that was made, and calls Register. */
    private void register(AdvertisedDevices devices) {
        forget();
        Call next = new Call();
        call = next;
        try {
            serve(devices);
        } catch (IOException e) {
            next.end(new Outcome(String.valueOf(e.getMessage()), false));
            return;
        }
        next.begin();
    }

    private void serve(AdvertisedDevices devices) throws IOException {
        DevicePluginServer running = server;
        if (running != null) {
            if (running.bound().equals(SocketFile.look(ownSocket))) {
                return;
            }
            // The old one first: its end must not reach the kubelet after the new registration (kubernetes#121994), and
            // closing
            // removes the file at the path.
            server = null;
            running.close();
        }
        server = DevicePluginServer.open(ownSocket, loops, devices, counts, clock, wake);
    }

    private void forget() {
        Call old = call;
        call = null;
        if (old != null) {
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
                LOG.debug("registering", "resource", resource, "socket", kubeletSocket);
            case RegistrationState.Registered _ when before instanceof RegistrationState.Registered -> {}
            case RegistrationState.Registered _ -> {
                forget();
                counts.registered();
                loggedError = "";
                LOG.info("registered with the kubelet", "resource", resource, "socket", ownSocket);
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
            }
            case RegistrationState.NoKubelet _, RegistrationState.NotReady _ -> {
                forget();
                LOG.info("not registered with the kubelet", "resource", resource, "reason", next.reason());
            }
            case RegistrationState.Stopped _ -> LOG.info("no longer serving", "resource", resource);
        }
    }

    private void publish(AdvertisedDevices devices) {
        Told before = told;
        Instant since = before.state().word().equals(state.word()) ? before.since() : wall.instant();
        String error = before.lastError();
        Instant errorAt = before.lastErrorAt();
        if (state instanceof RegistrationState.Retrying retrying && !retrying.equals(before.state())) {
            error = retrying.error();
            errorAt = wall.instant();
        }
        DevicePluginServer running = server;
        told = new Told(state, since, error, errorAt, devices, running == null ? 0 : running.openStreams());
    }

    /** One call of Register. Begun and forgotten by the loop; ends on the event loop. */
    private final class Call implements StreamObserver<Empty> {
        private final ManagedChannel channel;
        private volatile @Nullable Outcome outcome;

        Call() {
            this.channel = UnixSockets.channel(kubeletSocket, loops).build();
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

        void end(Outcome end) {
            outcome = end;
            channel.shutdownNow();
        }

        void cancel() {
            channel.shutdownNow();
        }

        @Override
        public void onNext(Empty response) {}

        @Override
        public void onCompleted() {
            end(Outcome.SUCCESS);
            wake.run();
        }

        @Override
        public void onError(Throwable error) {
            Status status = Status.fromThrowable(error);
            end(new Outcome(describe(status), status.getCode() == Status.Code.UNAVAILABLE));
            wake.run();
        }

        private String describe(Status status) {
            return switch (status.getCode()) {
                case UNAVAILABLE -> "cannot reach the kubelet at " + kubeletSocket + ": " + rootOf(status);
                case DEADLINE_EXCEEDED ->
                    "the kubelet did not answer Register within " + REGISTER_LIMIT.toSeconds() + " s";
                default ->
                    "the kubelet refused to register " + resource + ": " + status.getCode() + ": "
                            + status.getDescription();
            };
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
