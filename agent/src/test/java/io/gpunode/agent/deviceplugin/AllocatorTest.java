package io.gpunode.agent.deviceplugin;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.gpunode.agent.config.AgentConfig.DeviceIdStrategy;
import io.gpunode.agent.config.AgentConfig.DeviceListStrategy;
import io.gpunode.agent.deviceplugin.Allocation.DeviceNode;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.testing.Snapshots;
import io.grpc.Status;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(10)
class AllocatorTest {
    @TempDir
    private Path host;

    private final Snapshots node = Snapshots.h100x8();

    @Test
    void envvarNamesTheDevicesByUuid() {
        // When
        Allocation allocation = allocate(PluginConfigs.envvar(), List.of(uuid(2)));

        // Then
        assertThat(allocation.environment()).containsOnly(java.util.Map.entry("NVIDIA_VISIBLE_DEVICES", uuid(2)));
        assertThat(allocation.cdiDevices()).isEmpty();
        assertThat(allocation.annotations()).isEmpty();
        assertThat(allocation.deviceNodes()).isEmpty();
    }

    @Test
    void theAnswerIsInPciOrderWhateverOrderTheKubeletAsksIn() {
        // Given
        List<String> ids = new ArrayList<>(Snapshots.uuids(8));
        AdvertisedDevices devices = devices(PluginConfigs.envvar());
        Random random = new Random(7);

        for (int i = 0; i < 50; i++) {
            // When
            Collections.shuffle(ids, random);
            Allocation allocation = Allocator.allocate(devices, ids);

            // Then
            assertThat(allocation.environment())
                    .containsEntry("NVIDIA_VISIBLE_DEVICES", String.join(",", Snapshots.uuids(8)));
        }
    }

    @Test
    void cdiCriNamesQualifiedDevicesAndLeavesTheEnvironmentToTheSpec() {
        // When
        Allocation allocation = allocate(PluginConfigs.cdi(), List.of(uuid(5), uuid(1)));

        // Then
        assertThat(allocation.cdiDevices())
                .containsExactly(
                        "k8s.device-plugin.nvidia.com/gpu=" + uuid(1), "k8s.device-plugin.nvidia.com/gpu=" + uuid(5));
        assertThat(allocation.environment()).isEmpty();
    }

    @Test
    void cdiAnnotationsPutAllNamesInOneAnnotationWithAUsableKey() {
        // When
        Allocation allocation = allocate(
                PluginConfigs.with(DeviceIdStrategy.INDEX, false, Path.of("/"), DeviceListStrategy.CDI_ANNOTATIONS),
                List.of(uuid(3), uuid(0)));

        // Then
        assertThat(allocation.annotations()).hasSize(1).allSatisfy((key, value) -> {
            assertThat(key).matches("cdi\\.k8s\\.io/nvidia-device-plugin_[a-z0-9-]{36}");
            assertThat(value).isEqualTo("k8s.device-plugin.nvidia.com/gpu=0,k8s.device-plugin.nvidia.com/gpu=3");
        });
    }

    @Test
    void severalStrategiesAnswerTogether() {
        // When
        Allocation allocation = allocate(
                PluginConfigs.with(
                        DeviceIdStrategy.UUID,
                        false,
                        Path.of("/"),
                        DeviceListStrategy.ENVVAR,
                        DeviceListStrategy.CDI_CRI,
                        DeviceListStrategy.CDI_ANNOTATIONS),
                List.of(uuid(0)));

        // Then
        assertThat(allocation.environment()).hasSize(1);
        assertThat(allocation.cdiDevices()).hasSize(1);
        assertThat(allocation.annotations()).hasSize(1);
    }

