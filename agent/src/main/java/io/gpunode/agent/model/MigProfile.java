package io.gpunode.agent.model;

import java.util.List;

/**
 * A kind of GPU instance that one GPU can have, as its driver tells it ({@code nvmlGpuInstanceProfileInfo_t}). Ids differ from chip to chip:
 * never use those of one GPU on another.
 *
 * @param constant {@code NVML_GPU_INSTANCE_PROFILE_*}, the same on all chips
 * @param id what this GPU's driver names it by in calls and in instances
 * @param name the text used everywhere else: {@code 1g.10gb}, {@code 1g.10gb+me}
 * @param driverName the driver's own text, without its leading {@code MIG}; empty where the driver tells none. Some drivers' differs from the rule
 *     ({@code 1g.24gb} for {@code 1g.23gb}), and people may use either
 * @param slices compute slices
 * @param instances how many there can be on an empty GPU
 * @param engines what each has beside slices and memory
 * @param memoryMebibytes MiB
 * @param placements where it may lie, in memory slices, in the order of their starts; not empty
 * @param computeProfiles the kinds of compute instances that it can be split into, smallest first; the last one is the whole
 */
public record MigProfile(
        int constant,
        int id,
        String name,
        String driverName,
        int slices,
        int instances,
        MigAttributes engines,
        long memoryMebibytes,
        List<MigPlacement> placements,
        List<Compute> computeProfiles) {
    public MigProfile {
        placements = placements.stream().sorted().toList();
        computeProfiles = List.copyOf(computeProfiles);
        if (placements.isEmpty()) {
            throw new IllegalArgumentException("profile " + name + " has no placement");
        }
    }

    /**
     * A kind of compute instance of a GPU instance ({@code nvmlComputeInstanceProfileInfo_t}). A driver tells them of an instance that exists;
     * for one that does not yet, they are what chips have had so far, and making it asks the driver again.
     *
     * @param id the driver's
     * @param slices compute slices
     * @param instances how many there can be in an empty GPU instance
     * @param placements where it may lie in the GPU instance, in compute slices, in the order of their starts
     */
    public record Compute(int id, int slices, int instances, List<MigPlacement> placements) {
        public Compute {
            placements = placements.stream().sorted().toList();
        }
    }

    /** How many memory slices an instance takes. */
    public int memorySlices() {
        return placements.getFirst().size();
    }

    /** The text of a MIG device of this kind with a compute instance of so many slices: {@code 1c.3g.40gb}, or {@code 3g.40gb} for the whole. */
    public String deviceName(int computeSlices) {
        return computeSlices == slices ? name : computeSlices + "c." + name;
    }

    /** Whether people may mean this kind by a text: ours and the driver's are both right. */
    public boolean isCalled(String text) {
        return text.equals(name) || (!driverName.isEmpty() && text.equals(driverName));
    }
}
