package io.gpunode.agent.mig;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.gpunode.agent.config.Report;
import io.gpunode.agent.mig.SimulatedMigNode.Chip;
import io.gpunode.agent.model.MigProfile;
import io.gpunode.agent.model.Reading;
import io.gpunode.agent.testing.Golden;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** The usual layouts of every chip. The labels and counts are those of the file that comes with mig-parted. */
@Timeout(60)
class GeneratedConfigTest {
    @TempDir
    private Path root = Path.of("");

    static Stream<Arguments> chips() {
        return Stream.of(
                Arguments.of(Chip.A30, "1g.6gb 4, 1g.6gb+me 1, 2g.12gb 2, 2g.12gb+me 1, 4g.24gb 1"),
                Arguments.of(
                        Chip.A100_40, "1g.5gb 7, 1g.5gb+me 1, 1g.10gb 4, 2g.10gb 3, 3g.20gb 2, 4g.20gb 1, 7g.40gb 1"),
                Arguments.of(
                        Chip.A100_80, "1g.10gb 7, 1g.10gb+me 1, 1g.20gb 4, 2g.20gb 3, 3g.40gb 2, 4g.40gb 1, 7g.80gb 1"),
                Arguments.of(
                        Chip.H100, "1g.10gb 7, 1g.10gb+me 1, 1g.20gb 4, 2g.20gb 3, 3g.40gb 2, 4g.40gb 1, 7g.80gb 1"),
                Arguments.of(
                        Chip.H100_94, "1g.12gb 7, 1g.12gb+me 1, 1g.24gb 4, 2g.24gb 3, 3g.47gb 2, 4g.47gb 1, 7g.94gb 1"),
                Arguments.of(
                        Chip.H100_96, "1g.12gb 7, 1g.12gb+me 1, 1g.24gb 4, 2g.24gb 3, 3g.48gb 2, 4g.48gb 1, 7g.96gb 1"),
                Arguments.of(
                        Chip.H200, "1g.18gb 7, 1g.18gb+me 1, 1g.35gb 4, 2g.35gb 3, 3g.71gb 2, 4g.71gb 1, 7g.141gb 1"),
                Arguments.of(
                        Chip.B200, "1g.23gb 7, 1g.23gb+me 1, 1g.45gb 4, 2g.45gb 3, 3g.90gb 2, 4g.90gb 1, 7g.180gb 1"),
                Arguments.of(
                        Chip.GB200, "1g.23gb 7, 1g.23gb+me 1, 1g.47gb 4, 2g.47gb 3, 3g.93gb 2, 4g.93gb 1, 7g.186gb 1"),
                Arguments.of(
                        Chip.RTX_PRO_6000,
                        "1g.24gb 4, 1g.24gb+gfx 4, 1g.24gb+me 1, 1g.24gb+me.all 1, 1g.24gb-me 4, 2g.48gb 2, 2g.48gb+gfx 2,"
                                + " 2g.48gb+me.all 1, 2g.48gb-me 2, 4g.96gb 1, 4g.96gb+gfx 1"));
    }

    @ParameterizedTest
    @MethodSource("chips")
    void everyProfileOfAChipGetsItsLayoutWithAsManyAsThereCanBe(Chip chip, String profiles) throws Exception {
        try (SimulatedMigNode node = SimulatedMigNode.of(root, chip)) {
            // When
            MigConfigFile file = GeneratedConfig.of(node.read());

            // Then
            Map<String, String> expected = new LinkedHashMap<>();
            for (String profile : profiles.split(", ", -1)) {
                String name = profile.substring(0, profile.indexOf(' '));
                expected.put("all-" + name.replace('+', '.'), profile);
            }
            Map<String, String> generated = new LinkedHashMap<>();
            file.layouts().forEach((label, entries) -> {
                if (entries.getFirst().devices().size() == 1) {
                    MigConfigFile.Devices devices = entries.getFirst().devices().getFirst();
                    generated.put(label, devices.profile() + " " + devices.count());
                }
            });
            assertThat(generated).isEqualTo(expected);
            assertThat(file.layouts()).containsKeys("all-disabled", "all-enabled", "all-balanced");
            Golden.check("mig/generated-" + chip.name().toLowerCase(Locale.ROOT) + ".yaml", MigConfigText.yaml(file));
        }
    }

