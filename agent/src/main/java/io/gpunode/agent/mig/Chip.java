package io.gpunode.agent.mig;

import io.gpunode.agent.model.MigAttributes;
import io.gpunode.agent.model.MigPlacement;
import io.gpunode.agent.model.MigProfile;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * What GPU instances a GPU can have at the same time, from what its driver tells of its profiles, and the exact search for places. Immutable.
 *
 * <p>Instances may lie where NVML says, without overlap in memory slices. There are at most as many of a profile as NVML says, and together
 * they take no more compute slices and media engines than the GPU has. NVML does not tell the latter: a GPU has at least what as many
 * instances of one profile as there can be have together, and the most of these is taken.
 */
final class Chip {
    /** Compute slices, decoders, encoders, JPEG engines, optical flow engines. */
    private static final int RESOURCES = 5;

    private final List<MigProfile> profiles;
    private final int[] instances;
    private final int[][] masks;
    private final int[][] needs;
    private final int[] capacity = new int[RESOURCES];
    /** Profiles from the largest in memory to the smallest: the large ones have the fewest places. */
    private final int[] largestFirst;

    Chip(List<MigProfile> profiles) {
        this.profiles = List.copyOf(profiles);
        int count = profiles.size();
        instances = new int[count];
        masks = new int[count][];
        needs = new int[count][];
        for (int p = 0; p < count; p++) {
            MigProfile profile = profiles.get(p);
            instances[p] = profile.instances();
            masks[p] =
                    profile.placements().stream().mapToInt(MigPlacement::mask).toArray();
            MigAttributes engines = profile.engines();
            needs[p] = new int[] {
                profile.slices(),
                engines.decoders(),
                engines.encoders(),
                engines.jpegEngines(),
                engines.opticalFlowEngines()
            };
            for (int r = 0; r < RESOURCES; r++) {
                capacity[r] = Math.max(capacity[r], needs[p][r] * instances[p]);
            }
        }
        largestFirst = ordered(profiles);
    }

    private static int[] ordered(List<MigProfile> profiles) {
        List<Integer> order = new ArrayList<>();
        for (int p = 0; p < profiles.size(); p++) {
            order.add(p);
        }
        order.sort(Comparator.<Integer>comparingInt(p -> -profiles.get(p).memorySlices())
                .thenComparingInt(p -> -profiles.get(p).slices())
                .thenComparing(Comparator.naturalOrder()));
        return order.stream().mapToInt(Integer::intValue).toArray();
    }

    int size() {
        return profiles.size();
    }

    MigProfile profile(int index) {
        return profiles.get(index);
    }

    /** The place of a profile in this chip's list; -1 when it has none with this id. */
    int indexOf(int profileId) {
        for (int p = 0; p < profiles.size(); p++) {
            if (profiles.get(p).id() == profileId) {
                return p;
            }
        }
        return -1;
    }

    /** Whether so many of each profile are within the limits, wherever they would lie. */
    boolean withinLimits(int[] counts) {
        for (int p = 0; p < instances.length; p++) {
            if (counts[p] > instances[p]) {
                return false;
            }
        }
        for (int r = 0; r < RESOURCES; r++) {
            int taken = 0;
            for (int p = 0; p < instances.length; p++) {
                taken += counts[p] * needs[p][r];
            }
            if (taken > capacity[r]) {
                return false;
            }
        }
        return true;
    }

    /** Why no GPU can be split like this; empty when one can. Places of compute instances in their GPU instances count too. */
    String impossible(MigLayout layout) {
        int[] counts = new int[profiles.size()];
        int taken = 0;
        for (MigLayout.Instance instance : layout.instances()) {
            int p = indexOf(instance.profileId());
            if (p < 0) {
                return "there is no profile " + instance.profileId();
            }
            String name = profiles.get(p).name();
            if (!profiles.get(p).placements().contains(instance.placement())) {
                return "no " + name + " lies at " + instance.placement();
            }
            if ((taken & instance.placement().mask()) != 0) {
                return name + " at " + instance.placement() + " overlaps another instance";
            }
            taken |= instance.placement().mask();
            counts[p]++;
            int partsTaken = 0;
            for (MigLayout.Part part : instance.parts()) {
                boolean known = profiles.get(p).computeProfiles().stream()
                        .anyMatch(compute -> compute.slices() == part.slices()
                                && compute.placements().contains(part.placement()));
                if (!known || (partsTaken & part.placement().mask()) != 0) {
                    return name + " has no compute instance of " + part.slices() + " slices at " + part.placement()
                            + " beside the others";
                }
                partsTaken |= part.placement().mask();
            }
        }
        return withinLimits(counts) ? "" : "there are more instances than it has slices or engines for";
    }

