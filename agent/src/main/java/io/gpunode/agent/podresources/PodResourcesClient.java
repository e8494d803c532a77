package io.gpunode.agent.podresources;

import io.gpunode.agent.lifecycle.Backoff;
import io.gpunode.agent.lifecycle.DutyCycle;
import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.lifecycle.Service;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.net.UnixSockets;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import io.gpunode.podresources.v1.ListPodResourcesRequest;
import io.gpunode.podresources.v1.PodResourcesListerGrpc;
import io.grpc.CallOptions;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Asks the kubelet's PodResources API who holds which devices, once per interval, and keeps the last good answer. It has one channel at a time:
 * a failed call closes it, and the next turn opens another when somebody listens again, so a restarted kubelet is found without gRPC's own
 * back-off. While nobody listens it looks at the socket at growing intervals, up to the interval.
 *
 * <p>The loop's thread owns everything but what {@link #current()} and {@link #error()} read, and the count of {@link #ask questions}.
 */
public final class PodResourcesClient implements Service, PodResourcesSource {
    private static final Log LOG = Log.of(PodResourcesClient.class);

    /** gRPC's default of 4 MiB is too little for a node of many pods; twice this would not fit Netty's share of a small process. */
    private static final int LARGEST_ANSWER_BYTES = 8 << 20;

    private static final Duration CALL_LIMIT = Duration.ofSeconds(5);
    private static final Duration FIRST_PAUSE = Duration.ofMillis(250);
    /** A turn is one call; three times that, and the loop is stuck. */
    private static final Duration BOUND = Duration.ofSeconds(15);

    private static final Duration CHANNEL_END = Duration.ofSeconds(1);

    /** Seconds since the machine was started, in a container too. */
    private static final Path UPTIME = Path.of("/proc/uptime");

    private enum State {
        /** Nothing is known yet, and nothing was said. */
        NEW,
        /** Nobody listens. */
        ABSENT,
        /** The last call failed. */
        FAILING,
        /** The last call worked. */
        ANSWERING
    }

    private final Path socket;
    private volatile Duration interval;
    private volatile MethodDescriptor<ListPodResourcesRequest, Map<String, List<PodUse>>> list;
    private final EventLoops loops;
    private final MonotonicClock clock;
    private final InstantSource wall;
    private final DutyCycle cycle;
    private final Backoff backoff;
    private final Meters.Counter answers;
    private final Meters.Counter failures;
    private final Meters.Timer callTime;
    private State state = State.NEW;
    private volatile @Nullable ManagedChannel channel;
    private volatile boolean stopping;
    private volatile @Nullable PodResourcesPicture picture;
    private volatile String error = "";
    private final Object questions = new Object();
    /** Guarded by {@link #questions}, as the two below: how many were asked. */
    private long asked;

    /** How many of them {@link #answer} came after. */
    private long answered;

    private Answer answer = new Answer.None("it was not asked yet");

    /**
     * @param socket {@code kubelet.podResourcesSocket}
     * @param interval from one call to the next, more than zero
     * @throws IllegalArgumentException when the socket's path is too long or the interval is not more than zero
     */
    public PodResourcesClient(
            Path socket,
            Duration interval,
            EventLoops loops,
            MonotonicClock clock,
            InstantSource wall,
            Heartbeats heartbeats,
            Meters meters) {
        UnixSockets.checkPath(socket, "kubelet.podResourcesSocket");
        this.socket = socket;
        this.interval = interval;
        this.list = list(Set.of());
        this.loops = loops;
        this.clock = clock;
        this.wall = wall;
        this.backoff = new Backoff(
                FIRST_PAUSE.compareTo(interval) < 0 ? FIRST_PAUSE : interval, interval, new SplittableRandom());
        this.cycle = new DutyCycle("podresources", BOUND, heartbeats, this::turn);
        String calls = "gpu_node_agent_pod_resources_calls";
        String callsHelp = "Calls of the kubelet's PodResources API by how they ended.";
        this.answers = meters.counter(calls, callsHelp, "result", "ok");
        this.failures = meters.counter(calls, callsHelp, "result", "error");
        this.callTime = meters.timer(
                "gpu_node_agent_pod_resources_call_seconds",
                "How long calls of the kubelet's PodResources API took, failed ones too.");
    }

    /** Changes the time from one call to the next, from the next one on; more than zero. Any thread. */
    public void interval(Duration changed) {
        interval = changed;
        cycle.wake();
    }

    /** Devices of these resources are GPUs, whatever their ids look like; from the next call on. Any thread. */
    public void resourceNames(Set<String> names) {
        list = list(names);
        cycle.wake();
    }

    private static MethodDescriptor<ListPodResourcesRequest, Map<String, List<PodUse>>> list(Set<String> resources) {
        var generated = PodResourcesListerGrpc.getListMethod();
        return generated.toBuilder(generated.getRequestMarshaller(), new PodResourcesReader(resources))
                .build();
    }

    @Override
    public String name() {
        return "podresources";
    }

    @Override
    public void start() {
        cycle.start();
    }

    @Override
    public void stop(Duration limit) throws Exception {
        stopping = true;
        ManagedChannel open = channel;
        if (open != null) {
            // Ends a call in flight, so the loop ends at once.
            open.shutdownNow();
        }
        cycle.stop(limit);
        close();
    }

    @Override
    public Duration interval() {
        return interval;
    }

    @Override
    public Optional<PodResourcesPicture> current() {
        return Optional.ofNullable(picture);
    }

