package io.gpunode.agent.mig;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.gpunode.agent.mig.SimulatedMigNode.Chip;
import io.gpunode.agent.model.MigGeometry;
import io.gpunode.agent.model.MigGeometry.ComputeInstance;
import io.gpunode.agent.model.MigGeometry.GpuInstance;
import io.gpunode.agent.model.MigPlacement;
import io.gpunode.agent.model.MigProfile;
import io.gpunode.agent.model.Reading;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What GPUs tell of MIG, through the door. */
@Timeout(60)
class MigReaderTest {
    @TempDir
    private Path root = Path.of("");

    private static MigGeometry geometry(MigGpu gpu) {
        return gpu.geometry().asOptional().orElseThrow();
    }

    private static List<MigProfile> profiles(MigGpu gpu) {
        return gpu.profiles().asOptional().orElseThrow();
    }

    @Test
    void aGpuTellsItsGeometryWithEveryPlacement() throws Exception {
        try (SimulatedMigNode node = SimulatedMigNode.of(root, Chip.A100_80)
                .split(0, "1g.10gb start=6", "3g.40gb start=0 bare")
                .apply("mig gpu=0 profile=1c.3g.40gb instance=2 start=2")) {
            // When
            MigGpu gpu = node.read().getFirst();

            // Then
            assertThat(geometry(gpu))
                    .isEqualTo(new MigGeometry(
                            true,
                            true,
                            List.of(
                                    new GpuInstance(
                                            2,
                                            9,
                                            new MigPlacement(0, 4),
                                            List.of(new ComputeInstance(0, 0, 1, new MigPlacement(2, 1)))),
                                    new GpuInstance(
                                            13,
                                            19,
                                            new MigPlacement(6, 1),
                                            List.of(new ComputeInstance(0, 0, 1, new MigPlacement(0, 1)))))));
        }
    }

    @Test
    void aGpuTellsWhatItCanBeSplitInto() throws Exception {
        try (SimulatedMigNode node = SimulatedMigNode.of(root, Chip.H200)) {
            // When
            MigGpu gpu = node.read().getFirst();

            // Then
            assertThat(gpu.capable()).isTrue();
            assertThat(geometry(gpu)).isEqualTo(MigGeometry.DISABLED);
            assertThat(profiles(gpu))
                    .extracting(MigProfile::name)
                    .containsExactly("1g.18gb", "2g.35gb", "3g.71gb", "4g.71gb", "7g.141gb", "1g.18gb+me", "1g.35gb");
            MigProfile half = gpu.profileCalled("3g.71gb").orElseThrow();
            assertThat(half.placements()).containsExactly(new MigPlacement(0, 4), new MigPlacement(4, 4));
            assertThat(half.instances()).isEqualTo(2);
        }
    }

    @Test
    void theUsualComputeInstancesAreThoseThatAnInstanceTells() throws Exception {
        try (SimulatedMigNode node = SimulatedMigNode.of(root, Chip.H100, Chip.H100)
                .split(0)
                .split(1, "3g.40gb bare start=4", "2g.20gb bare start=0", "1g.10gb bare start=2")) {
            // When
            List<MigGpu> gpus = node.read();

            // Then
            for (String profile : List.of("1g.10gb", "2g.20gb", "3g.40gb")) {
                assertThat(gpus.getFirst().profileCalled(profile).orElseThrow().computeProfiles())
                        .isEqualTo(gpus.getLast()
                                .profileCalled(profile)
                                .orElseThrow()
                                .computeProfiles());
            }
        }
    }

    @Test
    void theWholeChipAndItsHalfTellTheUsualComputeInstances() throws Exception {
        try (SimulatedMigNode node = SimulatedMigNode.of(root, Chip.H100, Chip.H100, Chip.H100)
                .split(0)
                .split(1, "7g.80gb bare")
                .split(2, "4g.40gb bare")) {
            // When
            List<MigGpu> gpus = node.read();

            // Then
            assertThat(gpus.get(0).profileCalled("7g.80gb").orElseThrow().computeProfiles())
                    .isEqualTo(
                            gpus.get(1).profileCalled("7g.80gb").orElseThrow().computeProfiles());
            assertThat(gpus.get(0).profileCalled("4g.40gb").orElseThrow().computeProfiles())
                    .isEqualTo(
                            gpus.get(2).profileCalled("4g.40gb").orElseThrow().computeProfiles());
        }
    }

