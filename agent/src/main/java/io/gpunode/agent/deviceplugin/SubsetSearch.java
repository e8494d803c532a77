package io.gpunode.agent.deviceplugin;

import java.util.Arrays;

/**
 * Finds the set of GPUs to give, exactly, for up to 16 GPUs. A set is a bit mask; bit <i>i</i> is the <i>i</i>-th GPU in PCI order.
 *
 * <p>What is best: the free GPUs are thought of as divided into sets of the wanted size (and one rest), and the division with the highest sum
 * over the pairs within its sets leaves the node best connected for whoever comes next; this is what NVIDIA's device plugin optimises, too. Of
 * all sets that are part of such a division the one with the best connections within wins; then the one that leaves most to the others (see
 * {@link #worth}); then the lowest PCI addresses. One GPU has no connections, so for size 1 what is left decides alone.
 *
 * <p>The value of dividing a mask is computed from smaller masks and kept, one table of 2<sup>n</sup> numbers a size up to <i>n</i>/2: 1 KiB
 * each at 8 GPUs, 256 KiB at 16. {@link #prepare} fills them ahead of the first question: 1 ms of work at 8 GPUs, about 0.3 s at 16; a question
 * that comes before computes what it needs. GPUs that are connected to all others in the same way stand for each other, so that of such twins
 * only the first ones are tried: eight or sixteen behind NVSwitches are a handful of cases. Any thread.
 */
final class SubsetSearch {
    /** Beyond it the tables outgrow their use. */
    static final int MOST_GPUS = 16;

    /** The sizes that the rest is judged by, those that are asked for most, and weights that make the mean pair of each count the same. */
    private static final int[] USUAL_SIZES = {2, 4, 8};

    private static final int[] PAIR_WEIGHTS = {84, 14, 3};

    private final int count;
    /** By mask: the sum over its pairs. */
    private final int[] within;
    /** By size, by mask: the best sum over a division into sets of that size; -1 is not computed yet. */
    private final int[][] divided;
    /** By GPU: those before it that are connected to all others as it is. */
    private final int[] twins;

    // How far the tables are prepared.
    private int preparedSize = 2;
    private int preparedMask;

    // The search in progress.
    private int size;
    private int available;
    private int best;
    private int bestTotal;
    private int bestWithin;
    private long bestWorth;

    SubsetSearch(PairScores scores) {
        if (scores.count() > MOST_GPUS) {
            throw new IllegalArgumentException(
                    "the exact search takes up to " + MOST_GPUS + " GPUs, not " + scores.count());
        }
        this.count = scores.count();
        this.divided = new int[count + 1][0];
        this.within = new int[1 << count];
        for (int mask = 1; mask < within.length; mask++) {
            int lowest = Integer.numberOfTrailingZeros(mask);
            int others = mask & (mask - 1);
            int sum = within[others];
            for (int left = others; left != 0; left &= left - 1) {
                sum += scores.between(lowest, Integer.numberOfTrailingZeros(left));
            }
            within[mask] = sum;
        }
        this.twins = twins(scores);
    }

    private static int[] twins(PairScores scores) {
        int[] twins = new int[scores.count()];
        for (int gpu = 0; gpu < twins.length; gpu++) {
            for (int before = 0; before < gpu; before++) {
                if (areTwins(scores, before, gpu)) {
                    twins[gpu] |= 1 << before;
                }
            }
        }
        return twins;
    }

    private static boolean areTwins(PairScores scores, int a, int b) {
        for (int other = 0; other < scores.count(); other++) {
            if (other != a && other != b && scores.between(a, other) != scores.between(b, other)) {
                return false;
            }
        }
        return true;
    }

    /**
     * The best set.
     *
     * @param available what may be given
     * @param required part of it that must be given
     * @param size how many to give in all: at least the required, at most the available
     */
    synchronized int best(int available, int required, int size) {
        if ((required & ~available) != 0
                || available >>> count != 0
                || size < Integer.bitCount(required)
                || size > Integer.bitCount(available)) {
            throw new IllegalArgumentException("no set of " + size + " with " + Integer.toBinaryString(required)
                    + " in " + Integer.toBinaryString(available) + " of " + count);
        }
        this.size = size;
        this.available = available;
        this.best = 0;
        this.bestTotal = -1;
        int free = available & ~required;
        tryAll(free, Integer.bitCount(free), size - Integer.bitCount(required), required);
        return best;
    }