    @ParameterizedTest
    @EnumSource(names = "L4", mode = EnumSource.Mode.EXCLUDE)
    void whatIsGeneratedIsReadBackAndCanBeBroughtAbout(Chip chip) throws Exception {
        try (SimulatedMigNode node = SimulatedMigNode.of(root, chip, chip)) {
            List<MigGpu> gpus = node.read();
            MigConfigFile file = GeneratedConfig.of(gpus);
            for (String text : List.of(MigConfigText.yaml(file), MigConfigText.json(file))) {
                // When
                Report report = new Report(true);
                MigConfigFile again =
                        MigConfigReader.read("generated", text, report).orElseThrow();

                // Then
                assertThat(MigConfigText.yaml(again)).isEqualTo(MigConfigText.yaml(file));
                again.layouts().forEach((label, entries) -> {
                    MigConfigWishes wishes =
                            MigConfigWishes.of(entries, gpus, report).orElseThrow();
                    List<MigRequest> requests = wishes.gpus().stream()
                            .map(gpu -> new MigRequest(gpu.gpu(), gpu.wish().orElseThrow(), MigUse.NOBODY))
                            .toList();
                    assertThat(MigPlanner.plan(requests)).as(label).isInstanceOf(MigDecision.Planned.class);
                });
            }
        }
    }

    @Test
    void severalModelsAreToldApartByTheirFilters() throws Exception {
        try (SimulatedMigNode node =
                SimulatedMigNode.of(root, Chip.A100_40, Chip.A100_80, Chip.A100_80, Chip.H100, Chip.A30, Chip.L4)) {
            // When
            MigConfigFile file = GeneratedConfig.of(node.read());

            // Then
            Golden.check("mig/generated-mixed.yaml", MigConfigText.yaml(file));
            Golden.check("mig/generated-mixed.json", MigConfigText.json(file));
        }
    }

    @Test
    void aDriverThatTellsMoreInstancesThanThereArePlacesIsNotBelieved() throws Exception {
        try (SimulatedMigNode node = SimulatedMigNode.of(root, Chip.A30)) {
            MigGpu gpu = node.read().getFirst();

            // When
            MigConfigFile file = GeneratedConfig.of(List.of(withInstances(gpu, 7)));

            // Then
            assertThat(file.layout("all-1g.6gb").getFirst().devices())
                    .extracting(MigConfigFile.Devices::count)
                    .containsExactly(4);
        }
    }

    private static MigGpu withInstances(MigGpu gpu, int instances) {
        return new MigGpu(
                gpu.id(),
                gpu.index(),
                gpu.pci(),
                gpu.name(),
                gpu.pciDeviceId(),
                gpu.pciSubsystemId(),
                gpu.architecture(),
                gpu.passThrough(),
                gpu.geometry(),
                Reading.of(gpu.profiles().asOptional().orElseThrow().stream()
                        .map(profile -> new MigProfile(
                                profile.constant(),
                                profile.id(),
                                profile.name(),
                                profile.driverName(),
                                profile.slices(),
                                instances,
                                profile.engines(),
                                profile.memoryMebibytes(),
                                profile.placements(),
                                profile.computeProfiles()))
                        .toList()));
    }

    @Test
    void aDriverThatTellsNothingWhileMigIsOffIsToldWithTheNextStep() throws Exception {
        try (SimulatedMigNode node = SimulatedMigNode.of(root, Chip.A100_40)
                .apply("fault mute call=nvmlDeviceGetGpuInstanceProfileInfo return=NOT_SUPPORTED")) {
            List<MigGpu> gpus = node.read();

            // When / Then
            assertThatThrownBy(() -> GeneratedConfig.of(gpus))
                    .isInstanceOf(MigReader.UnreadableException.class)
                    .hasMessageContaining("GPU 0 (" + SimulatedMigNode.uuid(0) + ")")
                    .hasMessageContaining("while MIG is off")
                    .hasMessageContaining("nvidia-smi -i 0000:10:00.0 -mig 1");
        }
    }

    @Test
    void aNodeWithoutMigHasNoLayouts() throws Exception {
        try (SimulatedMigNode node = SimulatedMigNode.of(root, Chip.L4)) {
            List<MigGpu> gpus = node.read();

            // When / Then
            assertThatThrownBy(() -> GeneratedConfig.of(gpus))
                    .isInstanceOf(MigReader.UnreadableException.class)
                    .hasMessageContaining("none of the GPUs has MIG");
        }
    }
}
