package io.gpunode.agent.mig;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.gpu.CallRecord;
import io.gpunode.agent.gpu.GpuAccess;
import io.gpunode.agent.gpu.GpuMig;
import io.gpunode.agent.gpu.GpuSession;
import io.gpunode.agent.gpu.NvmlOpener;
import io.gpunode.agent.gpu.Step;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * A session with NVML for commands that deal with MIG: reads what the node's GPUs can be split into and how they are split, and changes it. An
 * agent that runs meanwhile has a session of its own.
 */
public final class MigReader implements AutoCloseable {
    /** Without persistence each GPU takes seconds to come up when NVML is opened. */
    private static final Duration LIMIT = Duration.ofSeconds(60);

    private static final Duration CLOSE_LIMIT = Duration.ofSeconds(2);

    private final GpuAccess access;
    private final MonotonicClock clock;
    private final Duration limit;
    private final Object turn = new Object();

    private final GpuSession session;

    private MigReader(GpuAccess access, MonotonicClock clock, Duration limit)
            throws UnreadableException, InterruptedException {
        this.access = access;
        this.clock = clock;
        this.limit = limit;
        this.session = await(access.open(this::changed), "nvmlInit", clock.now().plus(limit));
    }

    /** The GPUs could not be read; the message says why, and what to do where that is known. */
    public static final class UnreadableException extends Exception {
        private static final long serialVersionUID = 1L;

        UnreadableException(String message, Exception cause) {
            super(message, cause);
        }

        UnreadableException(String message) {
            super(message);
        }
    }

    /**
     * Opens NVML, in a minute at most.
     *
     * @param config says where NVML is
     * @param host the host's files
     */
    public static MigReader open(AgentConfig config, HostFiles host, MonotonicClock clock, InstantSource wall)
            throws UnreadableException, InterruptedException {
        return open(config, host, clock, wall, LIMIT);
    }

    private static MigReader open(
            AgentConfig config, HostFiles host, MonotonicClock clock, InstantSource wall, Duration limit)
            throws UnreadableException, InterruptedException {
        return new MigReader(
                new GpuAccess(
                        NvmlOpener.of(config.nvml(), config.plugin(), host),
                        config.nvml().callDeadline(),
                        clock,
                        wall,
                        new CallRecord(Meters.NONE, wall)),
                clock,
                limit);
    }

    /** Opens NVML, reads every GPU, and shuts it down again; see {@link #open} and {@link #read()}. */
    public static List<MigGpu> read(AgentConfig config, HostFiles host, MonotonicClock clock, InstantSource wall)
            throws UnreadableException, InterruptedException {
        return read(config, host, clock, wall, LIMIT);
    }

    /** The same with a limit of the caller's. */
    static List<MigGpu> read(
            AgentConfig config, HostFiles host, MonotonicClock clock, InstantSource wall, Duration limit)
            throws UnreadableException, InterruptedException {
        try (MigReader reader = open(config, host, clock, wall, limit)) {
            return reader.read();
        }
    }

    /** Reads every GPU that NVML lists, in PCI order, in a minute at most. */
    public List<MigGpu> read() throws UnreadableException, InterruptedException {
        return inPciOrder(await(session.mig(), "reading the GPUs", clock.now().plus(limit)));
    }

    /** Changes these GPUs, which are all of the node, through the same session. */
    public MigOperations operations(List<MigGpu> gpus) {
        return new NvmlMigOperations(
                access::current, gpus.stream().map(MigGpu::id).toList());
    }

    @Override
    public void close() {
        try {
            // Within the limit or not: the process ends after this, and NVML with it.
            awaitEnd(session.close(CLOSE_LIMIT), clock.now().plus(CLOSE_LIMIT));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** GPUs in the order by which configuration files count them. */
    static List<MigGpu> inPciOrder(List<GpuMig> told) {
        List<GpuMig> sorted =
                told.stream().sorted(Comparator.comparing(GpuMig::pci)).toList();
        List<MigGpu> gpus = new ArrayList<>(sorted.size());
        for (int i = 0; i < sorted.size(); i++) {
            gpus.add(gpu(sorted.get(i), i));
        }
        return List.copyOf(gpus);
    }

    /** One GPU and its place in that order. */
    static MigGpu gpu(GpuMig told, int index) {
        return new MigGpu(
                told.id(),
                index,
                told.pci(),
                told.name(),
                told.pciDeviceId(),
                told.pciSubsystemId(),
                told.architecture(),
                told.passThrough(),
                told.geometry(),
                told.profiles());
    }

    private void changed() {
        synchronized (turn) {
            turn.notifyAll();
        }
    }

    private <T> T await(Step<T> step, String what, Tick deadline) throws UnreadableException, InterruptedException {
        awaitEnd(step, deadline);
        Step.Outcome<T> outcome = step.outcome();
        if (outcome == null) {
            throw new UnreadableException(what + " has not ended within " + limit.toSeconds()
                    + " s: look at the kernel's log (dmesg) for a GPU that hangs");
        }
        return switch (outcome) {
            case Step.Outcome.Done<T>(T value) -> value;
            case Step.Outcome.Failed<T>(Exception cause) ->
                throw new UnreadableException(String.valueOf(cause.getMessage()), cause);
        };
    }

    private void awaitEnd(Step<?> step, Tick deadline) throws InterruptedException {
        synchronized (turn) {
            long left = deadline.since(clock.now()).toMillis();
            while (step.outcome() == null && left > 0) {
                turn.wait(left);
                left = deadline.since(clock.now()).toMillis();
            }
        }
    }
}
