package io.gpunode.agent.deviceplugin;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.simulation.Admission;
import io.gpunode.agent.simulation.DeviceList;
import io.gpunode.agent.simulation.EmbeddedKubelet;
import io.gpunode.agent.simulation.KubeletOptions;
import io.gpunode.agent.simulation.KubeletVersion;
import io.gpunode.agent.simulation.Registration;
import io.gpunode.agent.time.SystemTime;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.function.DoubleSupplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Several resources of one plugin, which appear and retire while it runs. */
@Timeout(60)
class DevicePluginResourcesTest {
    private static final Duration LIMIT = Duration.ofSeconds(10);
    private static final String GPU = "nvidia.com/gpu";
    private static final String MIG_SMALL = "nvidia.com/mig-1g.10gb";
    private static final String MIG_LARGE = "nvidia.com/mig-3g.40gb";

    private static EventLoops pluginLoops;
    private static EventLoops kubeletLoops;

    @TempDir
    private Path temporary;

    private Path directory;
    private EmbeddedKubelet kubelet;
    private PluginUnderTest under;

    @BeforeAll
    static void openLoops() {
        pluginLoops = EventLoops.open("plugin-io");
        kubeletLoops = EventLoops.open("kubelet-io");
    }

    @AfterAll
    static void closeLoops() {
        pluginLoops.close();
        kubeletLoops.close();
    }

    @BeforeEach
    void setUp() {
        directory = temporary.resolve("dp");
        kubelet = kubelet(KubeletVersion.V1_36);
        under = new PluginUnderTest(directory, pluginLoops);
    }

    @AfterEach
    void tearDown() throws Exception {
        under.stop();
        kubelet.close();
    }

    @ParameterizedTest
    @EnumSource(KubeletVersion.class)
    void eachResourceHasARegistrationASocketAndAStreamOfItsOwn(KubeletVersion version) throws Exception {
        // Given
        kubelet = kubelet(version);
        kubelet.start();
        under.catalog.offer(GPU, "GPU-a", "GPU-b").offer(MIG_SMALL, "MIG-a").offer(MIG_LARGE, "MIG-b");

        // When
        under.plugin.start();

        // Then
        awaitAllocatable(GPU, 2);
        awaitAllocatable(MIG_SMALL, 1);
        awaitAllocatable(MIG_LARGE, 1);
        assertThat(kubelet.registrations().stream().map(Registration::endpoint).distinct())
                .hasSize(3)
                .anyMatch(endpoint -> endpoint.contains("nvidia.com_mig-1g.10gb"));
        assertThat(kubelet.runPod(MIG_LARGE, "default", "pod", "main", 1)).isInstanceOf(Admission.Admitted.class);
        under.await(MIG_LARGE, status -> status.allocations() == 1);
        assertThat(under.status(GPU).allocations()).isZero();
    }

    @Test
    void aResourceThatAppearsLeavesTheOthersStreamsAlone() throws Exception {
        // Given
        kubelet.start();
        under.catalog.offer(GPU, "GPU-a");
        under.plugin.start();
        awaitAllocatable(GPU, 1);

        // When
        under.catalog.offer(MIG_SMALL, "MIG-a");
        under.look();

        // Then
        awaitAllocatable(MIG_SMALL, 1);
        assertThat(kubelet.devices(GPU).orElseThrow().messages()).isEqualTo(1);
        assertThat(under.status(GPU).registrations()).isEqualTo(1);
    }

    @ParameterizedTest
    @EnumSource(KubeletVersion.class)
    void aResourceThatIsGoneEndsWithAnEmptyListAndWithoutASocket(KubeletVersion version) throws Exception {
        // Given
        kubelet = kubelet(version);
        kubelet.start();
        under.catalog.offer(GPU, "GPU-a").offer(MIG_SMALL, "MIG-a");
        under.plugin.start();
        awaitAllocatable(GPU, 1);
        awaitAllocatable(MIG_SMALL, 1);

        // When
        under.catalog.withdraw(MIG_SMALL);
        under.look();

        // Then
        DeviceList gone = kubelet.awaitDevices(MIG_SMALL, list -> list.capacity() == 0 && !list.connected(), LIMIT);
        assertThat(gone.messages()).isEqualTo(2);
        under.awaitResources(List.of(GPU));
        awaitNoSocketOf(MIG_SMALL);
        assertThat(kubelet.devices(GPU).orElseThrow().messages()).isEqualTo(1);
        assertThat(under.status(GPU).registrations()).isEqualTo(1);
    }

    @ParameterizedTest
    @EnumSource(KubeletVersion.class)
    void aResourceThatComesBackIsServedAgain(KubeletVersion version) throws Exception {
        // Given
        kubelet = kubelet(version);
        kubelet.start();
        under.catalog.offer(GPU, "GPU-a").offer(MIG_SMALL, "MIG-a");
        under.plugin.start();
        awaitAllocatable(MIG_SMALL, 1);
        under.catalog.withdraw(MIG_SMALL);
        under.look();
        under.awaitResources(List.of(GPU));

        // When
        under.catalog.offer(MIG_SMALL, "MIG-b", "MIG-c");
        under.look();

        // Then
        awaitAllocatable(MIG_SMALL, 2);
        under.await(MIG_SMALL, status -> status.registered() && status.streams() == 1);
    }

