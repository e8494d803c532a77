package io.gpunode.agent.mig;

import io.gpunode.agent.config.Place;
import io.gpunode.agent.model.MigGeometry;
import io.gpunode.agent.model.MigGeometry.ComputeInstance;
import io.gpunode.agent.model.MigGeometry.GpuInstance;
import io.gpunode.agent.model.MigProfile;
import io.gpunode.agent.model.Reading;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * How a node's GPUs are split, as a configuration file with one layout.
 *
 * @param file what says the same as the GPUs do
 * @param notes what such a file cannot say, for people
 */
public record MigConfigExport(MigConfigFile file, List<String> notes) {
    private static final Place HERE = Place.file("export");

    /** What an entry says of a GPU. */
    private record State(boolean enabled, Map<MigConfigProfile, Integer> devices) {}

    /**
     * Writes down how GPUs are split.
     *
     * @param label the layout's name
     * @param gpus at least one
     * @throws MigReader.UnreadableException when a GPU could not be read
     */
    public static MigConfigExport of(String label, List<MigGpu> gpus) throws MigReader.UnreadableException {
        Map<State, List<MigGpu>> groups = new LinkedHashMap<>();
        List<String> notes = new ArrayList<>();
        for (MigGpu gpu : gpus) {
            groups.computeIfAbsent(state(gpu, notes), _ -> new ArrayList<>()).add(gpu);
        }
        List<MigConfigFile.Entry> entries = new ArrayList<>();
        groups.forEach((state, group) -> {
            MigConfigSelector selector = MigConfigSelector.of(group, gpus);
            List<MigConfigFile.Devices> devices = new ArrayList<>();
            state.devices().forEach((profile, count) -> devices.add(new MigConfigFile.Devices(profile, count, HERE)));
            entries.add(new MigConfigFile.Entry(selector.filters(), selector.gpus(), state.enabled(), devices, HERE));
        });
        return new MigConfigExport(new MigConfigFile(Map.of(label, entries)), List.copyOf(notes));
    }

    private static State state(MigGpu gpu, List<String> notes) throws MigReader.UnreadableException {
        return switch (gpu.geometry()) {
            case Reading.Unsupported<MigGeometry> _ -> new State(false, Map.of());
            case Reading.Value<MigGeometry>(MigGeometry geometry) -> {
                if (geometry.enabled() != geometry.pending()) {
                    notes.add(gpu.label() + ": MIG mode is " + (geometry.enabled() ? "on" : "off")
                            + " and waits for a reset to be " + (geometry.pending() ? "on" : "off"));
                }
                Map<MigConfigProfile, Integer> devices = new TreeMap<>();
                for (GpuInstance instance : geometry.instances()) {
                    MigProfile profile = gpu.profile(instance.profileId())
                            .orElseThrow(() -> new MigReader.UnreadableException(gpu.label() + " has GPU instance "
                                    + instance.id() + " of profile " + instance.profileId()
                                    + ", which its driver does not list"));
                    if (instance.computeInstances().isEmpty()) {
                        notes.add(gpu.label() + ": GPU instance " + instance.id() + " (" + profile.name()
                                + ") has no compute instance, which a configuration file cannot say");
                    }
                    for (ComputeInstance compute : instance.computeInstances()) {
                        devices.merge(MigConfigProfile.parse(profile.deviceName(compute.slices())), 1, Integer::sum);
                    }
                }
                yield new State(geometry.enabled(), devices);
            }
            case Reading.Failed<MigGeometry> _, Reading.NotRead<MigGeometry> _ ->
                throw new MigReader.UnreadableException(gpu.label() + ": how it is split is not known: "
                        + gpu.geometry().describe());
        };
    }
}
