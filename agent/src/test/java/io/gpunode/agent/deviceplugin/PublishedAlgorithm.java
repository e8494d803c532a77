package io.gpunode.agent.deviceplugin;

import io.gpunode.agent.model.Topology;
import java.util.ArrayList;
import java.util.List;

/**
 * The best-effort search that NVIDIA's device plugin is documented to do, written anew to compare with: all partitions of the free GPUs into
 * sets of the wanted size, the first of the best ones, of it the first best set. Its known faults are left out: directions that disagree count
 * as the worse one, and a set with padding is never the answer. Slow, as the original is.
 */
final class PublishedAlgorithm {
    private final int[][] scores;
    private final int size;
    private final int required;
    private int bestScore = -1;
    private List<Integer> best = List.of();

    private PublishedAlgorithm(int[][] scores, int required, int size) {
        this.scores = scores;
        this.required = required;
        this.size = size;
    }

    /**
     * The set that it gives, as a mask of GPUs.
     *
     * @param order the free GPUs in the order that the kubelet names them in
     */
    static int choose(int[][] scores, List<Integer> order, int required, int size) {
        if (size == 1) {
            return required == 0 ? 1 << order.getFirst() : required;
        }
        PublishedAlgorithm search = new PublishedAlgorithm(scores, required, size);
        search.partition(order, new ArrayList<>(), order.size() % size);
        int chosen = 0;
        int chosenScore = -1;
        for (int set : search.best) {
            if (Integer.bitCount(set) == size && (required & ~set) == 0 && sum(scores, set) > chosenScore) {
                chosen = set;
                chosenScore = sum(scores, set);
            }
        }
        return chosen;
    }

    /** Points by common ancestor, and 100 for each link between the two. */
    static int[][] scores(Topology topology) {
        int count = topology.gpus().size();
        int[][] result = new int[count][count];
        for (int a = 0; a < count; a++) {
            for (int b = 0; b < count; b++) {
                if (a != b) {
                    result[a][b] = Math.min(score(topology, a, b), score(topology, b, a));
                }
            }
        }
        return result;
    }

    /** The best sum over a partition of a mask into sets of the size and at most one smaller set. */
    static int bestPartition(int[][] scores, int mask, int size) {
        if (Integer.bitCount(mask) <= size) {
            return sum(scores, mask);
        }
        List<Integer> gpus = new ArrayList<>();
        for (int left = mask; left != 0; left &= left - 1) {
            gpus.add(Integer.numberOfTrailingZeros(left));
        }
        PublishedAlgorithm search = new PublishedAlgorithm(scores, 0, size);
        search.partition(gpus, new ArrayList<>(), gpus.size() % size);
        return search.bestScore;
    }

    /** How many partitions it looks at. */
    static double partitions(int gpus, int size) {
        double count = 1;
        int sets = 0;
        int left = gpus;
        for (; left >= size; left -= size) {
            count *= choose(left, size);
            count /= ++sets;
        }
        return count;
    }

    private static double choose(int of, int members) {
        double count = 1;
        for (int i = 0; i < members; i++) {
            count = count * (of - i) / (i + 1);
        }
        return count;
    }

    /** The sum over a set's pairs. */
    static int sum(int[][] scores, int set) {
        int sum = 0;
        for (int a = 0; a < scores.length; a++) {
            for (int b = 0; b < a; b++) {
                sum += (set >> a & set >> b & 1) == 1 ? scores[a][b] : 0;
            }
        }
        return sum;
    }

    private static int score(Topology topology, int a, int b) {
        int pcie = 60 - topology.ancestor()[a][b];
        return pcie + 100 * topology.nvLinks()[a][b];
    }

    /** Fixes the first free GPU in the next set and tries all others beside it; at most one set is smaller, by all of the padding. */
    private void partition(List<Integer> left, List<Integer> sets, int smallSet) {
        if (left.isEmpty()) {
            consider(sets);
            return;
        }
        grow(left, 1, 1 << left.getFirst(), 1, size, sets, smallSet);
        if (smallSet > 0) {
            grow(left, 1, 1 << left.getFirst(), 1, smallSet, sets, 0);
        }
    }

    private void grow(List<Integer> left, int from, int set, int members, int want, List<Integer> sets, int smallSet) {
        if (members == want) {
            List<Integer> rest = new ArrayList<>(left);
            rest.removeIf(gpu -> (set >> gpu & 1) == 1);
            sets.add(set);
            partition(rest, sets, smallSet);
            sets.removeLast();
            return;
        }
        for (int i = from; i < left.size(); i++) {
            grow(left, i + 1, set | 1 << left.get(i), members + 1, want, sets, smallSet);
        }
    }

    private void consider(List<Integer> sets) {
        boolean serves = false;
        int score = 0;
        for (int set : sets) {
            serves |= Integer.bitCount(set) == size && (required & ~set) == 0;
            score += sum(scores, set);
        }
        if (serves && score > bestScore) {
            bestScore = score;
            best = List.copyOf(sets);
        }
    }
}
