package io.gpunode.agent.deviceplugin;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.gpunode.agent.config.AgentConfig.DeviceIdStrategy;
import io.gpunode.agent.config.AgentConfig.DeviceListStrategy;
import io.gpunode.agent.config.AgentConfig.DeviceSelection;
import io.gpunode.agent.config.AgentConfig.MigStrategy;
import io.gpunode.agent.deviceplugin.Allocation.DeviceNode;
import io.gpunode.agent.deviceplugin.Allocation.Mount;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.testing.Golden;
import io.gpunode.agent.testing.Snapshots;
import io.gpunode.deviceplugin.v1beta1.ContainerAllocateResponse;
import io.grpc.Status;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
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
        assertThat(allocation.environment()).containsOnly(Map.entry("NVIDIA_VISIBLE_DEVICES", uuid(2)));
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
    void volumeMountsNameEachDeviceAndTheVariableThePlace() {
        // When
        Allocation allocation = allocate(
                PluginConfigs.start()
                        .strategies(DeviceListStrategy.VOLUME_MOUNTS, DeviceListStrategy.ENVVAR)
                        .build(),
                List.of(uuid(5), uuid(2)));

        // Then
        assertThat(allocation.environment())
                .containsOnly(Map.entry("NVIDIA_VISIBLE_DEVICES", "/var/run/nvidia-container-devices"));
        assertThat(allocation.mounts())
                .containsExactly(
                        new Mount("/var/run/nvidia-container-devices/" + uuid(2), "/dev/null"),
                        new Mount("/var/run/nvidia-container-devices/" + uuid(5), "/dev/null"));
    }

    @Test
    void theSharesOfADeviceAreNamedOnce() {
        // When
        Allocation allocation = allocate(
                PluginConfigs.start()
                        .passDeviceSpecs()
                        .strategies(DeviceListStrategy.ENVVAR, DeviceListStrategy.VOLUME_MOUNTS)
                        .share("nvidia.com/gpu", 12)
                        .build(),
                List.of(uuid(3) + "::10", uuid(1) + "::9", uuid(3) + "::2", uuid(3) + "::2"));

        // Then
        assertThat(allocation.mounts())
                .extracting(Mount::containerPath)
                .containsExactly(
                        "/var/run/nvidia-container-devices/" + uuid(1), "/var/run/nvidia-container-devices/" + uuid(3));
        assertThat(allocation.deviceNodes())
                .extracting(DeviceNode::containerPath)
                .containsExactly("/dev/nvidia1", "/dev/nvidia3");
    }

    @Test
    void migDevicesAreNamedByIndexOfGpuAndDevice() {
        // Given
        node.partition(1, "1g.10gb", "1g.10gb", "1g.10gb").partition(4, "1g.10gb");

        // When
        Allocation allocation = Allocator.allocate(
                lists(PluginConfigs.start()
                                .mig(MigStrategy.MIXED)
                                .ids(DeviceIdStrategy.INDEX)
                                .build())
                        .getLast(),
                List.of(mig(4, 0), mig(1, 2), mig(1, 0)));

        // Then
        assertThat(allocation.environment()).containsOnly(Map.entry("NVIDIA_VISIBLE_DEVICES", "1:0,1:2,4:0"));
    }

    @Test
    void aMigDeviceComesWithItsGpusNodeAndItsTwoCapabilities() {
        // Given
        node.partition(1, "1g.10gb", "1g.10gb");

        // When
        Allocation allocation = Allocator.allocate(
                lists(PluginConfigs.start()
                                .mig(MigStrategy.MIXED)
                                .passDeviceSpecs()
                                .build())
                        .getLast(),
                List.of(mig(1, 1), mig(1, 0)));

        // Then
        assertThat(allocation.deviceNodes())
                .extracting(DeviceNode::hostPath)
                .containsExactly(
                        "/dev/nvidia1",
                        "/dev/nvidia-caps/nvidia-cap147",
                        "/dev/nvidia-caps/nvidia-cap148",
                        "/dev/nvidia-caps/nvidia-cap156",
                        "/dev/nvidia-caps/nvidia-cap157");
    }

    @Test
    void severalSharesAreRefusedWhereOneIsAllThatIsGiven() {
        // Given
        AdvertisedDevices devices = devices(PluginConfigs.start()
                .oneShareOnly()
                .share("nvidia.com/gpu", "", new DeviceSelection.First(4), 4)
                .build());

        // When
        AllocationRefusedException refused = refusal(devices, List.of(uuid(0) + "::0", uuid(1) + "::0"));

        // Then
        assertThat(refused.code()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(refused).hasMessageContaining("failRequestsGreaterThanOne").hasMessageContaining("ask for 1");
        assertThat(Allocator.allocate(devices, List.of(uuid(0) + "::0")).environment())
                .hasSize(1);
        assertThat(Allocator.allocate(devices, List.of(uuid(6), uuid(7))).environment())
                .hasSize(1);
    }

    @Test
    void aChannelIsPassedFromTheHostsOwnRootWhenTheDriversHasNone() throws IOException {
        // Given
        Files.createDirectories(host.resolve("dev/nvidia-caps-imex-channels/channel0"));

        // When
        Allocation allocation = allocate(
                PluginConfigs.start()
                        .passDeviceSpecs()
                        .devRoot(Path.of("/run/nvidia/driver"))
                        .imex(true, 0)
                        .build(),
                List.of(uuid(0)));

        // Then
        assertThat(allocation.environment()).containsEntry("NVIDIA_IMEX_CHANNELS", "0");
        assertThat(allocation.deviceNodes())
                .containsExactly(
                        new DeviceNode("/dev/nvidia0", "/run/nvidia/driver/dev/nvidia0"),
                        new DeviceNode(
                                "/dev/nvidia-caps-imex-channels/channel0", "/dev/nvidia-caps-imex-channels/channel0"));
    }

    @Test
    void featuresWithoutACdiSpecAreNotNamed() {
        // When
        Allocation allocation = allocate(
                PluginConfigs.start()
                        .strategies(DeviceListStrategy.CDI_CRI)
                        .features()
                        .build(),
                List.of(uuid(0)));

        // Then
        assertThat(allocation.cdiDevices()).containsExactly("k8s.device-plugin.nvidia.com/gpu=" + uuid(0));
        assertThat(allocation.environment()).containsOnlyKeys("NVIDIA_GDRCOPY", "NVIDIA_GDS", "NVIDIA_MOFED");
    }

    /** What the kubelet is answered by every combination of strategies; the file is what NVIDIA's toolkit and the runtimes will read. */
    @Test
    void answersOfEveryCombinationOfStrategies() throws IOException {
        // Given
        node.partition(1, "1g.10gb", "1g.10gb", "3g.40gb").partition(4, "1g.10gb");
        for (String device : List.of(
                "nvidiactl",
                "nvidia-uvm",
                "nvidia-uvm-tools",
                "nvidia-modeset",
                "nvidia-caps-imex-channels/channel0")) {
            Files.createDirectories(host.resolve("run/nvidia/driver/dev/" + device));
        }
        List<String> gpus = List.of(uuid(7), uuid(0));
        List<String> shares = List.of(mig(4, 0) + "::1", mig(1, 1) + "::0", mig(1, 1) + "::1", mig(1, 0) + "::0");
        StringBuilder answers = new StringBuilder();
        int all = (1 << DeviceListStrategy.values().length) - 1;

        // When
        for (int combination = 1; combination <= all; combination++) {
            append(answers, combination, DeviceIdStrategy.UUID, gpus, shares);
        }
        append(answers, all, DeviceIdStrategy.INDEX, gpus, shares);

        // Then
        Golden.check("allocate.txt", answers.toString());
    }

    private void append(
            StringBuilder answers, int combination, DeviceIdStrategy ids, List<String> gpus, List<String> shares) {
        DeviceListStrategy[] strategies = Arrays.stream(DeviceListStrategy.values())
                .filter(strategy -> (combination >> strategy.ordinal() & 1) == 1)
                .toArray(DeviceListStrategy[]::new);
        List<AdvertisedDevices> lists = lists(PluginConfigs.start()
                .strategies(strategies)
                .ids(ids)
                .mig(MigStrategy.MIXED)
                .share("nvidia.com/mig-1g.10gb", 2)
                .passDeviceSpecs()
                .devRoot(Path.of("/run/nvidia/driver"))
                .features()
                .imex(false, 0)
                .build());
        answers.append("\n=== ")
                .append(Arrays.toString(strategies))
                .append(" by ")
                .append(ids);
        append(answers.append("\n"), lists.get(0), gpus);
        append(answers.append("\n"), lists.get(1), shares);
    }

    private static void append(StringBuilder answers, AdvertisedDevices devices, List<String> ids) {
        ContainerAllocateResponse answer = DevicePluginService.toProtobuf(Allocator.allocate(devices, ids));
        answers.append("--- ").append(devices.resource()).append('\n');
        answer.getEnvsMap().forEach((name, value) -> line(answers, "env", name + "=" + value));
        answer.getMountsList()
                .forEach(mount -> line(
                        answers,
                        "mount",
                        mount.getHostPath() + " -> " + mount.getContainerPath()
                                + (mount.getReadOnly() ? " ro" : " rw")));
        answer.getAnnotationsMap().forEach((key, value) -> line(answers, "annotation", key + "=" + value));
        answer.getCdiDevicesList().forEach(device -> line(answers, "cdi", device.getName()));
        answer.getDevicesList()
                .forEach(device -> line(
                        answers,
                        "device",
                        device.getHostPath() + " -> " + device.getContainerPath() + " " + device.getPermissions()));
    }

    private static void line(StringBuilder answers, String kind, String text) {
        answers.append(kind).append(' ').append(text).append('\n');
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
        return lists(settings).getFirst();
    }

    private List<AdvertisedDevices> lists(PluginSettings settings) {
        NodeSnapshot snapshot = node.build();
        return new DeviceCatalog(settings, new SystemHostFiles(host)).update(snapshot, coverage(snapshot, settings));
    }

    /** Features have a spec where the channel has a node. */
    private CdiCoverage coverage(NodeSnapshot snapshot, PluginSettings settings) {
        return settings.imex().channels().isEmpty()
                ? CdiCoverages.whole(snapshot)
                : CdiCoverages.whole(snapshot, "imex-channel=0", "gdrcopy=all", "gds=all", "mofed=all");
    }

    private static String mig(int gpu, int index) {
        return Snapshots.migDevice(gpu, index, "1g.10gb").id().uuid();
    }

    private static String uuid(int index) {
        return Snapshots.uuid(index);
    }
}
