package io.gpunode.agent.model;

import java.util.Comparator;
import java.util.List;

/**
 * How a GPU is split at one moment: what {@code nvmlDeviceGetMigMode} and the lists of instances answered.
 *
 * @param enabled whether MIG mode is in force
 * @param pending whether it will be after the next reset; different from {@code enabled} while a change waits for one
 * @param instances in the order of their placements; empty while MIG is off
 */
public record MigGeometry(boolean enabled, boolean pending, List<GpuInstance> instances) {
    public MigGeometry {
        instances = instances.stream()
                .sorted(Comparator.comparing(GpuInstance::placement).thenComparingInt(GpuInstance::id))
                .toList();
    }

    /** MIG is off, and stays off. */
    public static final MigGeometry DISABLED = new MigGeometry(false, false, List.of());

    /** MIG is on, without instances. */
    public static final MigGeometry EMPTY = new MigGeometry(true, true, List.of());

    /**
     * A GPU instance.
     *
     * @param id the driver's, which says where it lies on most chips; another one may get it later
     * @param profileId the {@link MigProfile#id()} on this GPU
     * @param placement in memory slices
     * @param computeInstances in the order of their placements; may be empty, and then no MIG device shows it
     */
    public record GpuInstance(int id, int profileId, MigPlacement placement, List<ComputeInstance> computeInstances) {
        public GpuInstance {
            computeInstances = computeInstances.stream()
                    .sorted(Comparator.comparing(ComputeInstance::placement).thenComparingInt(ComputeInstance::id))
                    .toList();
        }
    }

    /**
     * A compute instance: what a container sees as a MIG device.
     *
     * @param id the driver's, unique in its GPU instance
     * @param profileId the {@link MigProfile.Compute#id()} in its GPU instance
     * @param slices compute slices
     * @param placement in compute slices of the GPU instance
     */
    public record ComputeInstance(int id, int profileId, int slices, MigPlacement placement) {}
}
