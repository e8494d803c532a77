package io.gpunode.agent.mig;

import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.MigGeometry;
import io.gpunode.agent.model.MigGeometry.ComputeInstance;
import io.gpunode.agent.model.MigGeometry.GpuInstance;
import io.gpunode.agent.model.MigProfile;
import io.gpunode.agent.model.Reading;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** Whether GPUs are what a layout wants, and what is different. */
public final class MigConfigAssertion {
    private MigConfigAssertion() {}

    /** What is different on one GPU, in a phrase for people. */
    public record Difference(int index, GpuId gpu, String what) {
        @Override
        public String toString() {
            return "GPU " + index + " (" + gpu + "): " + what;
        }
    }

    /**
     * Compares modes alone. GPUs that the layout does not name are as they are wanted.
     *
     * @return in the order of the GPUs; empty when all are as they are wanted
     */
    public static List<Difference> ofModes(List<MigConfigWishes.Wanted> wanted) {
        List<Difference> differences = new ArrayList<>();
        for (MigConfigWishes.Wanted gpu : wanted) {
            gpu.wish().flatMap(wish -> mode(gpu.gpu(), wish)).ifPresent(what -> add(differences, gpu.gpu(), what));
        }
        return differences;
    }

    /**
     * Compares modes and MIG devices.
     *
     * @param namedOnly whether GPUs that have MIG and that the layout does not name may be as they are
     * @return in the order of the GPUs; empty when all are as they are wanted
     */
    public static List<Difference> ofDevices(List<MigConfigWishes.Wanted> wanted, boolean namedOnly) {
        List<Difference> differences = new ArrayList<>();
        for (MigConfigWishes.Wanted gpu : wanted) {
            if (gpu.wish().isEmpty()) {
                if (!namedOnly && gpu.gpu().capable()) {
                    add(differences, gpu.gpu(), "the layout does not say what it is to be");
                }
                continue;
            }
            MigWish wish = gpu.wish().get();
            mode(gpu.gpu(), wish)
                    .or(() -> devices(gpu.gpu(), wish))
                    .ifPresent(what -> add(differences, gpu.gpu(), what));
        }
        return differences;
    }

    private static void add(List<Difference> differences, MigGpu gpu, String what) {
        differences.add(new Difference(gpu.index(), gpu.id(), what));
    }

    private static Optional<String> mode(MigGpu gpu, MigWish wish) {
        boolean on = !(wish instanceof MigWish.Disabled);
        return switch (gpu.geometry()) {
            case Reading.Value<MigGeometry>(MigGeometry geometry) ->
                geometry.enabled() == on
                        ? Optional.empty()
                        : Optional.of("MIG mode is " + word(geometry.enabled()) + ", wanted " + word(on)
                                + (geometry.pending() == on ? "; it comes with the next reset" : ""));
            case Reading.Unsupported<MigGeometry> _ -> on ? Optional.of("it has no MIG, wanted on") : Optional.empty();
            case Reading.Failed<MigGeometry> _, Reading.NotRead<MigGeometry> _ ->
                Optional.of("how it is split is not known: " + gpu.geometry().describe());
        };
    }

    private static String word(boolean on) {
        return on ? "on" : "off";
    }

    private static Optional<String> devices(MigGpu gpu, MigWish wish) {
        if (!(wish instanceof MigWish.Devices wanted)
                || !(gpu.geometry() instanceof Reading.Value<MigGeometry>(MigGeometry geometry))) {
            return Optional.empty();
        }
        Map<MigWish.Kind, Integer> found = new TreeMap<>();
        for (GpuInstance instance : geometry.instances()) {
            if (instance.computeInstances().isEmpty()) {
                return Optional.of("GPU instance " + instance.id() + " has no compute instance");
            }
            for (ComputeInstance compute : instance.computeInstances()) {
                found.merge(new MigWish.Kind(instance.profileId(), compute.slices()), 1, Integer::sum);
            }
        }
        return found.equals(wanted.devices())
                ? Optional.empty()
                : Optional.of("it has " + text(gpu, found) + ", wanted " + text(gpu, wanted.devices()));
    }

    private static String text(MigGpu gpu, Map<MigWish.Kind, Integer> devices) {
        return devices.isEmpty()
                ? "no MIG devices"
                : devices.entrySet().stream()
                        .map(entry -> entry.getValue() + " x " + name(gpu, entry.getKey()))
                        .collect(Collectors.joining(", "));
    }

    private static String name(MigGpu gpu, MigWish.Kind kind) {
        Optional<MigProfile> profile = gpu.profile(kind.profileId());
        return profile.map(found -> found.deviceName(kind.computeSlices())).orElse("profile " + kind.profileId());
    }
}
