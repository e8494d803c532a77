package io.gpunode.agent.assembly;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.ConfigDiff;
import io.gpunode.agent.config.ConfigException;
import io.gpunode.agent.config.ConfigLoader;
import io.gpunode.agent.config.LoadedConfig;
import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.simulation.Admission;
import io.gpunode.agent.simulation.DeviceList;
import io.gpunode.agent.simulation.EmbeddedKubelet;
import io.gpunode.agent.simulation.SimulatedNode;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.SystemTime;
import io.gpunode.agent.time.Tick;
import io.gpunode.deviceplugin.v1beta1.ContainerAllocateResponse;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Predicate;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The whole agent on a simulated node with MIG: what the kubelet is offered under each strategy, from NVML to its admission of pods. GPUs 0 to 3
 * of the node are seven 1g.10gb each, 4 and 5 are 3g.40gb, 2g.20gb and two 1g.10gb, 6 is one 7g.80gb, 7 is whole.
 */
@Timeout(150)
class ResourcesOfANodeTest {
    private static final Duration SOON = Duration.ofSeconds(30);
    private static final String GPU = "nvidia.com/gpu";

    @TempDir
    private Path folder;

    private final MonotonicClock clock = SystemTime.monotonic();
    private EventLoops kubeletLoops;
    private SimulatedNode node;
    private EmbeddedKubelet kubelet;
    private Optional<AgentAssembly> agent = Optional.empty();

    @BeforeEach
    void layOut() throws Exception {
        kubeletLoops = EventLoops.open("kubelet-io");
        node = SimulatedNode.create("8xa100-80gb-mig", kubeletLoops, clock);
        kubelet = node.kubelet();
        kubelet.start();
    }

    @AfterEach
    void stop() throws Exception {
        try {
            if (agent.isPresent()) {
                agent.get().stop(Duration.ofSeconds(30));
            }
        } finally {
            node.close();
            kubeletLoops.close();
        }
    }

    @Test
    void mixedOffersEachProfileByItsNameAndWholeGpusBeside() throws Exception {
        // When
        start("""
                flags:
                  migStrategy: mixed
                """);

        // Then
        awaitHealthy(GPU, 1);
        awaitHealthy("nvidia.com/mig-1g.10gb", 32);
        awaitHealthy("nvidia.com/mig-2g.20gb", 2);
        awaitHealthy("nvidia.com/mig-3g.40gb", 2);
        DeviceList seven = awaitHealthy("nvidia.com/mig-7g.80gb", 1);
        assertThat(kubelet.devices()).hasSize(5);
        assertThat(seven.devices().getFirst().id()).startsWith("MIG-");
        assertThat(seven.devices().getFirst().numaNodes()).containsExactly(5L);
    }

    @Test
    void aMigDeviceIsGivenWithItsNodesAndItsCdiName() throws Exception {
        // Given
        start("""
                flags:
                  migStrategy: mixed
                  plugin:
                    deviceListStrategy: [envvar, volume-mounts, cdi-annotations, cdi-cri]
                    deviceIDStrategy: index
                    passDeviceSpecs: true
                """);
        awaitHealthy("nvidia.com/mig-3g.40gb", 2);

        // When
        ContainerAllocateResponse answer = admitted("nvidia.com/mig-3g.40gb", "pod", 2);

        // Then
        assertThat(answer.getCdiDevicesList())
                .extracting(device -> device.getName())
                .containsExactly("k8s.device-plugin.nvidia.com/gpu=4:0", "k8s.device-plugin.nvidia.com/gpu=5:0");
        assertThat(answer.getAnnotationsMap().values())
                .containsExactly("k8s.device-plugin.nvidia.com/gpu=4:0,k8s.device-plugin.nvidia.com/gpu=5:0");
        assertThat(answer.getMountsList())
                .extracting(mount -> mount.getContainerPath())
                .containsExactly("/var/run/nvidia-container-devices/4:0", "/var/run/nvidia-container-devices/5:0");
        assertThat(answer.getDevicesList())
                .extracting(device -> device.getContainerPath())
                .contains("/dev/nvidiactl", "/dev/nvidia4", "/dev/nvidia5")
                .filteredOn(path -> path.startsWith("/dev/nvidia-caps/nvidia-cap"))
                .hasSize(4)
                .allSatisfy(path ->
                        assertThat(node.hostRoot().resolve(path.substring(1))).exists());
    }

    @Test
    void singleWithSeveralProfilesOffersNothingAndSaysWhyAndGoesOn() throws Exception {
        // When
        start("""
                flags:
                  migStrategy: single
                """);

        // Then
        DeviceList list = kubelet.awaitDevices(GPU, DeviceList::connected, SOON);
        assertThat(list.devices()).isEmpty();
        assertThat(kubelet.devices()).containsOnlyKeys(GPU);
        assertThat(state()).contains("1g.10gb, 2g.20gb, 3g.40gb, 7g.80gb, whole GPUs");
    }

