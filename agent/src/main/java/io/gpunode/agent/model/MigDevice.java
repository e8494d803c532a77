package io.gpunode.agent.model;

import java.util.OptionalInt;

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
 * @param attributes what else it has
 * @param gpuInstanceCapability the N of {@code /dev/nvidia-caps/nvidia-capN} that opens the GPU instance; absent while the kernel's table
 *     {@code /proc/driver/nvidia-caps/mig-minors} does not name it
 * @param computeInstanceCapability the same for the compute instance
 * @param health whether containers may be given it, as far as it is about this device alone; its GPU's health counts as well
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
        MigAttributes attributes,
        OptionalInt gpuInstanceCapability,
        OptionalInt computeInstanceCapability,
        GpuHealth health,
        GpuSample sample) {}
