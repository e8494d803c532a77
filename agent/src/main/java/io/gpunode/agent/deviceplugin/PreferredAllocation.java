package io.gpunode.agent.deviceplugin;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeMap;

/**
 * Which of the available devices go best together: pure, deterministic whatever order the kubelet asks in, no NVML. It never refuses: an error
 * would fail the pod's admission, so odd input (unknown ids, sizes that cannot be met) gets the best answer that there is, and the kubelet
 * tops up or ignores.
 */
final class PreferredAllocation {
    /** Separates a GPU's id from the number of its replica. */
    private static final String REPLICA_MARK = "::";

    private PreferredAllocation() {}

    /**
     * Chooses.
     *
     * @param available what may be given, in any order
     * @param required what must be given, usually also available
     * @param size how many in all
     * @return in PCI order; fewer than {@code size} only when there are not enough
     */
    static List<String> choose(AdvertisedDevices devices, List<String> available, List<String> required, int size) {
        if (size <= 0) {
            return List.of();
        }
        BitSet known = new BitSet();
        BitSet must = new BitSet();
        Set<String> others = new LinkedHashSet<>();
        Set<String> otherMust = new LinkedHashSet<>();
        sort(devices, required, must, otherMust);
        sort(devices, available, known, others);
        known.or(must);
        if (!otherMust.isEmpty() || hasReplicas(others) || hasReplicas(available)) {
            return chooseReplicas(devices, available, required, size);
        }
        BitSet chosen;
        if (must.cardinality() >= size) {
            chosen = first(must, size);
        } else if (known.cardinality() <= size) {
            chosen = known;
        } else if (devices.devices().size() <= SubsetSearch.MOST_GPUS) {
            chosen = fromMask(devices.scores().search().best(toMask(known), toMask(must), size));
        } else {
            chosen = grow(devices.scores(), known, must, size);
        }
        List<String> ids = new ArrayList<>(chosen.cardinality());
        chosen.stream().forEach(place -> ids.add(devices.devices().get(place).id()));
        return ids;
    }

    private static void sort(AdvertisedDevices devices, List<String> ids, BitSet places, Set<String> unknown) {
        for (String id : ids) {
            int place = devices.placeOf(id);
            if (place >= 0) {
                places.set(place);
            } else {
                unknown.add(id);
            }
        }
    }

    private static boolean hasReplicas(Collection<String> ids) {
        for (String id : ids) {
            if (id.contains(REPLICA_MARK)) {
                return true;
            }
        }
        return false;
    }

    private static BitSet first(BitSet places, int size) {
        BitSet result = new BitSet();
        for (int place = places.nextSetBit(0); place >= 0 && size > 0; place = places.nextSetBit(place + 1), size--) {
            result.set(place);
        }
        return result;
    }

    private static int toMask(BitSet places) {
        return places.isEmpty() ? 0 : (int) places.toLongArray()[0];
    }

    private static BitSet fromMask(int mask) {
        return BitSet.valueOf(new long[] {mask});
    }

    /** Beyond the exact search: grows a set from each start by the best connected next GPU, and keeps the best set. */
    private static BitSet grow(PairScores scores, BitSet available, BitSet required, int size) {
        if (!required.isEmpty()) {
            return growFrom(scores, available, required, size);
        }
        BitSet best = new BitSet();
        long bestSum = -1;
        for (int start = available.nextSetBit(0); start >= 0; start = available.nextSetBit(start + 1)) {
            BitSet seed = new BitSet();
            seed.set(start);
            BitSet set = growFrom(scores, available, seed, size);
            // Of equal sets the one that the others miss least.
            long sum = (sumWithin(scores, set) << 20) - connection(scores, set, available) / 1024;
            if (bestSum == -1 || sum > bestSum) {
                bestSum = sum;
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

    private static long sumWithin(PairScores scores, BitSet set) {
        return connection(scores, set, set) / 2;
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

    /** Shared devices: what must be, then always from the GPU that was picked from least, then from the one with most to give. */
    private static List<String> chooseReplicas(
            AdvertisedDevices devices, List<String> available, List<String> required, int size) {
        Comparator<String> order = Comparator.<String>comparingInt(base -> {
                    int place = devices.placeOf(base);
                    return place < 0 ? Integer.MAX_VALUE : place;
                })
                .thenComparing(Comparator.naturalOrder());
        TreeMap<String, Group> groups = new TreeMap<>(order);
        Set<String> chosen = new LinkedHashSet<>();
        for (String id : required.stream().sorted().toList()) {
            if (chosen.size() < size && chosen.add(id)) {
                groups.computeIfAbsent(baseOf(id), _ -> new Group()).picked++;
            }
        }
        for (String id : available.stream()
                .distinct()
                .sorted(PreferredAllocation::compareReplicas)
                .toList()) {
            if (!chosen.contains(id)) {
                groups.computeIfAbsent(baseOf(id), _ -> new Group()).free.add(id);
            }
        }
        while (chosen.size() < size) {
            Group next = null;
            for (Group group : groups.values()) {
                if (group.left() > 0
                        && (next == null
                                || group.picked < next.picked
                                || (group.picked == next.picked && group.left() > next.left()))) {
                    next = group;
                }
            }
            if (next == null) {
                break;
            }
            chosen.add(next.free.get(next.taken++));
            next.picked++;
        }
        return List.copyOf(chosen);
    }

    private static String baseOf(String id) {
        int mark = id.indexOf(REPLICA_MARK);
        return mark < 0 ? id : id.substring(0, mark);
    }

    /** {@code …::10} comes after {@code …::9}. */
    private static int compareReplicas(String a, String b) {
        int byBase = baseOf(a).compareTo(baseOf(b));
        int byLength = Integer.compare(a.length(), b.length());
        return byBase != 0 ? byBase : byLength != 0 ? byLength : a.compareTo(b);
    }

    /** One GPU's replicas. */
    private static final class Group {
        private final List<String> free = new ArrayList<>();
        private int taken;
        private int picked;

        int left() {
            return free.size() - taken;
        }
    }
}
