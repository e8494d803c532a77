package io.gpunode.agent.simulation;

import static io.gpunode.agent.simulation.EmbeddedKubelet.GPU_RESOURCE;
import static io.gpunode.agent.testing.MinimalPlugin.device;
import static io.gpunode.agent.testing.MinimalPlugin.onNodes;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.net.UnixSockets;
import io.gpunode.agent.testing.MinimalPlugin;
import io.gpunode.agent.time.ManualTime;
import io.gpunode.deviceplugin.v1beta1.Device;
import io.gpunode.podresources.v1.AllocatableResourcesRequest;
import io.gpunode.podresources.v1.ContainerDevices;
import io.gpunode.podresources.v1.ListPodResourcesRequest;
import io.gpunode.podresources.v1.PodResources;
import io.gpunode.podresources.v1.PodResourcesListerGrpc;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
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
class EmbeddedKubeletTest {
    private static final Duration LIMIT = Duration.ofSeconds(5);

    private static EventLoops kubeletLoops;
    private static EventLoops pluginLoops;

    @TempDir
    private Path temp;

    private final ManualTime time = new ManualTime();
    private Path directory;
    private EmbeddedKubelet kubelet;
    private MinimalPlugin plugin;

    @BeforeAll
    static void openLoops() {
        kubeletLoops = EventLoops.open("kubelet");
        pluginLoops = EventLoops.open("plugin");
    }

    @AfterAll
    static void closeLoops() {
        pluginLoops.close();
        kubeletLoops.close();
    }

    @BeforeEach
    void prepare() {
        directory = temp.resolve("device-plugins");
        kubelet = kubelet(options());
        plugin = new MinimalPlugin(directory, "plugin.sock", GPU_RESOURCE, pluginLoops);
    }

    @AfterEach
    void end() throws Exception {
        plugin.close();
        kubelet.close();
    }

    // ---- registration

    @Test
    void aRegisteredPluginsDevicesAreCounted() throws Exception {
        // Given
        startBoth();
        plugin.send(device("a", "Healthy"), device("b", "Unhealthy"), device("c", "healthy"), device("d", ""));

        // When
        plugin.register();

        // Then: only exactly "Healthy" is
        DeviceList list = kubelet.awaitDevices(devices -> devices.capacity() == 4, LIMIT);
        assertThat(list.allocatable()).isEqualTo(1);
        assertThat(list.healthyIds()).containsExactly("a");
        assertThat(kubelet.registrations()).singleElement().satisfies(registration -> {
            assertThat(registration.accepted()).isTrue();
            assertThat(registration.endpoint()).isEqualTo("plugin.sock");
        });
    }

    @Test
    void theNextRegistrationIsTold() throws Exception {
        // Given
        startBoth();
        var next = kubelet.nextRegistration().toCompletableFuture();

        // When
        plugin.register();

        // Then
        assertThat(next.get(5, TimeUnit.SECONDS).resource()).isEqualTo(GPU_RESOURCE);
    }

