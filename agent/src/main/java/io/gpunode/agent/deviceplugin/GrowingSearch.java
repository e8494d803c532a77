package io.gpunode.agent.deviceplugin;

import java.util.BitSet;

/**
 * Finds a good set of GPUs where there are too many for {@link SubsetSearch}: grows a set from each start by the GPU that is connected best, and
 * keeps the best set. Pure.
 */
final class GrowingSearch {
    private GrowingSearch() {}

    /**
     * A good set.
     *
     * @param available places of what may be given
     * @param required places of what must be given, part of {@code available}
     * @param size how many in all: at least the required, at most the available
     */
    static BitSet best(PairScores scores, BitSet available, BitSet required, int size) {
        if (!required.isEmpty()) {
            return growFrom(scores, available, required, size);
        }
        BitSet best = new BitSet();
        long bestSum = -1;
        long bestLoss = 0;
        for (int start = available.nextSetBit(0); start >= 0; start = available.nextSetBit(start + 1)) {
            BitSet seed = new BitSet();
            seed.set(start);
            BitSet set = growFrom(scores, available, seed, size);
            long sum = connection(scores, set, set);
            long loss = connection(scores, set, available);
            // Of equal sets the one that the others miss least.
            if (sum > bestSum || (sum == bestSum && loss < bestLoss)) {
                bestSum = sum;
                bestLoss = loss;
                best = set;
            }
        }
        return best;
    }

    private static BitSet growFrom(PairScores scores, BitSet available, BitSet seed, int size) {
        BitSet set = (BitSet) seed.clone();
        for (int have = set.cardinality(); have < size; have++) {
            int next = -1;
            long nextSum = -1;
            for (int place = available.nextSetBit(0); place >= 0; place = available.nextSetBit(place + 1)) {
                if (set.get(place)) {
                    continue;
                }
                long sum = 0;
                for (int member = set.nextSetBit(0); member >= 0; member = set.nextSetBit(member + 1)) {
                    sum += scores.between(place, member);
                }
                if (sum > nextSum) {
                    nextSum = sum;
                    next = place;
                }
            }
            set.set(next);
        }
        return set;
    }

    private static long connection(PairScores scores, BitSet from, BitSet to) {
        long sum = 0;
        for (int a = from.nextSetBit(0); a >= 0; a = from.nextSetBit(a + 1)) {
            for (int b = to.nextSetBit(0); b >= 0; b = to.nextSetBit(b + 1)) {
                sum += a == b ? 0 : scores.between(a, b);
            }
        }
        return sum;
    }
}
