package io.gpunode.agent.gpu;

import java.util.Map;

/**
 * The text of a MIG profile, as in resource names, labels and {@code nvidia-smi mig -lgip}: {@code 1g.10gb}, {@code 1c.3g.40gb},
 * {@code 1g.10gb+me}.
 */
final class MigProfiles {
    private static final long MEBIBYTE = 1L << 20;
    private static final long GIBIBYTE = 1L << 30;

    /**
     * What an instance has beyond its slices, by the profile id of {@code nvmlGpuInstanceInfo_t}: the ids of NVIDIA's MIG user guide, tables of
     * supported profiles (A30: 6 and 21; A100, H100, B200: 20; RTX PRO: the others).
     */
    private static final Map<Integer, String> ATTRIBUTES = Map.of(
            6, "+me", 20, "+me", 21, "+me", 32, "+gfx", 35, "+gfx", 47, "+gfx", 64, "+me.all", 65, "+me.all", 66, "-me",
            67, "-me");

    private MigProfiles() {}

    /**
     * Builds the text.
     *
     * @param computeSlices of the compute instance
     * @param gpuSlices of the GPU instance
     * @param memoryMebibytes of the GPU instance
     * @param gpuMemoryBytes frame buffer of the whole GPU
     * @param profileId the GPU instance's profile id; -1 when it is not known
     */
    static String text(int computeSlices, int gpuSlices, long memoryMebibytes, long gpuMemoryBytes, int profileId) {
        StringBuilder text = new StringBuilder(16);
        if (computeSlices != gpuSlices) {
            text.append(computeSlices).append("c.");
        }
        return text.append(gpuSlices)
                .append("g.")
                .append(gigabytes(memoryMebibytes, gpuMemoryBytes))
                .append("gb")
                .append(ATTRIBUTES.getOrDefault(profileId, ""))
                .toString();
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