    @Test
    void deviceSpecsNameWhatExistsUnderTheDevRoot() throws IOException {
        // Given
        Path dev = Files.createDirectories(host.resolve("run/nvidia/driver/dev"));
        Files.createFile(dev.resolve("nvidiactl"));
        Files.createFile(dev.resolve("nvidia-uvm"));

        // When
        Allocation allocation = allocate(
                PluginConfigs.with(
                        DeviceIdStrategy.UUID, true, Path.of("/run/nvidia/driver"), DeviceListStrategy.ENVVAR),
                List.of(uuid(4)));

        // Then
        assertThat(allocation.deviceNodes())
                .containsExactly(
                        new DeviceNode("/dev/nvidiactl", "/run/nvidia/driver/dev/nvidiactl"),
                        new DeviceNode("/dev/nvidia-uvm", "/run/nvidia/driver/dev/nvidia-uvm"),
                        new DeviceNode("/dev/nvidia4", "/run/nvidia/driver/dev/nvidia4"));
    }

    @Test
    void deviceSpecsAreLeftToTheCdiSpecWhenThatIsTheOnlyStrategy() {
        // When
        Allocation allocation = allocate(
                PluginConfigs.with(DeviceIdStrategy.UUID, true, Path.of("/"), DeviceListStrategy.CDI_CRI),
                List.of(uuid(4)));

        // Then
        assertThat(allocation.deviceNodes()).isEmpty();
    }

    @Test
    void anUnknownIdIsRefusedByName() {
        AllocationRefusedException refused = refusal(devices(), List.of(uuid(0), "GPU-gone"));

        assertThat(refused.code()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(refused).hasMessageContaining("\"GPU-gone\"").hasMessageContaining("gpu-node-agent gpus");
    }

    @Test
    void anIdOfOddBytesIsShownSafelyAndShort() {
        AllocationRefusedException refused = refusal(devices(), List.of("\u001b[31m\n" + "x".repeat(10_000)));

        assertThat(refused.getMessage())
                .doesNotContain("\u001b", "\n")
                .contains("…")
                .hasSizeLessThan(400);
    }

    @Test
    void anEmptyRequestIsRefused() {
        AllocationRefusedException refused = refusal(devices(), List.of());

        assertThat(refused.code()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(refused).hasMessageContaining("without device IDs");
    }

    @Test
    void moreIdsThanTheNodeHasAreRefusedWithoutLookingAtEach() {
        AllocationRefusedException refused = refusal(devices(), Collections.nCopies(100_000, uuid(0)));

        assertThat(refused.code()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(refused).hasMessageContaining("100000").hasMessageContaining("advertises 8");
    }

    @Test
    void anUnhealthyGpuIsRefusedWithReasonAndRepair() {
        node.unhealthy(3);

        AllocationRefusedException refused = refusal(devices(), List.of(uuid(3)));

        assertThat(refused.code()).isEqualTo(Status.Code.FAILED_PRECONDITION);
        assertThat(refused)
                .hasMessageContaining(uuid(3))
                .hasMessageContaining("0000:61:00.0")
                .hasMessageContaining("XID 79")
                .hasMessageContaining("reboot the node");
    }

    @Test
    void nothingIsGivenWhileThePictureIsWithdrawn() {
        DeviceCatalog catalog = new DeviceCatalog(PluginConfigs.envvar(), new SystemHostFiles(Path.of("/nonexistent")));
        catalog.update(node.build(), CdiCoverage.NONE).getFirst();
        AdvertisedDevices withdrawn =
                catalog.update(node.withdrawn().build(), CdiCoverage.NONE).getFirst();

        AllocationRefusedException refused = refusal(withdrawn, List.of(uuid(0)));

        assertThat(refused.code()).isEqualTo(Status.Code.UNAVAILABLE);
        assertThat(refused).hasMessageContaining("driver reload");
    }

    private AllocationRefusedException refusal(AdvertisedDevices devices, List<String> ids) {
        return catchThrowableOfType(AllocationRefusedException.class, () -> Allocator.allocate(devices, ids));
    }

    private Allocation allocate(PluginSettings settings, List<String> ids) {
        return Allocator.allocate(devices(settings), ids);
    }

    private AdvertisedDevices devices() {
        return devices(PluginConfigs.envvar());
    }

    private AdvertisedDevices devices(PluginSettings settings) {
        NodeSnapshot snapshot = node.build();
        return new DeviceCatalog(settings, new SystemHostFiles(host))
                .update(snapshot, CdiCoverages.whole(snapshot))
                .getFirst();
    }

    private static String uuid(int index) {
        return Snapshots.uuid(index);
    }
}
