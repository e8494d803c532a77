package io.gpunode.agent.mig;

import io.gpunode.agent.model.GpuId;
import java.util.List;

/**
 * What is to be done, GPU by GPU.
 *
 * @param gpus in the order of the requests, also those that need nothing
 */
public record MigPlan(List<OfGpu> gpus) {
    public MigPlan {
        gpus = List.copyOf(gpus);
    }

    /**
     * One GPU's part.
     *
     * @param gpu which
     * @param index its place in PCI order, for people
     * @param before what was found
     * @param after what it ends in
     * @param steps from one to the other, in their order; empty when it is so already
     */
    public record OfGpu(GpuId gpu, int index, MigLayout before, MigLayout after, List<MigStep> steps) {
        public OfGpu {
            steps = List.copyOf(steps);
        }

        /** Whether the machine has to be restarted afterwards, and the rest of the wish planned again. */
        public boolean needsRestart() {
            return after.enabled() != after.pending();
        }
    }

    /** Whether there is nothing to do. */
    public boolean isEmpty() {
        return gpus.stream().allMatch(gpu -> gpu.steps.isEmpty());
    }

    /** How many steps. */
    public int stepCount() {
        return gpus.stream().mapToInt(gpu -> gpu.steps.size()).sum();
    }

    /** Whether the machine has to be restarted afterwards, and the rest of the wish planned again. */
    public boolean needsRestart() {
        return gpus.stream().anyMatch(OfGpu::needsRestart);
    }
}
