package io.gpunode.agent.mig;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.Problem;
import io.gpunode.agent.config.Report;
import io.gpunode.agent.mig.SimulatedMigNode.Chip;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What a layout wants of the GPUs of a node, and whether they are so. */
@Timeout(60)
class MigConfigWishesTest {
    private final Report report = new Report(true);

    @TempDir
    private Path root = Path.of("");

    private MigConfigFile file(String entries) {
        return MigConfigReader.read("mig.yaml", "version: v1\nmig-configs:\n  one:\n" + entries, report)
                .orElseThrow();
    }

    private Optional<MigConfigWishes> wishes(List<MigGpu> gpus, String entries) {
        return MigConfigWishes.of(file(entries).layout("one"), gpus, report);
    }

    private List<String> differences(List<MigGpu> gpus, String entries) {
        return MigConfigAssertion.ofDevices(wishes(gpus, entries).orElseThrow().gpus(), false).stream()
                .map(MigConfigAssertion.Difference::what)
                .toList();
    }

    @Test
    void eachGpuGetsTheWishOfTheLastEntryThatNamesIt() throws Exception {
        try (SimulatedMigNode node = SimulatedMigNode.of(root, Chip.A100_40, Chip.H100, Chip.H100, Chip.L4)) {
            // When
            MigConfigWishes wishes = wishes(node.read(), """
                        - {device-filter: ["0x20B010DE", "0x233010DE"], devices: all, mig-enabled: false}
                        - {device-filter: "0x233010DE", devices: [0, 2, 3], mig-enabled: true, mig-devices: {1c.3g.40gb: 2, 3c.3g.40gb: 1}}
                    """).orElseThrow();

            // Then
            assertThat(wishes.gpus())
                    .extracting(MigConfigWishes.Wanted::wish)
                    .containsExactly(
                            Optional.of(new MigWish.Disabled()),
                            Optional.of(new MigWish.Disabled()),
                            Optional.of(
                                    new MigWish.Devices(Map.of(new MigWish.Kind(9, 1), 2, new MigWish.Kind(9, 3), 1))),
                            Optional.empty());
        }
    }

    @Test
    void aFilterMayNameOneBoardOnly() throws Exception {
        try (SimulatedMigNode node = SimulatedMigNode.named(root, "8xh100")) {
            List<MigGpu> gpus = node.read();

            // When
            MigConfigWishes wishes = wishes(gpus, """
                        - {device-filter: "0x233010DE:0x16C110DE", devices: [0], mig-enabled: false}
                        - {device-filter: "0x233010DE:0x16C210DE", devices: [1], mig-enabled: false}
                    """).orElseThrow();

            // Then
            assertThat(wishes.gpus().get(0).wish()).isPresent();
            assertThat(wishes.gpus().get(1).wish()).isEmpty();
        }
    }

    @Test
    void aProfileThatAChipHasNotIsToldOnceWithWhatWasProbablyMeant() throws Exception {
        try (SimulatedMigNode node = SimulatedMigNode.of(root, Chip.A30, Chip.A30, Chip.H100)) {
            // When
            Optional<MigConfigWishes> wishes = wishes(node.read(), """
                        - devices: [0, 1]
                          mig-enabled: true
                          mig-devices: {1g.5gb: 4, 3g.20gb: 1}
                        - devices: [2]
                          mig-enabled: true
                          mig-devices: {1c.3g.20gb: 1, 2c.2g.20gb: 1, 3c.4g.40gb: 1}
                    """);

            // Then
            assertThat(wishes).isEmpty();
            assertThat(report.problems())
                    .extracting(Problem::toString)
                    .containsExactly(
                            "mig.yaml:6:21: mig-devices: GPU 0 (" + SimulatedMigNode.uuid(0)
                                    + "), NVIDIA A30, has no profile 1g.5gb; did you mean \"1g.6gb\"?",
                            "mig.yaml:6:32: mig-devices: GPU 0 (" + SimulatedMigNode.uuid(0)
                                    + "), NVIDIA A30, has no profile 3g.20gb; it has 1g.6gb, 2g.12gb, 4g.24gb, 1g.6gb+me, 2g.12gb+me",
                            "mig.yaml:9:21: mig-devices: GPU 2 (" + SimulatedMigNode.uuid(2)
                                    + "), NVIDIA H100 80GB HBM3, has no profile 1c.3g.20gb; did you mean \"1c.3g.40gb\"?",
                            "mig.yaml:9:51: mig-devices: GPU 2 (" + SimulatedMigNode.uuid(2)
                                    + "), NVIDIA H100 80GB HBM3, cannot have 3c.4g.40gb; a GPU instance 4g.40gb is split into"
                                    + " 1c.4g.40gb, 2c.4g.40gb, 4g.40gb");
        }
    }

