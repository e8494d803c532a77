package io.gpunode.agent.deviceplugin;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.PciAddress;
import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.net.SocketFile;
import io.gpunode.agent.net.UnixSockets;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.testing.Snapshots;
import io.gpunode.agent.time.SystemTime;
import io.gpunode.deviceplugin.v1beta1.AllocateRequest;
import io.gpunode.deviceplugin.v1beta1.AllocateResponse;
import io.gpunode.deviceplugin.v1beta1.ContainerAllocateRequest;
import io.gpunode.deviceplugin.v1beta1.ContainerPreferredAllocationRequest;
import io.gpunode.deviceplugin.v1beta1.Device;
import io.gpunode.deviceplugin.v1beta1.DevicePluginGrpc;
import io.gpunode.deviceplugin.v1beta1.DevicePluginOptions;
import io.gpunode.deviceplugin.v1beta1.Empty;
import io.gpunode.deviceplugin.v1beta1.ListAndWatchResponse;
import io.gpunode.deviceplugin.v1beta1.PreStartContainerRequest;
import io.gpunode.deviceplugin.v1beta1.PreStartContainerResponse;
import io.gpunode.deviceplugin.v1beta1.PreferredAllocationRequest;
import io.gpunode.deviceplugin.v1beta1.PreferredAllocationResponse;
import io.grpc.CallOptions;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.ClientResponseObserver;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The server as a kubelet's gRPC client meets it, over a real socket. */
@Timeout(20)
class DevicePluginServerTest {
    private static EventLoops serverLoops;
    private static EventLoops clientLoops;

    @TempDir
    private Path directory;

    private final Snapshots node = Snapshots.h100x8();
    private final DeviceCatalog catalog =
            new DeviceCatalog(PluginConfigs.envvar(), new SystemHostFiles(Path.of("/nonexistent")));
    private final RecordedTroubles troubles = new RecordedTroubles();
    private final PluginCounts counts = new PluginCounts(Meters.NONE, "nvidia.com/gpu", troubles);
    private final Semaphore streamsChanged = new Semaphore(0);
    private Path socket;
    private DevicePluginServer server;
    private ManagedChannel channel;

    @BeforeAll
    static void openLoops() {
        serverLoops = EventLoops.open("server-io");
        clientLoops = EventLoops.open("client-io");
    }

    @AfterAll
    static void closeLoops() {
        serverLoops.close();
        clientLoops.close();
    }

    @BeforeEach
    void serve() throws IOException {
        socket = directory.resolve("plugin.sock");
        server = open(socket);
        channel = UnixSockets.channel(socket, clientLoops).build();
    }

    @AfterEach
    void close() {
        channel.shutdownNow();
        server.close();
    }

    @Test
    void offersPreferredAllocationAndNoPreStart() {
        DevicePluginOptions options =
                DevicePluginGrpc.newBlockingStub(channel).getDevicePluginOptions(Empty.getDefaultInstance());

        assertThat(options.getGetPreferredAllocationAvailable()).isTrue();
        assertThat(options.getPreStartRequired()).isFalse();
    }

    @Test
    void allocatesOverTheWire() {
        AllocateResponse response = DevicePluginGrpc.newBlockingStub(channel)
                .allocate(request(List.of(Snapshots.uuid(1), Snapshots.uuid(0))));

        assertThat(response.getContainerResponsesList())
                .singleElement()
                .satisfies(container -> assertThat(container.getEnvsMap())
                        .containsEntry("NVIDIA_VISIBLE_DEVICES", Snapshots.uuid(0) + "," + Snapshots.uuid(1)));
        assertThat(counts.allocations()).isEqualTo(1);
    }

