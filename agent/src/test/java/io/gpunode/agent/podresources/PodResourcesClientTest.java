package io.gpunode.agent.podresources;

import static io.gpunode.agent.simulation.EmbeddedKubelet.GPU_RESOURCE;
import static io.gpunode.agent.testing.MinimalPlugin.device;
import static io.gpunode.agent.testing.MinimalPlugin.onNodes;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.net.UnixSockets;
import io.gpunode.agent.simulation.EmbeddedKubelet;
import io.gpunode.agent.simulation.KubeletOptions;
import io.gpunode.agent.simulation.PodResourcesFault;
import io.gpunode.agent.testing.MinimalPlugin;
import io.gpunode.agent.time.ManualTime;
import io.gpunode.agent.time.SystemTime;
import io.gpunode.agent.time.Tick;
import io.gpunode.deviceplugin.v1beta1.Device;
import io.gpunode.podresources.v1.ContainerDevices;
import io.gpunode.podresources.v1.ContainerResources;
import io.gpunode.podresources.v1.ListPodResourcesRequest;
import io.gpunode.podresources.v1.ListPodResourcesResponse;
import io.gpunode.podresources.v1.PodResources;
import io.gpunode.podresources.v1.PodResourcesListerGrpc;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.DoubleSupplier;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(30)
class PodResourcesClientTest {
    private static final Duration LIMIT = Duration.ofSeconds(5);
    private static final Duration INTERVAL = Duration.ofSeconds(10);

    private static EventLoops kubeletLoops;
    private static EventLoops clientLoops;

    @TempDir
    private Path temp;

    private final ManualTime time = new ManualTime();
    private final Counts counts = new Counts();
    private Duration wallAhead = Duration.ZERO;
    private Path socket;
    private EmbeddedKubelet kubelet;
    private MinimalPlugin plugin;
    private PodResourcesClient client;

    @BeforeAll
    static void openLoops() {
        kubeletLoops = EventLoops.open("kubelet");
        clientLoops = EventLoops.open("client");
    }

    @AfterAll
    static void closeLoops() {
        clientLoops.close();
        kubeletLoops.close();
    }

    @BeforeEach
    void prepare() {
        Path directory = temp.resolve("device-plugins");
        socket = temp.resolve("pod-resources/kubelet.sock");
        kubelet = new EmbeddedKubelet(KubeletOptions.of(directory, socket), kubeletLoops, SystemTime.monotonic());
        plugin = new MinimalPlugin(directory, "plugin.sock", GPU_RESOURCE, clientLoops);
        client = client(INTERVAL);
    }

    @AfterEach
    void end() throws Exception {
        client.stop(LIMIT);
        plugin.close();
        kubelet.close();
    }

    @Test
    void thereIsNoPictureBeforeTheFirstAnswer() {
        assertThat(client.current()).isEmpty();
        assertThat(client.error()).isEmpty();
    }

    @Test
    void devicesAreGivenTheContainersThatHoldThem() throws Exception {
        // Given
        startKubelet(device("a", "Healthy"), device("b", "Healthy"));
        kubelet.runPod("team", "train", "main", 2);
        kubelet.runPod("team", "web", "main", 0);
        time.advance(Duration.ofSeconds(3));

        // When
        Duration next = client.turn();

        // Then
        List<PodUse> use = List.of(new PodUse("team", "train", "main"));
        assertThat(picture().byDevice()).isEqualTo(Map.of("a", use, "b", use));
        assertThat(picture().readAt()).isEqualTo(time.now());
        assertThat(picture().error()).isEmpty();
        assertThat(next).isEqualTo(INTERVAL);
    }

    @Test
    void entriesPerNumaNodeAreMergedAndADeviceOfTwoNodesHasOneUser() throws Exception {
        // Given
        startKubelet(onNodes("a", 0), onNodes("b", 1), onNodes("c", 0, 1));
        kubelet.runPod("team", "train", "main", 3);

        // When
        client.turn();

        // Then
        List<PodUse> use = List.of(new PodUse("team", "train", "main"));
        assertThat(picture().byDevice()).isEqualTo(Map.of("a", use, "b", use, "c", use));
    }