    @Test
    void singleWithNamesForEachKindOffersThem() throws Exception {
        // When
        start("""
                flags:
                  migStrategy: single
                resources:
                  gpus:
                    - pattern: "*A100*"
                      name: a100
                  mig:
                    - pattern: 1g.*
                      name: small
                    - pattern: 7g.80gb
                      name: nvidia.com/large
                """);

        // Then
        awaitHealthy("nvidia.com/a100", 1);
        awaitHealthy("nvidia.com/small", 32);
        awaitHealthy("nvidia.com/large", 1);
        // 2g.20gb and 3g.40gb both would be nvidia.com/gpu, which then neither is.
        assertThat(kubelet.devices()).hasSize(3).doesNotContainKey(GPU);
        assertThat(state()).contains("2g.20gb, 3g.40gb");
    }

    @Test
    void sharesOfSomeGpusStandBesideWholeOnes() throws Exception {
        // Given
        start("""
                sharing:
                  timeSlicing:
                    renameByDefault: true
                    failRequestsGreaterThanOne: true
                    resources:
                      - name: nvidia.com/gpu
                        devices: [0, "7"]
                        replicas: 4
                """);
        awaitHealthy(GPU, 6);
        DeviceList shared = awaitHealthy("nvidia.com/gpu.shared", 8);
        String first = node.simulator().profile().gpus().getFirst().uuid();
        assertThat(shared.healthyIds()).contains(first + "::0", first + "::3");

        // When
        ContainerAllocateResponse answer = admitted("nvidia.com/gpu.shared", "one", 1);
        Admission two = kubelet.runPod("nvidia.com/gpu.shared", "default", "two", "main", 2);

        // Then
        assertThat(answer.getEnvsOrThrow("NVIDIA_VISIBLE_DEVICES"))
                .startsWith("GPU-")
                .doesNotContain("::");
        assertThat(two).isNotInstanceOf(Admission.Admitted.class).asString().contains("failRequestsGreaterThanOne");
    }

    @Test
    void migDevicesAreShared() throws Exception {
        // Given
        start("""
                flags:
                  migStrategy: mixed
                sharing:
                  timeSlicing:
                    resources:
                      - name: nvidia.com/mig-7g.80gb
                        replicas: 3
                      - name: nvidia.com/mig-1g.10gb
                        rename: nvidia.com/slice
                        devices: ["0:0", "0:1"]
                        replicas: 2
                """);

        // When
        DeviceList large = awaitHealthy("nvidia.com/mig-7g.80gb", 3);

        // Then
        assertThat(large.healthyIds()).allMatch(id -> id.matches("MIG-[0-9a-f-]{36}::[012]"));
        awaitHealthy("nvidia.com/slice", 4);
        awaitHealthy("nvidia.com/mig-1g.10gb", 30);
    }

    @Test
    void anotherMigLayoutIsOfferedWithoutARestart() throws Exception {
        // Given
        start("""
                flags:
                  migStrategy: mixed
                """);
        awaitHealthy("nvidia.com/mig-7g.80gb", 1);
        DeviceList small = awaitHealthy("nvidia.com/mig-1g.10gb", 32);
        awaitHealthy(GPU, 1);
        long registrations = kubelet.registerCalls();

        // When
        node.simulator().apply("""
                mig gpu=6 clear
                mig gpu=6 profile=4g.40gb start=0
                mig gpu=6 profile=3g.40gb start=4
                """);

        // Then
        awaitHealthy("nvidia.com/mig-4g.40gb", 1);
        awaitHealthy("nvidia.com/mig-3g.40gb", 3);
        kubelet.awaitDevices(
                "nvidia.com/mig-7g.80gb",
                list -> !list.connected() && list.devices().isEmpty(),
                SOON);
        assertThat(kubelet.registerCalls()).isEqualTo(registrations + 1);
        assertThat(kubelet.devices("nvidia.com/mig-1g.10gb").orElseThrow().messages())
                .isEqualTo(small.messages());
    }

    @Test
    void featuresAreNamedAfterTheDevicesOnceTheirSpecsAreThere() throws Exception {
        // Given
        for (String device :
                List.of("nvidia-caps-imex-channels/channel0", "gdrdrv", "nvidia-fs0", "infiniband/uverbs0")) {
            Path stand = node.hostRoot().resolve("dev").resolve(device);
            Files.createDirectories(stand.resolveSibling("."));
            Files.writeString(stand, "");
        }
        start("""
                flags:
                  gdsEnabled: true
                  mofedEnabled: true
                  gdrcopyEnabled: true
                  plugin:
                    deviceListStrategy: cdi-cri
                imex:
                  channelIDs: [0]
                  required: true
                """);
        awaitHealthy(GPU, 8);

        // When
        ContainerAllocateResponse answer = admitted(GPU, "pod", 1);

        // Then
        assertThat(answer.getCdiDevicesList())
                .extracting(device -> device.getName().replaceFirst("=GPU-.*", "="))
                .containsExactly(
                        "k8s.device-plugin.nvidia.com/gpu=",
                        "k8s.device-plugin.nvidia.com/imex-channel=0",
                        "k8s.device-plugin.nvidia.com/gdrcopy=all",
                        "k8s.device-plugin.nvidia.com/gds=all",
                        "k8s.device-plugin.nvidia.com/mofed=all");
        assertThat(answer.getEnvsMap())
                .containsOnlyKeys("NVIDIA_GDRCOPY", "NVIDIA_GDS", "NVIDIA_MOFED")
                .containsValue("enabled");
    }

