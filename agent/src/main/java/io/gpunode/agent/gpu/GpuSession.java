package io.gpunode.agent.gpu;

import io.gpunode.agent.log.Log;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.NvmlState;
import io.gpunode.agent.model.Topology;
import io.gpunode.agent.model.WantedReadings;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import io.gpunode.nvml.Nvml;
import io.gpunode.nvml.NvmlDevice;
import io.gpunode.nvml.NvmlEventSet;
import io.gpunode.nvml.NvmlException;
import io.gpunode.nvml.NvmlLibrary;
import io.gpunode.nvml.NvmlReturn;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * One opened NVML with its lanes: one per index, and one for calls about the whole system. Its owner asks for steps and collects what came
 * of them; nothing here waits for a native call but {@link #openEvents}, which has a bound.
 */
public final class GpuSession {
    private static final Log LOG = Log.of(GpuSession.class);
    /** Every error that says something against a GPU, and the two changes that the picture has to follow. */
    private static final long EVENTS = NvmlEventSet.XID_CRITICAL_ERROR
            | NvmlEventSet.SINGLE_BIT_ECC_STORM
            | NvmlEventSet.DRAM_RETIREMENT
            | NvmlEventSet.DRAM_RETIREMENT_FAILURE
            | NvmlEventSet.NON_FATAL_POISON
            | NvmlEventSet.FATAL_POISON
            | NvmlEventSet.MIG_CONFIG_CHANGE
            | NvmlEventSet.GPU_UNAVAILABLE
            | NvmlEventSet.GPU_RECOVERY_ACTION;

    /** How long a new event stream waits for the GPUs to register: nothing is watched meanwhile, and those that are late join by themselves. */
    private static final Duration REGISTRATION_PATIENCE = Duration.ofMillis(500);

    private static final Duration EVER = Duration.ofDays(365);

    private final Nvml nvml;
    private final Lane system;
    private final Duration callDeadline;
    private final MonotonicClock clock;
    private final InstantSource wall;
    private final CallRecord record;
    private final Supplier<WantedReadings> wanted;
    private final Runnable changed;
    private final Consumer<GpuSession> onClosing;
    private final List<GpuProbe> probes = new ArrayList<>();
    private volatile Map<Long, GpuId> members = Map.of();
    private volatile List<GpuProbe> watchable = List.of();
    private volatile boolean closing;
    private int openEventSets;

    GpuSession(
            Nvml nvml,
            Lane system,
            Duration callDeadline,
            MonotonicClock clock,
            InstantSource wall,
            CallRecord record,
            Supplier<WantedReadings> wanted,
            Runnable changed,
            Consumer<GpuSession> onClosing) {
        this.nvml = nvml;
        this.system = system;
        this.callDeadline = callDeadline;
        this.clock = clock;
        this.wall = wall;
        this.record = record;
        this.wanted = wanted;
        this.changed = changed;
        this.onClosing = onClosing;
    }

    /** What the picture says of this session. */
    public NvmlState.Open state(Instant since) {
        NvmlLibrary library = nvml.library();
        return new NvmlState.Open(
                library.path().toString(),
                library.nvmlVersion(),
                library.driverVersion(),
                library.cudaDriverVersion(),
                library.generation(),
                Map.copyOf(library.variants()),
                List.copyOf(library.absent()),
                since);
    }

    /** NVML's word for it when a step failed since the driver is gone; null when it failed for another reason. */
    public static @Nullable String driverGone(Exception failure) {
        return failure instanceof NvmlException refused && ReturnMeaning.of(refused.code()) == ReturnMeaning.DRIVER_GONE
                ? NvmlReturn.nameOf(refused.code())
                : null;
    }

    /** Asks how many GPUs NVML lists. */
    public Step<Integer> count() {
        return onSystem(() -> system.call(CallGroup.IDENTITY, "nvmlDeviceGetCount", nvml::deviceCount));
    }

    /** The call about the whole system that is past its deadline, if one is. */
    public Lane.@Nullable Overdue overdue(Tick now) {
        return system.overdue(now);
    }

    /** The probe of an index; a new one gets its lane now. Owner only. */
    public GpuProbe probe(int index) {
        while (probes.size() <= index) {
            int next = probes.size();
            Lane lane = new Lane("gpu-" + next, callDeadline, clock, record, changed);
            probes.add(new GpuProbe(next, nvml, lane, record, wall, wanted));
        }
        return probes.get(index);
    }

    /** Says which GPUs were identified: whose events are wanted. An open event stream notices the change. Owner only. */
    public void identified(List<GpuProbe> current) {
        Map<Long, GpuId> found = new HashMap<>();
        for (GpuProbe probe : current) {
            if (probe.identification() instanceof GpuProbe.Identification.Identified identified) {
                found.put(identified.deviceAddress(), identified.identity().id());
            }
        }
        watchable = List.copyOf(current);
        if (!found.equals(members)) {
            members = Map.copyOf(found);
        }
    }

    /** Asks how these GPUs are connected; rows are in the order given. Those that are overdue stay unknown. */
    public Step<Topology> topology(List<GpuProbe> order) {
        List<TopologyReader.Member> rows = new ArrayList<>(order.size());
        for (GpuProbe probe : order) {
            if (probe.identification() instanceof GpuProbe.Identification.Identified identified) {
                boolean answers = probe.overdue(clock.now()) == null;
                rows.add(new TopologyReader.Member(
                        identified.identity().id(), identified.identity().pci(), answers ? probe.device() : null));
            }
        }
        return onSystem(() -> new TopologyReader(nvml, system).read(rows));
    }

    /** Asks what every GPU can be split into and how it is split, in NVML's order. Many calls; for whoever deals with MIG, not for sampling. */
    public Step<List<GpuMig>> mig() {
        return onSystem(() -> new GpuMigReader(nvml, system).read());
    }

    /**
     * Changes one GPU's MIG: on the GPU's own lane when it is identified, else, as for commands that identify nothing, on that of the whole
     * system. Any thread.
     */
    public MigControl migControl(GpuId gpu) {
        for (GpuProbe probe : watchable) {
            if (probe.identification() instanceof GpuProbe.Identification.Identified identified
                    && identified.identity().id().equals(gpu)) {
                return new MigControl(gpu, nvml, probe.lane());
            }
        }
        return new MigControl(gpu, nvml, system);
    }

    private <T> Step<T> onSystem(Step.Work<T> work) {
        Step<T> step = new Step<>();
        if (!system.submit(() -> step.run(work))) {
            step.run(() -> {
                throw new IllegalStateException("the NVML thread takes no work");
            });
        }
        return step;
    }

    /** Whether there are GPUs whose events can be watched. Any thread. */
    public boolean hasIdentified() {
        return !members.isEmpty();
    }

    Map<Long, GpuId> members() {
        return members;
    }

    boolean isClosing() {
        return closing;
    }

    /**
     * Opens a stream of events of the GPUs that are identified now. Waits half a second at most for their lanes to register; those that take
     * longer join when they have. Not on the owner's thread.
     */
    public GpuEvents openEvents() throws EventChannelException, InterruptedException {
        synchronized (this) {
            if (closing) {
                throw new EventChannelException(
                        new NvmlException("nvmlEventSetCreate", NvmlReturn.UNINITIALIZED.code(), "", ""));
            }
            openEventSets++;
        }
        NvmlEventSet set;
        try {
            set = nvml.createEventSet();
        } catch (NvmlException e) {
            record.failed(CallGroup.EVENTS, e);
            eventsClosed();
            throw new EventChannelException(e);
        } catch (RuntimeException | Error e) {
            eventsClosed();
            throw e;
        }
        GpuEvents events = new GpuEvents(this, set, members, clock, record);
        try {
            registerAll(events);
        } catch (InterruptedException | RuntimeException e) {
            // Nobody else has the stream: left open it would keep the session from being closed.
            closeAfter(e, events);
            throw e;
        }
        return events;
    }

    private static void closeAfter(Exception failure, GpuEvents events) {
        try {
            events.close();
        } catch (EventChannelException e) {
            failure.addSuppressed(e);
        }
    }

    private void registerAll(GpuEvents events) throws InterruptedException {
        List<GpuProbe> wanted = watchable;
        CountDownLatch answers = new CountDownLatch(wanted.size());
        for (GpuProbe probe : wanted) {
            NvmlDevice device = probe.device();
            if (device == null
                    || !probe.lane().submit(() -> {
                        try {
                            register(events, probe, device);
                        } finally {
                            answers.countDown();
                        }
                    })) {
                events.missed(probe);
                answers.countDown();
            }
        }
        if (!answers.await(REGISTRATION_PATIENCE.toNanos(), TimeUnit.NANOSECONDS)) {
            LOG.info("GPUs are slow to register for events", "count", answers.getCount());
        }
    }

    /** On the GPU's lane. */
    private void register(GpuEvents events, GpuProbe probe, NvmlDevice device) {
        if (!events.beginRegistering()) {
            return;
        }
        try {
            long offered = probe.lane()
                    .call(CallGroup.EVENTS, "nvmlDeviceGetSupportedEventTypes", () -> nvml.supportedEventTypes(device));
            if ((offered & EVENTS) != 0) {
                registerWanted(events, probe, device, offered & EVENTS);
            }
            if ((offered & NvmlEventSet.XID_CRITICAL_ERROR) == 0) {
                LOG.warn("the driver reports no XIDs of a GPU", "gpu", device.label());
            }
            events.watching(probe);
        } catch (NvmlException e) {
            if (ReturnMeaning.of(e.code()) == ReturnMeaning.UNSUPPORTED) {
                LOG.warn("the driver reports no XIDs of a GPU", "gpu", device.label(), "error", e);
                events.watching(probe);
            } else {
                events.missed(probe);
            }
        } catch (RuntimeException e) {
            events.missed(probe);
            throw e;
        } finally {
            events.endRegistering();
        }
    }

    private static void registerWanted(GpuEvents events, GpuProbe probe, NvmlDevice device, long wanted)
            throws NvmlException {
        try {
            registerAs(events, probe, device, wanted);
        } catch (NvmlException e) {
            if (ReturnMeaning.of(e.code()) != ReturnMeaning.UNSUPPORTED
                    || (wanted & NvmlEventSet.XID_CRITICAL_ERROR) == 0) {
                throw e;
            }
            // A driver that offers a newer type and then refuses it must not cost the XIDs.
            registerAs(events, probe, device, NvmlEventSet.XID_CRITICAL_ERROR);
        }
    }

    private static void registerAs(GpuEvents events, GpuProbe probe, NvmlDevice device, long mask)
            throws NvmlException {
        probe.lane().call(CallGroup.EVENTS, "nvmlDeviceRegisterEvents", () -> {
            events.set().register(device, mask);
            return mask;
        });
    }

    /** A stream has freed its set. */
    synchronized void eventsClosed() {
        openEventSets--;
        notifyAll();
    }

    /**
     * Ends the session: event streams are asked to close, lanes end, NVML is shut down. Happens on a thread of its own, since any part of it may
     * be kept by a call that does not return; within the limit there is an outcome. After {@code WEDGED} that thread goes on: when the last call
     * has returned after all, NVML is shut down.
     */
    public Step<CloseOutcome> close(Duration limit) {
        synchronized (this) {
            closing = true;
        }
        onClosing.accept(this);
        Step<CloseOutcome> step = new Step<>();
        Thread.ofPlatform().daemon().name("nvml-close").start(() -> {
            try {
                boolean drained = drain(clock.now().plus(limit));
                step.run(() -> drained ? shutDown(limit) : CloseOutcome.WEDGED);
                changed.run();
                if (!drained) {
                    drain(clock.now().plus(EVER));
                    LOG.info("the last call into NVML has returned", "outcome", shutDown(limit));
                }
            } catch (InterruptedException e) {
                step.run(() -> CloseOutcome.WEDGED);
                changed.run();
            }
        });
        return step;
    }

    private CloseOutcome shutDown(Duration limit) {
        return nvml.close(limit) == Nvml.CloseOutcome.CLOSED ? CloseOutcome.CLOSED : CloseOutcome.WEDGED;
    }

    /** Waits until no call is in flight and none can begin; false when that took longer. */
    private boolean drain(Tick deadline) throws InterruptedException {
        List<String> kept = new ArrayList<>();
        if (!eventsClosedBy(deadline)) {
            kept.add("events");
        }
        for (GpuProbe probe : probes) {
            probe.close();
        }
        for (GpuProbe probe : probes) {
            if (!probe.lane().join(patience(deadline))) {
                kept.add("gpu-" + probe.index());
            }
        }
        if (system.overdue(clock.now()) != null) {
            // The next session gets a lane of its own.
            system.close(() -> {});
        }
        if (system.closed() && !system.join(patience(deadline))) {
            kept.add("nvml");
        }
        if (!kept.isEmpty()) {
            LOG.warn("calls into NVML have not returned: it is not shut down", "by", String.join(",", kept));
        }
        return kept.isEmpty();
    }

    private synchronized boolean eventsClosedBy(Tick deadline) throws InterruptedException {
        while (openEventSets > 0) {
            long millis = deadline.since(clock.now()).toMillis();
            if (millis <= 0) {
                return false;
            }
            wait(millis);
        }
        return true;
    }

    /** At least a millisecond: no time at all would find no thread ended. */
    private Duration patience(Tick deadline) {
        Duration left = deadline.since(clock.now());
        return left.toMillis() < 1 ? Duration.ofMillis(1) : left;
    }
}