    @Test
    void refusalsReachTheKubeletAsStatusWithTheSentence() {
        StatusRuntimeException refused = catchThrowableOfType(
                StatusRuntimeException.class,
                () -> DevicePluginGrpc.newBlockingStub(channel).allocate(request(List.of("GPU-gone"))));

        assertThat(refused.getStatus().getCode()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(refused.getStatus().getDescription()).contains("\"GPU-gone\"");
        assertThat(counts.refusedAllocations()).isEqualTo(1);
        assertThat(troubles.heard())
                .containsExactly(
                        "refused nvidia.com/gpu: " + refused.getStatus().getDescription());
    }

    @Test
    void anAllocateWithoutContainersIsRefused() {
        assertThatThrownBy(
                        () -> DevicePluginGrpc.newBlockingStub(channel).allocate(AllocateRequest.getDefaultInstance()))
                .hasMessageContaining("0 containers");
    }

    @Test
    void aRequestBeyondTheMessageLimitEndsThatCallOnly() {
        AllocateRequest huge = request(List.of("x".repeat(5 << 20)));

        assertThatThrownBy(() -> DevicePluginGrpc.newBlockingStub(channel).allocate(huge))
                .isInstanceOf(StatusRuntimeException.class);

        assertThat(DevicePluginGrpc.newBlockingStub(channel)
                        .allocate(request(Snapshots.uuids(1)))
                        .getContainerResponsesCount())
                .isEqualTo(1);
    }

    @Test
    void prefersOverTheWire() {
        PreferredAllocationResponse response = DevicePluginGrpc.newBlockingStub(channel)
                .getPreferredAllocation(PreferredAllocationRequest.newBuilder()
                        .addContainerRequests(ContainerPreferredAllocationRequest.newBuilder()
                                .addAllAvailableDeviceIDs(Snapshots.uuids(8).reversed())
                                .addMustIncludeDeviceIDs(Snapshots.uuid(5))
                                .setAllocationSize(2))
                        .build());

        assertThat(response.getContainerResponses(0).getDeviceIDsList())
                .containsExactly(Snapshots.uuid(4), Snapshots.uuid(5));
    }

    @Test
    void preStartContainerDoesNothing() {
        assertThat(DevicePluginGrpc.newBlockingStub(channel)
                        .preStartContainer(PreStartContainerRequest.newBuilder()
                                .addDevicesIds(Snapshots.uuid(0))
                                .build()))
                .isEqualTo(PreStartContainerResponse.getDefaultInstance());
    }

    @Test
    void acceptsTheSocketsPathAsAuthority() {
        // Given: what grpc-go sends for a unix target
        CallOptions odd = CallOptions.DEFAULT.withAuthority(socket.toString());

        // When
        DevicePluginOptions options = ClientCalls.blockingUnaryCall(
                channel, DevicePluginGrpc.getGetDevicePluginOptionsMethod(), odd, Empty.getDefaultInstance());

        // Then
        assertThat(options.getGetPreferredAllocationAvailable()).isTrue();
    }

    @Test
    void toleratesAPingAfterEveryMessage() throws InterruptedException {
        // Given: like grpc-go's, this client probes the bandwidth with a PING for the data that it receives
        Stream stream = watch(Integer.MAX_VALUE);
        stream.next();

        // When
        for (int i = 0; i < 20; i++) {
            server.publish(catalog.update((i % 2 == 0 ? node.unhealthy(0) : node.healthy(0)).build(), CdiCoverage.NONE)
                    .getFirst());
            stream.next();
        }

        // Then
        assertThat(stream.ended()).isFalse();
    }

    @Test
    void aStreamBeginsWithTheWholeListAndFollowsChanges() throws InterruptedException {
        // Given
        Stream stream = watch(Integer.MAX_VALUE);
        assertThat(stream.next().getDevicesList())
                .hasSize(8)
                .allSatisfy(device -> assertThat(device.getHealth()).isEqualTo("Healthy"));

        // When
        server.publish(
                catalog.update(node.unhealthy(5).build(), CdiCoverage.NONE).getFirst());

        // Then
        assertThat(stream.next().getDevicesList())
                .filteredOn(device -> device.getHealth().equals("Unhealthy"))
                .extracting(Device::getID)
                .containsExactly(Snapshots.uuid(5));
    }

    @Test
    void anEqualListIsNotSentAgain() throws InterruptedException {
        // Given
        Stream stream = watch(Integer.MAX_VALUE);
        stream.next();

        // When
        server.publish(new DeviceCatalog(PluginConfigs.envvar(), new SystemHostFiles(Path.of("/nonexistent")))
                .update(node.build(), CdiCoverage.NONE)
                .getFirst());
        server.publish(
                catalog.update(node.unhealthy(1).build(), CdiCoverage.NONE).getFirst());

        // Then
        assertThat(stream.next().getDevices(1).getHealth()).isEqualTo("Unhealthy");
        assertThat(counts.listsSent()).isEqualTo(2);
    }

    @Test
    void aBurstOfChangesIsFewListsAndEndsWithTheNewest() throws InterruptedException {
        // Given
        Stream stream = watch(Integer.MAX_VALUE);
        stream.next();

        // When
        for (int i = 0; i < 8; i++) {
            server.publish(
                    catalog.update(node.unhealthy(i).build(), CdiCoverage.NONE).getFirst());
        }

        // Then
        ListAndWatchResponse last = stream.next();
        while (last.getDevicesList().stream()
                .anyMatch(device -> device.getHealth().equals("Healthy"))) {
            last = stream.next();
        }
        assertThat(counts.listsSent()).isLessThanOrEqualTo(5);
    }

    @Test
    void aClientThatNeverReadsCostsOneWindowAndGetsTheNewestListInTheEnd() throws InterruptedException {
        // Given: lists of some 100 KiB, more than the kubelet's flow control window
        server.publish(manyDevices("first"));
        ManagedChannel narrow = UnixSockets.channel(socket, clientLoops)
                .flowControlWindow(65_535)
                .build();
        Stream stream = new Stream(0);
        DevicePluginGrpc.newStub(narrow).listAndWatch(Empty.getDefaultInstance(), stream);

        // When
        for (int i = 0; i < 30; i++) {
            server.publish(manyDevices("round " + i));
            serverLoops.loop().schedule(() -> {}, 12, TimeUnit.MILLISECONDS).await(10, TimeUnit.SECONDS);
        }
        long sentUnread = counts.listsSent();
        server.publish(manyDevices(""));
        stream.take(Integer.MAX_VALUE);

        // Then
        assertThat(sentUnread).as("lists sent to a client that does not read").isLessThanOrEqualTo(2);
        ListAndWatchResponse list = stream.next();
        while (list.getDevices(0).getHealth().equals("Unhealthy")) {
            list = stream.next();
        }
        narrow.shutdownNow();
    }

    @Test
    void aCancelledStreamIsNoticed() throws InterruptedException {
        // Given
        Stream stream = watch(Integer.MAX_VALUE);
        stream.next();
        assertThat(streamsChanged.tryAcquire(10, TimeUnit.SECONDS)).isTrue();

        // When
        stream.cancel();

        // Then
        assertThat(streamsChanged.tryAcquire(10, TimeUnit.SECONDS)).isTrue();
        assertThat(server.openStreams()).isZero();
    }

    @Test
    void theEndOfTheLastConnectionIsNoticedWithoutAStream() throws InterruptedException {
        // Given
        DevicePluginOptions _ =
                DevicePluginGrpc.newBlockingStub(channel).getDevicePluginOptions(Empty.getDefaultInstance());
        boolean whileConnected = server.left();

        // When
        channel.shutdownNow();

        // Then
        assertThat(whileConnected).isFalse();
        assertThat(streamsChanged.tryAcquire(10, TimeUnit.SECONDS)).isTrue();
        assertThat(server.left()).isTrue();
    }

    @Test
    void whoOnlyLooksWhetherTheSocketIsListenedOnHasNotBeenThere() {
        // Given
        for (int i = 0; i < 10; i++) {
            assertThat(UnixSockets.isListening(server.socket())).isTrue();
        }

        // When: the looks came first, so they have ended when this is answered
        DevicePluginOptions _ =
                DevicePluginGrpc.newBlockingStub(channel).getDevicePluginOptions(Empty.getDefaultInstance());

        // Then
        assertThat(streamsChanged.tryAcquire()).isFalse();
        assertThat(server.left()).isFalse();
    }

    @Test
    void streamsBeyondTheLimitAreRefused() throws InterruptedException {
        // Given
        for (int i = 0; i < 16; i++) {
            watch(Integer.MAX_VALUE).next();
        }

        // When
        Stream refused = watch(Integer.MAX_VALUE);

        // Then
        assertThat(refused.end()).contains("RESOURCE_EXHAUSTED");
        assertThat(server.openStreams()).isEqualTo(16);
    }

    @Test
    void aSilencedServerSendsNoListAndAnswersCalls() throws InterruptedException {
        // Given
        Stream stream = watch(Integer.MAX_VALUE);
        stream.next();

        // When
        server.silence();
        server.publish(
                catalog.update(node.unhealthy(5).build(), CdiCoverage.NONE).getFirst());
        AllocateResponse response =
                DevicePluginGrpc.newBlockingStub(channel).allocate(request(List.of(Snapshots.uuid(1))));

        // Then
        assertThat(response.getContainerResponsesCount()).isEqualTo(1);
        serverLoops.loop().schedule(() -> {}, 20, TimeUnit.MILLISECONDS).await(10, TimeUnit.SECONDS);
        assertThat(counts.listsSent()).isEqualTo(1);
        assertThat(stream.ended()).isFalse();
    }

    @Test
    void aRetiredServerSendsAnEmptyListEndsItsStreamsAndRemovesItsSocket() throws Exception {
        // Given
        Stream stream = watch(Integer.MAX_VALUE);
        stream.next();

        // When
        server.retire();

        // Then
        assertThat(stream.next().getDevicesCount()).isZero();
        assertThat(stream.end()).isEqualTo("completed");
        assertThat(server.openStreams()).isZero();
        for (int i = 0; i < 1_000 && !server.ended(); i++) {
            serverLoops.loop().schedule(() -> {}, 5, TimeUnit.MILLISECONDS).await(10, TimeUnit.SECONDS);
        }
        assertThat(server.ended()).isTrue();
        assertThat(SocketFile.look(socket)).isEqualTo(new SocketFile.Missing());
    }

    @Test
    void closingRemovesTheSocketFile() {
        server.close();

        assertThat(SocketFile.look(socket)).isEqualTo(new SocketFile.Missing());
    }

    @Test
    void whatAPredecessorLeftIsReplaced() throws IOException {
        // Given
        Path left = directory.resolve("left.sock");
        Files.createFile(left);

        // When
        try (DevicePluginServer replaced = open(left)) {
            // Then
            assertThat(replaced.bound()).isInstanceOf(SocketFile.Present.class);
        }
    }

    @Test
    void aDirectoryInPlaceOfTheSocketIsNamed() throws IOException {
        Path taken = Files.createDirectory(directory.resolve("taken.sock"));

        assertThatThrownBy(() -> open(taken))
                .isInstanceOf(IOException.class)
                .hasMessageContaining(taken.toString())
                .hasMessageContaining("there is a directory; remove it");
    }

    @Test
    void aMissingDirectoryIsNamed() {
        assertThatThrownBy(() -> open(directory.resolve("none/plugin.sock")))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("there is no directory " + directory.resolve("none"));
    }

    @Test
    void aPathBeyondTheKernelsLimitIsNamedWithItsLength() {
        Path path = Path.of("/" + "x".repeat(107));

        assertThatThrownBy(() -> UnixSockets.checkPath(path, "kubelet.devicePluginDirectory"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("has 108 bytes, Linux allows 107")
                .hasMessageContaining("kubelet.devicePluginDirectory");
    }

    private DevicePluginServer open(Path path) throws IOException {
        return DevicePluginServer.open(
                path,
                serverLoops,
                catalog.update(node.build(), CdiCoverage.NONE).getFirst(),
                () -> HeldDevices.UNKNOWN,
                counts,
                SystemTime.monotonic(),
                streamsChanged::release,
                null);
    }

    private Stream watch(int requested) {
        Stream stream = new Stream(requested);
        DevicePluginGrpc.newStub(channel).listAndWatch(Empty.getDefaultInstance(), stream);
        return stream;
    }

    /** Each problem makes another list; the devices of an empty one are healthy. */
    private static AdvertisedDevices manyDevices(String problem) {
        List<AdvertisedDevice> devices = new ArrayList<>();
        for (int i = 0; i < 2_000; i++) {
            devices.add(AdvertisedDevice.gpu(
                    new GpuId(Snapshots.uuid(i)),
                    i,
                    i,
                    new PciAddress(0, 0, 0, 0),
                    OptionalInt.of(problem.hashCode() & 0xff),
                    problem));
        }
        return new AdvertisedDevices("nvidia.com/gpu", "", devices, PairScores.NONE, AllocationRules.NONE);
    }

    private static AllocateRequest request(List<String> ids) {
        return AllocateRequest.newBuilder()
                .addContainerRequests(ContainerAllocateRequest.newBuilder().addAllDevicesIds(ids))
                .build();
    }

    /** A client's end of ListAndWatch that takes only what it asked for. */
    private static final class Stream implements ClientResponseObserver<Empty, ListAndWatchResponse> {
        private final int requested;
        private final LinkedBlockingQueue<ListAndWatchResponse> lists = new LinkedBlockingQueue<>();
        private final LinkedBlockingQueue<String> ends = new LinkedBlockingQueue<>();
        private @Nullable ClientCallStreamObserver<Empty> call;

        Stream(int requested) {
            this.requested = requested;
        }

        ListAndWatchResponse next() throws InterruptedException {
            ListAndWatchResponse list = lists.poll(10, TimeUnit.SECONDS);
            if (list == null) {
                throw new AssertionError("no list within 10 s; ended: " + ends);
            }
            return list;
        }

        String end() throws InterruptedException {
            return String.valueOf(ends.poll(10, TimeUnit.SECONDS));
        }

        boolean ended() {
            return !ends.isEmpty();
        }

        void take(int more) {
            started().request(more);
        }

        void cancel() {
            started().cancel("test", null);
        }

        private ClientCallStreamObserver<Empty> started() {
            if (call == null) {
                throw new AssertionError("not started");
            }
            return call;
        }

        @Override
        public void beforeStart(ClientCallStreamObserver<Empty> started) {
            call = started;
            started.disableAutoRequestWithInitial(requested);
        }

        @Override
        public void onNext(ListAndWatchResponse list) {
            lists.add(list);
        }

        @Override
        public void onError(Throwable error) {
            ends.add(error.toString());
        }

        @Override
        public void onCompleted() {
            ends.add("completed");
        }
    }
}
