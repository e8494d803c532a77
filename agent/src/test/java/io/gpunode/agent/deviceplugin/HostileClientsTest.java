package io.gpunode.agent.deviceplugin;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.net.UnixSockets;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.testing.Snapshots;
import io.gpunode.agent.time.SystemTime;
import io.gpunode.deviceplugin.v1beta1.AllocateRequest;
import io.gpunode.deviceplugin.v1beta1.ContainerAllocateRequest;
import io.gpunode.deviceplugin.v1beta1.DevicePluginGrpc;
import io.gpunode.deviceplugin.v1beta1.DevicePluginOptions;
import io.gpunode.deviceplugin.v1beta1.Empty;
import io.gpunode.deviceplugin.v1beta1.ListAndWatchResponse;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Whoever reaches the plugin's socket and is no kubelet: after each of them a kubelet is served as ever. */
@Timeout(60)
class HostileClientsTest {
    private static final byte[] PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".getBytes(StandardCharsets.US_ASCII);

    private static EventLoops serverLoops;
    private static EventLoops clientLoops;

    @TempDir
    private Path directory;

    private final PluginCounts counts = new PluginCounts(Meters.NONE, "nvidia.com/gpu", AllocationTroubles.UNHEARD);
    private final List<SocketChannel> raw = new ArrayList<>();
    private Path socket;
    private DevicePluginServer server;

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
        server = DevicePluginServer.open(
                socket,
                serverLoops,
                new DeviceCatalog(PluginConfigs.envvar(), new SystemHostFiles(Path.of("/nonexistent")))
                        .update(Snapshots.h100x8().build(), CdiCoverage.NONE)
                        .getFirst(),
                () -> HeldDevices.UNKNOWN,
                counts,
                SystemTime.monotonic(),
                () -> {},
                null,
                Duration.ofMillis(500));
    }

    @AfterEach
    void close() throws IOException {
        for (SocketChannel channel : raw) {
            channel.close();
        }
        server.close();
    }

    @Test
    void randomBytesEndTheirConnectionOnly() throws Exception {
        // Given
        Random random = new Random(7);

        for (int i = 0; i < 200; i++) {
            byte[] bytes = new byte[1 + random.nextInt(2_000)];
            random.nextBytes(bytes);

            // When
            send(connect(), bytes);
        }

        // Then
        assertServed();
    }

    @Test
    void randomFramesAfterAPrefaceEndTheirConnectionOnly() throws Exception {
        // Given
        Random random = new Random(8);

        for (int i = 0; i < 200; i++) {
            byte[] bytes = new byte[1 + random.nextInt(500)];
            random.nextBytes(bytes);
            SocketChannel channel = connect();
            send(channel, PREFACE);

            // When
            send(channel, bytes);
        }

        // Then
        assertServed();
    }

    @Test
    void aRequestInAnotherLanguageEndsItsConnectionOnly() throws Exception {
        // When
        send(connect(), "GET / HTTP/1.1\r\nHost: x\r\n\r\n".getBytes(StandardCharsets.US_ASCII));

        // Then
        assertServed();
    }

    @Test
    void aFrameOfSixteenMegabytesIsNotWaitedFor() throws Exception {
        // Given
        SocketChannel channel = connect();
        send(channel, PREFACE);
        send(channel, new byte[] {0, 0, 0, 4, 0, 0, 0, 0, 0});

        // When: a DATA frame that says that it has 2^24 - 1 bytes
        send(channel, new byte[] {(byte) 0xff, (byte) 0xff, (byte) 0xff, 0, 0, 0, 0, 0, 1});

        // Then
        assertThat(readToEnd(channel)).as("closed by the server").isTrue();
        assertServed();
    }

    @Test
    void connectionsThatSayNothingAreClosedAfterAWhile() throws Exception {
        // Given
        for (int i = 0; i < 100; i++) {
            connect();
        }

        // When / Then: there are more of them than may be open; the kubelet's turn comes when the first are closed
        assertServed();
        assertThat(readToEnd(raw.getFirst())).isTrue();
    }

    @Test
    void tenThousandCallsAreAnsweredAndLeaveNothing() throws Exception {
        // Given
        ManagedChannel channel = UnixSockets.channel(socket, clientLoops).build();
        CountDownLatch answered = new CountDownLatch(10_000);

        // When
        for (int i = 0; i < 10_000; i++) {
            DevicePluginGrpc.newStub(channel)
                    .getDevicePluginOptions(Empty.getDefaultInstance(), new StreamObserver<>() {
                        @Override
                        public void onNext(DevicePluginOptions value) {}

                        @Override
                        public void onError(Throwable error) {
                            answered.countDown();
                        }

                        @Override
                        public void onCompleted() {
                            answered.countDown();
                        }
                    });
        }

        // Then
        assertThat(answered.await(30, TimeUnit.SECONDS)).isTrue();
        channel.shutdownNow();
        assertServed();
    }

    @Test
    void streamsThatAreOpenedOnlyToBeResetEndTheirConnectionOnly() throws Exception {
        // Given
        ManagedChannel channel = UnixSockets.channel(socket, clientLoops).build();

        // When
        for (int i = 0; i < 2_000; i++) {
            Reset reset = new Reset();
            DevicePluginGrpc.newStub(channel).listAndWatch(Empty.getDefaultInstance(), reset);
            reset.cancel();
        }

        // Then
        assertServed();
        channel.shutdownNow();
        for (int i = 0; i < 1_000 && server.openStreams() > 0; i++) {
            clientLoops.loop().schedule(() -> {}, 5, TimeUnit.MILLISECONDS).await();
        }
        assertThat(server.openStreams()).isZero();
    }

    @Test
    void anAllocateOfMoreIdsThanThereCanBeIsRefused() throws Exception {
        // Given
        ManagedChannel channel = UnixSockets.channel(socket, clientLoops).build();
        ContainerAllocateRequest.Builder ids = ContainerAllocateRequest.newBuilder();
        for (int i = 0; i < 15_000; i++) {
            ids.addDevicesIds("GPU-00000000-0000-0000-0000-00000000000" + i);
        }

        // When
        String refusal = "";
        try {
            var _ = DevicePluginGrpc.newBlockingStub(channel)
                    .allocate(AllocateRequest.newBuilder()
                            .addContainerRequests(ids)
                            .build());
        } catch (StatusRuntimeException e) {
            refusal = String.valueOf(e.getStatus().getDescription());
        }

        // Then
        channel.shutdownNow();
        assertThat(refusal).contains("15000 device IDs").contains("advertises 8");
        assertServed();
    }

    /** A kubelet of another connection: options, a list, an Allocate. */
    private void assertServed() throws Exception {
        ManagedChannel channel = UnixSockets.channel(socket, clientLoops).build();
        try {
            var stub = DevicePluginGrpc.newBlockingStub(channel)
                    .withWaitForReady()
                    .withDeadlineAfter(20, TimeUnit.SECONDS);
            assertThat(stub.getDevicePluginOptions(Empty.getDefaultInstance()).getGetPreferredAllocationAvailable())
                    .isTrue();
            assertThat(stub.listAndWatch(Empty.getDefaultInstance()).next().getDevicesCount())
                    .isEqualTo(8);
            assertThat(stub.allocate(AllocateRequest.newBuilder()
                                    .addContainerRequests(ContainerAllocateRequest.newBuilder()
                                            .addDevicesIds(Snapshots.uuid(0)))
                                    .build())
                            .getContainerResponsesCount())
                    .isEqualTo(1);
        } finally {
            channel.shutdownNow();
        }
    }

    private SocketChannel connect() throws IOException {
        SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
        raw.add(channel);
        channel.connect(UnixDomainSocketAddress.of(socket));
        return channel;
    }

    /** Sends as much as is taken; a server that has hung up is fine. */
    private static void send(SocketChannel channel, byte[] bytes) {
        try {
            ByteBuffer buffer = ByteBuffer.wrap(bytes);
            while (buffer.hasRemaining()) {
                channel.write(buffer);
            }
        } catch (IOException e) {
            assertThat(e).hasMessageMatching("(?i).*(broken pipe|reset).*");
        }
    }

    /** Whether the server closes the connection; the test's time bound ends it if not. */
    private static boolean readToEnd(SocketChannel channel) {
        try {
            ByteBuffer buffer = ByteBuffer.allocate(1_024);
            while (channel.read(buffer) >= 0) {
                buffer.clear();
            }
            return true;
        } catch (IOException e) {
            return true;
        }
    }

    /** A call that is cancelled at once. */
    private static final class Reset implements ClientResponseObserver<Empty, ListAndWatchResponse> {
        private @Nullable ClientCallStreamObserver<Empty> call;

        void cancel() {
            if (call != null) {
                call.cancel("reset", null);
            }
        }

        @Override
        public void beforeStart(ClientCallStreamObserver<Empty> started) {
            call = started;
        }

        @Override
        public void onNext(ListAndWatchResponse list) {}

        @Override
        public void onError(Throwable error) {}

        @Override
        public void onCompleted() {}
    }
}
