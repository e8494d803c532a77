package io.gpunode.agent.mig;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.gpunode.agent.config.Report;
import io.gpunode.agent.mig.SimulatedMigNode.Chip;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** How a node is split, as a file; and whether the node is as its own file wants it. */
@Timeout(60)
class MigConfigExportTest {
    @TempDir
    private Path root = Path.of("");

    private static String yaml(SimulatedMigNode node) throws Exception {
        return MigConfigText.yaml(MigConfigExport.of("current", node.read()).file());
    }

    @Test
    void gpusThatAreAlikeAreOneEntry() throws Exception {
        try (SimulatedMigNode node = SimulatedMigNode.of(root, Chip.A100_40, Chip.A100_40)) {
            // When
            String text = yaml(node);

            // Then
            assertThat(text).isEqualTo("""
                    version: v1
                    mig-configs:
                      current:
                        - devices: all
                          mig-enabled: false
                    """);
        }
    }

    @Test
    void gpusOfOneModelAreToldApartByTheirIndices() throws Exception {
        try (SimulatedMigNode node = SimulatedMigNode.of(root, Chip.A100_40, Chip.A100_40, Chip.A100_40)
                .split(1, "3g.20gb bare", "1g.5gb", "1g.5gb")
                .apply("mig gpu=1 profile=1c.3g.20gb instance=2")
                .split(2)) {
            // When
            String text = yaml(node);

            // Then
            assertThat(text).isEqualTo("""
                    version: v1
                    mig-configs:
                      current:
                        - devices: [0]
                          mig-enabled: false
                        - devices: [1]
                          mig-enabled: true
                          mig-devices:
                            "1g.5gb": 2
                            "1c.3g.20gb": 1
                        - devices: [2]
                          mig-enabled: true
                          mig-devices: {}
                    """);
        }
    }

    @Test
    void severalModelsThatAreAlikeAreOneEntry() throws Exception {
        try (SimulatedMigNode node = SimulatedMigNode.of(root, Chip.A100_40, Chip.A100_80)) {
            // When / Then
            assertThat(yaml(node)).contains("- devices: all\n").doesNotContain("device-filter");
        }
    }

    @Test
    void aModelThatIsAlikeIsToldByItsFilter() throws Exception {
        try (SimulatedMigNode node = SimulatedMigNode.of(root, Chip.A100_40, Chip.A100_40, Chip.A100_80)
                .split(2, "7g.80gb")) {
            // When
            String text = yaml(node);

            // Then
            assertThat(text).isEqualTo("""
                    version: v1
                    mig-configs:
                      current:
                        - device-filter: ["0x20B010DE"]
                          devices: all
                          mig-enabled: false
                        - device-filter: ["0x20B210DE"]
                          devices: all
                          mig-enabled: true
                          mig-devices:
                            "7g.80gb": 1
                    """);
        }
    }

    @Test
    void partsOfSeveralModelsAreToldByFilterAndIndex() throws Exception {
        try (SimulatedMigNode node = SimulatedMigNode.of(root, Chip.A100_40, Chip.A100_40, Chip.A100_80, Chip.A100_80)
                .split(1)
                .split(3)) {
            // When / Then
            assertThat(yaml(node))
                    .contains(
                            "- device-filter: [\"0x20B010DE\", \"0x20B210DE\"]\n      devices: [0, 2]\n      mig-enabled: false")
                    .contains(
                            "- device-filter: [\"0x20B010DE\", \"0x20B210DE\"]\n      devices: [1, 3]\n      mig-enabled: true");
        }
    }

    @Test
    void whatIsExportedHoldsWhenItIsAsserted() throws Exception {
        try (SimulatedMigNode node = SimulatedMigNode.named(root, "8xa100-80gb-mig")) {
            List<MigGpu> gpus = node.read();
            Report report = new Report(true);

            // When
            String text = MigConfigText.json(MigConfigExport.of("now", gpus).file());
            MigConfigFile file = MigConfigReader.read("export", text, report).orElseThrow();

            // Then
            MigConfigWishes wishes =
                    MigConfigWishes.of(file.layout("now"), gpus, report).orElseThrow();
            assertThat(MigConfigAssertion.ofDevices(wishes.gpus(), false)).isEmpty();
        }
    }

    @Test
    void whatAFileCannotSayIsANote() throws Exception {
        try (SimulatedMigNode node = SimulatedMigNode.of(root, Chip.A100_40, Chip.A100_40)
                .split(0, "3g.20gb bare")
                .apply("set gpu=1 mig-mode=off mig-pending=on")) {
            // When
            MigConfigExport export = MigConfigExport.of("current", node.read());

            // Then
            assertThat(export.notes())
                    .containsExactly(
                            "GPU 0 (" + SimulatedMigNode.uuid(0)
                                    + "): GPU instance 2 (3g.20gb) has no compute instance, which a configuration file cannot say",
                            "GPU 1 (" + SimulatedMigNode.uuid(1) + "): MIG mode is off and waits for a reset to be on");
        }
    }

    @Test
    void aGpuThatCannotBeReadIsNotExportedAsEmpty() throws Exception {
        try (SimulatedMigNode node = SimulatedMigNode.of(root, Chip.A100_40)
                .split(0, "1g.5gb")
                .apply("fault sick call=nvmlDeviceGetGpuInstances return=UNKNOWN")) {
            List<MigGpu> gpus = node.read();

            // When / Then
            assertThatThrownBy(() -> MigConfigExport.of("current", gpus))
                    .isInstanceOf(MigReader.UnreadableException.class)
                    .hasMessageContaining("nvmlDeviceGetGpuInstances answers UNKNOWN");
        }
    }
}
