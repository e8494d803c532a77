package io.gpunode.agent.mig;

import io.gpunode.agent.config.Place;
import io.gpunode.agent.model.MigPlacement;
import io.gpunode.agent.model.MigProfile;
import io.gpunode.agent.model.Reading;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * The usual layouts of a node, made from what its GPUs say that they can be split into: {@code all-disabled}, {@code all-enabled},
 * {@code all-balanced} and {@code all-<profile>} for every profile, with as many instances as there can be.
 */
public final class GeneratedConfig {
    private static final Place HERE = Place.file("generated");

    /** {@code all-balanced}: how many instances of how many slices, by the slices of the whole GPU. */
    private static final Map<Integer, Map<Integer, Integer>> BALANCED =
            Map.of(7, Map.of(1, 2, 2, 1, 3, 1), 4, Map.of(1, 2, 2, 1));

    private GeneratedConfig() {}

    /**
     * Makes the layouts.
     *
     * @param gpus every GPU of the node
     * @throws MigReader.UnreadableException when none of them has MIG, or one does not say what it can be split into
     */
    public static MigConfigFile of(List<MigGpu> gpus) throws MigReader.UnreadableException {
        if (gpus.stream().noneMatch(MigGpu::capable)) {
            throw new MigReader.UnreadableException(
                    gpus.isEmpty()
                            ? "NVML lists no GPU"
                            : "none of the GPUs has MIG: there are no layouts to choose from");
        }
        Map<MigConfigProfile, Map<Integer, List<MigGpu>>> byProfile = new TreeMap<>();
        Map<Map<MigConfigProfile, Integer>, List<MigGpu>> balanced = new LinkedHashMap<>();
        for (MigGpu gpu : gpus) {
            if (!gpu.capable()) {
                continue;
            }
            Map<MigConfigProfile, Integer> counts = counts(gpu);
            counts.forEach((profile, count) -> byProfile
                    .computeIfAbsent(profile, _ -> new TreeMap<>())
                    .computeIfAbsent(count, _ -> new ArrayList<>())
                    .add(gpu));
            Map<MigConfigProfile, Integer> even = balanced(counts);
            if (!even.isEmpty()) {
                balanced.computeIfAbsent(even, _ -> new ArrayList<>()).add(gpu);
            }
        }
        Map<String, List<MigConfigFile.Entry>> layouts = new LinkedHashMap<>();
        layouts.put("all-disabled", List.of(new MigConfigFile.Entry(List.of(), List.of(), false, List.of(), HERE)));
        layouts.put(
                "all-enabled",
                List.of(entry(gpus.stream().filter(MigGpu::capable).toList(), gpus, Map.of())));
        if (!balanced.isEmpty()) {
            List<MigConfigFile.Entry> entries = new ArrayList<>();
            balanced.forEach((devices, group) -> entries.add(entry(group, gpus, devices)));
            layouts.put("all-balanced", entries);
        }
        byProfile.forEach((profile, byCount) -> {
            List<MigConfigFile.Entry> entries = new ArrayList<>();
            byCount.forEach((count, group) -> entries.add(entry(group, gpus, Map.of(profile, count))));
            layouts.put(label(profile), entries);
        });
        return new MigConfigFile(layouts);
    }

    /** A label of Kubernetes, which may name the layout, has no {@code +}. */
    private static String label(MigConfigProfile profile) {
        return "all-" + profile.toString().replace('+', '.');
    }

    private static MigConfigFile.Entry entry(
            List<MigGpu> group, List<MigGpu> all, Map<MigConfigProfile, Integer> devices) {
        MigConfigSelector selector = MigConfigSelector.of(group, all);
        List<MigConfigFile.Devices> listed = new ArrayList<>();
        new TreeMap<>(devices).forEach((profile, count) -> listed.add(new MigConfigFile.Devices(profile, count, HERE)));
        return new MigConfigFile.Entry(selector.filters(), selector.gpus(), true, listed, HERE);
    }

    private static Map<MigConfigProfile, Integer> counts(MigGpu gpu) throws MigReader.UnreadableException {
        if (!(gpu.profiles() instanceof Reading.Value<List<MigProfile>>(List<MigProfile> profiles))) {
            throw new MigReader.UnreadableException(gpu.label() + " does not say what it can be split into: "
                    + gpu.profiles().describe()
                    + "; some drivers do so only in MIG mode: turn it on (nvidia-smi -i " + gpu.pci()
                    + " -mig 1) and try again, or use a newer driver");
        }
        Map<MigConfigProfile, Integer> counts = new TreeMap<>();
        for (MigProfile profile : profiles) {
            int count = Math.min(profile.instances(), places(profile));
            if (count > 0) {
                counts.put(MigConfigProfile.parse(profile.name()), count);
            }
        }
        return counts;
    }

    /** How many places there are beside each other: drivers have told other numbers of instances than they could make. */
    private static int places(MigProfile profile) {
        int count = 0;
        int free = 0;
        for (MigPlacement placement : profile.placements()) {
            if (placement.start() >= free) {
                free = placement.start() + placement.size();
                count++;
            }
        }
        return count;
    }

    /** Empty for a GPU that cannot be split so. Of several profiles of one size that of which there can be most, which has the least memory. */
    private static Map<MigConfigProfile, Integer> balanced(Map<MigConfigProfile, Integer> counts) {
        int whole = counts.keySet().stream()
                .filter(profile -> profile.sign().isEmpty())
                .mapToInt(MigConfigProfile::slices)
                .max()
                .orElse(0);
        Map<MigConfigProfile, Integer> devices = new TreeMap<>();
        Map<Integer, Integer> wanted = BALANCED.getOrDefault(whole, Map.of());
        for (Map.Entry<Integer, Integer> part : wanted.entrySet()) {
            counts.keySet().stream()
                    .filter(profile -> profile.sign().isEmpty() && profile.slices() == part.getKey())
                    .max(Comparator.<MigConfigProfile>comparingInt(counts::get)
                            .thenComparing(Comparator.reverseOrder()))
                    .ifPresent(profile -> devices.put(profile, part.getValue()));
        }
        return devices.size() == wanted.size() ? devices : Map.of();
    }
}
