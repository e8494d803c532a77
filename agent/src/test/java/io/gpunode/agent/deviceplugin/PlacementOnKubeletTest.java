package io.gpunode.agent.deviceplugin;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.AgentConfig.AllocationPolicy;
import io.gpunode.agent.config.AgentConfig.MigStrategy;
import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.podresources.PodResourcesClient;
import io.gpunode.agent.simulation.Admission;
import io.gpunode.agent.simulation.EmbeddedKubelet;
import io.gpunode.agent.simulation.KubeletOptions;
import io.gpunode.agent.testing.FakeSnapshotSource;
import io.gpunode.agent.testing.Snapshots;
import io.gpunode.agent.time.SystemTime;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Where pods end up: the device plugin and the PodResources client against an embedded kubelet, in real time. */
@Timeout(60)
class PlacementOnKubeletTest {
    private static final Duration LIMIT = Duration.ofSeconds(10);
    private static final String GPU = "nvidia.com/gpu";
    private static final String MIG_SMALL = "nvidia.com/mig-1g.10gb";
    private static final String MIG_LARGE = "nvidia.com/mig-3g.40gb";

    private static EventLoops agentLoops;
    private static EventLoops kubeletLoops;

    @TempDir
    private Path temporary;

    private final List<AutoCloseable> open = new ArrayList<>();
    private int pods;

    @BeforeAll
    static void openLoops() {
        agentLoops = EventLoops.open("agent-io");
        kubeletLoops = EventLoops.open("kubelet-io");
    }

    @AfterAll
    static void closeLoops() {
        agentLoops.close();
        kubeletLoops.close();
    }

    @AfterEach
    void tearDown() throws Exception {
        for (AutoCloseable closeable : open.reversed()) {
            closeable.close();
        }
    }

    @Test
    void distributedPodsShareAGpuOnlyWhenAllAreInUse() throws Exception {
        // Given
        EmbeddedKubelet kubelet =
                start(Snapshots.h100x8(), PluginConfigs.start().share(GPU, 3));
        kubelet.awaitDevices(GPU, list -> list.allocatable() == 24, LIMIT);

        // When
        List<String> gpus = new ArrayList<>();
        for (int i = 0; i < 16; i++) {
            gpus.add(gpuOf(run(kubelet, GPU, 1).getFirst()));
        }

        // Then
        assertThat(gpus.subList(0, 8)).containsExactlyInAnyOrderElementsOf(Snapshots.uuids(8));
        assertThat(gpus.subList(8, 16)).containsExactlyInAnyOrderElementsOf(Snapshots.uuids(8));
    }

    @Test
    void packedPodsFillAGpuBeforeTheNext() throws Exception {
        // Given
        EmbeddedKubelet kubelet =
                start(Snapshots.h100x8(), PluginConfigs.start().share(GPU, 3).policy(AllocationPolicy.PACKED));
        kubelet.awaitDevices(GPU, list -> list.allocatable() == 24, LIMIT);

        // When
        List<String> gpus = new ArrayList<>();
        for (int i = 0; i < 6; i++) {
            gpus.add(gpuOf(run(kubelet, GPU, 1).getFirst()));
        }

        // Then
        assertThat(gpus)
                .containsExactly(
                        Snapshots.uuid(0),
                        Snapshots.uuid(0),
                        Snapshots.uuid(0),
                        Snapshots.uuid(1),
                        Snapshots.uuid(1),
                        Snapshots.uuid(1));
    }

    @Test
    void aLargeMigDeviceInUseSendsASmallOneToAnotherGpu() throws Exception {
        // Given
        Snapshots node = Snapshots.h100x8();
        for (int gpu = 0; gpu < 8; gpu++) {
            node.partition(gpu, "3g.40gb", "1g.10gb");
        }
        PodResourcesClient client = client();
        EmbeddedKubelet kubelet = start(node, PluginConfigs.start().mig(MigStrategy.MIXED), client);
        kubelet.awaitDevices(MIG_LARGE, list -> list.allocatable() == 8, LIMIT);
        kubelet.awaitDevices(MIG_SMALL, list -> list.allocatable() == 8, LIMIT);
        String large = run(kubelet, MIG_LARGE, 1).getFirst();
        awaitSeen(client, large);

        // When
        String small = run(kubelet, MIG_SMALL, 1).getFirst();

        // Then
        assertThat(large).isEqualTo(Snapshots.migDevice(0, 0, "3g.40gb").id().uuid());
        assertThat(small).isNotEqualTo(Snapshots.migDevice(0, 1, "1g.10gb").id().uuid());
    }

    private List<String> run(EmbeddedKubelet kubelet, String resource, int count) throws Exception {
        Admission admission = kubelet.runPod(resource, "default", "pod-" + ++pods, "main", count);
        assertThat(admission).isInstanceOf(Admission.Admitted.class);
        return ((Admission.Admitted) admission).ids();
    }

    private EmbeddedKubelet start(Snapshots node, PluginConfigs config) throws Exception {
        return start(node, config, client());
    }

    private EmbeddedKubelet start(Snapshots node, PluginConfigs config, PodResourcesClient client) throws Exception {
        EmbeddedKubelet kubelet = new EmbeddedKubelet(
                KubeletOptions.of(directory(), podResources()), kubeletLoops, SystemTime.monotonic());
        open.add(kubelet);
        kubelet.start();
        client.start();
        open.add(() -> client.stop(LIMIT));
        DevicePlugin plugin = new DevicePlugin(
                config.build(),
                new AgentConfig.Kubelet(directory(), podResources(), AgentConfig.RegistrationWay.SOCKET),
                new FakeSnapshotSource(node.build()),
                client,
                new SystemHostFiles(temporary),
                agentLoops,
                new Heartbeats(SystemTime.monotonic()),
                Meters.NONE,
                AllocationTroubles.UNHEARD,
                SystemTime.monotonic(),
                SystemTime.wall(),
                new SplittableRandom());
        open.add(() -> plugin.stop(LIMIT));
        plugin.start();
        return kubelet;
    }

    private PodResourcesClient client() {
        return new PodResourcesClient(
                podResources(),
                Duration.ofMillis(20),
                agentLoops,
                SystemTime.monotonic(),
                SystemTime.wall(),
                new Heartbeats(SystemTime.monotonic()),
                Meters.NONE);
    }

    private Path directory() {
        return temporary.resolve("dp");
    }

    private Path podResources() {
        return temporary.resolve("pod-resources.sock");
    }

    /** Asks each millisecond until the client has heard of a device. */
    private static void awaitSeen(PodResourcesClient client, String device) throws InterruptedException {
        CountDownLatch never = new CountDownLatch(1);
        for (int i = 0; i < LIMIT.toMillis(); i++) {
            if (client.current()
                    .filter(picture -> picture.byDevice().containsKey(device))
                    .isPresent()) {
                return;
            }
            if (never.await(1, TimeUnit.MILLISECONDS)) {
                break;
            }
        }
        throw new AssertionError("the kubelet's PodResources never named " + device);
    }

    private static String gpuOf(String share) {
        return share.substring(0, share.indexOf("::"));
    }
}
