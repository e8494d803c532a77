package io.gpunode.agent.labels;

import io.gpunode.agent.config.AgentConfig.MigStrategy;
import io.gpunode.agent.config.AgentConfig.SharedResource;
import io.gpunode.agent.config.AgentConfig.Sharing;
import io.gpunode.agent.inventory.SimulatedNode;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.testing.Golden;
import io.gpunode.agent.testing.Snapshots;
import io.gpunode.nvml.simulator.NvmlSimulator;
import io.gpunode.nvml.simulator.SimulatedNodeFiles;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The whole set of labels of every simulated node, under each MIG strategy and each way of sharing, read through the simulated library. */
@Timeout(60)
class LabelSetsTest {
    private static final int REPLICAS = 4;

    @TempDir
    Path directory;

    @ParameterizedTest
    @ValueSource(strings = {"1xt4", "4xl4", "8xa100-40gb", "8xa100-80gb-mig", "8xh100", "4xgb200", "old-driver-470"})
    void labelsOfANode(String profile) {
        // Given
        NvmlSimulator simulator = NvmlSimulator.install(directory.resolve("driver"), profile);
        SimulatedNodeFiles.create(directory, simulator.profile());
        try (SimulatedNode node = new SimulatedNode(directory, simulator).started()) {

            // When
            String sets = sets(node.inventory().current(), directory);

            // Then
            Golden.check("labels/" + profile + ".txt", sets);
        }
    }

    /** How GPU 3 is split when the others are each split into two halves. */
    enum Layout {
        ALIKE("mig gpu=3 mode=on\nmig gpu=3 profile=3g.20gb start=0\nmig gpu=3 profile=3g.20gb start=4", 16),
        DIFFERING("mig gpu=3 mode=on\nmig gpu=3 profile=2g.10gb start=0", 15),
        PART_OF_AN_INSTANCE("mig gpu=3 mode=on\nmig gpu=3 profile=1c.3g.20gb start=0", 15),
        ONE_EMPTY("mig gpu=3 mode=on", 14),
        ONE_WHOLE("", 14);

        private final String rules;
        private final int devices;

        Layout(String rules, int devices) {
            this.rules = rules;
            this.devices = devices;
        }

        boolean isIn(NodeSnapshot picture) {
            int found = 0;
            for (Gpu gpu : picture.gpus()) {
                found += gpu.migDevices().size();
            }
            return found == devices && picture.gpus().get(3).migEnabled() == !rules.isEmpty();
        }
    }

    @ParameterizedTest
    @EnumSource(Layout.class)
    void labelsOfASplitNode(Layout layout) {
        // Given
        NvmlSimulator simulator = NvmlSimulator.install(directory.resolve("driver"), "8xa100-40gb");
        SimulatedNodeFiles.create(directory, simulator.profile());
        for (int gpu : new int[] {0, 1, 2, 4, 5, 6, 7}) {
            String chosen = "mig gpu=" + gpu;
            simulator.apply(chosen + " mode=on\n" + chosen + " profile=3g.20gb start=0\n" + chosen
                    + " profile=3g.20gb start=4");
        }
        if (!layout.rules.isEmpty()) {
            simulator.apply(layout.rules);
        }
        try (SimulatedNode node = new SimulatedNode(directory, simulator).started()) {
            NodeSnapshot split = node.await("the layout " + layout, layout::isIn);

            // When
            String sets = sets(split, directory);

            // Then
            Golden.check(
                    "labels/8xa100-40gb-"
                            + layout.name().toLowerCase(Locale.ROOT).replace('_', '-') + ".txt",
                    sets);
        }
    }

    /** The plain set; of each other strategy and switch what differs from it, and of each way of sharing what differs from its strategy. */
    private static String sets(NodeSnapshot snapshot, Path root) {
        HostFacts facts = new HostFactsReader(new SystemHostFiles(root)).read("/sys/class/dmi/id/product_name");
        SortedMap<String, String> plain = FeatureLabels.of(snapshot, Settings.PLAIN, facts);
        StringBuilder out = new StringBuilder();
        for (MigStrategy strategy : MigStrategy.values()) {
            String title = "migStrategy " + strategy.name().toLowerCase(Locale.ROOT);
            SortedMap<String, String> unshared = FeatureLabels.of(snapshot, Settings.strategy(strategy), facts);
            difference(out, title, strategy == MigStrategy.NONE ? new TreeMap<>() : plain, unshared);
            for (boolean renamed : new boolean[] {false, true}) {
                LabelSettings settings = Settings.with(Settings.PLAIN, strategy, shared(snapshot, renamed));
                difference(
                        out,
                        title + ", " + REPLICAS + " shares of each" + (renamed ? ", renamed" : ""),
                        unshared,
                        FeatureLabels.of(snapshot, settings, facts));
            }
        }
        difference(out, "labels.perModel", plain, FeatureLabels.of(snapshot, Settings.perModel(), facts));
        difference(out, "labels.operatorLabels", plain, FeatureLabels.of(snapshot, Settings.operatorLabels(), facts));
        return out.toString();
    }

    private static void difference(
            StringBuilder out, String title, SortedMap<String, String> from, SortedMap<String, String> labels) {
        TreeMap<String, String> changed = new TreeMap<>(labels);
        changed.entrySet().removeAll(from.entrySet());
        TreeSet<String> gone = new TreeSet<>(from.keySet());
        gone.removeAll(labels.keySet());
        out.append(title).append(changed.isEmpty() && gone.isEmpty() ? ": the same\n" : "\n");
        changed.forEach((key, value) ->
                out.append("  ").append(key).append('=').append(value).append('\n'));
        gone.forEach(key -> out.append("  without ").append(key).append('\n'));
    }

    /** Whole GPUs and every kind of MIG device that the node has. */
    private static Sharing shared(NodeSnapshot snapshot, boolean renamed) {
        TreeSet<String> names = new TreeSet<>(List.of("nvidia.com/gpu"));
        for (Gpu gpu : snapshot.gpus()) {
            for (MigDevice device : gpu.migDevices()) {
                names.add("nvidia.com/mig-" + device.profile().replace('+', '.'));
            }
        }
        List<SharedResource> resources = new ArrayList<>();
        names.forEach(name -> resources.add(Settings.shared(name, REPLICAS)));
        return Settings.timeSlicing(renamed, resources);
    }

    @Test
    void labelsOfANodeWithoutADriver() {
        // Given
        SimulatedNodeFiles.create(directory, "no-driver");
        NodeSnapshot snapshot = Snapshots.noGpus().waiting().build();

        // When
        String sets = sets(snapshot, directory);

        // Then
        Golden.check("labels/no-driver.txt", sets);
    }
}