    @Test
    void otherResourcesAreLeftOut() throws Exception {
        // Given
        kubelet.start();
        plugin = new MinimalPlugin(temp.resolve("device-plugins"), "nic.sock", "example.com/nic", clientLoops);
        plugin.serve();
        plugin.send(device("nic-0", "Healthy"));
        plugin.register();
        kubelet.awaitDevices(list -> list.capacity() == 1, LIMIT);
        kubelet.runPod("example.com/nic", "team", "p", "c", 1);

        // When
        client.turn();

        // Then
        assertThat(picture().byDevice()).isEmpty();
    }

    @Test
    void allUsersOfADeviceComeInTheKubeletsOrder() throws Exception {
        // Given: what no kubelet does with one resource, but two of its pods may hold one device through two
        Server server = listing(pod("z", "main"), pod("a", "side"), pod("m", "main"));
        try {
            // When
            client.turn();

            // Then
            assertThat(picture().byDevice().get("gpu-0"))
                    .containsExactly(
                            new PodUse("team", "z", "main"),
                            new PodUse("team", "a", "side"),
                            new PodUse("team", "m", "main"));
        } finally {
            server.shutdownNow();
        }
    }

    @Test
    void anUnchangedAnswerKeepsItsMap() throws Exception {
        // Given
        startKubelet(device("a", "Healthy"));
        kubelet.runPod("team", "train", "main", 1);
        client.turn();
        Map<String, List<PodUse>> before = picture().byDevice();
        time.advance(INTERVAL);

        // When
        client.turn();

        // Then
        assertThat(picture().byDevice()).isSameAs(before);
        assertThat(picture().readAt()).isEqualTo(time.now());
    }

    @Test
    void anEndedPodLeavesThePicture() throws Exception {
        // Given
        startKubelet(device("a", "Healthy"));
        kubelet.runPod("team", "train", "main", 1);
        client.turn();
        kubelet.endPod("team", "train");

        // When
        client.turn();

        // Then
        assertThat(picture().byDevice()).isEmpty();
    }

    @Test
    void aMissingSocketIsLookedForAtGrowingIntervals() throws Exception {
        // When
        Duration first = client.turn();
        Duration last = first;
        for (int i = 0; i < 10; i++) {
            last = client.turn();
        }

        // Then
        assertThat(first).isBetween(Duration.ofMillis(180), Duration.ofMillis(250));
        assertThat(last).isBetween(INTERVAL.dividedBy(2), INTERVAL);
        assertThat(client.error()).contains("there is no socket " + socket);
        assertThat(client.current()).isEmpty();
        assertThat(counts.of("error")).isZero();
    }

    @Test
    void aSocketThatNobodyListensOnIsToldFromAMissingOne() throws Exception {
        // Given
        kubelet.start();
        kubelet.stop(LIMIT);

        // When
        client.turn();

        // Then
        assertThat(client.error()).contains("nobody listens on " + socket);
    }

    @Test
    void anErrorKeepsTheLastPictureWithItsAge() throws Exception {
        // Given
        startKubelet(device("a", "Healthy"));
        kubelet.runPod("team", "train", "main", 1);
        client.turn();
        Tick readAt = picture().readAt();
        kubelet.podResourcesFault(new PodResourcesFault.Failing(Status.INTERNAL.withDescription("no checkpoint")));
        time.advance(INTERVAL);

        // When
        client.turn();

        // Then
        assertThat(picture().byDevice()).containsOnlyKeys("a");
        assertThat(picture().readAt()).isEqualTo(readAt);
        assertThat(picture().error())
                .isEqualTo("PodResources List on " + socket + " failed: INTERNAL: no checkpoint")
                .isEqualTo(client.error());
        assertThat(counts.of("ok")).isEqualTo(1);
        assertThat(counts.of("error")).isEqualTo(1);
    }

    @Test
    void afterAnErrorTheNextGoodAnswerClearsIt() throws Exception {
        // Given
        startKubelet(device("a", "Healthy"));
        kubelet.podResourcesFault(new PodResourcesFault.Failing(Status.RESOURCE_EXHAUSTED));
        client.turn();
        kubelet.podResourcesFault(new PodResourcesFault.None());

        // When
        client.turn();

        // Then
        assertThat(client.error()).isEmpty();
        assertThat(picture().error()).isEmpty();
    }