    @Test
    void anXidOfAMigDeviceTakesItAndItsSharesAndNoNeighbour() throws Exception {
        // Given
        start("""
                flags:
                  migStrategy: mixed
                sharing:
                  timeSlicing:
                    resources:
                      - name: nvidia.com/mig-1g.10gb
                        replicas: 2
                """);
        DeviceList before = awaitHealthy("nvidia.com/mig-1g.10gb", 64);
        node.simulator().awaitCalls("nvmlEventSetWait_v2", 1, SOON);

        // When
        node.simulator().apply("event gpu=0 mig=3 xid=8");

        // Then
        DeviceList after = awaitHealthy("nvidia.com/mig-1g.10gb", 62);
        assertThat(before.healthyIds())
                .filteredOn(id -> !after.healthyIds().contains(id))
                .hasSize(2)
                .allSatisfy(id -> assertThat(id).startsWith("MIG-f70f6629-053c-482d-a78a-0003"));
    }

    @Test
    void aReloadOfTheStrategiesChangesTheAnswersOnTheSameStream() throws Exception {
        // Given
        start("""
                flags:
                  migStrategy: none
                  plugin:
                    deviceListStrategy: cdi-cri
                """);
        awaitHealthy(GPU, 8);
        long registrations = kubelet.registerCalls();
        LoadedConfig next = load("""
                flags:
                  migStrategy: none
                  plugin:
                    deviceListStrategy: cdi-cri
                    deviceIDStrategy: index
                """);

        // When
        ConfigDiff diff = agent.orElseThrow().reload(next);

        // Then
        assertThat(diff.needRestart()).isEmpty();
        ContainerAllocateResponse answer =
                firstAnswer(given -> !given.getCdiDevices(0).getName().contains("GPU-"));
        assertThat(answer.getEnvsMap()).isEmpty();
        assertThat(answer.getCdiDevices(0).getName()).matches("k8s\\.device-plugin\\.nvidia\\.com/gpu=[0-7]");
        assertThat(kubelet.registerCalls()).isEqualTo(registrations);
    }

    @Test
    void aReloadToAnotherMigStrategyKeepsTheStreamOfWhatStays() throws Exception {
        // Given
        start("""
                flags:
                  migStrategy: none
                """);
        awaitHealthy(GPU, 8);

        // When
        agent.orElseThrow().reload(load("""
                flags:
                  migStrategy: mixed
                """));

        // Then
        awaitHealthy("nvidia.com/mig-1g.10gb", 32);
        awaitHealthy(GPU, 1);
        assertThat(kubelet.registrations())
                .filteredOn(registration -> registration.resource().equals(GPU))
                .hasSize(1);
    }

    private String state() throws IOException {
        try (InputStream page = URI.create(
                        "http://127.0.0.1:" + agent.orElseThrow().httpAddress().getPort() + "/state")
                .toURL()
                .openStream()) {
            return new String(page.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    private ContainerAllocateResponse admitted(String resource, String pod, int count) throws InterruptedException {
        Admission admission = kubelet.runPod(resource, "default", pod, "main", count);
        assertThat(admission).isInstanceOf(Admission.Admitted.class);
        return ((Admission.Admitted) admission).response().getContainerResponses(0);
    }

    /** The first wanted answer of pods that come and go, none of which may be refused meanwhile. */
    private ContainerAllocateResponse firstAnswer(Predicate<ContainerAllocateResponse> wanted) throws Exception {
        Tick limit = clock.now().plus(SOON);
        while (!clock.now().reached(limit)) {
            ContainerAllocateResponse answer = admitted(GPU, "asks", 1);
            kubelet.endPod("default", "asks");
            if (wanted.test(answer)) {
                return answer;
            }
        }
        throw new AssertionError("no such answer within " + SOON);
    }

    private DeviceList awaitHealthy(String resource, int count) throws Exception {
        return kubelet.awaitDevices(resource, list -> list.connected() && list.allocatable() == count, SOON);
    }

    private void start(String yaml) throws Exception {
        AgentAssembly assembly =
                new AgentAssembly(load(yaml), "test", EventLoops.open("agent-io"), clock, SystemTime.wall());
        agent = Optional.of(assembly);
        assembly.start(() -> {});
    }

    private LoadedConfig load(String yaml) throws IOException, ConfigException {
        Path file = folder.resolve("config.yaml");
        Files.writeString(
                file, """
                version: v1
                %s
                host:
                  root: %s
                kubelet:
                  devicePluginDirectory: %s
                  podResourcesSocket: %s
                sampling:
                  interval: 1s
                http:
                  listen: 127.0.0.1:0
                """.formatted(yaml, node.hostRoot(), node.devicePluginDirectory(), node.podResourcesSocket()));
        return new ConfigLoader(Map.of(), () -> "node-a", file, _ -> Optional.empty())
                .load(List.of(), Optional.empty());
    }
}
