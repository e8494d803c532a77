package io.gpunode.agent.mig;

import io.gpunode.agent.mig.MigLayout.Instance;
import io.gpunode.agent.mig.MigLayout.Part;
import io.gpunode.agent.model.MigGeometry;
import io.gpunode.agent.model.MigGeometry.ComputeInstance;
import io.gpunode.agent.model.MigGeometry.GpuInstance;
import io.gpunode.agent.model.MigProfile;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Chooses the layout in which a GPU has exactly the wanted MIG devices and of which most is there already. In this order: no instance in use
 * goes; the fewest compute instances go; the fewest GPU instances go; the fewest GPU instances come; the largest place stays free; the most
 * places stay free; the instances lie at the lowest slices.
 *
 * <p>Exact: every choice of compute instances that stay and of GPU instances that stay is looked at, the cheapest first, until none that is
 * as cheap as the best one is left. A GPU has at most eight of each, and a choice that keeps more than is wanted is none.
 */
final class GeometrySearch {
    /** What came of it. */
    sealed interface Found {
        /** The best layout; instances in use may have to go for it. */
        record At(MigLayout layout) implements Found {}

        /** An empty GPU could not have them either. */
        record Nowhere() implements Found {}
    }

    private record Existing(int instance, MigWish.Kind kind, Part part, boolean used) {}

    private record Candidate(
            int usedLost, int partsLost, int instancesLost, int instancesNew, Chip.Places places, MigLayout layout) {
        static final Comparator<Candidate> ORDER = Comparator.comparingInt(Candidate::usedLost)
                .thenComparingInt(Candidate::partsLost)
                .thenComparingInt(Candidate::instancesLost)
                .thenComparingInt(Candidate::instancesNew)
                .thenComparingInt(candidate -> -candidate.places.largestHole())
                .thenComparingInt(candidate -> -candidate.places.choices())
                .thenComparing(candidate -> candidate.layout.instances(), GeometrySearch::compareByPlace);
    }

    private final Chip chip;
    private final List<GpuInstance> instances;
    private final int[] profileOf;
    private final boolean[] instanceUsed;
    private final List<Existing> parts = new ArrayList<>();
    private final Map<MigWish.Kind, Integer> wanted;
    private @Nullable Candidate best;

    private GeometrySearch(Chip chip, MigGeometry current, MigWish.Devices wish, MigUse use) {
        this.chip = chip;
        this.instances = current.enabled() ? current.instances() : List.of();
        this.wanted = wish.devices();
        this.profileOf = new int[instances.size()];
        this.instanceUsed = new boolean[instances.size()];
        for (int i = 0; i < instances.size(); i++) {
            GpuInstance instance = instances.get(i);
            profileOf[i] = chip.indexOf(instance.profileId());
            instanceUsed[i] = !use.of(instance.id()).isEmpty();
            for (ComputeInstance part : instance.computeInstances()) {
                parts.add(new Existing(
                        i,
                        new MigWish.Kind(instance.profileId(), part.slices()),
                        MigLayout.of(part),
                        use.holds(instance.id(), part.id())));
            }
        }
    }

    static Found run(Chip chip, MigGeometry current, MigWish.Devices wish, MigUse use) {
        if (!fitsEmpty(chip, wish)) {
            return new Found.Nowhere();
        }
        GeometrySearch search = new GeometrySearch(chip, current, wish, use);
        search.searchAll();
        Candidate best = search.best;
        return best == null ? new Found.Nowhere() : new Found.At(best.layout);
    }

    /** Whether an empty GPU could have them. */
    static boolean fitsEmpty(Chip chip, MigWish.Devices wish) {
        int[] counts = instanceCounts(chip, wish);
        return counts != null && chip.canHave(counts);
    }

    /** How many GPU instances of each profile an empty GPU would need for a wish; null when a profile cannot have that many. */
    static int @Nullable [] instanceCounts(Chip chip, MigWish.Devices wish) {
        int[] counts = new int[chip.size()];
        Map<Integer, List<Integer>> slices = slicesByProfile(chip, wish.devices());
        for (Map.Entry<Integer, List<Integer>> each : slices.entrySet()) {
            MigProfile profile = chip.profile(each.getKey());
            List<List<Part>> shared = share(profile, each.getValue(), List.of());
            if (shared == null) {
                return null;
            }
            counts[each.getKey()] = shared.size();
        }
        return counts;
    }