    @Test
    void anAnswerThatNeverComesIsGivenUpAtTheDeadline() throws Exception {
        // Given
        startKubelet(device("a", "Healthy"));
        kubelet.podResourcesFault(new PodResourcesFault.Hanging());
        Tick before = SystemTime.monotonic().now();

        // When
        client.turn();

        // Then
        assertThat(client.error()).contains("DEADLINE_EXCEEDED");
        assertThat(SystemTime.monotonic().now().since(before))
                .isBetween(Duration.ofMillis(4_900), Duration.ofSeconds(9));
    }

    @ParameterizedTest
    @ValueSource(ints = {(8 << 20) + 1, 20 << 20})
    void anAnswerOfMoreThanEightMebibytesIsRefusedAndTheLastOneStays(int bytes) throws Exception {
        // Given
        startKubelet(device("a", "Healthy"));
        kubelet.runPod("team", "train", "main", 1);
        client.turn();
        kubelet.podResourcesFault(new PodResourcesFault.Oversized(bytes));

        // When
        client.turn();

        // Then
        assertThat(client.error()).contains("RESOURCE_EXHAUSTED").contains("8388608");
        assertThat(picture().error()).isEqualTo(client.error());
        assertThat(picture().byDevice()).containsOnlyKeys("a");
    }

    @Test
    void anAnswerOfNearlyEightMebibytesIsTaken() throws Exception {
        // Given
        startKubelet(device("a", "Healthy"));
        kubelet.runPod("team", "train", "main", 1);
        kubelet.podResourcesFault(new PodResourcesFault.Oversized(7 << 20));

        // When
        client.turn();

        // Then
        assertThat(picture().byDevice()).containsOnlyKeys("a");
    }

    @Test
    void aRestartedKubeletIsFoundWithoutLeakingConnections() throws Exception {
        // Given
        startKubelet(device("a", "Healthy"));
        kubelet.runPod("team", "train", "main", 1);
        client.turn();

        // When
        for (int i = 0; i < 20; i++) {
            kubelet.restart();
            client.turn();
            client.turn();
        }

        // Then: the first turn after a restart may meet the old connection, the second is always good
        assertThat(client.error()).isEmpty();
        assertThat(picture().byDevice()).containsOnlyKeys("a");
        kubelet.awaitPodResourcesConnections(1, LIMIT);
    }

    @Test
    void theLoopAsksAgainAndAgain() throws Exception {
        // Given
        startKubelet(device("a", "Healthy"));
        client = client(Duration.ofMillis(5));

        // When
        client.start();

        // Then
        kubelet.awaitPodResourcesCalls(5, LIMIT);
    }

    @Test
    void theLoopFindsAKubeletThatComesLater() throws Exception {
        // Given
        client = client(Duration.ofMillis(50));
        client.start();

        // When
        kubelet.start();

        // Then
        kubelet.awaitPodResourcesCalls(1, LIMIT);
    }

    @Test
    void stoppingEndsACallInFlight() throws Exception {
        // Given
        startKubelet(device("a", "Healthy"));
        kubelet.podResourcesFault(new PodResourcesFault.Hanging());
        client.start();
        kubelet.awaitPodResourcesCalls(1, LIMIT);
        Tick before = SystemTime.monotonic().now();

        // When
        client.stop(Duration.ofSeconds(4));

        // Then: well before the call's own deadline
        assertThat(SystemTime.monotonic().now().since(before)).isLessThan(Duration.ofSeconds(2));
    }

    @Test
    void aQuestionIsAnsweredByACallThatBeganAfterIt() throws Exception {
        // Given
        startKubelet(device("a", "Healthy"));
        client.start();
        kubelet.awaitPodResourcesCalls(1, LIMIT);
        kubelet.runPod("team", "train", "main", 1);

        // When
        PodResourcesSource.Answer answer = client.ask(LIMIT);

        // Then
        assertThat(answer)
                .isEqualTo(new PodResourcesSource.Answer.Holders(
                        Map.of("a", List.of(new PodUse("team", "train", "main")))));
    }

