package io.gpunode.agent.model;

/**
 * The identity of a GPU or MIG device: NVML's UUID text, {@code GPU-…} or {@code MIG-…}. It survives driver reloads and re-ordered
 * indices, so everything that outlives one NVML session is keyed by it.
 *
 * @param uuid not blank
 */
public record GpuId(String uuid) implements Comparable<GpuId> {
    public GpuId {
        if (uuid.isBlank()) {
            throw new IllegalArgumentException("a GPU's UUID is not blank");
        }
    }

    @Override
    public int compareTo(GpuId other) {
        return uuid.compareTo(other.uuid);
    }

    @Override
    public String toString() {
        return uuid;
    }
}
