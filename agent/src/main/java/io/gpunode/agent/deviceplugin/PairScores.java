package io.gpunode.agent.deviceplugin;

import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.Topology;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * How well each pair of a node's GPUs is connected, as one number a pair. The weights are those of NVIDIA's device plugin (go-gpuallocator):
 * points by NVML's common-ancestor level and 100 for each direct NVLink. Two GPUs whose links end at an NVSwitch reach each other equally
 * well whatever PCIe says, so all such pairs score the same and PCIe only breaks ties between them.
 *
 * <p>Made once per topology; equal topologies give equal scores. The matrix is immutable; {@link #search()} keeps its own cache.
 */
final class PairScores {
    /** No GPUs. */
    static final PairScores NONE = new PairScores(0, new int[0]);

    /** Points by NVML's common-ancestor level ({@code nvmlGpuTopologyLevel_t}). */
    private enum Ancestor {
        INTERNAL(0, 60),
        SINGLE(10, 50),
        MULTIPLE(20, 40),
        HOSTBRIDGE(30, 30),
        NODE(40, 20),
        SYSTEM(50, 10);

        private static final Ancestor[] ALL = values();

        private final int level;
        private final int points;

        Ancestor(int level, int points) {
            this.level = level;
            this.points = points;
        }

        /** A level that could not be read counts by NUMA node, and without that as the worst. */
        static int points(int level, OptionalInt numaA, OptionalInt numaB) {
            for (Ancestor ancestor : ALL) {
                if (ancestor.level == level) {
                    return ancestor.points;
                }
            }
            return numaA.isPresent() && numaA.equals(numaB) ? NODE.points : SYSTEM.points;
        }
    }

    private static final int POINTS_PER_NVLINK = 100;
    /** More than NVML knows ({@code NVML_NVLINK_MAX_LINKS}) would overflow the sums. */
    private static final int MOST_NVLINKS = 18;
    /** Leaves room below for the tie-breaking points of 120 pairs. */
    private static final int TIE_BREAK_ROOM = 1024;

    private final int count;
    private final int[] pairs;
    private @Nullable SubsetSearch search;

    private PairScores(int count, int[] pairs) {
        this.count = count;
        this.pairs = pairs;
    }

    /** The scores of a picture's GPUs, in its order. Directions of a pair that disagree count as the worse one. */
    static PairScores of(List<Gpu> gpus, Topology topology) {
        int count = gpus.size();
        int[] pairs = new int[count * count];
        for (int a = 0; a < count; a++) {
            for (int b = a + 1; b < count; b++) {
                int score = score(gpus.get(a), gpus.get(b), a, b, topology);
                pairs[a * count + b] = score;
                pairs[b * count + a] = score;
            }
        }
        return new PairScores(count, pairs);
    }

    /**
     * The scores of some of these GPUs.
     *
     * @param places which, each once
     */
    PairScores among(int[] places) {
        boolean all = places.length == count;
        for (int i = 0; i < places.length && all; i++) {
            all = places[i] == i;
        }
        if (all) {
            return this;
        }
        int[] chosen = new int[places.length * places.length];
        for (int a = 0; a < places.length; a++) {
            for (int b = 0; b < places.length; b++) {
                chosen[a * places.length + b] = between(places[a], places[b]);
            }
        }
        return new PairScores(places.length, chosen);
    }

    /** GPUs of which nothing is known: all pairs are equal. */
    static PairScores unknown(int count) {
        int[] pairs = new int[count * count];
        Arrays.fill(pairs, Ancestor.SYSTEM.points * TIE_BREAK_ROOM);
        return new PairScores(count, pairs);
    }

    private static int score(Gpu first, Gpu second, int a, int b, Topology topology) {
        int pcie = Math.min(
                Ancestor.points(at(topology.ancestor(), a, b, -1), first.numaNode(), second.numaNode()),
                Ancestor.points(at(topology.ancestor(), b, a, -1), first.numaNode(), second.numaNode()));
        int links =
                Math.clamp(Math.min(at(topology.nvLinks(), a, b, 0), at(topology.nvLinks(), b, a, 0)), 0, MOST_NVLINKS);
        boolean switched = at(topology.nvSwitch(), a) && at(topology.nvSwitch(), b);
        return switched
                ? MOST_NVLINKS * POINTS_PER_NVLINK * TIE_BREAK_ROOM + pcie / 10
                : (pcie + links * POINTS_PER_NVLINK) * TIE_BREAK_ROOM;
    }

    private static int at(int[][] matrix, int a, int b, int otherwise) {
        return a < matrix.length && b < matrix[a].length ? matrix[a][b] : otherwise;
    }

    private static boolean at(boolean[] vector, int a) {
        return a < vector.length && vector[a];
    }

    /** How many GPUs. */
    int count() {
        return count;
    }

    /** The score of a pair, 0 of a GPU with itself. */
    int between(int a, int b) {
        return pairs[a * count + b];
    }

    /** The exact search over these GPUs; only up to {@link SubsetSearch#MOST_GPUS}. */
    synchronized SubsetSearch search() {
        if (search == null) {
            search = new SubsetSearch(this);
        }
        return search;
    }

    /** Whether the other matrix says the same. */
    boolean sameAs(PairScores other) {
        return count == other.count && Arrays.equals(pairs, other.pairs);
    }
}
