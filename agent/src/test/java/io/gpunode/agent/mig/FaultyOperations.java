package io.gpunode.agent.mig;

import io.gpunode.agent.model.GpuId;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Operations of which chosen steps go wrong. Steps are counted from 1, those back too. */
final class FaultyOperations implements MigOperations {
    /** What goes wrong. */
    enum Fault {
        /** The step fails and does nothing. */
        FAILS,
        /** The step does what it should and fails all the same. */
        FAILS_LATE,
        /** The step succeeds and does nothing. */
        LIES,
        /** The process ends before the step. */
        CRASH_BEFORE,
        /** The process ends after the step. */
        CRASH_AFTER
    }

    /** The end of the process, which nobody catches. */
    static final class Crash extends Error {
        private static final long serialVersionUID = 1L;
    }

    private final MigOperations inner;
    private Fault fault = Fault.FAILS;
    private int at;
    private Fault secondFault = Fault.FAILS;
    private int secondAt;
    private int steps;
    private final Map<GpuId, MigUse.Holder> pods = new HashMap<>();
    private @Nullable GpuId lost;
    private Runnable beforeStep = () -> {};

    FaultyOperations(MigOperations inner) {
        this.inner = inner;
    }

    void fault(Fault kind, int step) {
        fault = kind;
        at = step;
        steps = 0;
    }

    void secondFault(Fault kind, int step) {
        secondFault = kind;
        secondAt = step;
    }

    /** From now on all goes well. */
    void heal() {
        at = 0;
        secondAt = 0;
    }

    /** What happens before each step. */
    void beforeStep(Runnable action) {
        beforeStep = action;
    }

    int steps() {
        return steps;
    }

    /** A pod was given this, which the driver does not know of. */
    void given(GpuId gpu, MigUse.Holder pod) {
        pods.put(gpu, pod);
    }

    /** From now on the GPU does not answer; null for all do. */
    void lost(@Nullable GpuId gpu) {
        lost = gpu;
    }

    @Override
    public MigGpu read(GpuId gpu) throws MigOperationException, InterruptedException {
        if (gpu.equals(lost)) {
            throw new MigOperationException(MigOperationException.Kind.LOST, "GPU_IS_LOST");
        }
        return inner.read(gpu);
    }

    @Override
    public MigUse use(GpuId gpu) throws MigOperationException, InterruptedException {
        MigUse told = inner.use(gpu);
        List<MigUse.Holder> holders = new ArrayList<>(told.holders());
        MigUse.Holder pod = pods.get(gpu);
        if (pod != null) {
            holders.add(pod);
        }
        return new MigUse(holders, told.names());
    }

    @Override
    public void perform(MigGpu gpu, MigStep step) throws MigOperationException, InterruptedException {
        steps++;
        beforeStep.run();
        if (steps != at && steps != secondAt) {
            inner.perform(gpu, step);
            return;
        }
        switch (steps == at ? fault : secondFault) {
            case FAILS -> throw injected();
            case FAILS_LATE -> {
                inner.perform(gpu, step);
                throw injected();
            }
            case LIES -> {}
            case CRASH_BEFORE -> throw new Crash();
            case CRASH_AFTER -> {
                inner.perform(gpu, step);
                throw new Crash();
            }
        }
    }

    private static MigOperationException injected() {
        return new MigOperationException(MigOperationException.Kind.FAILED, "injected");
    }
}
