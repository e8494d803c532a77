package io.gpunode.agent.model;

/**
 * A MIG device: a compute instance of a GPU instance.
 *
 * @param id {@code MIG-…}
 * @param index its place among the parent's MIG devices, as in {@code 0:1}
 * @param gpuInstanceId NVML's GPU instance id
 * @param computeInstanceId NVML's compute instance id within it
 * @param profile for example {@code 1g.10gb} or {@code 1c.3g.40gb}
 * @param gpuSlices slices of the GPU instance
 * @param computeSlices slices of the compute instance
 * @param memoryMebibytes memory of the GPU instance, MiB
 * @param sample its last sampling
 */
public record MigDevice(
        GpuId id,
        int index,
        int gpuInstanceId,
        int computeInstanceId,
        String profile,
        int gpuSlices,
        int computeSlices,
        long memoryMebibytes,
        GpuSample sample) {}
