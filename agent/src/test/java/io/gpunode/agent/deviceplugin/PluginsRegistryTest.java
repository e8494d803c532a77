package io.gpunode.agent.deviceplugin;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.simulation.Admission;
import io.gpunode.agent.simulation.EmbeddedKubelet;
import io.gpunode.agent.simulation.KubeletOptions;
import io.gpunode.agent.simulation.KubeletVersion;
import io.gpunode.agent.simulation.Registration;
import io.gpunode.agent.time.SystemTime;
import io.grpc.Status;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
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

/** The device plugin when the kubelet finds its sockets, instead of being called. */
@Timeout(60)
class PluginsRegistryTest {
    private static final Duration LIMIT = Duration.ofSeconds(10);
    private static final String GPU = "nvidia.com/gpu";
    private static final String MIG = "nvidia.com/mig-1g.10gb";

    private static EventLoops pluginLoops;
    private static EventLoops kubeletLoops;

    @TempDir
    private Path temporary;

    private final List<PluginUnderTest> started = new ArrayList<>();
    private Path registry;
    private EmbeddedKubelet kubelet;

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
        registry = temporary.resolve("plugins_registry");
        kubelet = kubelet(KubeletVersion.V1_36);
    }

    @AfterEach
    void tearDown() throws Exception {
        for (PluginUnderTest plugin : started) {
            plugin.stop();
        }
        kubelet.close();
    }

    @ParameterizedTest
    @EnumSource(KubeletVersion.class)
    void everyResourceIsFoundAndServed(KubeletVersion version) throws Exception {
        // Given
        kubelet = kubelet(version);
        kubelet.start();

        // When
        PluginUnderTest plugin = start("a", "b");

        // Then
        awaitServed(plugin, 2);
        assertThat(kubelet.runPod(GPU, "default", "pod", "main", 1)).isInstanceOf(Admission.Admitted.class);
        assertThat(kubelet.registrations())
                .hasSize(2)
                .allMatch(Registration::accepted)
                .allMatch(registration -> registration.version().equals("v1beta1"));
        assertThat(files()).hasSize(2).noneMatch(name -> name.startsWith("."));
    }

    @Test
    void aKubeletThatIsNotThereIsWaitedFor() throws Exception {
        // Given
        Files.createDirectories(registry);
        PluginUnderTest plugin = start("a", "b");
        DevicePluginStatus waiting = plugin.await(GPU, status -> status.state().equals("registering"));
        assertThat(waiting.reason()).contains("has not found the socket").contains("systemctl status kubelet");

        // When
        kubelet.start();

        // Then
        awaitServed(plugin, 2);
    }

    @Test
    void aMissingDirectoryIsNamedAndWaitedFor() throws Exception {
        // Given
        PluginUnderTest plugin = start("a");
        DevicePluginStatus waiting = plugin.await(GPU, status -> status.state().equals("no-kubelet"));
        assertThat(waiting.reason())
                .contains("there is no directory " + registry)
                .contains("kubelet.registration");

        // When
        kubelet.start();

        // Then
        awaitServed(plugin, 1);
    }

    @ParameterizedTest
    @EnumSource(KubeletVersion.class)
    void aKubeletThatRestartsFindsEveryResourceAgain(KubeletVersion version) throws Exception {
        // Given
        kubelet = kubelet(version);
        kubelet.start();
        PluginUnderTest plugin = start("a", "b");
        awaitServed(plugin, 2);

        for (int i = 0; i < 5; i++) {
            // When
            kubelet.restart();

            // Then
            awaitServed(plugin, 2);
        }
    }

    @Test
    void aDirectoryThatWasWipedIsFilledAgain() throws Exception {
        // Given
        kubelet.start();
        PluginUnderTest plugin = start("a", "b");
        awaitServed(plugin, 2);

        // When
        for (String name : files()) {
            Files.delete(registry.resolve(name));
        }

        // Then
        plugin.await(GPU, status -> status.registrations() == 2);
        plugin.await(MIG, status -> status.registrations() == 2);
        awaitServed(plugin, 2);
    }

    @ParameterizedTest
    @EnumSource(KubeletVersion.class)
    void aCancelledStreamIsOfferedAgain(KubeletVersion version) throws Exception {
        // Given
        kubelet = kubelet(version);
        kubelet.start();
        PluginUnderTest plugin = start("a", "b");
        awaitServed(plugin, 2);

        // When
        kubelet.cancelStreams(MIG);

        // Then
        plugin.await(MIG, status -> status.registrations() >= 2);
        awaitServed(plugin, 2);
        assertThat(plugin.status(GPU).registrations()).isEqualTo(1);
    }

    @Test
    void whyTheKubeletRefusedIsTold() throws Exception {
        // Given
        kubelet.refuseRegister(Status.UNKNOWN.withDescription("the ResourceName \"gpu\" is invalid"));
        kubelet.start();
        PluginUnderTest plugin = start("a");
        DevicePluginStatus refused = plugin.await(GPU, status -> status.state().equals("retrying"));
        assertThat(refused.reason()).contains("plugins_registry").contains("the ResourceName \"gpu\" is invalid");

        // When
        kubelet.refuseRegister(Status.OK);

        // Then
        awaitServed(plugin, 1);
    }

    @Test
    void stoppingDeregisters() throws Exception {
        // Given
        kubelet.start();
        PluginUnderTest plugin = start("a", "b");
        awaitServed(plugin, 2);

        // When
        plugin.stop();

        // Then
        kubelet.awaitDevices(GPU, list -> !list.connected() && list.allocatable() == 0, LIMIT);
        assertThat(files()).isEmpty();
    }

    @Test
    void aRetiredResourceIsDeregisteredAlone() throws Exception {
        // Given
        kubelet.start();
        PluginUnderTest plugin = start("a", "b");
        awaitServed(plugin, 2);

        // When
        plugin.catalog.withdraw(MIG);
        plugin.look();

        // Then
        kubelet.awaitDevices(MIG, list -> !list.connected() && list.capacity() == 0, LIMIT);
        assertThat(kubelet.devices(GPU).orElseThrow().messages()).isEqualTo(1);
        assertThat(plugin.status(GPU).registrations()).isEqualTo(1);
    }

    @ParameterizedTest
    @EnumSource(KubeletVersion.class)
    void theOlderOfTwoAgentsStepsAside(KubeletVersion version) throws Exception {
        // Given
        kubelet = kubelet(version);
        kubelet.start();
        PluginUnderTest older = start("a", "b");
        awaitServed(older, 2);
        PluginUnderTest newer = start("c", "d", "e");
        older.await(GPU, status -> status.state().equals("stepped-aside"));
        kubelet.awaitDevices(GPU, list -> list.allocatable() == 3, LIMIT);

        // When
        older.stop();

        // Then
        awaitServed(newer, 3);
        kubelet.awaitDevices(GPU, list -> list.connected() && list.allocatable() == 3, LIMIT);
    }

    private PluginUnderTest start(String... gpus) {
        PluginUnderTest plugin = PluginUnderTest.found(temporary.resolve("dp"), pluginLoops);
        started.add(plugin);
        plugin.catalog.offer(GPU, gpus).offer(MIG, "MIG-of-" + gpus[0]);
        plugin.plugin.start();
        return plugin;
    }

    private void awaitServed(PluginUnderTest plugin, int gpus) throws Exception {
        for (String resource : List.of(GPU, MIG)) {
            int count = resource.equals(GPU) ? gpus : 1;
            kubelet.awaitDevices(resource, list -> list.connected() && list.allocatable() == count, LIMIT);
            plugin.await(resource, status -> status.registered() && status.streams() == 1);
        }
    }

    private List<String> files() throws IOException {
        try (Stream<Path> files = Files.list(registry)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    private EmbeddedKubelet kubelet(KubeletVersion version) {
        return new EmbeddedKubelet(
                KubeletOptions.of(temporary.resolve("dp"), temporary.resolve("pr/kubelet.sock"))
                        .withVersion(version)
                        .withPluginsRegistry(registry, Duration.ofMillis(20)),
                kubeletLoops,
                SystemTime.monotonic());
    }
}
