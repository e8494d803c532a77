package io.gpunode.agent.testing;

import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.net.UnixSockets;
import io.gpunode.deviceplugin.v1beta1.AllocateRequest;
import io.gpunode.deviceplugin.v1beta1.AllocateResponse;
import io.gpunode.deviceplugin.v1beta1.ContainerAllocateResponse;
import io.gpunode.deviceplugin.v1beta1.ContainerPreferredAllocationResponse;
import io.gpunode.deviceplugin.v1beta1.Device;
import io.gpunode.deviceplugin.v1beta1.DevicePluginGrpc;
import io.gpunode.deviceplugin.v1beta1.DevicePluginOptions;
import io.gpunode.deviceplugin.v1beta1.Empty;
import io.gpunode.deviceplugin.v1beta1.ListAndWatchResponse;
import io.gpunode.deviceplugin.v1beta1.NUMANode;
import io.gpunode.deviceplugin.v1beta1.PreferredAllocationRequest;
import io.gpunode.deviceplugin.v1beta1.PreferredAllocationResponse;
import io.gpunode.deviceplugin.v1beta1.RegisterRequest;
import io.gpunode.deviceplugin.v1beta1.RegistrationGrpc;
import io.gpunode.deviceplugin.v1beta1.TopologyInfo;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The least that is a device plugin: serves, registers when told, sends the lists that it is given, answers Allocate with an environment
 * variable. Knobs make its calls fail or hang.
 */
public final class MinimalPlugin extends DevicePluginGrpc.DevicePluginImplBase implements AutoCloseable {
    private final Path directory;
    private final String endpoint;
    private final String resource;
    private final EventLoops loops;
    private final List<ServerCallStreamObserver<ListAndWatchResponse>> streams = new CopyOnWriteArrayList<>();
    private volatile ListAndWatchResponse list = ListAndWatchResponse.getDefaultInstance();
    private volatile DevicePluginOptions options = DevicePluginOptions.getDefaultInstance();
    private volatile Status allocateStatus = Status.OK;
    private volatile Status preferredStatus = Status.OK;
    private volatile boolean allocateHangs;
    private final CountDownLatch streamEnded = new CountDownLatch(1);
    private @Nullable Server server;

    /** What it was asked, in order. */
    public final List<AllocateRequest> allocateRequests = new CopyOnWriteArrayList<>();

    /** What it was asked, in order. */
    public final List<PreferredAllocationRequest> preferredRequests = new CopyOnWriteArrayList<>();

    /** What it answers; empty for the first ids in their natural order. */
    public volatile List<String> preference = List.of();

    public MinimalPlugin(Path directory, String endpoint, String resource, EventLoops loops) {
        this.directory = directory;
        this.endpoint = endpoint;
        this.resource = resource;
        this.loops = loops;
    }

    /** A device without a NUMA node. */
    public static Device device(String id, String health) {
        return Device.newBuilder().setID(id).setHealth(health).build();
    }

    /** A healthy device on NUMA nodes. */
    public static Device onNodes(String id, long... nodes) {
        TopologyInfo.Builder topology = TopologyInfo.newBuilder();
        for (long node : nodes) {
            topology.addNodes(NUMANode.newBuilder().setID(node));
        }
        return device(id, "Healthy").toBuilder().setTopology(topology).build();
    }

    /** Listens on its socket; a file that is in the way is removed. */
    public void serve() throws IOException {
        Files.deleteIfExists(directory.resolve(endpoint));
        server = UnixSockets.server(directory.resolve(endpoint), loops)
                .addService(this)
                .build()
                .start();
    }

    /** Registers as v1beta1. Throws the kubelet's status. */
    public void register() throws InterruptedException {
        register("v1beta1");
    }

    /** Registers; gives up after 5 s. */
    public void register(String version) throws InterruptedException {
        register(version, Duration.ofSeconds(5));
    }

