package io.gpunode.agent.gpu;

import io.gpunode.agent.model.MigPlacement;
import io.gpunode.agent.model.MigProfile;
import io.gpunode.nvml.NvmlMig.GpuInstanceProfile;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * The text of a MIG profile, as in resource names, labels and {@code nvidia-smi mig -lgip}: {@code 1g.10gb}, {@code 1c.3g.40gb},
 * {@code 1g.10gb+me}.
 */
final class MigProfiles {
    private static final long MEBIBYTE = 1L << 20;
    private static final long GIBIBYTE = 1L << 30;

    /**
     * What an instance has beyond its slices, by the profile's constant {@code NVML_GPU_INSTANCE_PROFILE_*}, which is the same on all chips:
     * revisions with the media engines (7, 8; revision 2, which is 9, has more memory and no mark), graphics (10 to 12 and 17), none of the media
     * engines (13, 14), all of them (15, 16).
     */
    private static final Map<Integer, String> BY_CONSTANT = Map.of(
            7, "+me", 8, "+me", 10, "+gfx", 11, "+gfx", 12, "+gfx", 13, "-me", 14, "-me", 15, "+me.all", 16, "+me.all",
            17, "+gfx");

    /**
     * The same by the profile id of {@code nvmlGpuInstanceInfo_t}, for a driver that does not list its profiles: the ids of NVIDIA's MIG user
     * guide, tables of supported profiles (A30: 6 and 21; A100, H100, B200: 20; RTX PRO: the others).
     */
    private static final Map<Integer, String> BY_ID = Map.of(
            6, "+me", 20, "+me", 21, "+me", 32, "+gfx", 35, "+gfx", 47, "+gfx", 64, "+me.all", 65, "+me.all", 66, "-me",
            67, "-me");

    /** {@code NVML_COMPUTE_INSTANCE_PROFILE_*} by compute slices. */
    private static final Map<Integer, Integer> COMPUTE_CONSTANTS = Map.of(1, 0, 2, 1, 3, 2, 4, 3, 6, 6, 7, 4, 8, 5);

    private MigProfiles() {}

    /**
     * Builds the text.
     *
     * @param computeSlices of the compute instance
     * @param gpuSlices of the GPU instance
     * @param memoryMebibytes of the GPU instance
     * @param gpuMemoryBytes frame buffer of the whole GPU
     * @param attributes what it has beyond its slices, see {@link #attributes}
     */
    static String text(int computeSlices, int gpuSlices, long memoryMebibytes, long gpuMemoryBytes, String attributes) {
        StringBuilder text = new StringBuilder(16);
        if (computeSlices != gpuSlices) {
            text.append(computeSlices).append("c.");
        }
        return text.append(gpuSlices)
                .append("g.")
                .append(gigabytes(memoryMebibytes, gpuMemoryBytes))
                .append("gb")
                .append(attributes)
                .toString();
    }

    /**
     * What an instance has beyond its slices, as the end of the text: {@code +me}, or nothing.
     *
     * @param profileId the GPU instance's profile id; -1 when it is not known
     * @param profiles those that the driver lists for the GPU; empty when it lists none
     */
    static String attributes(int profileId, List<GpuInstanceProfile> profiles) {
        for (GpuInstanceProfile profile : profiles) {
            if (profile.id() == profileId) {
                return BY_CONSTANT.getOrDefault(profile.constant(), "");
            }
        }
        return BY_ID.getOrDefault(profileId, "");
    }

    /**
     * The kinds of compute instances that GPU instances of so many slices have had on all chips so far, for those that do not exist yet, of which
     * a driver tells nothing. A part is at most half of the whole, rounded up; its id is its constant
     * {@code NVML_COMPUTE_INSTANCE_PROFILE_*}, as {@code nvidia-smi mig -lcip} shows them.
     */
    static List<MigProfile.Compute> usualComputeProfiles(int gpuSlices) {
        List<MigProfile.Compute> profiles = new ArrayList<>();
        for (int slices = 1; slices <= gpuSlices; slices++) {
            Integer constant = COMPUTE_CONSTANTS.get(slices);
            if (constant == null || (slices < gpuSlices && 2 * slices > gpuSlices + 1)) {
                continue;
            }
            List<MigPlacement> placements = new ArrayList<>();
            int step = slices == 3 ? 4 : slices;
            for (int start = 0; start + slices <= gpuSlices; start += step) {
                placements.add(new MigPlacement(start, slices));
            }
            profiles.add(new MigProfile.Compute(constant, slices, placements.size(), placements));
        }
        return profiles;
    }

    /**
     * The driver's rule: the memory share is rounded up to eighths of the GPU, the GPU's memory up to whole GiB, and their product to the nearest
     * whole number.
     */
    private static long gigabytes(long memoryMebibytes, long gpuMemoryBytes) {
        if (gpuMemoryBytes <= 0) {
            return Math.round(memoryMebibytes / 1024.0);
        }
        double eighths = Math.ceil(8.0 * memoryMebibytes * MEBIBYTE / gpuMemoryBytes);
        double gigabytes = Math.ceil((double) gpuMemoryBytes / GIBIBYTE);
        return Math.round(eighths / 8 * gigabytes);
    }
}