    /** Why there is no fresh answer; empty when the last call worked and before the first one. Any thread. */
    public String error() {
        return error;
    }

    @Override
    public Answer ask(Duration limit) throws InterruptedException {
        Tick deadline = clock.now().plus(limit);
        synchronized (questions) {
            asked++;
            long mine = asked;
            cycle.wake();
            long left = limit.toMillis();
            while (answered < mine && left > 0) {
                questions.wait(left);
                left = deadline.since(clock.now()).toMillis();
            }
            return answered < mine ? new Answer.None("no answer within " + limit.toMillis() + " ms") : answer;
        }
    }

    /** One call, when somebody listens. Only the loop's thread, or a test's before {@link #start}. */
    Duration turn() throws InterruptedException {
        long before;
        synchronized (questions) {
            before = asked;
        }
        Duration next = call();
        Answer came = answer(state);
        synchronized (questions) {
            answered = before;
            answer = came;
            questions.notifyAll();
        }
        return next;
    }

    private Answer answer(State now) {
        PodResourcesPicture last = picture;
        if (now == State.ANSWERING && last != null && !stopping) {
            return new Answer.Holders(last.byDevice());
        }
        return now == State.ABSENT && !hasRunSinceBoot()
                ? new Answer.NoKubelet()
                : new Answer.None(stopping ? "the agent is stopping" : error);
    }

    /** A kubelet leaves its socket behind when it ends, also over a restart of the machine; the next one makes it anew. */
    private boolean hasRunSinceBoot() {
        try {
            String uptime = Files.readString(UPTIME);
            Instant boot = wall.instant()
                    .minusMillis((long) (1000 * Double.parseDouble(uptime.substring(0, uptime.indexOf(' ')))));
            return !Files.getLastModifiedTime(socket).toInstant().isBefore(boot);
        } catch (NoSuchFileException e) {
            return Files.exists(socket);
        } catch (IOException | RuntimeException e) {
            LOG.debug("when the kubelet was started last is not known", "socket", socket, "error", e);
            return true;
        }
    }

    private Duration call() throws InterruptedException {
        if (stopping) {
            return interval;
        }
        ManagedChannel open = channel;
        if (open == null) {
            if (!UnixSockets.isListening(socket)) {
                absent();
                return backoff.next();
            }
            open = open();
        }
        Tick before = clock.now();
        try {
            Map<String, List<PodUse>> users = ClientCalls.blockingUnaryCall(
                    open,
                    list,
                    CallOptions.DEFAULT.withDeadlineAfter(CALL_LIMIT.toNanos(), TimeUnit.NANOSECONDS),
                    ListPodResourcesRequest.getDefaultInstance());
            Tick now = clock.now();
            callTime.record(now.since(before).toNanos());
            answers.increment();
            backoff.reset();
            answered(users, now);
            return interval;
        } catch (StatusRuntimeException e) {
            callTime.record(clock.now().since(before).toNanos());
            failures.increment();
            close();
            if (Thread.interrupted()) {
                throw new InterruptedException("the PodResources client was stopped during a call");
            }
            failed(e.getStatus());
            return backoff.next();
        }
    }

    private ManagedChannel open() {
        ManagedChannel opened = UnixSockets.channel(socket, loops)
                .maxInboundMessageSize(LARGEST_ANSWER_BYTES)
                .disableRetry()
                .build();
        channel = opened;
        if (stopping) {
            opened.shutdownNow();
        }
        return opened;
    }

    /** Waits for its end, so that there is never more than one connection. */
    private void close() throws InterruptedException {
        ManagedChannel open = channel;
        channel = null;
        if (open != null) {
            open.shutdownNow();
            if (!open.awaitTermination(CHANNEL_END.toNanos(), TimeUnit.NANOSECONDS)) {
                LOG.warn("a connection did not end in time", "socket", socket, "limit", CHANNEL_END);
            }
        }
    }

    private void answered(Map<String, List<PodUse>> users, Tick now) {
        PodResourcesPicture last = picture;
        // The same picture keeps the same map: its readers see that nothing moved, and the copy is garbage at once.
        picture = new PodResourcesPicture(
                last != null && last.byDevice().equals(users) ? last.byDevice() : Map.copyOf(users), now, "");
        error = "";
        if (state != State.ANSWERING) {
            LOG.info("the kubelet answers PodResources", "socket", socket);
        }
        state = State.ANSWERING;
    }

    private void absent() {
        fail(
                State.ABSENT,
                Files.exists(socket)
                        ? "nobody listens on " + socket + "; is the kubelet running?"
                        : "there is no socket " + socket + "; is the kubelet running, and is its directory mounted?");
    }

    private void failed(Status status) {
        StringBuilder text = new StringBuilder("PodResources List on ")
                .append(socket)
                .append(" failed: ")
                .append(status.getCode());
        if (status.getDescription() != null) {
            text.append(": ").append(status.getDescription());
        }
        if (status.getCause() != null && status.getCause().getMessage() != null) {
            text.append(" (").append(status.getCause().getMessage()).append(')');
        }
        fail(State.FAILING, text.toString());
    }

    private void fail(State how, String why) {
        error = why;
        PodResourcesPicture last = picture;
        if (last != null) {
            picture = new PodResourcesPicture(last.byDevice(), last.readAt(), why);
        }
        if (state != how && !stopping) {
            LOG.warn("the kubelet does not answer PodResources", "error", why);
        }
        state = how;
    }
}
