package io.gpunode.agent.mig;

import io.gpunode.agent.mig.MigLayout.Part;
import io.gpunode.agent.model.MigPlacement;
import io.gpunode.agent.model.MigProfile;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Shares out compute instances among GPU instances of one profile: into those that stay and have room, and into as few new ones as possible.
 * Exact; a GPU has at most eight compute slices.
 */
final class Parts {
    private final MigProfile profile;
    private final int[] wanted;
    private final List<Bin> bins;
    private final int kept;
    private final Bin[] chosenBin;
    private final MigPlacement[] chosenPlace;
    private final int leastOpened;
    private int opened;
    private @Nullable List<List<Part>> best;
    private int bestOpened;

    private static final class Bin {
        int used;
        boolean hasParts;

        Bin(int used) {
            this.used = used;
            this.hasParts = used != 0;
        }
    }

    private Parts(MigProfile profile, int[] wanted, List<Integer> keptMasks) {
        this.profile = profile;
        this.wanted = wanted;
        this.kept = keptMasks.size();
        this.bins = new ArrayList<>();
        keptMasks.forEach(mask -> bins.add(new Bin(mask)));
        this.chosenBin = new Bin[wanted.length];
        this.chosenPlace = new MigPlacement[wanted.length];
        this.bestOpened = Math.min(wanted.length, profile.instances()) + 1;
        int room = keptMasks.stream()
                .mapToInt(mask -> profile.slices() - Integer.bitCount(mask))
                .sum();
        this.leastOpened = Math.ceilDiv(Math.max(0, Arrays.stream(wanted).sum() - room), profile.slices());
    }

    /**
     * Shares them out.
     *
     * @param wanted compute slices of each, the largest first; all are slices of one of the profile's compute profiles
     * @param keptMasks compute slices that are taken already, for each GPU instance that stays; 0 for one that is empty
     * @return what is added to each GPU instance: those that stay, then new ones, as few as possible; null when there is no way, or when one
     *     that stays would be left empty
     */
    static @Nullable List<List<Part>> share(MigProfile profile, int[] wanted, List<Integer> keptMasks) {
        Parts parts = new Parts(profile, wanted, keptMasks);
        parts.put(0, 0, 0);
        return parts.best;
    }

    /** Puts compute instances from {@code next} on; one like its forerunner goes into the same bin behind it, or into a later one. */
    private void put(int next, int fromBin, int fromPlace) {
        if (next == wanted.length) {
            if (opened < bestOpened && bins.subList(0, kept).stream().allMatch(bin -> bin.hasParts)) {
                bestOpened = opened;
                best = shared();
            }
            return;
        }
        for (int b = fromBin; b <= bins.size() && bestOpened > Math.max(opened, leastOpened); b++) {
            boolean opens = b == bins.size();
            if (opens) {
                if (opened + 1 >= bestOpened) {
                    return;
                }
                bins.add(new Bin(0));
                opened++;
            }
            putInto(next, b, b == fromBin ? fromPlace : 0);
            if (opens) {
                bins.removeLast();
                opened--;
                return;
            }
        }
    }

    private void putInto(int next, int b, int fromPlace) {
        Bin bin = bins.get(b);
        List<MigPlacement> places = placements(wanted[next]);
        for (int i = fromPlace; i < places.size(); i++) {
            int mask = places.get(i).mask();
            if ((bin.used & mask) != 0) {
                continue;
            }
            boolean had = bin.hasParts;
            bin.used |= mask;
            bin.hasParts = true;
            chosenBin[next] = bin;
            chosenPlace[next] = places.get(i);
            boolean sameNext = next + 1 < wanted.length && wanted[next + 1] == wanted[next];
            put(next + 1, sameNext ? b : 0, sameNext ? i + 1 : 0);
            bin.used &= ~mask;
            bin.hasParts = had;
        }
    }

    private List<MigPlacement> placements(int slices) {
        for (MigProfile.Compute compute : profile.computeProfiles()) {
            if (compute.slices() == slices) {
                return compute.placements();
            }
        }
        throw new IllegalArgumentException(profile.name() + " has no compute instances of " + slices + " slices");
    }

    private List<List<Part>> shared() {
        List<List<Part>> result = new ArrayList<>();
        for (Bin bin : bins) {
            List<Part> parts = new ArrayList<>();
            for (int i = 0; i < wanted.length; i++) {
                if (bin.equals(chosenBin[i])) {
                    parts.add(new Part(wanted[i], chosenPlace[i]));
                }
            }
            result.add(parts);
        }
        return result;
    }
}
