package io.gpunode.agent.model;

/**
 * A range of slices: memory slices of a GPU for a GPU instance, compute slices of a GPU instance for a compute instance
 * ({@code nvmlGpuInstancePlacement_t}). In the order of their starts.
 *
 * @param start the first slice, from 0
 * @param size how many, at least 1; start and size together are at most 32, while chips have 8
 */
public record MigPlacement(int start, int size) implements Comparable<MigPlacement> {
    private static final int MOST_SLICES = 32;

    public MigPlacement {
        if (start < 0 || size < 1 || start > MOST_SLICES - size) {
            throw new IllegalArgumentException("not a placement: start " + start + " size " + size + "; a GPU has "
                    + MOST_SLICES + " slices at most");
        }
    }

    /** The slices as bits. */
    public int mask() {
        return (int) ((1L << size) - 1) << start;
    }

    @Override
    public int compareTo(MigPlacement other) {
        return start != other.start ? Integer.compare(start, other.start) : Integer.compare(size, other.size);
    }

    /** As {@code nvidia-smi} writes it: {@code 4:2} are two slices from the fourth on. */
    @Override
    public String toString() {
        return start + ":" + size;
    }
}