    private static Map<Integer, List<Integer>> slicesByProfile(Chip chip, Map<MigWish.Kind, Integer> kinds) {
        Map<Integer, List<Integer>> slices = new TreeMap<>();
        kinds.forEach((kind, count) -> {
            List<Integer> all = slices.computeIfAbsent(chip.indexOf(kind.profileId()), _ -> new ArrayList<>());
            for (int i = 0; i < count; i++) {
                all.add(kind.computeSlices());
            }
        });
        return slices;
    }

    private static @Nullable List<List<Part>> share(MigProfile profile, List<Integer> slices, List<Integer> kept) {
        if (slices.size() > profile.slices() * profile.instances()) {
            return null;
        }
        int[] largestFirst = slices.stream()
                .sorted(Comparator.reverseOrder())
                .mapToInt(Integer::intValue)
                .toArray();
        return Parts.share(profile, largestFirst, kept);
    }

    private void searchAll() {
        List<Integer> choices = new ArrayList<>();
        choosePartsThatStay(0, 0, new TreeMap<>(), choices);
        choices.sort(Comparator.<Integer>comparingLong(stay -> price(usedPartsLost(stay), partsLost(stay)))
                .thenComparing(Comparator.naturalOrder()));
        for (int stay : choices) {
            Candidate found = best;
            if (found != null && price(usedPartsLost(stay), partsLost(stay)) > price(found.usedLost, found.partsLost)) {
                return;
            }
            chooseInstancesThatStay(stay);
        }
    }

    private static long price(int usedLost, int partsLost) {
        return ((long) usedLost << Integer.SIZE) + partsLost;
    }

    /** Every set of compute instances that is not more than is wanted. */
    private void choosePartsThatStay(int next, int stay, Map<MigWish.Kind, Integer> kept, List<Integer> choices) {
        if (next == parts.size()) {
            choices.add(stay);
            return;
        }
        MigWish.Kind kind = parts.get(next).kind;
        int count = kept.getOrDefault(kind, 0);
        if (count < wanted.getOrDefault(kind, 0)) {
            kept.put(kind, count + 1);
            choosePartsThatStay(next + 1, stay | 1 << next, kept, choices);
            kept.put(kind, count);
        }
        choosePartsThatStay(next + 1, stay, kept, choices);
    }

    private int partsLost(int stay) {
        return parts.size() - Integer.bitCount(stay);
    }

    private int usedPartsLost(int stay) {
        int lost = 0;
        for (int i = 0; i < parts.size(); i++) {
            if ((stay & 1 << i) == 0 && parts.get(i).used) {
                lost++;
            }
        }
        return lost;
    }

    /** Every set of GPU instances that has those of the compute instances that stay, and of the others only those for which there is use. */
    private void chooseInstancesThatStay(int stay) {
        Map<MigWish.Kind, Integer> missing = new TreeMap<>(wanted);
        int must = 0;
        for (int i = 0; i < parts.size(); i++) {
            if ((stay & 1 << i) != 0) {
                must |= 1 << parts.get(i).instance;
                missing.merge(parts.get(i).kind, -1, Integer::sum);
            }
        }
        missing.values().removeIf(count -> count == 0);
        Map<Integer, List<Integer>> slices = slicesByProfile(chip, missing);
        int all = (1 << instances.size()) - 1;
        int free = all & ~must;
        // All subsets of the free ones, the largest numbers first: the empty one ends it.
        for (int also = free; ; also = (also - 1) & free) {
            tryChoice(stay, must | also, must, slices);
            if (also == 0) {
                return;
            }
        }
    }