    /** Registers; gives up after the limit. */
    public void register(String version, Duration limit) throws InterruptedException {
        ManagedChannel channel =
                UnixSockets.channel(directory.resolve("kubelet.sock"), loops).build();
        try {
            var _ = RegistrationGrpc.newBlockingStub(channel)
                    .withDeadlineAfter(limit.toNanos(), TimeUnit.NANOSECONDS)
                    .register(RegisterRequest.newBuilder()
                            .setVersion(version)
                            .setEndpoint(endpoint)
                            .setResourceName(resource)
                            .setOptions(options)
                            .build());
        } finally {
            channel.shutdownNow().awaitTermination(5, TimeUnit.SECONDS);
        }
    }

    /** Sends a list to all streams, and to those to come. */
    public void send(Device... devices) {
        list = ListAndWatchResponse.newBuilder().addAllDevices(List.of(devices)).build();
        streams.forEach(stream -> stream.onNext(list));
    }

    /** Whether GetPreferredAllocation is offered. */
    public void offersPreference(boolean on) {
        options = DevicePluginOptions.newBuilder()
                .setGetPreferredAllocationAvailable(on)
                .build();
    }

    /** How Allocate answers. */
    public void allocateAnswers(Status status) {
        allocateStatus = status;
    }

    /** Whether Allocate answers at all. */
    public void allocateHangs(boolean on) {
        allocateHangs = on;
    }

    /** How GetPreferredAllocation answers. */
    public void preferenceAnswers(Status status) {
        preferredStatus = status;
    }

    /** Ends its streams in good order. */
    public void completeStreams() {
        streams.forEach(StreamObserver::onCompleted);
        streams.clear();
    }

    /** Whether a stream was cancelled by the kubelet, or is within the limit. */
    public boolean awaitStreamCancelled(long seconds) throws InterruptedException {
        return streamEnded.await(seconds, TimeUnit.SECONDS);
    }

    /** Whether some stream takes no more without buffering. */
    public boolean isPushedBack() {
        return streams.stream().anyMatch(stream -> !stream.isReady());
    }

    @Override
    public void getDevicePluginOptions(Empty request, StreamObserver<DevicePluginOptions> observer) {
        observer.onNext(options);
        observer.onCompleted();
    }

    @Override
    public void listAndWatch(Empty request, StreamObserver<ListAndWatchResponse> observer) {
        ServerCallStreamObserver<ListAndWatchResponse> stream =
                (ServerCallStreamObserver<ListAndWatchResponse>) observer;
        stream.setOnCancelHandler(() -> {
            streams.remove(stream);
            streamEnded.countDown();
        });
        streams.add(stream);
        stream.onNext(list);
    }

    @Override
    public void getPreferredAllocation(
            PreferredAllocationRequest request, StreamObserver<PreferredAllocationResponse> observer) {
        preferredRequests.add(request);
        if (!preferredStatus.isOk()) {
            observer.onError(preferredStatus.asRuntimeException());
            return;
        }
        List<String> ids = preference;
        if (ids.isEmpty()) {
            ids = new ArrayList<>(request.getContainerRequests(0).getAvailableDeviceIDsList());
            ids.sort(null);
            ids = ids.subList(0, request.getContainerRequests(0).getAllocationSize());
        }
        observer.onNext(PreferredAllocationResponse.newBuilder()
                .addContainerResponses(
                        ContainerPreferredAllocationResponse.newBuilder().addAllDeviceIDs(ids))
                .build());
        observer.onCompleted();
    }

    @Override
    public void allocate(AllocateRequest request, StreamObserver<AllocateResponse> observer) {
        allocateRequests.add(request);
        if (allocateHangs) {
            return;
        }
        if (!allocateStatus.isOk()) {
            observer.onError(allocateStatus.asRuntimeException());
            return;
        }
        observer.onNext(AllocateResponse.newBuilder()
                .addContainerResponses(ContainerAllocateResponse.newBuilder()
                        .putEnvs(
                                "DEVICES",
                                String.join(",", request.getContainerRequests(0).getDevicesIdsList())))
                .build());
        observer.onCompleted();
    }

    @Override
    public void close() {
        if (server == null) {
            return;
        }
        try {
            server.shutdownNow().awaitTermination(5, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