    @Test
    void theDriversNameOfAProfileIsAsGoodAsOurs() throws Exception {
        // Given: with other memory than the driver's names were made for, the two differ
        try (SimulatedMigNode node = SimulatedMigNode.of(root, Chip.GB200)
                .apply("set gpu=0 memory=196608")
                .split(0)) {
            List<MigGpu> gpus = node.read();
            assertThat(gpus.getFirst().profile(19).orElseThrow().name()).isEqualTo("1g.24gb");
            assertThat(gpus.getFirst().profile(19).orElseThrow().driverName()).isEqualTo("1g.23gb");

            // When
            MigConfigWishes wishes = wishes(
                            gpus,
                            "    - {devices: all, mig-enabled: true, mig-devices: {1g.23gb: 3, 1g.24gb: 4, 1g.23gb+me: 1}}\n")
                    .orElseThrow();

            // Then
            assertThat(wishes.gpus().getFirst().wish())
                    .contains(new MigWish.Devices(Map.of(new MigWish.Kind(19, 1), 7, new MigWish.Kind(20, 1), 1)));
        }
    }

    @Test
    void aGpuWithoutMigCannotHaveIt() throws Exception {
        try (SimulatedMigNode node = SimulatedMigNode.of(root, Chip.L4)) {
            // When
            Optional<MigConfigWishes> wishes =
                    wishes(node.read(), "    - {devices: all, mig-enabled: true, mig-devices: {}}\n");

            // Then
            assertThat(wishes).isEmpty();
            assertThat(report.problems().getFirst())
                    .hasToString("mig.yaml:4:7: mig-enabled: GPU 0 (" + SimulatedMigNode.uuid(0)
                            + "), NVIDIA L4, has no MIG; leave it out with device-filter or devices");
        }
    }

    @Test
    void anIndexThatNoGpuHasIsANotice() throws Exception {
        try (SimulatedMigNode node = SimulatedMigNode.of(root, Chip.A30)) {
            // When
            Optional<MigConfigWishes> wishes = wishes(node.read(), "    - {devices: [0, 7], mig-enabled: false}\n");

            // Then
            assertThat(wishes).isPresent();
            assertThat(report.notices())
                    .extracting(Problem::toString)
                    .containsExactly(
                            "mig.yaml:4:7: devices: there is no GPU 7; this node has 1, counted from 0 in PCI order");
        }
    }

    @Test
    void theOnlyLayoutIsChosenAndOthersByTheirName() {
        // Given
        MigConfigFile one = file("    - {devices: all, mig-enabled: false}\n");
        MigConfigFile two =
                file("    - {devices: all, mig-enabled: false}\n  two:\n    - {devices: all, mig-enabled: false}\n");

        // When / Then
        assertThat(MigConfigWishes.select("f", one, "", report)).contains("one");
        assertThat(MigConfigWishes.select("f", two, "two", report)).contains("two");
        assertThat(MigConfigWishes.select("f", two, "", report)).isEmpty();
        assertThat(MigConfigWishes.select("f", two, "tow", report)).isEmpty();
        assertThat(report.problems())
                .extracting(Problem::toString)
                .containsExactly(
                        "f: mig-configs: there are several layouts, and none was chosen; choose one of: one, two",
                        "f: mig-configs: there is no layout \"tow\"; did you mean \"two\"?");
    }

    @Test
    void whatIsDifferentIsToldForEachGpu() throws Exception {
        try (SimulatedMigNode node = SimulatedMigNode.of(
                        root, Chip.A100_40, Chip.A100_40, Chip.A100_40, Chip.A100_40, Chip.L4)
                .split(1, "1g.5gb", "1g.5gb", "3g.20gb")
                .split(2, "3g.20gb bare")
                .apply("set gpu=3 mig-mode=off mig-pending=on")) {
            // When
            List<String> differences = differences(node.read(), """
                        - {device-filter: "0x20B010DE", devices: [0, 1, 3], mig-enabled: true, mig-devices: {1g.5gb: 2}}
                        - {device-filter: "0x20B010DE", devices: [2], mig-enabled: true, mig-devices: {}}
                    """);

            // Then
            assertThat(differences)
                    .containsExactly(
                            "MIG mode is off, wanted on",
                            "it has 1 x 3g.20gb, 2 x 1g.5gb, wanted 2 x 1g.5gb",
                            "GPU instance 2 has no compute instance",
                            "MIG mode is off, wanted on; it comes with the next reset");
        }
    }

    @Test
    void aGpuThatTheLayoutDoesNotNameIsADifferenceUnlessOnlyNamedOnesCount() throws Exception {
        try (SimulatedMigNode node = SimulatedMigNode.of(root, Chip.A30, Chip.A30)) {
            List<MigConfigWishes.Wanted> wanted = wishes(node.read(), "    - {devices: [0], mig-enabled: false}\n")
                    .orElseThrow()
                    .gpus();

            // When / Then
            assertThat(MigConfigAssertion.ofDevices(wanted, false))
                    .extracting(MigConfigAssertion.Difference::toString)
                    .containsExactly(
                            "GPU 1 (" + SimulatedMigNode.uuid(1) + "): the layout does not say what it is to be");
            assertThat(MigConfigAssertion.ofDevices(wanted, true)).isEmpty();
            assertThat(MigConfigAssertion.ofModes(wanted)).isEmpty();
        }
    }
}
