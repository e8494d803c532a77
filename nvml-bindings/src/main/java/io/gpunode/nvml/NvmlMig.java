package io.gpunode.nvml;

import java.util.List;

/**
 * MIG geometry: what the GPUs of one open NVML can be split into, what they are split into, and changing it. Instances are named by their
 * ids; NVML's handles for them are looked up for each call, so that none is used after its instance is gone.
 *
 * <p>What holds of {@link Nvml} holds here. Calls that change something need root, else they fail with {@link NvmlReturn#NO_PERMISSION}.
 */
public interface NvmlMig {
    /**
     * {@code nvmlDeviceSetMigMode}. May reset the GPU: what was read of it before has to be read again.
     *
     * @return the activation status, a code of {@link NvmlReturn}: 0 when the mode is in force, {@code IN_USE} when somebody holds the GPU,
     *     {@code RESET_REQUIRED} when it waits for a reset that NVML cannot do; in both cases the mode is pending
     */
    int setMode(NvmlDevice gpu, boolean enabled) throws NvmlException;

    /** All profiles of the GPU: {@code nvmlDeviceGetGpuInstanceProfileInfo} for every constant; some drivers tell none while MIG is off. */
    List<GpuInstanceProfile> gpuInstanceProfiles(NvmlDevice gpu) throws NvmlException;

    /** {@code nvmlDeviceGetGpuInstancePossiblePlacements_v2}: all places of a profile, taken or not. */
    List<Placement> gpuInstancePlacements(NvmlDevice gpu, int profileId) throws NvmlException;

    /** {@code nvmlDeviceGetGpuInstanceRemainingCapacity}: how many more instances of the profile fit. */
    int gpuInstanceCapacity(NvmlDevice gpu, int profileId) throws NvmlException;

    /** {@code nvmlDeviceGetGpuInstances}: those of one profile, in NVML's order. */
    List<GpuInstance> gpuInstances(NvmlDevice gpu, int profileId) throws NvmlException;

    /** {@code nvmlDeviceCreateGpuInstance}: where the driver likes. */
    GpuInstance createGpuInstance(NvmlDevice gpu, int profileId) throws NvmlException;

    /** {@code nvmlDeviceCreateGpuInstanceWithPlacement}: {@link NvmlReturn#INSUFFICIENT_RESOURCES} when the place is taken. */
    GpuInstance createGpuInstance(NvmlDevice gpu, int profileId, Placement placement) throws NvmlException;

    /** {@code nvmlGpuInstanceDestroy}: {@link NvmlReturn#IN_USE} while it has compute instances or processes. */
    void destroyGpuInstance(NvmlDevice gpu, int gpuInstanceId) throws NvmlException;

    /** All compute instance profiles of a GPU instance, with shared engines. */
    List<ComputeInstanceProfile> computeInstanceProfiles(NvmlDevice gpu, int gpuInstanceId) throws NvmlException;

    /** {@code nvmlGpuInstanceGetComputeInstancePossiblePlacements}. */
    List<Placement> computeInstancePlacements(NvmlDevice gpu, int gpuInstanceId, int profileId) throws NvmlException;

    /** {@code nvmlGpuInstanceGetComputeInstanceRemainingCapacity}. */
    int computeInstanceCapacity(NvmlDevice gpu, int gpuInstanceId, int profileId) throws NvmlException;

    /** {@code nvmlGpuInstanceGetComputeInstances}: those of one profile. */
    List<ComputeInstance> computeInstances(NvmlDevice gpu, int gpuInstanceId, int profileId) throws NvmlException;

    /** {@code nvmlGpuInstanceCreateComputeInstance}. */
    ComputeInstance createComputeInstance(NvmlDevice gpu, int gpuInstanceId, int profileId) throws NvmlException;

    /** {@code nvmlGpuInstanceCreateComputeInstanceWithPlacement}. */
    ComputeInstance createComputeInstance(NvmlDevice gpu, int gpuInstanceId, int profileId, Placement placement)
            throws NvmlException;

    /** {@code nvmlComputeInstanceDestroy}: {@link NvmlReturn#IN_USE} while processes run on it. */
    void destroyComputeInstance(NvmlDevice gpu, int gpuInstanceId, int computeInstanceId) throws NvmlException;

    /** A range of slices: memory slices of the GPU, or compute slices of a GPU instance. */
    record Placement(int start, int size) {}

    /**
     * A kind of GPU instance.
     *
     * @param constant its {@code NVML_GPU_INSTANCE_PROFILE_*}, the same on all chips
     * @param id what NVML's other calls name it by, which differs from chip to chip
     * @param name the driver's, for example {@code MIG 1g.10gb}; empty where the driver tells none
     * @param slices compute slices
     * @param instances how many there can be on an empty GPU
     */
    record GpuInstanceProfile(
            int constant,
            int id,
            String name,
            int slices,
            int instances,
            int multiprocessors,
            int copyEngines,
            int decoders,
            int encoders,
            int jpeg,
            int ofa,
            long memoryMiB) {}

    /** A GPU instance; its placement is in memory slices. */
    record GpuInstance(int id, int profileId, Placement placement) {}

    /**
     * A kind of compute instance of one GPU instance.
     *
     * @param name the driver's, for example {@code MIG 1c.3g.40gb}; empty where the driver tells none
     */
    record ComputeInstanceProfile(int constant, int id, String name, int slices, int instances, int multiprocessors) {}

    /** A compute instance; its placement is in compute slices of the GPU instance. */
    record ComputeInstance(int id, int profileId, Placement placement) {}
}
