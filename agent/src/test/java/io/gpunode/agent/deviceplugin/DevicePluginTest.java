package io.gpunode.agent.deviceplugin;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.net.UnixSockets;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.simulation.Admission;
import io.gpunode.agent.simulation.DeviceList;
import io.gpunode.agent.simulation.EmbeddedKubelet;
import io.gpunode.agent.simulation.KubeletOptions;
import io.gpunode.agent.simulation.KubeletVersion;
import io.gpunode.agent.simulation.Registration;
import io.gpunode.agent.testing.FakeSnapshotSource;
import io.gpunode.agent.testing.Snapshots;
import io.gpunode.agent.time.SystemTime;
import io.gpunode.agent.time.Tick;
import io.grpc.Status;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
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

/** The whole device plugin against an embedded kubelet, each on its own event loop, in real time. */
@Timeout(60)
class DevicePluginTest {
    private static final Duration LIMIT = Duration.ofSeconds(10);

    private static EventLoops pluginLoops;
    private static EventLoops kubeletLoops;

    @TempDir
    private Path temporary;

    private final Snapshots node = Snapshots.h100x8();
    private final FakeSnapshotSource source = new FakeSnapshotSource(node.build());
    private Path directory;
    private EmbeddedKubelet kubelet;
    private DevicePlugin plugin;

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
        directory = temporary.resolve("device-plugins");
        kubelet = kubelet(KubeletVersion.V1_36);
        plugin = plugin(PluginConfigs.envvar());
    }

    @AfterEach
    void tearDown() throws Exception {
        plugin.stop(Duration.ofSeconds(5));
        kubelet.close();
    }

    @ParameterizedTest
    @EnumSource(KubeletVersion.class)
    void registersAndServesAPod(KubeletVersion version) throws Exception {
        // Given
        kubelet = kubelet(version);
        kubelet.start();

        // When
        plugin.start();
        kubelet.awaitDevices(list -> list.allocatable() == 8, LIMIT);
        Admission admission = kubelet.runPod("default", "pod", "main", 2);

        // Then
        assertThat(admission)
                .isInstanceOfSatisfying(
                        Admission.Admitted.class,
                        admitted -> assertThat(admitted.response()
                                        .getContainerResponses(0)
                                        .getEnvsMap())
                                .containsEntry("NVIDIA_VISIBLE_DEVICES", Snapshots.uuid(0) + "," + Snapshots.uuid(1)));
        DevicePluginStatus status = await(now -> now.registered() && now.streams() == 1);
        assertThat(status.healthyDevices()).isEqualTo(8);
        assertThat(status.registrations()).isEqualTo(1);
        assertThat(status.allocations()).isEqualTo(1);
    }

    @ParameterizedTest
    @EnumSource(KubeletVersion.class)
    void survivesAKubeletRestart(KubeletVersion version) throws Exception {
        // Given
        kubelet = kubelet(version);
        kubelet.start();
        plugin.start();
        kubelet.awaitDevices(list -> list.allocatable() == 8, LIMIT);

        for (int i = 0; i < 5; i++) {
            // When
            kubelet.restart();

            // Then
            kubelet.awaitDevices(list -> list.connected() && list.allocatable() == 8, LIMIT);
        }
        assertThat(kubelet.runPod("default", "pod", "main", 1)).isInstanceOf(Admission.Admitted.class);
    }

    @Test
    void registersWithinAHundredMillisecondsOfASocketThatListensLate() throws Exception {
        // Given
        Files.createDirectories(directory);
        plugin.start();
        await(status -> status.state().equals("no-kubelet"));
        kubelet.bind();
        await(status -> status.failedRegistrations() >= 3);
        CompletableFuture<Registration> registration =
                kubelet.nextRegistration().toCompletableFuture();

        // When
        Tick listening = SystemTime.monotonic().now();
        kubelet.start();

        // Then
        Registration made = registration.get(10, TimeUnit.SECONDS);
        assertThat(made.accepted()).isTrue();
        assertThat(made.receivedAt().since(listening)).isLessThan(Duration.ofMillis(100));
    }

    @Test
    void waitsForTheDirectoryAndTheKubelet() throws Exception {
        // Given
        plugin.start();
        await(status -> status.state().equals("no-kubelet"));

        // When
        kubelet.start();

        // Then
        kubelet.awaitDevices(list -> list.allocatable() == 8, LIMIT);
    }

    @Test
    void anErrorOfTheKubeletIsShownAndTriedAgain() throws Exception {
        // Given
        kubelet.refuseRegister(Status.UNKNOWN.withDescription("the ResourceName \"gpu\" is invalid"));
        kubelet.start();
        plugin.start();
        DevicePluginStatus refused = await(status -> status.state().equals("retrying"));
        assertThat(refused.reason()).contains("nvidia.com/gpu").contains("is invalid");

        // When
        kubelet.refuseRegister(Status.OK);

        // Then
        kubelet.awaitDevices(list -> list.allocatable() == 8, LIMIT);
        DevicePluginStatus registered = await(DevicePluginStatus::registered);
        assertThat(registered.lastError()).contains("is invalid");
        assertThat(registered.lastErrorAt()).isNotNull();
    }

    @Test
    void aKubeletThatHangsInRegisterIsLeftForItsSuccessor() throws Exception {
        // Given
        kubelet.hangRegister(true);
        kubelet.start();
        plugin.start();
        await(status -> status.state().equals("registering") && kubelet.registerCalls() == 1);

        // When
        kubelet.hangRegister(false);
        kubelet.restart();

        // Then
        kubelet.awaitDevices(list -> list.allocatable() == 8, LIMIT);
    }

    @Test
    void aCancelledStreamIsRegisteredAgain() throws Exception {
        // Given
        kubelet.start();
        plugin.start();
        kubelet.awaitDevices(list -> list.allocatable() == 8, LIMIT);
        await(status -> status.registered() && status.streams() == 1);

        // When
        kubelet.cancelStreams();

        // Then
        await(status -> status.registrations() == 2);
        kubelet.awaitDevices(list -> list.connected() && list.allocatable() == 8, LIMIT);
    }

    @ParameterizedTest
    @EnumSource(KubeletVersion.class)
    void aRemovedOwnSocketIsServedAgain(KubeletVersion version) throws Exception {
        // Given
        kubelet = kubelet(version);
        kubelet.start();
        plugin.start();
        kubelet.awaitDevices(list -> list.allocatable() == 8, LIMIT);
        String socket = await(DevicePluginStatus::registered).socket();

        // When
        Files.delete(Path.of(socket));

        // Then
        DevicePluginStatus again = await(status -> status.registrations() == 2 && status.registered());
        kubelet.awaitDevices(list -> list.connected() && list.allocatable() == 8, LIMIT);
        assertThat(again.socket()).as("a kubelet may still hold the old path").isNotEqualTo(socket);
        assertThat(UnixSockets.isListening(Path.of(again.socket()))).isTrue();
    }

    @Test
    void anUnhealthyGpuReachesTheKubelet() throws Exception {
        // Given
        kubelet.start();
        plugin.start();
        kubelet.awaitDevices(list -> list.allocatable() == 8, LIMIT);
        Tick before = SystemTime.monotonic().now();

        // When
        source.publish(node.unhealthy(3).build());

        // Then
        DeviceList list = kubelet.awaitDevices(now -> now.allocatable() == 7, LIMIT);
        assertThat(list.healthyIds()).doesNotContain(Snapshots.uuid(3));
        assertThat(list.capacity()).isEqualTo(8);
        assertThat(list.changedAt().since(before)).isLessThan(Duration.ofSeconds(1));
    }

    @Test
    void aWithdrawnPictureTakesAllDevicesButTheirPlace() throws Exception {
        // Given
        kubelet.start();
        plugin.start();
        kubelet.awaitDevices(list -> list.allocatable() == 8, LIMIT);

        // When
        source.publish(node.withdrawn().build());

        // Then
        DeviceList list = kubelet.awaitDevices(now -> now.allocatable() == 0, LIMIT);
        assertThat(list.capacity()).isEqualTo(8);
        assertThat(list.connected()).isTrue();
        source.publish(node.reopened(2).build());
        kubelet.awaitDevices(now -> now.allocatable() == 8, LIMIT);
    }

    @Test
    void withoutADriverNothingIsRegisteredUntilItComes() throws Exception {
        // Given
        source.publish(node.waiting().build());
        kubelet.start();
        plugin.start();
        DevicePluginStatus waiting = await(status -> status.reason().contains("modprobe nvidia"));
        assertThat(waiting.state()).isEqualTo("not-ready");
        assertThat(kubelet.registerCalls()).isZero();

        // When
        source.publish(node.reopened(1).build());

        // Then
        kubelet.awaitDevices(list -> list.allocatable() == 8, LIMIT);
    }

    @Test
    void byCdiNameNothingIsRegisteredUntilTheSpecIsWritten() throws Exception {
        // Given
        plugin = plugin(PluginConfigs.cdi());
        kubelet.start();
        plugin.start();
        plugin.cdiWritten(new CdiCoverage(-1, "/var/run/cdi is read-only"));
        await(status -> status.reason().contains("/var/run/cdi is read-only"));
        assertThat(kubelet.registerCalls()).isZero();

        // When
        plugin.cdiWritten(CdiCoverages.whole(source.current()));

        // Then
        kubelet.awaitDevices(list -> list.allocatable() == 8, LIMIT);
    }

    @Test
    void aDirectoryInPlaceOfTheKubeletsSocketIsNamedAndOutlasted() throws Exception {
        // Given
        Path inTheWay = Files.createDirectories(directory.resolve("kubelet.sock"));
        plugin.start();
        await(status -> status.reason().contains(inTheWay + " is a directory; remove it"));

        // When
        Files.delete(inTheWay);
        kubelet.start();

        // Then
        kubelet.awaitDevices(list -> list.allocatable() == 8, LIMIT);
    }

    @Test
    void anOverLongDirectoryIsRefusedAtTheStart() {
        // Given
        directory = temporary.resolve("x".repeat(108));
        DevicePlugin long108 = plugin(PluginConfigs.envvar());

        // When / Then
        assertThatThrownBy(long108::start)
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("Linux allows 107")
                .hasMessageContaining("kubelet.devicePluginDirectory");
    }

    @Test
    void socketsOfDeadAgentsAreRemovedAndThoseOfLiveOnesLeft() throws Exception {
        // Given
        Files.createDirectories(directory);
        Path dead = directory.resolve("gpu-node-agent-nvidia.com_gpu-000000000000-01.sock");
        Path live = directory.resolve("gpu-node-agent-nvidia.com_gpu-000000000001-01.sock");
        try (ServerSocketChannel killed = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            killed.bind(UnixDomainSocketAddress.of(dead));
        }
        try (ServerSocketChannel other = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            other.bind(UnixDomainSocketAddress.of(live));

            // When
            plugin.start();
            await(status -> status.state().equals("no-kubelet"));

            // Then
            assertThat(dead).doesNotExist();
            assertThat(live).exists();
        }
    }

    @Test
    void stoppingLeavesNoSocketAndNoHealthyDevice() throws Exception {
        // Given
        kubelet.start();
        plugin.start();
        kubelet.awaitDevices(list -> list.allocatable() == 8, LIMIT);

        // When
        plugin.stop(Duration.ofSeconds(5));

        // Then
        kubelet.awaitDevices(list -> list.allocatable() == 0 && !list.connected(), LIMIT);
        assertThat(plugin.status())
                .singleElement()
                .satisfies(status -> assertThat(status.state()).isEqualTo("stopped"));
        assertThat(source.subscriptions()).isZero();
        try (Stream<Path> left = Files.list(directory)) {
            assertThat(left.map(path -> path.getFileName().toString()))
                    .noneMatch(name -> name.startsWith("gpu-node-agent"));
        }
    }

    private EmbeddedKubelet kubelet(KubeletVersion version) {
        return new EmbeddedKubelet(
                KubeletOptions.of(directory, temporary.resolve("pod-resources/kubelet.sock"))
                        .withVersion(version),
                kubeletLoops,
                SystemTime.monotonic());
    }

    private DevicePlugin plugin(PluginSettings config) {
        return new DevicePlugin(
                config,
                new AgentConfig.Kubelet(
                        directory, temporary.resolve("pod-resources/kubelet.sock"), AgentConfig.RegistrationWay.SOCKET),
                source,
                Optional::empty,
                new SystemHostFiles(temporary),
                pluginLoops,
                new Heartbeats(SystemTime.monotonic()),
                Meters.NONE,
                AllocationTroubles.UNHEARD,
                SystemTime.monotonic(),
                SystemTime.wall(),
                new SplittableRandom());
    }

    /** Asks each millisecond until the status is as wanted. */
    private DevicePluginStatus await(Predicate<DevicePluginStatus> wanted) throws InterruptedException {
        CountDownLatch never = new CountDownLatch(1);
        for (int i = 0; i < 10_000; i++) {
            for (DevicePluginStatus status : plugin.status()) {
                if (wanted.test(status)) {
                    return status;
                }
            }
            assertThat(never.await(1, TimeUnit.MILLISECONDS)).isFalse();
        }
        throw new AssertionError("within 10 s it stayed at " + plugin.status());
    }
}