    @Test
    void anErrorIsNoAnswerThoughThereWasOneBefore() throws Exception {
        // Given
        startKubelet(device("a", "Healthy"));
        client.turn();
        kubelet.podResourcesFault(new PodResourcesFault.Failing(Status.INTERNAL.withDescription("no checkpoint")));
        client.start();

        // When
        PodResourcesSource.Answer answer = client.ask(LIMIT);

        // Then
        assertThat(answer)
                .isInstanceOfSatisfying(
                        PodResourcesSource.Answer.None.class,
                        none -> assertThat(none.why()).contains("INTERNAL: no checkpoint"));
    }

    @Test
    void withoutASocketNoKubeletHasRun() throws Exception {
        // Given
        client.start();

        // When
        PodResourcesSource.Answer answer = client.ask(LIMIT);

        // Then
        assertThat(answer).isEqualTo(new PodResourcesSource.Answer.NoKubelet());
    }

    @Test
    void podsMayRunOnWhileTheirKubeletDoesNot() throws Exception {
        // Given
        kubelet.start();
        kubelet.stop(LIMIT);
        client.start();

        // When
        PodResourcesSource.Answer answer = client.ask(LIMIT);

        // Then
        assertThat(answer)
                .isInstanceOfSatisfying(
                        PodResourcesSource.Answer.None.class,
                        none -> assertThat(none.why()).contains("nobody listens on " + socket));
    }

    @Test
    void aSocketOfBeforeTheMachinesStartSaysThatNoKubeletHasRun() throws Exception {
        // Given: now is ten years later, and the machine was started by as much later
        kubelet.start();
        kubelet.stop(LIMIT);
        wallAhead = Duration.ofDays(3650);
        client.start();

        // When
        PodResourcesSource.Answer answer = client.ask(LIMIT);

        // Then
        assertThat(answer).isEqualTo(new PodResourcesSource.Answer.NoKubelet());
    }

    @Test
    void aPathThatIsTooLongIsRefusedWithItsSetting() {
        socket = temp.resolve("x".repeat(120));

        assertThatThrownBy(() -> client(INTERVAL))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("kubelet.podResourcesSocket")
                .hasMessageContaining("107");
    }

    private PodResourcesClient client(Duration interval) {
        return new PodResourcesClient(
                socket,
                interval,
                clientLoops,
                time,
                () -> SystemTime.wall().instant().plus(wallAhead),
                new Heartbeats(SystemTime.monotonic()),
                counts);
    }

    private PodResourcesPicture picture() {
        return client.current().orElseThrow();
    }

    private void startKubelet(Device... devices) throws Exception {
        kubelet.start();
        plugin.serve();
        plugin.send(devices);
        plugin.register();
        kubelet.awaitDevices(list -> list.capacity() == devices.length, LIMIT);
    }

    private static PodResources pod(String name, String container) {
        return PodResources.newBuilder()
                .setNamespace("team")
                .setName(name)
                .addContainers(ContainerResources.newBuilder()
                        .setName(container)
                        .addDevices(ContainerDevices.newBuilder()
                                .setResourceName(GPU_RESOURCE)
                                .addDeviceIds("gpu-0")))
                .build();
    }

    private Server listing(PodResources... pods) throws Exception {
        Files.createDirectories(socket.getParent());
        return UnixSockets.server(socket, kubeletLoops)
                .addService(new PodResourcesListerGrpc.PodResourcesListerImplBase() {
                    @Override
                    public void list(
                            ListPodResourcesRequest request, StreamObserver<ListPodResourcesResponse> observer) {
                        observer.onNext(ListPodResourcesResponse.newBuilder()
                                .addAllPodResources(List.of(pods))
                                .build());
                        observer.onCompleted();
                    }
                })
                .build()
                .start();
    }

    /** Keeps counters by the value of their tag. */
    private static final class Counts implements Meters {
        private final Map<String, AtomicLong> byResult = new ConcurrentHashMap<>();

        long of(String result) {
            return byResult.computeIfAbsent(result, _ -> new AtomicLong()).get();
        }

        @Override
        public Counter counter(String name, String help, String... tags) {
            AtomicLong count = byResult.computeIfAbsent(tags[1], _ -> new AtomicLong());
            return count::addAndGet;
        }

        @Override
        public Timer timer(String name, String help, String... tags) {
            return _ -> {};
        }

        @Override
        public void gauge(String name, String help, DoubleSupplier value, String... tags) {}
    }
}