    @Test
    void anotherApiVersionIsRefusedInTheKubeletsWords() throws Exception {
        // Given
        startBoth();

        // When / Then
        assertThatThrownBy(() -> plugin.register("v1beta2"))
                .isInstanceOf(StatusRuntimeException.class)
                .hasMessage(
                        "UNKNOWN: requested API version \"v1beta2\" is not supported by kubelet. Supported version is"
                                + " [\"v1beta1\"]");
        assertThat(kubelet.registrations().getFirst().accepted()).isFalse();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "gpu",
                "",
                "nvidia.com/",
                "NVIDIA.com/gpu",
                "nvidia.com/g pu",
                "kubernetes.io/x",
                "a.kubernetes.io/x",
                "requests.nvidia.com/x",
                "nvidia.com/a/b"
            })
    void anInvalidResourceNameIsRefusedInTheKubeletsWords(String name) throws Exception {
        // Given
        startBoth();
        try (MinimalPlugin other = new MinimalPlugin(directory, "other.sock", name, pluginLoops)) {
            // When / Then
            assertThatThrownBy(other::register).hasMessage("UNKNOWN: the ResourceName \"" + name + "\" is invalid");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"nvidia.com/gpu", "nvidia.com/mig-1g.5gb", "nvidia.com/gpu.shared", "example.com/A_b-1"})
    void aValidResourceNameIsTaken(String name) {
        assertThat(KubeletErrors.isExtendedResourceName(name)).isTrue();
    }

    @Test
    void aPluginThatDoesNotServeIsRefusedAfterTheDialLimit() throws Exception {
        // Given
        use(options().withDialLimit(Duration.ofMillis(200)));
        kubelet.start();

        // When / Then
        assertThatThrownBy(plugin::register)
                .hasMessageContaining("failed to dial device plugin")
                .hasMessageContaining("plugin.sock")
                .hasMessageContaining("context deadline exceeded");
    }

    @Test
    void aPluginThatGivesUpRegisteringIsConnectedAllTheSame() throws Exception {
        // Given: the kubelet dials before the plugin serves
        kubelet.start();
        plugin.send(device("a", "Healthy"));
        assertThatThrownBy(() -> plugin.register("v1beta1", Duration.ofMillis(100)))
                .hasMessageStartingWith("DEADLINE_EXCEEDED");

        // When
        plugin.serve();

        // Then
        kubelet.awaitDevices(devices -> devices.allocatable() == 1, Duration.ofSeconds(10));
        assertThat(kubelet.registrations()).hasSize(1);
    }

    @Test
    void anOldKubeletAnswersBeforeItDials() throws Exception {
        // Given
        use(options().withVersion(KubeletVersion.V1_20).withDialLimit(Duration.ofMillis(200)));
        kubelet.start();

        // When
        plugin.register();

        // Then
        assertThat(kubelet.registrations().getFirst().accepted()).isTrue();
        assertThat(kubelet.devices()).isEmpty();
    }

    @Test
    void anOldKubeletTakesTheDevicesOfOneThatServes() throws Exception {
        // Given
        use(options().withVersion(KubeletVersion.V1_20));
        startBoth();
        plugin.send(device("a", "Healthy"));

        // When
        plugin.register();

        // Then
        kubelet.awaitDevices(devices -> devices.allocatable() == 1, LIMIT);
    }

    @Test
    void aHungRegisterIsNotAnswered() throws Exception {
        // Given
        startBoth();
        kubelet.hangRegister(true);
        var next = kubelet.nextRegistration().toCompletableFuture();

        // When
        assertThatThrownBy(plugin::register).hasMessageStartingWith("DEADLINE_EXCEEDED");

        // Then
        assertThat(next.get(5, TimeUnit.SECONDS).refusal()).isEqualTo("held back");
    }

    @Test
    void aRefusedRegisterGetsTheGivenStatus() throws Exception {
        // Given
        startBoth();
        kubelet.refuseRegister(Status.INTERNAL.withDescription("no room"));

        // When / Then
        assertThatThrownBy(plugin::register).hasMessage("INTERNAL: no room");
        assertThat(kubelet.registrations().getFirst().refusal()).isEqualTo("rpc error: code = Internal desc = no room");
    }

    @Test
    void theNewerOfTwoPluginsIsAskedAndTheOldersStreamStaysOpen() throws Exception {
        // Given
        startRegistered(device("a", "Healthy"));
        try (MinimalPlugin newer = new MinimalPlugin(directory, "newer.sock", GPU_RESOURCE, pluginLoops)) {
            newer.serve();
            newer.send(device("b", "Healthy"));
            newer.register();
            kubelet.awaitDevices(devices -> devices.healthyIds().equals(List.of("b")), LIMIT);

            // When: the older sends once more, its list replaces the newer's
            plugin.send(device("a", "Healthy"), device("b", "Healthy"));

            // Then
            kubelet.awaitDevices(devices -> devices.capacity() == 2, LIMIT);
            assertThat(kubelet.runPod("default", "p", "c", 1)).isInstanceOf(Admission.Admitted.class);
            assertThat(newer.allocateRequests).hasSize(1);
            assertThat(plugin.allocateRequests).isEmpty();
        }
    }

    @Test
    void aKubeletWithTheDefectLosesTheNewerPluginWithTheOlder() throws Exception {
        // Given
        use(options().withVersion(KubeletVersion.V1_27));
        startRegistered(device("a", "Healthy"));
        try (MinimalPlugin newer = new MinimalPlugin(directory, "newer.sock", GPU_RESOURCE, pluginLoops)) {
            newer.serve();
            newer.send(device("a", "Healthy"), device("b", "Healthy"));
            newer.register();
            kubelet.awaitDevices(devices -> devices.capacity() == 2, LIMIT);

            // When
            plugin.close();

            // Then
            kubelet.awaitDevices(devices -> !devices.connected() && devices.allocatable() == 0, LIMIT);
        }
    }

    // ---- streams

    @Test
    void eachListReplacesTheOneBefore() throws Exception {
        // Given
        startRegistered(device("a", "Healthy"), device("b", "Healthy"));

        // When
        plugin.send(device("b", "Unhealthy"), device("c", "Healthy"));

        // Then
        DeviceList list = kubelet.awaitDevices(devices -> devices.messages() == 2, LIMIT);
        assertThat(list.devices()).extracting(DeviceList.Device::id).containsExactly("b", "c");
        assertThat(list.healthyIds()).containsExactly("c");
    }

    @Test
    void theEndOfTheStreamLeavesAllDevicesUnhealthy() throws Exception {
        // Given
        startRegistered(device("a", "Healthy"), device("b", "Healthy"));

        // When
        plugin.completeStreams();

        // Then
        DeviceList list = kubelet.awaitDevices(devices -> !devices.connected(), LIMIT);
        assertThat(list.capacity()).isEqualTo(2);
        assertThat(list.allocatable()).isZero();
    }

    @Test
    void aResourceIsForgottenFiveMinutesAfterItsPluginEnded() throws Exception {
        // Given
        startRegistered(device("a", "Healthy"));
        plugin.close();
        kubelet.awaitDevices(devices -> !devices.connected(), LIMIT);
        time.advance(Duration.ofMinutes(5).minusNanos(1));
        assertThat(kubelet.devices()).containsKey(GPU_RESOURCE);

        // When
        time.advance(Duration.ofNanos(1));

        // Then
        assertThat(kubelet.devices()).isEmpty();
    }

    @Test
    void cancelledStreamsAreSeenByThePluginAndNotDialledAgain() throws Exception {
        // Given
        startRegistered(device("a", "Healthy"));

        // When
        kubelet.cancelStreams();

        // Then
        assertThat(plugin.awaitStreamCancelled(5)).isTrue();
        kubelet.awaitDevices(devices -> !devices.connected() && devices.allocatable() == 0, LIMIT);
        assertThat(kubelet.registerCalls()).isEqualTo(1);
    }

    @Test
    void anUnreadStreamPushesThePluginBack() throws Exception {
        // Given
        startRegistered(device("a", "Healthy"));
        kubelet.readStreams(false);
        Device[] many = new Device[1_000];
        for (int i = 0; i < many.length; i++) {
            many[i] = device("device-with-a-rather-long-name-" + i, "Healthy");
        }

        // When
        for (int i = 0; i < 10; i++) {
            plugin.send(many);
        }

        // Then: and the last list comes when it reads on
        assertThat(plugin.isPushedBack()).isTrue();
        kubelet.readStreams(true);
        kubelet.awaitDevices(devices -> devices.messages() == 11 && devices.capacity() == 1_000, LIMIT);
    }

    // ---- pods

    @Test
    void aPodGetsHealthyFreeDevices() throws Exception {
        // Given
        startRegistered(device("a", "Healthy"), device("b", "Unhealthy"), device("c", "Healthy"));

        // When
        Admission admission = kubelet.runPod("default", "p", "c", 2);

        // Then
        Admission.Admitted admitted = (Admission.Admitted) admission;
        assertThat(admitted.ids()).containsExactlyInAnyOrder("a", "c");
        assertThat(admitted.response().getContainerResponses(0).getEnvsOrThrow("DEVICES"))
                .isEqualTo(String.join(",", admitted.ids()));
        assertThat(plugin.preferredRequests).isEmpty();
    }

    @Test
    void tooManyDevicesAreRefusedWithTheirNumbers() throws Exception {
        // Given
        startRegistered(device("a", "Healthy"), device("b", "Healthy"));
        kubelet.runPod("default", "first", "c", 1);

        // When
        Admission admission = kubelet.runPod("default", "second", "c", 2);

        // Then
        assertThat(admission)
                .isEqualTo(new Admission.Refused(
                        "Pod Allocate failed due to requested number of devices unavailable for nvidia.com/gpu."
                                + " Requested: 2, Available: 1, which is unexpected"));
    }

    @Test
    void thePreferenceIsAskedForAndFollowed() throws Exception {
        // Given
        plugin.offersPreference(true);
        startRegistered(device("a", "Healthy"), device("b", "Healthy"), device("c", "Healthy"));
        plugin.preference = List.of("b", "c");

        // When
        Admission.Admitted admitted = (Admission.Admitted) kubelet.runPod("default", "p", "c", 2);

        // Then
        assertThat(admitted.ids()).containsExactlyInAnyOrder("b", "c");
        var asked = plugin.preferredRequests.getFirst().getContainerRequests(0);
        assertThat(asked.getAvailableDeviceIDsList()).containsExactlyInAnyOrder("a", "b", "c");
        assertThat(asked.getMustIncludeDeviceIDsList()).isEmpty();
        assertThat(asked.getAllocationSize()).isEqualTo(2);
    }

    @Test
    void aPreferenceThatIsTooShortOrNotFreeIsFilledUp() throws Exception {
        // Given
        plugin.offersPreference(true);
        startRegistered(device("a", "Healthy"), device("b", "Healthy"), device("c", "Unhealthy"));
        plugin.preference = List.of("c", "b", "x");

        // When
        Admission.Admitted admitted = (Admission.Admitted) kubelet.runPod("default", "p", "c", 2);

        // Then
        assertThat(admitted.ids()).containsExactlyInAnyOrder("a", "b");
    }

    @Test
    void anErrorOfThePreferenceRefusesThePod() throws Exception {
        // Given
        plugin.offersPreference(true);
        plugin.preferenceAnswers(Status.INTERNAL.withDescription("no topology"));
        startRegistered(device("a", "Healthy"));

        // When
        Admission admission = kubelet.runPod("default", "p", "c", 1);

        // Then
        assertThat(admission)
                .isEqualTo(new Admission.Refused("Pod Allocate failed due to device plugin GetPreferredAllocation rpc"
                        + " failed with err: rpc error: code = Internal desc = no topology, which is unexpected"));
    }

    @Test
    void anErrorOfAllocateRefusesThePodAndLeavesItsDevicesFree() throws Exception {
        // Given
        startRegistered(device("a", "Healthy"));
        plugin.allocateAnswers(Status.UNKNOWN.withDescription("gone"));

        // When
        Admission admission = kubelet.runPod("default", "p", "c", 1);

        // Then
        assertThat(admission)
                .isEqualTo(new Admission.Refused(
                        "Pod Allocate failed due to rpc error: code = Unknown desc = gone, which is unexpected"));
        plugin.allocateAnswers(Status.OK);
        assertThat(kubelet.runPod("default", "again", "c", 1)).isInstanceOf(Admission.Admitted.class);
    }

    @Test
    void anAllocateThatNeverAnswersIsGivenUpAfterTheLimit() throws Exception {
        // Given
        use(options().withCallLimit(Duration.ofMillis(100)));
        startRegistered(device("a", "Healthy"));
        plugin.allocateHangs(true);

        // When
        Admission admission = kubelet.runPod("default", "p", "c", 1);

        // Then
        assertThat(admission).isInstanceOf(Admission.Refused.class);
        assertThat(((Admission.Refused) admission).message()).contains("Allocate was not answered within 100 ms");
    }

    @Test
    void anUnregisteredResourceIsRefused() throws Exception {
        // Given
        kubelet.start();

        // When
        Admission admission = kubelet.runPod("default", "p", "c", 1);

        // Then
        assertThat(admission)
                .isEqualTo(new Admission.Refused("Pod Allocate failed due to cannot allocate unregistered device"
                        + " nvidia.com/gpu, which is unexpected"));
    }

    @Test
    void anEndedPodsDevicesAreFreeAgain() throws Exception {
        // Given
        startRegistered(device("a", "Healthy"));
        kubelet.runPod("default", "first", "c", 1);

        // When
        boolean ended = kubelet.endPod("default", "first");

        // Then
        assertThat(ended).isTrue();
        assertThat(kubelet.runPod("default", "second", "c", 1)).isInstanceOf(Admission.Admitted.class);
    }

    @Test
    void theSameSeedSendsIdsInTheSameOrder() throws Exception {
        // Given
        Device[] devices = new Device[8];
        for (int i = 0; i < devices.length; i++) {
            devices[i] = device("gpu-" + i, "Healthy");
        }
        Admission.Admitted first = admitted(8, devices);
        plugin.close();

        // When
        use(options());
        plugin = new MinimalPlugin(directory, "plugin.sock", GPU_RESOURCE, pluginLoops);
        Admission.Admitted second = admitted(8, devices);

        // Then
        assertThat(second.ids())
                .isEqualTo(first.ids())
                .isNotEqualTo(first.ids().stream().sorted().toList());
    }

    // ---- restarts

    @Test
    void aRestartDeletesSocketsOnlyAndKeepsWhatPodsHold() throws Exception {
        // Given
        startRegistered(device("a", "Healthy"), device("b", "Healthy"));
        kubelet.runPod("default", "p", "c", 1);
        Path checkpoint = Files.writeString(directory.resolve("kubelet_internal_checkpoint"), "{}");
        List<RunningContainer> before = kubelet.containers();

        // When
        kubelet.restart();

        // Then
        assertThat(plugin.awaitStreamCancelled(5)).isTrue();
        assertThat(directory.resolve("plugin.sock")).doesNotExist();
        assertThat(checkpoint).exists();
        assertThat(kubelet.containers()).isEqualTo(before);
        assertThat(kubelet.devices(GPU_RESOURCE))
                .hasValueSatisfying(devices -> assertThat(devices.capacity()).isZero());
        assertThat(listed()).hasSize(1);
    }

    @Test
    void afterARestartThePluginsDevicesComeWithItsNextRegistration() throws Exception {
        // Given
        startRegistered(device("a", "Healthy"), device("b", "Healthy"));
        String held = ((Admission.Admitted) kubelet.runPod("default", "p", "c", 1))
                .ids()
                .getFirst();
        kubelet.restart();

        // When
        plugin.close();
        plugin = new MinimalPlugin(directory, "again.sock", GPU_RESOURCE, pluginLoops);
        plugin.serve();
        plugin.send(device("a", "Healthy"), device("b", "Healthy"));
        plugin.register();

        // Then
        kubelet.awaitDevices(devices -> devices.allocatable() == 2, LIMIT);
        Admission.Admitted next = (Admission.Admitted) kubelet.runPod("default", "next", "c", 1);
        assertThat(next.ids()).doesNotContain(held);
    }

    @Test
    void aStoppedKubeletsSocketsStayAndRefuse() throws Exception {
        // Given
        startBoth();
        Path socket = directory.resolve("kubelet.sock");
        assertThat(UnixSockets.isListening(socket)).isTrue();

        // When
        kubelet.stop(LIMIT);

        // Then
        assertThat(socket).exists();
        assertThat(directory.resolve("plugin.sock")).exists();
        assertThat(UnixSockets.isListening(socket)).isFalse();
        assertThat(UnixSockets.isListening(temp.resolve("pod-resources/kubelet.sock")))
                .isFalse();
    }

    @Test
    void aBoundKubeletRefusesUntilItListensOnTheSameFile() throws Exception {
        // Given
        Path socket = directory.resolve("kubelet.sock");
        kubelet.bind();
        Object file = Files.getAttribute(socket, "unix:ino");
        assertThat(UnixSockets.isListening(socket)).isFalse();

        // When
        kubelet.start();

        // Then
        assertThat(UnixSockets.isListening(socket)).isTrue();
        assertThat(Files.getAttribute(socket, "unix:ino")).isEqualTo(file);
    }

    @Test
    void waitingForDevicesThatDoNotComeSaysWhatThereIs() throws Exception {
        // Given
        startRegistered(device("a", "Healthy"));

        // When / Then
        assertThatThrownBy(() -> kubelet.awaitDevices(devices -> devices.capacity() == 2, Duration.ofMillis(20)))
                .isInstanceOf(TimeoutException.class)
                .hasMessageContaining("id=a");
    }

    // ---- PodResources

    @Test
    void podResourcesGroupsAContainersDevicesByNumaNode() throws Exception {
        // Given
        startRegistered(onNodes("a", 0), onNodes("b", 1), onNodes("c", 0), device("d", "Healthy"));
        kubelet.runPod("team", "p", "c", 4);
        kubelet.runPod("team", "empty", "c", 0);

        // When
        List<PodResources> pods = listed();

        // Then
        assertThat(pods).extracting(PodResources::getName).containsExactly("p", "empty");
        assertThat(pods.getFirst().getContainers(0).getDevicesList())
                .extracting(ContainerDevices::getResourceName)
                .containsOnly(GPU_RESOURCE);
        assertThat(pods.getFirst().getContainers(0).getDevicesList())
                .extracting(entry -> Set.copyOf(entry.getDeviceIdsList()))
                .containsExactlyInAnyOrder(Set.of("a", "c"), Set.of("b"), Set.of("d"));
    }

    @Test
    void podResourcesCanListAContainersDevicesInOneEntry() throws Exception {
        // Given
        use(options().withGroupedByNumaNode(false));
        startRegistered(onNodes("a", 0), onNodes("b", 1));
        kubelet.runPod("team", "p", "c", 2);

        // When
        List<PodResources> pods = listed();

        // Then
        assertThat(pods.getFirst().getContainers(0).getDevicesList()).hasSize(1);
    }

    @Test
    void allocatableResourcesAreTheHealthyOnes() throws Exception {
        // Given
        startRegistered(onNodes("a", 0), device("b", "Unhealthy"));
        ManagedChannel channel = podResourcesChannel();
        try {
            // When
            var response = PodResourcesListerGrpc.newBlockingStub(channel)
                    .withDeadlineAfter(5, TimeUnit.SECONDS)
                    .getAllocatableResources(AllocatableResourcesRequest.getDefaultInstance());

            // Then
            assertThat(response.getDevicesList())
                    .singleElement()
                    .satisfies(entry -> assertThat(entry.getDeviceIdsList()).containsExactly("a"));
        } finally {
            channel.shutdownNow();
        }
    }

    private KubeletOptions options() {
        return KubeletOptions.of(directory, temp.resolve("pod-resources/kubelet.sock"));
    }

    private EmbeddedKubelet kubelet(KubeletOptions options) {
        return new EmbeddedKubelet(options, kubeletLoops, time);
    }

    private void use(KubeletOptions options) throws Exception {
        kubelet.close();
        kubelet = kubelet(options);
    }

    private void startBoth() throws Exception {
        kubelet.start();
        plugin.serve();
    }

    private void startRegistered(Device... devices) throws Exception {
        startBoth();
        plugin.send(devices);
        plugin.register();
        kubelet.awaitDevices(list -> list.capacity() == devices.length, LIMIT);
    }

    private Admission.Admitted admitted(int count, Device... devices) throws Exception {
        startRegistered(devices);
        return (Admission.Admitted) kubelet.runPod("default", "p", "c", count);
    }

    private ManagedChannel podResourcesChannel() {
        return UnixSockets.channel(temp.resolve("pod-resources/kubelet.sock"), pluginLoops)
                .build();
    }

    private List<PodResources> listed() {
        ManagedChannel channel = podResourcesChannel();
        try {
            return PodResourcesListerGrpc.newBlockingStub(channel)
                    .withDeadlineAfter(5, TimeUnit.SECONDS)
                    .list(ListPodResourcesRequest.getDefaultInstance())
                    .getPodResourcesList();
        } finally {
            channel.shutdownNow();
        }
    }
}
