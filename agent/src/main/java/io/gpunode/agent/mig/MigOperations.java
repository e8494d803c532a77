package io.gpunode.agent.mig;

import io.gpunode.agent.model.GpuId;

/**
 * What a change of MIG geometry does to the hardware. Each call has a bound and then fails; none is made twice by the implementation itself.
 */
public interface MigOperations {
    /** A GPU as it is now. */
    MigGpu read(GpuId gpu) throws MigOperationException, InterruptedException;

    /** Who uses the GPU's instances now. */
    MigUse use(GpuId gpu) throws MigOperationException, InterruptedException;

    /**
     * Makes one step. A compute instance or a GPU instance is destroyed only when the id and the place both are those of the step.
     *
     * @param gpu the GPU as it was read last, which is after the step before this one
     */
    void perform(MigGpu gpu, MigStep step) throws MigOperationException, InterruptedException;
}
