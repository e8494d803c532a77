package io.gpunode.agent.mig;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What fits instead of a wish that does not: the combinations of GPU instances that an empty GPU can have and that differ least from it.
 *
 * <p>Two kinds are suggested. First what is left when as few GPU instances as possible are left out, and of these the most memory. Then
 * combinations of as many instances as were wanted in which as few as possible are of another profile, and of these the one whose sizes are
 * nearest.
 */
final class NearestLayouts {
    private static final int MOST_OF_EACH = 3;

    private NearestLayouts() {}

    private record Candidate(int[] counts, int leftOut, int added, int sizeDifference, int memorySlices) {}

    static List<MigRefusal.Suggestion> of(Chip chip, MigWish.Devices wish) {
        int[] wanted = wantedInstances(chip, wish);
        int wantedSize = memorySlices(chip, wanted);
        List<Candidate> parts = new ArrayList<>();
        List<Candidate> others = new ArrayList<>();
        chip.forEachCombination(counts -> {
            int leftOut = 0;
            int added = 0;
            for (int p = 0; p < counts.length; p++) {
                leftOut += Math.max(0, wanted[p] - counts[p]);
                added += Math.max(0, counts[p] - wanted[p]);
            }
            int size = memorySlices(chip, counts);
            if (size == 0) {
                return;
            }
            Candidate candidate = new Candidate(counts.clone(), leftOut, added, Math.abs(size - wantedSize), size);
            if (added == 0) {
                parts.add(candidate);
            } else if (added == leftOut) {
                others.add(candidate);
            }
        });
        List<MigRefusal.Suggestion> suggestions = new ArrayList<>();
        take(
                chip,
                parts,
                Comparator.comparingInt(Candidate::leftOut)
                        .thenComparing(
                                Comparator.comparingInt(Candidate::memorySlices).reversed()),
                suggestions);
        take(
                chip,
                others,
                Comparator.comparingInt(Candidate::leftOut).thenComparingInt(Candidate::sizeDifference),
                suggestions);
        return suggestions;
    }

    /** The first few, and only those that leave out as little as the first. */
    private static void take(
            Chip chip, List<Candidate> candidates, Comparator<Candidate> order, List<MigRefusal.Suggestion> to) {
        candidates.sort(order);
        for (int i = 0; i < Math.min(MOST_OF_EACH, candidates.size()); i++) {
            Candidate candidate = candidates.get(i);
            if (candidate.leftOut > candidates.getFirst().leftOut) {
                return;
            }
            Map<MigWish.Kind, Integer> devices = new HashMap<>();
            for (int p = 0; p < chip.size(); p++) {
                if (candidate.counts[p] > 0) {
                    devices.put(MigWish.Kind.whole(chip.profile(p)), candidate.counts[p]);
                }
            }
            to.add(new MigRefusal.Suggestion(
                    new MigWish.Devices(devices), text(chip, candidate.counts), candidate.leftOut, candidate.added));
        }
    }

    /** GPU instances of each profile: as many as the slices need at least, also where no GPU has that many. */
    private static int[] wantedInstances(Chip chip, MigWish.Devices wish) {
        int[] slices = new int[chip.size()];
        wish.devices().forEach((kind, count) -> slices[chip.indexOf(kind.profileId())] += kind.computeSlices() * count);
        for (int p = 0; p < slices.length; p++) {
            slices[p] = Math.ceilDiv(slices[p], chip.profile(p).slices());
        }
        return slices;
    }

    private static int memorySlices(Chip chip, int[] counts) {
        int size = 0;
        for (int p = 0; p < counts.length; p++) {
            size += counts[p] * chip.profile(p).memorySlices();
        }
        return size;
    }

    /** A wish for people: {@code 2 x 3g.40gb, 1 x 1c.2g.20gb}, the largest first. */
    static String text(Chip chip, MigWish.Devices wish) {
        List<String> texts = new ArrayList<>();
        wish.devices().entrySet().stream()
                .sorted(Comparator.comparingInt(each ->
                        -chip.profile(chip.indexOf(each.getKey().profileId())).memorySlices()))
                .forEach(each -> texts.add(each.getValue() + " x "
                        + chip.profile(chip.indexOf(each.getKey().profileId()))
                                .deviceName(each.getKey().computeSlices())));
        return String.join(", ", texts);
    }

    private static String text(Chip chip, int[] counts) {
        List<Integer> largestFirst = new ArrayList<>();
        for (int p = 0; p < counts.length; p++) {
            if (counts[p] > 0) {
                largestFirst.add(p);
            }
        }
        largestFirst.sort(Comparator.comparingInt(p -> -chip.profile(p).memorySlices()));
        List<String> texts = new ArrayList<>();
        for (int p : largestFirst) {
            texts.add(counts[p] + " x " + chip.profile(p).name());
        }
        return String.join(", ", texts);
    }
}