    /**
     * Fills some more of the tables. A question from another thread waits for one mask at most.
     *
     * @param masks how many at most
     * @return whether there is more to fill
     */
    boolean prepare(int masks) {
        for (int i = 0; i < masks; i++) {
            if (!prepareNext()) {
                return false;
            }
        }
        return true;
    }

    private synchronized boolean prepareNext() {
        // What is left over beside more than half of the GPUs is at most one set.
        if (preparedSize > count / 2) {
            return false;
        }
        divide(preparedMask, preparedSize);
        preparedMask++;
        if (preparedMask == within.length) {
            preparedMask = 0;
            preparedSize++;
        }
        return true;
    }

    /** Tries the chosen ones with each choice of {@code need} more, lowest addresses first. */
    private void tryAll(int candidates, int candidateCount, int need, int chosen) {
        if (need == 0) {
            tryOne(chosen);
            return;
        }
        int left = candidates;
        for (int leftCount = candidateCount; leftCount >= need; leftCount--) {
            int next = left & -left;
            left ^= next;
            if (!hasTwin(next, available & ~chosen)) {
                tryAll(left, leftCount - 1, need - 1, chosen | next);
            }
        }
    }

    /** Whether a twin of a GPU was passed over: then this one would only repeat what the twin has given. */
    private boolean hasTwin(int gpu, int passedOver) {
        return (twins[Integer.numberOfTrailingZeros(gpu)] & passedOver) != 0;
    }

    private void tryOne(int chosen) {
        int rest = available ^ chosen;
        int chosenWithin = within[chosen];
        int total = size == 1 ? 0 : chosenWithin + divide(rest, size);
        if (total < bestTotal || (total == bestTotal && chosenWithin < bestWithin)) {
            return;
        }
        long restWorth = worth(rest);
        if (total == bestTotal && chosenWithin == bestWithin && restWorth <= bestWorth) {
            return;
        }
        best = chosen;
        bestTotal = total;
        bestWithin = chosenWithin;
        bestWorth = restWorth;
    }

    /** What those that are left are worth: how well sets of two, four and eight of them can be connected, and in all, how well each to each. */
    private long worth(int rest) {
        int members = Integer.bitCount(rest);
        long sum = 0;
        for (int i = 0; i < USUAL_SIZES.length && USUAL_SIZES[i] <= members; i++) {
            sum += (long) PAIR_WEIGHTS[i] * divide(rest, USUAL_SIZES[i]);
        }
        // The best that 120 pairs can have is below 2^28, and the sum below 2^32.
        return (sum << 28) + within[rest];
    }

    /** The best sum over a division of a mask into sets of the size and a smaller rest. */
    private int divide(int mask, int setSize) {
        int members = Integer.bitCount(mask);
        if (members <= setSize) {
            return within[mask];
        }
        int[] known = divided[setSize];
        if (known.length == 0) {
            known = new int[within.length];
            Arrays.fill(known, -1);
            divided[setSize] = known;
        }
        int sum = known[mask];
        if (sum < 0) {
            // The lowest member is in some set: a full one, or the rest.
            int lowest = mask & -mask;
            sum = bestSplit(mask ^ lowest, members - 1, setSize - 1, lowest, mask, setSize);
            int rest = members % setSize;
            if (rest > 0) {
                sum = Math.max(sum, bestSplit(mask ^ lowest, members - 1, rest - 1, lowest, mask, setSize));
            }
            known[mask] = sum;
        }
        return sum;
    }

    /** The best sum over splitting off the set so far and {@code need} more, and dividing what is left. */
    private int bestSplit(int candidates, int candidateCount, int need, int set, int whole, int setSize) {
        if (need == 0) {
            return within[set] + divide(whole ^ set, setSize);
        }
        int sum = -1;
        int left = candidates;
        for (int leftCount = candidateCount; leftCount >= need; leftCount--) {
            int next = left & -left;
            left ^= next;
            if (hasTwin(next, whole & ~set)) {
                continue;
            }
            sum = Math.max(sum, bestSplit(left, leftCount - 1, need - 1, set | next, whole, setSize));
        }
        return sum;
    }
}
