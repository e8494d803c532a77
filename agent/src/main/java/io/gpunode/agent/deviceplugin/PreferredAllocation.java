package io.gpunode.agent.deviceplugin;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * Which of the available devices go best together: GPUs by how they are connected, shares and MIG devices by the configured policy. Deterministic
 * whatever order the kubelet asks in, no NVML. It never refuses: an error would fail the pod's admission, so odd input (unknown ids, sizes that
 * cannot be met) gets the best answer that there is, and the kubelet tops up or ignores.
 */
final class PreferredAllocation {
    private PreferredAllocation() {}

    /**
     * Chooses.
     *
     * @param available what may be given, in any order
     * @param required what must be given, usually also available
     * @param size how many in all
     * @param held what containers hold
     * @return known devices in the order of the list, then others by id; fewer than {@code size} only when there are not enough
     */
    static List<String> choose(
            AdvertisedDevices devices, List<String> available, List<String> required, int size, HeldDevices held) {
        if (size <= 0) {
            return List.of();
        }
        BitSet must = new BitSet();
        BitSet candidates = new BitSet();
        Set<String> unknown = new TreeSet<>();
        Set<String> unknownMust = new TreeSet<>();
        sort(devices, required, must, unknownMust);
        sort(devices, available, candidates, unknown);
        candidates.or(must);
        int known = Math.max(0, size - unknownMust.size());
        BitSet chosen;
        if (must.cardinality() >= known) {
            chosen = must;
        } else if (candidates.cardinality() <= known) {
            chosen = candidates;
        } else {
            DeviceTree tree = devices.tree();
            chosen = tree.wholeGpus()
                    ? chooseGpus(tree, candidates, must, known, held)
                    : SharedPlacement.choose(
                            tree, candidates, must, known, devices.rules().placement(), held);
        }
        List<String> ids = new ArrayList<>(Math.min(size, chosen.cardinality() + unknownMust.size() + unknown.size()));
        add(ids, unknownMust, size);
        for (int place = chosen.nextSetBit(0); place >= 0 && ids.size() < size; place = chosen.nextSetBit(place + 1)) {
            ids.add(devices.devices().get(place).id());
        }
        unknown.removeAll(unknownMust);
        add(ids, unknown, size);
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

    private static void add(List<String> ids, Set<String> more, int size) {
        for (String id : more) {
            if (ids.size() == size) {
                return;
            }
            ids.add(id);
        }
    }

    /** GPUs of which containers hold a share or a part through another resource come last. */
    private static BitSet chooseGpus(DeviceTree devices, BitSet candidates, BitSet must, int size, HeldDevices held) {
        BitSet idle = (BitSet) candidates.clone();
        for (Map.Entry<String, HeldDevices.Hold> entry : held.holds().entrySet()) {
            if (devices.devices().placeOf(entry.getKey()) < 0) {
                int base = devices.base(entry.getValue().parent());
                if (base >= 0 && !must.get(devices.devicesOf(base)[0])) {
                    idle.clear(devices.devicesOf(base)[0]);
                }
            }
        }
        PairScores scores = devices.devices().scores();
        return idle.cardinality() >= size
                ? connected(scores, idle, must, size)
                : connected(scores, candidates, idle, size);
    }

    private static BitSet connected(PairScores scores, BitSet candidates, BitSet must, int size) {
        if (scores.count() > SubsetSearch.MOST_GPUS) {
            return GrowingSearch.best(scores, candidates, must, size);
        }
        return BitSet.valueOf(new long[] {scores.search().best(toMask(candidates), toMask(must), size)});
    }

    private static int toMask(BitSet places) {
        return places.isEmpty() ? 0 : (int) places.toLongArray()[0];
    }
}