    private void tryChoice(int stay, int kept, int withParts, Map<Integer, List<Integer>> slices) {
        int instancesLost = instances.size() - Integer.bitCount(kept);
        int usedLost = usedPartsLost(stay) + usedInstancesLost(kept);
        Candidate found = best;
        if (found != null && isWorse(usedLost, partsLost(stay), instancesLost, found)) {
            return;
        }
        int taken = 0;
        int[] counts = new int[chip.size()];
        for (int i = 0; i < instances.size(); i++) {
            if ((kept & 1 << i) == 0) {
                continue;
            }
            boolean filled = (withParts & 1 << i) != 0;
            if (profileOf[i] < 0 || (!filled && !slices.containsKey(profileOf[i]))) {
                return;
            }
            taken |= instances.get(i).placement().mask();
            counts[profileOf[i]]++;
        }
        List<Instance> layout = new ArrayList<>();
        int[] added = new int[chip.size()];
        List<List<List<Part>>> newOnes = new ArrayList<>();
        for (int p = 0; p < chip.size(); p++) {
            List<List<Part>> additions = sharedOut(p, stay, kept, slices.getOrDefault(p, List.of()), layout);
            if (additions == null) {
                return;
            }
            newOnes.add(additions);
            added[p] = additions.size();
            counts[p] += added[p];
        }
        if (!chip.withinLimits(counts)) {
            return;
        }
        Chip.Places places = chip.place(taken, added);
        if (places == null) {
            return;
        }
        for (int p = 0; p < chip.size(); p++) {
            for (int i = 0; i < added[p]; i++) {
                layout.add(new Instance(
                        chip.profile(p).id(),
                        chip.profile(p).placements().get(places.starts()[p][i]),
                        newOnes.get(p).get(i)));
            }
        }
        Candidate candidate = new Candidate(
                usedLost,
                partsLost(stay),
                instancesLost,
                Arrays.stream(added).sum(),
                places,
                new MigLayout(true, true, layout));
        if (found == null || Candidate.ORDER.compare(candidate, found) < 0) {
            best = candidate;
        }
    }

    private static boolean isWorse(int usedLost, int partsLost, int instancesLost, Candidate found) {
        if (usedLost != found.usedLost) {
            return usedLost > found.usedLost;
        }
        return partsLost != found.partsLost ? partsLost > found.partsLost : instancesLost > found.instancesLost;
    }

    private int usedInstancesLost(int kept) {
        int lost = 0;
        for (int i = 0; i < instances.size(); i++) {
            if ((kept & 1 << i) == 0 && instanceUsed[i]) {
                lost++;
            }
        }
        return lost;
    }

    /**
     * Adds the instances of a profile that stay to the layout, with their old and new compute instances, and returns the compute instances of
     * new GPU instances; null when the missing ones cannot be shared out.
     */
    private @Nullable List<List<Part>> sharedOut(
            int profile, int stay, int kept, List<Integer> slices, List<Instance> layout) {
        List<Integer> masks = new ArrayList<>();
        List<List<Part>> old = new ArrayList<>();
        List<GpuInstance> here = new ArrayList<>();
        for (int i = 0; i < instances.size(); i++) {
            if ((kept & 1 << i) != 0 && profileOf[i] == profile) {
                int mask = 0;
                List<Part> staying = new ArrayList<>();
                for (int j = 0; j < parts.size(); j++) {
                    if (parts.get(j).instance == i && (stay & 1 << j) != 0) {
                        staying.add(parts.get(j).part);
                        mask |= parts.get(j).part.placement().mask();
                    }
                }
                here.add(instances.get(i));
                masks.add(mask);
                old.add(staying);
            }
        }
        if (here.isEmpty() && slices.isEmpty()) {
            return List.of();
        }
        List<List<Part>> shared = share(chip.profile(profile), slices, masks);
        if (shared == null) {
            return null;
        }
        for (int i = 0; i < here.size(); i++) {
            List<Part> all = new ArrayList<>(old.get(i));
            all.addAll(shared.get(i));
            layout.add(new Instance(here.get(i).profileId(), here.get(i).placement(), all));
        }
        return shared.subList(here.size(), shared.size());
    }

    private static int compareByPlace(List<Instance> some, List<Instance> others) {
        for (int i = 0; i < Math.min(some.size(), others.size()); i++) {
            int order = some.get(i).compareTo(others.get(i));
            if (order != 0) {
                return order;
            }
        }
        return Integer.compare(some.size(), others.size());
    }
}
