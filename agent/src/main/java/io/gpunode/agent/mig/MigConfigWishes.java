package io.gpunode.agent.mig;

import io.gpunode.agent.config.Place;
import io.gpunode.agent.config.Report;
import io.gpunode.agent.config.Suggestion;
import io.gpunode.agent.model.MigProfile;
import io.gpunode.agent.model.Reading;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/**
 * What a layout of a configuration file wants of each GPU of a node. Where that cannot be told before MIG is on, it is that for now: see
 * {@link ModeFirst}.
 *
 * @param gpus every GPU, in PCI order
 */
public record MigConfigWishes(List<Wanted> gpus) {
    public MigConfigWishes {
        gpus = List.copyOf(gpus);
    }

    /**
     * One GPU.
     *
     * @param wish empty when the layout does not name the GPU
     */
    public record Wanted(MigGpu gpu, Optional<MigWish> wish) {}

    /**
     * The layout that is meant.
     *
     * @param name of the file, for messages
     * @param label as it was asked for; empty for the only one that there is
     * @return its name; empty when there is none, which is then reported
     */
    public static Optional<String> select(String name, MigConfigFile file, String label, Report report) {
        if (label.isEmpty() && file.layouts().size() == 1) {
            return Optional.of(file.layouts().keySet().iterator().next());
        }
        if (file.layouts().containsKey(label)) {
            return Optional.of(label);
        }
        String all = String.join(", ", file.layouts().keySet());
        report.problem(
                Place.file(name),
                "mig-configs",
                label.isEmpty()
                        ? "there are several layouts, and none was chosen"
                        : "there is no layout \"" + label + "\"",
                Suggestion.nearest(label, file.layouts().keySet())
                        .map(near -> "did you mean \"" + near + "\"?")
                        .orElse("choose one of: " + all));
        return Optional.empty();
    }

    /**
     * Finds what a layout wants of each GPU. Where several entries name a GPU, the last one counts.
     *
     * @param entries the layout
     * @param gpus every GPU of the node, in PCI order
     * @return empty when a GPU cannot have what is wanted of it, which is then reported
     */
    public static Optional<MigConfigWishes> of(List<MigConfigFile.Entry> entries, List<MigGpu> gpus, Report report) {
        int before = report.problems().size();
        Resolver resolver = new Resolver(report, new HashSet<>());
        List<Wanted> wanted = new ArrayList<>();
        for (MigGpu gpu : gpus) {
            Optional<MigConfigFile.Entry> last = Optional.empty();
            for (MigConfigFile.Entry entry : entries) {
                if (entry.names(gpu)) {
                    last = Optional.of(entry);
                }
            }
            wanted.add(new Wanted(gpu, last.map(entry -> resolver.wish(gpu, entry))));
        }
        for (MigConfigFile.Entry entry : entries) {
            for (int index : entry.gpus()) {
                if (index >= gpus.size()) {
                    report.notice(
                            entry.place(),
                            "devices",
                            "there is no GPU " + index,
                            "this node has " + gpus.size() + ", counted from 0 in PCI order");
                }
            }
        }
        return report.problems().size() == before ? Optional.of(new MigConfigWishes(wanted)) : Optional.empty();
    }

    /**
     * Finds profiles by their names.
     *
     * @param told what was reported: GPUs of one model would all have it
     */
    private record Resolver(Report report, Set<String> told) {
        MigWish wish(MigGpu gpu, MigConfigFile.Entry entry) {
            if (!entry.enabled()) {
                return new MigWish.Disabled();
            }
            Map<MigWish.Kind, Integer> devices = new TreeMap<>();
            if (!gpu.capable()) {
                problem(
                        entry.place(),
                        "mig-enabled",
                        gpu.label() + ", " + gpu.name() + ", has no MIG",
                        "leave it out with device-filter or devices");
                return new MigWish.Devices(devices);
            }
            if (!entry.devices().isEmpty() && ModeFirst.isNeeded(gpu)) {
                return new MigWish.ModeOnly();
            }
            for (MigConfigFile.Devices wanted : entry.devices()) {
                kind(gpu, wanted).ifPresent(kind -> devices.merge(kind, wanted.count(), Integer::sum));
            }
            return new MigWish.Devices(devices);
        }

        private Optional<MigWish.Kind> kind(MigGpu gpu, MigConfigFile.Devices wanted) {
            if (!(gpu.profiles() instanceof Reading.Value<List<MigProfile>>(List<MigProfile> profiles))) {
                problem(
                        wanted.place(),
                        "mig-devices",
                        gpu.label() + " does not say what it can be split into: "
                                + gpu.profiles().describe(),
                        "some drivers do so only in MIG mode: turn it on and try again");
                return Optional.empty();
            }
            for (MigProfile profile : profiles) {
                if (wanted.profile().isInstance(profile.name())
                        || wanted.profile().isInstance(profile.driverName())) {
                    return compute(gpu, wanted, profile);
                }
            }
            problem(
                    wanted.place(),
                    "mig-devices",
                    gpu.label() + ", " + gpu.name() + ", has no profile " + wanted.profile(),
                    nearest(wanted.profile(), profiles)
                            .map(near -> "did you mean \"" + near + "\"?")
                            .orElse("it has "
                                    + String.join(
                                            ", ",
                                            profiles.stream()
                                                    .map(MigProfile::name)
                                                    .toList())));
            return Optional.empty();
        }

        private Optional<MigWish.Kind> compute(MigGpu gpu, MigConfigFile.Devices wanted, MigProfile profile) {
            int slices = wanted.profile().computeSlices() == wanted.profile().slices()
                    ? profile.slices()
                    : wanted.profile().computeSlices();
            if (profile.computeProfiles().stream().noneMatch(compute -> compute.slices() == slices)) {
                problem(
                        wanted.place(),
                        "mig-devices",
                        gpu.label() + ", " + gpu.name() + ", cannot have " + wanted.profile(),
                        "a GPU instance " + profile.name() + " is split into "
                                + String.join(
                                        ", ",
                                        profile.computeProfiles().stream()
                                                .map(compute -> profile.deviceName(compute.slices()))
                                                .toList()));
                return Optional.empty();
            }
            return Optional.of(new MigWish.Kind(profile.id(), slices));
        }

        /** The same in other memory, as one family of chips differs from the next. */
        private static Optional<String> nearest(MigConfigProfile wanted, List<MigProfile> profiles) {
            Optional<String> nearest = Optional.empty();
            int least = Integer.MAX_VALUE;
            for (MigProfile profile : profiles) {
                MigConfigProfile candidate = MigConfigProfile.parse(profile.name());
                int distance = Math.abs(candidate.gigabytes() - wanted.gigabytes());
                if (wanted.isAlike(candidate) && distance < least) {
                    least = distance;
                    boolean whole = wanted.computeSlices() == wanted.slices();
                    nearest = Optional.of(profile.deviceName(whole ? profile.slices() : wanted.computeSlices()));
                }
            }
            return nearest;
        }

        private void problem(Place place, String setting, String what, String nextStep) {
            if (told.add(place.problemText() + nextStep)) {
                report.problem(place, setting, what, nextStep);
            }
        }
    }
}