    @Test
    void gpusAreInPciOrderWhateverNvmlSays() throws Exception {
        try (SimulatedMigNode node =
                SimulatedMigNode.of(root, Chip.A30, Chip.L4, Chip.H100).apply("reorder 2 1 0")) {
            // When
            List<MigGpu> gpus = node.read();

            // Then
            assertThat(gpus)
                    .extracting(gpu -> gpu.id().uuid())
                    .containsExactly(SimulatedMigNode.uuid(0), SimulatedMigNode.uuid(1), SimulatedMigNode.uuid(2));
            assertThat(gpus).extracting(MigGpu::index).containsExactly(0, 1, 2);
            assertThat(gpus).extracting(MigGpu::capable).containsExactly(true, false, true);
            assertThat(gpus.getFirst().pciDeviceId()).isEqualTo(0x20B710DE);
        }
    }

    @Test
    void aDriverThatTellsNoProfilesWhileMigIsOffStillTellsTheMode() throws Exception {
        try (SimulatedMigNode node = SimulatedMigNode.of(root, Chip.A100_40)
                .apply("fault mute call=nvmlDeviceGetGpuInstanceProfileInfo return=NOT_SUPPORTED")) {
            // When
            MigGpu gpu = node.read().getFirst();

            // Then
            assertThat(geometry(gpu)).isEqualTo(MigGeometry.DISABLED);
            assertThat(gpu.profiles())
                    .isEqualTo(new Reading.Failed<>("the driver lists no GPU instance profiles while MIG is off"));
        }
    }

    @Test
    void instancesThatCannotBeReadAreNotNone() throws Exception {
        try (SimulatedMigNode node = SimulatedMigNode.of(root, Chip.A100_40)
                .split(0, "1g.5gb")
                .apply("fault sick call=nvmlDeviceGetGpuInstances return=UNKNOWN")) {
            // When
            MigGpu gpu = node.read().getFirst();

            // Then
            assertThat(gpu.geometry()).isEqualTo(new Reading.Failed<>("nvmlDeviceGetGpuInstances answers UNKNOWN"));
        }
    }

    @Test
    void aGpuThatIsLostIsToldByName() throws Exception {
        try (SimulatedMigNode node = SimulatedMigNode.of(root, Chip.A100_40, Chip.A100_40)
                .apply("fault gone call=nvmlDeviceGetPciInfo_v3 gpu=1 return=GPU_IS_LOST")) {
            // When / Then
            assertThatThrownBy(node::read)
                    .isInstanceOf(MigReader.UnreadableException.class)
                    .hasMessageContaining("nvmlDeviceGetPciInfo")
                    .hasMessageContaining("GPU_IS_LOST")
                    .hasMessageContaining(SimulatedMigNode.uuid(1));
        }
    }

    @Test
    void aNodeWithoutDriverIsToldSo() {
        try (SimulatedMigNode node = SimulatedMigNode.named(root, "no-driver")) {
            // When / Then
            assertThatThrownBy(node::read)
                    .isInstanceOf(MigReader.UnreadableException.class)
                    .hasMessageContaining("modprobe nvidia");
        }
    }

    @Test
    void aGpuThatHangsCostsTheLimitAndNotMore() throws Exception {
        try (SimulatedMigNode node = SimulatedMigNode.of(root, Chip.A100_40)
                .apply("fault stuck call=nvmlDeviceGetMigMode hang=until-released")) {
            // When / Then
            assertThatThrownBy(() -> node.read(Duration.ofSeconds(3)))
                    .isInstanceOf(MigReader.UnreadableException.class)
                    .hasMessageContaining("reading the GPUs has not ended within 3 s")
                    .hasMessageContaining("dmesg");
            node.awaitClosed();
        }
    }
}
