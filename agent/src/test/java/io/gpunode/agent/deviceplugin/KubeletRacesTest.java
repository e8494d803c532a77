package io.gpunode.agent.deviceplugin;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.process.Eventually;
import io.gpunode.agent.simulation.Admission;
import io.gpunode.agent.simulation.DeviceList;
import io.gpunode.agent.simulation.EmbeddedKubelet;
import io.gpunode.agent.simulation.KubeletOptions;
import io.gpunode.agent.simulation.KubeletVersion;
import io.gpunode.agent.time.ManualTime;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.SystemTime;
import io.gpunode.agent.time.Tick;
import io.grpc.Status;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
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

/** What can happen between the device plugin and a kubelet, with two resources, in real time. */
@Timeout(60)
class KubeletRacesTest {
    private static final Duration LIMIT = Duration.ofSeconds(10);
    private static final String GPU = "nvidia.com/gpu";
    private static final String MIG = "nvidia.com/mig-1g.10gb";

    private static EventLoops pluginLoops;
    private static EventLoops kubeletLoops;

    @TempDir
    private Path temporary;

    private final List<PluginUnderTest> started = new ArrayList<>();
    private Path directory;
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
        directory = temporary.resolve("dp");
        kubelet = kubelet(KubeletVersion.V1_36, SystemTime.monotonic());
    }

    @AfterEach
    void tearDown() throws Exception {
        for (PluginUnderTest plugin : started) {
            plugin.stop();
        }
        kubelet.close();
    }

    // ---- two agents

    @ParameterizedTest
    @EnumSource(KubeletVersion.class)
    void theOlderOfTwoAgentsSendsNothingMoreAndItsEndCostsNoDevice(KubeletVersion version) throws Exception {
        // Given
        kubelet = kubelet(version, SystemTime.monotonic());
        kubelet.start();
        PluginUnderTest older = start("old-a", "old-b");
        awaitAllocatable(GPU, 2);
        PluginUnderTest newer = start("new-a", "new-b", "new-c");
        awaitAllocatable(GPU, 3);
        awaitSteppedAside(older);
        awaitServedByNoneBut(newer);

        // When
        older.catalog.offerUnhealthy(GPU, "old-a", "old-b");
        older.lookThrough();
        newer.catalog.offer(GPU, "new-a", "new-b", "new-c", "new-d");
        newer.look();
        kubelet.awaitDevices(GPU, list -> list.capacity() == 4, LIMIT);
        older.lookThrough();
        int whileBothRun = kubelet.devices(GPU).orElseThrow().allocatable();
        older.stop();

        // Then
        assertThat(whileBothRun).isEqualTo(4);
        newer.await(GPU, status -> status.registered() && status.streams() == 1);
        newer.await(MIG, status -> status.registered() && status.streams() == 1);
        awaitAllocatable(GPU, 4);
        awaitAllocatable(MIG, 1);
        assertThat(kubelet.runPod(GPU, "default", "pod", "main", 4)).isInstanceOf(Admission.Admitted.class);
    }

    @ParameterizedTest
    @EnumSource(KubeletVersion.class)
    void anOlderAgentThatRegistersLastDoesNotTakeTheResourceWithIt(KubeletVersion version) throws Exception {
        // Given
        kubelet = kubelet(version, SystemTime.monotonic());
        kubelet.start();
        Gate gate = new Gate();
        PluginUnderTest older = start(
                new PluginUnderTest(directory, pluginLoops, FileSystems.getDefault()::newWatchService, gate), "old-a");
        awaitAllocatable(GPU, 1);
        PluginUnderTest newer = start("new-a", "new-b");
        awaitSteppedAside(older);
        awaitServedByNoneBut(newer);
        kubelet.stop(LIMIT);
        kubelet.deleteSockets();
        newer.await(GPU, status -> status.state().equals("no-kubelet"));
        newer.await(MIG, status -> status.state().equals("no-kubelet"));
        // The newer one may have served anew in between.
        kubelet.deleteSockets();
        older.await(GPU, status -> status.state().equals("no-kubelet"));
        older.await(MIG, status -> status.state().equals("no-kubelet"));

        // When: the older one has seen no other agent, and then takes its time
        older.catalog.atUpdate(gate::close);
        older.look();
        gate.awaitSomebody();
        kubelet.start();
        newer.await(GPU, status -> status.registered() && status.streams() == 1);
        older.catalog.atUpdate(() -> {});
        gate.open();
        older.await(GPU, status -> status.state().equals("stepped-aside"));
        older.stop();

        // Then: whether or not the older one's call came last
        awaitServedByNoneBut(newer);
        awaitAllocatable(GPU, 2);
        assertThat(kubelet.runPod(GPU, "default", "pod", "main", 2)).isInstanceOf(Admission.Admitted.class);
    }

    @ParameterizedTest
    @EnumSource(KubeletVersion.class)
    void anOlderAgentWhoseFirstRegistrationComesLastDoesNotTakeTheResourceWithIt(KubeletVersion version)
            throws Exception {
        // Given: the older one's calls are on their way, and it has seen no other agent
        CompletableFuture<Void> hold = new CompletableFuture<>();
        kubelet = kubelet(version, SystemTime.monotonic());
        kubelet.holdRegister(hold);
        kubelet.start();
        Gate gate = new Gate();
        PluginUnderTest older = start(
                new PluginUnderTest(directory, pluginLoops, FileSystems.getDefault()::newWatchService, gate),
                "old-a",
                "old-b",
                "old-c");
        Eventually.within(LIMIT, () -> kubelet.registerCalls() == 2 ? "" : kubelet.registerCalls() + " calls");
        older.catalog.atUpdate(gate::close);
        older.look();
        gate.awaitSomebody();
        kubelet.holdRegister(CompletableFuture.completedStage(null));
        PluginUnderTest newer = start("new-a", "new-b");
        awaitServed(newer);

        // When
        hold.complete(null);
        awaitAllocatable(GPU, 3);
        older.catalog.atUpdate(() -> {});
        gate.open();
        awaitSteppedAside(older);

        // Then
        awaitServedByNoneBut(newer);
        awaitAllocatable(GPU, 2);
        assertThat(kubelet.runPod(GPU, "default", "pod", "main", 2)).isInstanceOf(Admission.Admitted.class);
    }

    /** A clock at which the plugin's loop can be held up. */
    private static final class Gate implements MonotonicClock {
        private final CountDownLatch reached = new CountDownLatch(1);
        private final CountDownLatch opened = new CountDownLatch(1);
        private volatile boolean closed;

        void close() {
            closed = true;
        }

        void open() {
            closed = false;
            opened.countDown();
        }

        void awaitSomebody() throws InterruptedException {
            assertThat(reached.await(LIMIT.toSeconds(), TimeUnit.SECONDS)).isTrue();
        }

        @Override
        public Tick now() {
            if (closed && Thread.currentThread().getName().equals("device-plugin")) {
                reached.countDown();
                try {
                    assertThat(opened.await(3 * LIMIT.toSeconds(), TimeUnit.SECONDS))
                            .isTrue();
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
            }
            return SystemTime.monotonic().now();
        }
    }

    @ParameterizedTest
    @EnumSource(KubeletVersion.class)
    void whenTheNewerAgentEndsTheOlderOneIsBack(KubeletVersion version) throws Exception {
        // Given
        kubelet = kubelet(version, SystemTime.monotonic());
        kubelet.start();
        PluginUnderTest older = start("old-a", "old-b");
        awaitAllocatable(GPU, 2);
        PluginUnderTest newer = start("new-a");
        awaitAllocatable(GPU, 1);

        // When
        newer.stop();

        // Then
        awaitAllocatable(GPU, 2);
        awaitAllocatable(MIG, 1);
        older.await(GPU, status -> status.registered() && status.streams() == 1);
    }

    /** The end of the older one's stream ends the newer one's connection (kubernetes#121994), here before the kubelet has asked for the newer one's devices. */
    @Test
    void aNewerAgentThatLosesItsConnectionToTheOlderOnesEndIsBackAtOnce() throws Exception {
        // Given
        kubelet = kubelet(KubeletVersion.V1_27, SystemTime.monotonic());
        kubelet.start();
        Gate gate = new Gate();
        PluginUnderTest older = start(
                new PluginUnderTest(directory, pluginLoops, FileSystems.getDefault()::newWatchService, gate),
                "old-a",
                "old-b");
        awaitAllocatable(GPU, 2);
        awaitAllocatable(MIG, 1);
        older.catalog.atUpdate(gate::close);
        older.look();
        gate.awaitSomebody();
        kubelet.neverWatch(true);
        PluginUnderTest newer = start("new-a");
        newer.await(GPU, DevicePluginStatus::registered);
        newer.await(MIG, DevicePluginStatus::registered);
        kubelet.neverWatch(false);

        // When
        older.catalog.atUpdate(() -> {});
        gate.open();
        awaitSteppedAside(older);

        // Then: sooner than the 15 s after which it would be tired of waiting
        awaitServedByNoneBut(newer);
        awaitAllocatable(GPU, 1);
        awaitAllocatable(MIG, 1);
    }

    @Test
    void afterAKubeletRestartTheNewerAgentIsStillTheOneThatServes() throws Exception {
        // Given
        kubelet.start();
        PluginUnderTest older = start("old-a", "old-b");
        awaitAllocatable(GPU, 2);
        PluginUnderTest newer = start("new-a");
        older.await(GPU, status -> status.state().equals("stepped-aside"));

        for (int i = 0; i < 5; i++) {
            // When
            kubelet.restart();

            // Then
            older.await(GPU, status -> status.state().equals("stepped-aside"));
            awaitAllocatable(GPU, 1);
            newer.await(GPU, status -> status.registered() && status.streams() == 1);
        }
    }

    // ---- files

    @Test
    void withoutKubeletSockWhatTheKubeletWatchesGoesOn() throws Exception {
        // Given
        kubelet.start();
        PluginUnderTest plugin = start("a", "b");
        awaitServed(plugin);

        // When
        Files.delete(directory.resolve("kubelet.sock"));
        plugin.catalog.offerUnhealthy(GPU, "a", "b");
        plugin.look();

        // Then
        kubelet.awaitDevices(GPU, list -> list.capacity() == 2 && list.allocatable() == 0, LIMIT);
        assertThat(plugin.status(GPU).state()).isEqualTo("registered");
        assertThat(plugin.status(GPU).registrations()).isEqualTo(1);
    }

    @ParameterizedTest
    @EnumSource(KubeletVersion.class)
    void whenAllSocketsAreDeletedTheNextKubeletGetsEveryResource(KubeletVersion version) throws Exception {
        // Given
        kubelet = kubelet(version, SystemTime.monotonic());
        kubelet.start();
        PluginUnderTest plugin = start("a", "b");
        awaitServed(plugin);

        // When
        kubelet.deleteSockets();
        plugin.await(GPU, status -> status.state().equals("no-kubelet"));
        kubelet.restart();

        // Then
        awaitAllocatable(GPU, 2);
        awaitAllocatable(MIG, 1);
    }

    @Test
    void manyRestartsInARowMissNoResource() throws Exception {
        // Given
        kubelet.start();
        awaitServed(start("a", "b"));

        for (int i = 0; i < 150; i++) {
            // When
            kubelet.restart();

            // Then: a kubelet gives up a socket that it cannot find after 10 s
            kubelet.awaitDevices(GPU, list -> list.connected() && list.allocatable() == 2, Duration.ofSeconds(8));
            kubelet.awaitDevices(MIG, list -> list.connected() && list.allocatable() == 1, Duration.ofSeconds(8));
        }
    }

    @Test
    void aDirectoryThatIsDeletedAndMadeAnewIsFollowed() throws Exception {
        // Given
        kubelet.start();
        PluginUnderTest plugin = start("a", "b");
        awaitServed(plugin);

        for (int i = 0; i < 3; i++) {
            // When
            kubelet.close();
            deleteDirectory();
            plugin.await(GPU, status -> status.state().equals("no-kubelet"));
            kubelet.start();

            // Then
            awaitAllocatable(GPU, 2);
            awaitAllocatable(MIG, 1);
        }
    }

    @Test
    void aDirectoryThatWasMovedAwaySendsNoEventsAndIsMissedNoMoreThanASecond() throws Exception {
        // Given
        kubelet.start();
        PluginUnderTest plugin = start("a", "b");
        awaitServed(plugin);

        // When
        kubelet.close();
        Files.move(directory, temporary.resolve("moved"));
        kubelet.start();

        // Then
        awaitAllocatable(GPU, 2);
        awaitAllocatable(MIG, 1);
    }

    @Test
    void withoutInotifyTheKubeletIsLookedForEachSecondAndTheReasonIsTold() throws Exception {
        // Given
        kubelet.start();
        PluginUnderTest plugin = start(
                new PluginUnderTest(directory, pluginLoops, () -> {
                    throw new IOException("User limit of inotify instances reached or too many open files");
                }),
                "a",
                "b");
        awaitServed(plugin);
        assertThat(plugin.plugin.watchProblem())
                .contains("User limit of inotify instances reached")
                .contains("fs.inotify.max_user_instances");
        Tick before = SystemTime.monotonic().now();

        // When
        kubelet.restart();

        // Then
        awaitAllocatable(GPU, 2);
        awaitAllocatable(MIG, 1);
        assertThat(SystemTime.monotonic().now().since(before)).isLessThan(Duration.ofSeconds(5));
    }

    @Test
    void anInotifyThatComesBackIsUsedAgain() throws Exception {
        // Given
        AtomicLong attempts = new AtomicLong();
        kubelet.start();
        PluginUnderTest plugin = start(
                new PluginUnderTest(directory, pluginLoops, () -> {
                    if (attempts.incrementAndGet() < 3) {
                        throw new IOException("User limit of inotify watches reached");
                    }
                    return FileSystems.getDefault().newWatchService();
                }),
                "a");
        awaitServed(plugin);

        // When
        while (!plugin.plugin.watchProblem().isEmpty()) {
            plugin.look();
            Thread.onSpinWait();
        }

        // Then
        assertThat(attempts).hasValue(3);
    }

    // ---- kubelets that misbehave

    @ParameterizedTest
    @EnumSource(KubeletVersion.class)
    void aKubeletThatTakesTheRegistrationAndAsksForNothingIsRegisteredWithAgain(KubeletVersion version)
            throws Exception {
        // Given
        AtomicLong ahead = new AtomicLong();
        MonotonicClock clock = () -> new Tick(SystemTime.monotonic().now().nanos() + ahead.get());
        kubelet = kubelet(version, SystemTime.monotonic());
        kubelet.neverWatch(true);
        kubelet.start();
        PluginUnderTest plugin = start(
                new PluginUnderTest(directory, pluginLoops, FileSystems.getDefault()::newWatchService, clock), "a");
        plugin.await(GPU, DevicePluginStatus::registered);
        kubelet.neverWatch(false);

        // When
        ahead.addAndGet(Duration.ofSeconds(15).toNanos());
        plugin.look();

        // Then
        awaitAllocatable(GPU, 1);
        plugin.await(GPU, status -> status.registrations() == 2 && status.streams() == 1);
    }

    @Test
    void aSlowKubeletIsWaitedFor() throws Exception {
        // Given
        kubelet.delayRegister(Duration.ofMillis(300));
        kubelet.start();

        // When
        PluginUnderTest plugin = start("a", "b");
        plugin.await(GPU, status -> status.state().equals("registering"));

        // Then
        awaitServed(plugin);
        assertThat(kubelet.registerCalls()).isEqualTo(2);
        assertThat(plugin.status(GPU).failedRegistrations()).isZero();
    }

    @Test
    void aKubeletThatMayNotConnectIsNamedWithTheNextStep() throws Exception {
        // Given
        kubelet.refuseRegister(Status.UNKNOWN.withDescription(
                "failed to dial device plugin: dial unix " + directory + "/x.sock: connect: permission denied"));
        kubelet.start();

        // When
        PluginUnderTest plugin = start("a");

        // Then
        DevicePluginStatus refused = plugin.await(GPU, status -> status.state().equals("retrying"));
        assertThat(refused.reason()).contains("permission denied").contains("ausearch -m avc");
    }

    @ParameterizedTest
    @EnumSource(KubeletVersion.class)
    void streamsThatAreCancelledAgainAndAgainAreMadeAgainInTheEnd(KubeletVersion version) throws Exception {
        // Given
        kubelet = kubelet(version, SystemTime.monotonic());
        kubelet.start();
        PluginUnderTest plugin = start("a", "b");
        awaitServed(plugin);

        for (int i = 0; i < 3; i++) {
            // When
            long before = plugin.status(GPU).registrations();
            kubelet.cancelStreams();

            // Then
            plugin.await(GPU, status -> status.registrations() > before && status.streams() == 1);
            awaitAllocatable(GPU, 2);
            awaitAllocatable(MIG, 1);
        }
    }

    // ---- time and reboots

    @Test
    void aResourceThatRetiredIsForgottenAfterTheKubeletsGrace() throws Exception {
        // Given
        ManualTime time = new ManualTime();
        kubelet = kubelet(KubeletVersion.V1_36, time);
        kubelet.start();
        PluginUnderTest plugin = start("a", "b");
        awaitServed(plugin);
        plugin.catalog.withdraw(MIG);
        plugin.look();
        kubelet.awaitDevices(MIG, list -> !list.connected() && list.capacity() == 0, LIMIT);

        // When
        time.advance(Duration.ofMinutes(5));

        // Then
        assertThat(kubelet.devices(MIG)).isEmpty();
        assertThat(kubelet.devices(GPU).map(DeviceList::allocatable)).contains(2);
    }

    @Test
    void aRebootedNodesPodsAreReplayedOnceTheSameDevicesAreRegistered() throws Exception {
        // Given
        kubelet.start();
        PluginUnderTest plugin = start("a", "b");
        awaitServed(plugin);
        Admission first = kubelet.runPod(GPU, "default", "early", "main", 1);
        Admission second = kubelet.runPod(GPU, "default", "late", "main", 1);
        plugin.stop();
        kubelet.restart();

        // When
        Admission early = kubelet.readmit("default", "early", "main");
        PluginUnderTest rebooted = start("a", "b");
        awaitAllocatable(GPU, 2);
        Admission late = kubelet.readmit("default", "late", "main");

        // Then
        assertThat(first).isInstanceOf(Admission.Admitted.class);
        assertThat(early)
                .isInstanceOfSatisfying(
                        Admission.Refused.class,
                        refused -> assertThat(refused.message()).contains("no healthy devices present"));
        assertThat(late).isEqualTo(second);
        assertThat(rebooted.status(GPU).allocations())
                .as("answers are replayed")
                .isZero();
    }

    private PluginUnderTest start(String... gpus) {
        return start(new PluginUnderTest(directory, pluginLoops), gpus);
    }

    private PluginUnderTest start(PluginUnderTest plugin, String... gpus) {
        started.add(plugin);
        plugin.catalog.offer(GPU, gpus).offer(MIG, "MIG-of-" + gpus[0]);
        plugin.plugin.start();
        return plugin;
    }

    private void awaitServed(PluginUnderTest plugin) throws Exception {
        for (String resource : List.of(GPU, MIG)) {
            plugin.await(resource, status -> status.registered() && status.streams() == 1);
            kubelet.awaitDevices(resource, list -> list.connected() && list.allocatable() > 0, LIMIT);
        }
    }

    private void awaitAllocatable(String resource, int count) throws Exception {
        kubelet.awaitDevices(resource, list -> list.connected() && list.allocatable() == count, LIMIT);
    }

    private static void awaitSteppedAside(PluginUnderTest plugin) throws Exception {
        plugin.await(GPU, status -> status.state().equals("stepped-aside"));
        plugin.await(MIG, status -> status.state().equals("stepped-aside"));
    }

    /** Once this plugin has seen the others go, and the kubelet too: nothing that they did is still to come. */
    private void awaitServedByNoneBut(PluginUnderTest plugin) throws Exception {
        plugin.lookThrough();
        for (String resource : List.of(GPU, MIG)) {
            Eventually.within(LIMIT, () -> {
                DevicePluginStatus status = plugin.status(resource);
                List<String> endpoints = kubelet.endpoints(resource);
                return status.registered()
                                && status.streams() == 1
                                && endpoints.equals(List.of(
                                        Path.of(status.socket()).getFileName().toString()))
                        ? ""
                        : "the kubelet is connected to " + endpoints + ", and the plugin is at " + status;
            });
        }
    }

    /** The plugin may make its socket anew until the kubelet's is gone. */
    private void deleteDirectory() throws IOException {
        for (int i = 0; i < 100 && Files.exists(directory); i++) {
            try (Stream<Path> files = Files.walk(directory)) {
                for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                    Files.deleteIfExists(file);
                }
            } catch (DirectoryNotEmptyException | UncheckedIOException e) {
                assertThat(directory).exists();
            }
        }
        assertThat(directory).doesNotExist();
    }

    private EmbeddedKubelet kubelet(KubeletVersion version, MonotonicClock clock) {
        return new EmbeddedKubelet(
                KubeletOptions.of(directory, temporary.resolve("pr/kubelet.sock"))
                        .withVersion(version),
                kubeletLoops,
                clock);
    }
}