    /** Whether an empty GPU can have so many of each profile at the same time. */
    boolean canHave(int[] counts) {
        return withinLimits(counts) && new Search(0, counts, false).run() != null;
    }

    /** Where new instances are put, and how good that is; compared by what stays possible. */
    record Places(int[][] starts, int largestHole, int choices) {
        /** Whether it leaves more than another: first the larger hole, then the more places. */
        boolean leavesMoreThan(Places other) {
            return largestHole != other.largestHole ? largestHole > other.largestHole : choices > other.choices;
        }
    }

    /**
     * Searches places for new instances beside those that stay: of all ways, one that leaves the largest free place that some profile could
     * take, then the most places that profiles could take; of equals, the first in the order of slices.
     *
     * @param taken memory slices of the instances that stay, as bits
     * @param counts how many new ones of each profile
     * @return for each profile the indices into its placements; null when there is no way. Limits are not looked at
     */
    @Nullable Places place(int taken, int[] counts) {
        return new Search(taken, counts, true).run();
    }

    private final class Search {
        private final int[] counts;
        private final boolean best;
        private final int taken;
        private final int[][] chosen;
        private @Nullable Places found;

        Search(int taken, int[] counts, boolean best) {
            this.taken = taken;
            this.counts = counts;
            this.best = best;
            this.chosen = new int[counts.length][];
            for (int p = 0; p < counts.length; p++) {
                chosen[p] = new int[counts[p]];
            }
        }

        @Nullable Places run() {
            put(0, 0, 0, taken);
            return found;
        }

        /** Puts the copies of a profile from {@code copy} on, at {@code from} or behind: copies are alike, so only one order of them counts. */
        private void put(int rank, int copy, int from, int used) {
            if (rank == largestFirst.length) {
                leaf(used);
                return;
            }
            int p = largestFirst[rank];
            if (copy == counts[p]) {
                put(rank + 1, 0, 0, used);
                return;
            }
            int[] places = masks[p];
            for (int i = from; i < places.length && (best || found == null); i++) {
                if ((used & places[i]) == 0) {
                    chosen[p][copy] = i;
                    put(rank, copy + 1, i + 1, used | places[i]);
                }
            }
        }

        private void leaf(int used) {
            int hole = 0;
            int choices = 0;
            for (int[] places : masks) {
                for (int mask : places) {
                    if ((used & mask) == 0) {
                        hole = Math.max(hole, Integer.bitCount(mask));
                        choices++;
                    }
                }
            }
            Places candidate = new Places(chosen, hole, choices);
            if (found == null || candidate.leavesMoreThan(found)) {
                found = new Places(Arrays.stream(chosen).map(int[]::clone).toArray(int[][]::new), hole, choices);
            }
        }
    }

    /**
     * Gives every combination of profiles that an empty GPU can have at the same time, by the counts of each profile; the empty one first. The
     * array is the caller's to read until it returns.
     */
    void forEachCombination(Consumer<int[]> reader) {
        int[] counts = new int[profiles.size()];
        reader.accept(counts);
        combine(counts, 0, reader);
    }

    private void combine(int[] counts, int from, Consumer<int[]> reader) {
        for (int p = from; p < counts.length; p++) {
            counts[p]++;
            // What cannot be had cannot be had with more beside it either.
            if (canHave(counts)) {
                reader.accept(counts);
                combine(counts, p, reader);
            }
            counts[p]--;
        }
    }
}