    @ParameterizedTest
    @EnumSource(KubeletVersion.class)
    void everyResourceSurvivesAKubeletRestart(KubeletVersion version) throws Exception {
        // Given
        kubelet = kubelet(version);
        kubelet.start();
        under.catalog.offer(GPU, "GPU-a").offer(MIG_SMALL, "MIG-a").offer(MIG_LARGE, "MIG-b");
        under.plugin.start();
        awaitAllocatable(MIG_LARGE, 1);

        for (int i = 0; i < 10; i++) {
            // When
            kubelet.restart();

            // Then
            awaitAllocatable(GPU, 1);
            awaitAllocatable(MIG_SMALL, 1);
            awaitAllocatable(MIG_LARGE, 1);
        }
    }

    @Test
    void oneResourcesLostStreamIsRegisteredAgainAlone() throws Exception {
        // Given
        kubelet.start();
        under.catalog.offer(GPU, "GPU-a").offer(MIG_SMALL, "MIG-a");
        under.plugin.start();
        awaitAllocatable(GPU, 1);
        awaitAllocatable(MIG_SMALL, 1);
        under.await(MIG_SMALL, status -> status.registered() && status.streams() == 1);

        // When
        kubelet.cancelStreams(MIG_SMALL);

        // Then
        under.await(MIG_SMALL, status -> status.registrations() == 2);
        awaitAllocatable(MIG_SMALL, 1);
        assertThat(under.status(GPU).registrations()).isEqualTo(1);
        assertThat(under.status(GPU).streams()).isEqualTo(1);
    }

    @Test
    void theSeriesOfResourcesThatReloadsRenameHaveABound() throws Exception {
        // Given
        kubelet.start();
        Set<String> counted = ConcurrentHashMap.newKeySet();
        under = new PluginUnderTest(directory, pluginLoops, new Meters() {
            @Override
            public Counter counter(String name, String help, String... tags) {
                counted.add(tags[1]);
                return Meters.NONE.counter(name, help, tags);
            }

            @Override
            public Timer timer(String name, String help, String... tags) {
                return Meters.NONE.timer(name, help, tags);
            }

            @Override
            public void gauge(String name, String help, DoubleSupplier value, String... tags) {}
        });
        for (int i = 0; i < DevicePlugin.MOST_COUNTED; i++) {
            under.catalog.offer("nvidia.com/named-" + i, "GPU-" + i);
        }
        under.plugin.start();
        awaitAllocatable("nvidia.com/named-63", 1);

        // When
        under.catalog.withdraw("nvidia.com/named-0");
        under.catalog.offer("nvidia.com/renamed", "GPU-0");
        under.look();

        // Then
        awaitAllocatable("nvidia.com/renamed", 1);
        assertThat(counted).hasSize(DevicePlugin.MOST_COUNTED).doesNotContain("nvidia.com/renamed");
        assertThat(under.status("nvidia.com/renamed").registrations()).isEqualTo(1);
    }

    @Test
    void stoppingRemovesEverySocket() throws Exception {
        // Given
        kubelet.start();
        under.catalog.offer(GPU, "GPU-a").offer(MIG_SMALL, "MIG-a").offer(MIG_LARGE, "MIG-b");
        under.plugin.start();
        awaitAllocatable(MIG_LARGE, 1);

        // When
        under.stop();

        // Then
        try (Stream<Path> left = Files.list(directory)) {
            assertThat(left.map(path -> path.getFileName().toString()))
                    .noneMatch(name -> name.contains("gpu-node-agent"));
        }
        assertThat(under.plugin.status()).allMatch(status -> status.state().equals("stopped"));
    }

    private void awaitAllocatable(String resource, int count) throws Exception {
        kubelet.awaitDevices(resource, list -> list.connected() && list.allocatable() == count, LIMIT);
        // The kubelet may open the stream before the plugin has its answer to the registration.
        under.await(resource, DevicePluginStatus::registered);
    }

    private void awaitNoSocketOf(String resource) throws Exception {
        for (int i = 0; i < 1_000; i++) {
            try (Stream<Path> files = Files.list(directory)) {
                if (files.noneMatch(file -> file.toString().contains(SocketNames.shortened(resource)))) {
                    return;
                }
            }
            kubeletLoops.loop().schedule(() -> {}, 5, TimeUnit.MILLISECONDS).await();
        }
        throw new AssertionError("within 5 s the socket of " + resource + " was not removed");
    }

    private EmbeddedKubelet kubelet(KubeletVersion version) {
        return new EmbeddedKubelet(
                KubeletOptions.of(directory, temporary.resolve("pr/kubelet.sock"))
                        .withVersion(version),
                kubeletLoops,
                SystemTime.monotonic());
    }
}
