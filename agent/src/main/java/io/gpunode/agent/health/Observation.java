package io.gpunode.agent.health;

import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.GpuSample;
import io.gpunode.agent.model.Quantity;

/**
 * What checks judge by: one GPU of a picture, and how its counters have grown.
 *
 * @param gpu as in the picture
 * @param growth of its counters, this reading included
 */
record Observation(Gpu gpu, CounterGrowth growth) {
    GpuSample sample() {
        return gpu.sample();
    }

    /** Whether a quantity was read and is at least this much. */
    boolean atLeast(Quantity quantity, long least) {
        return sample().has(quantity) && sample().value(quantity) >= least;
    }

    /** Whether a quantity was read and has one of these bits. */
    boolean anyBit(Quantity quantity, long bits) {
        return sample().has(quantity) && (sample().value(quantity) & bits) != 0;
    }
}
