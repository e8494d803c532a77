package io.gpunode.agent.deviceplugin;

import io.gpunode.agent.deviceplugin.Allocation.DeviceNode;
import io.gpunode.agent.deviceplugin.Allocation.Mount;
import io.gpunode.agent.deviceplugin.PluginCounts.Method;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import io.gpunode.deviceplugin.v1beta1.AllocateRequest;
import io.gpunode.deviceplugin.v1beta1.AllocateResponse;
import io.gpunode.deviceplugin.v1beta1.CDIDevice;
import io.gpunode.deviceplugin.v1beta1.ContainerAllocateRequest;
import io.gpunode.deviceplugin.v1beta1.ContainerAllocateResponse;
import io.gpunode.deviceplugin.v1beta1.ContainerPreferredAllocationRequest;
import io.gpunode.deviceplugin.v1beta1.ContainerPreferredAllocationResponse;
import io.gpunode.deviceplugin.v1beta1.DevicePluginGrpc;
import io.gpunode.deviceplugin.v1beta1.DevicePluginOptions;
import io.gpunode.deviceplugin.v1beta1.DeviceSpec;
import io.gpunode.deviceplugin.v1beta1.Empty;
import io.gpunode.deviceplugin.v1beta1.ListAndWatchResponse;
import io.gpunode.deviceplugin.v1beta1.PreStartContainerRequest;
import io.gpunode.deviceplugin.v1beta1.PreStartContainerResponse;
import io.gpunode.deviceplugin.v1beta1.PreferredAllocationRequest;
import io.gpunode.deviceplugin.v1beta1.PreferredAllocationResponse;
import io.grpc.Status;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.util.function.Supplier;

/**
 * The kubelet's calls: protobuf in, protobuf out, everything in between belongs to others. Runs on the event loop and answers from memory,
 * because the kubelet sets no deadline and admits no pod meanwhile. A fault in a handler is an answer to that call, never more.
 */
final class DevicePluginService extends DevicePluginGrpc.DevicePluginImplBase {
    /** What is offered to the kubelet, at registration and when it asks. */
    static final DevicePluginOptions OPTIONS = DevicePluginOptions.newBuilder()
            .setGetPreferredAllocationAvailable(true)
            .build();

    private static final Log LOG = Log.of(DevicePluginService.class);
    /** The kubelet asks for one container a call. */
    private static final int MOST_CONTAINERS = 64;

    private final Supplier<AdvertisedDevices> devices;
    private final Supplier<HeldDevices> held;
    private final DeviceStreams streams;
    private final PluginCounts counts;
    private final MonotonicClock clock;

    DevicePluginService(
            Supplier<AdvertisedDevices> devices,
            Supplier<HeldDevices> held,
            DeviceStreams streams,
            PluginCounts counts,
            MonotonicClock clock) {
        this.devices = devices;
        this.held = held;
        this.streams = streams;
        this.counts = counts;
        this.clock = clock;
    }

    @Override
    public void getDevicePluginOptions(Empty request, StreamObserver<DevicePluginOptions> answer) {
        answer(Method.GET_DEVICE_PLUGIN_OPTIONS, answer, () -> OPTIONS);
    }

    @Override
    public void listAndWatch(Empty request, StreamObserver<ListAndWatchResponse> answer) {
        counts.call(Method.LIST_AND_WATCH, Status.Code.OK, 0);
        streams.add((ServerCallStreamObserver<ListAndWatchResponse>) answer);
    }

    @Override
    public void getPreferredAllocation(
            PreferredAllocationRequest request, StreamObserver<PreferredAllocationResponse> answer) {
        answer(Method.GET_PREFERRED_ALLOCATION, answer, () -> {
            AdvertisedDevices now = devices.get();
            HeldDevices inUse = held.get();
            PreferredAllocationResponse.Builder response = PreferredAllocationResponse.newBuilder();
            int containers = Math.min(MOST_CONTAINERS, request.getContainerRequestsCount());
            for (int i = 0; i < containers; i++) {
                ContainerPreferredAllocationRequest container = request.getContainerRequests(i);
                response.addContainerResponses(ContainerPreferredAllocationResponse.newBuilder()
                        .addAllDeviceIDs(PreferredAllocation.choose(
                                now,
                                container.getAvailableDeviceIDsList(),
                                container.getMustIncludeDeviceIDsList(),
                                container.getAllocationSize(),
                                inUse)));
            }
            return response.build();
        });
    }

    @Override
    public void allocate(AllocateRequest request, StreamObserver<AllocateResponse> answer) {
        answer(Method.ALLOCATE, answer, () -> {
            int containers = request.getContainerRequestsCount();
            if (containers == 0 || containers > MOST_CONTAINERS) {
                throw new AllocationRefusedException(
                        Status.Code.INVALID_ARGUMENT,
                        "Allocate for " + containers + " containers: 1 to " + MOST_CONTAINERS
                                + " can be asked for at once");
            }
            AdvertisedDevices now = devices.get();
            AllocateResponse.Builder response = AllocateResponse.newBuilder();
            for (ContainerAllocateRequest container : request.getContainerRequestsList()) {
                response.addContainerResponses(toProtobuf(Allocator.allocate(now, container.getDevicesIdsList())));
            }
            return response.build();
        });
    }

    @Override
    public void preStartContainer(PreStartContainerRequest request, StreamObserver<PreStartContainerResponse> answer) {
        // Not announced in the options; a kubelet that calls it anyway must not be kept from starting the container.
        answer(Method.PRE_START_CONTAINER, answer, PreStartContainerResponse::getDefaultInstance);
    }

    static ContainerAllocateResponse toProtobuf(Allocation allocation) {
        ContainerAllocateResponse.Builder response = ContainerAllocateResponse.newBuilder()
                .putAllEnvs(allocation.environment())
                .putAllAnnotations(allocation.annotations());
        for (String name : allocation.cdiDevices()) {
            response.addCdiDevices(CDIDevice.newBuilder().setName(name));
        }
        for (Mount mount : allocation.mounts()) {
            response.addMounts(io.gpunode.deviceplugin.v1beta1.Mount.newBuilder()
                    .setContainerPath(mount.containerPath())
                    .setHostPath(mount.hostPath()));
        }
        for (DeviceNode node : allocation.deviceNodes()) {
            response.addDevices(DeviceSpec.newBuilder()
                    .setContainerPath(node.containerPath())
                    .setHostPath(node.hostPath())
                    .setPermissions("rw"));
        }
        return response.build();
    }

    private <T> void answer(Method method, StreamObserver<T> answer, Supplier<T> work) {
        Tick began = clock.now();
        Status.Code code = Status.Code.OK;
        try {
            T response = work.get();
            answer.onNext(response);
            answer.onCompleted();
        } catch (AllocationRefusedException e) {
            code = e.code();
            LOG.warn(
                    "the kubelet's request was refused",
                    "method",
                    method.label(),
                    "code",
                    code,
                    "error",
                    String.valueOf(e.getMessage()));
            if (method == Method.ALLOCATE) {
                counts.refusedAllocation(String.valueOf(e.getMessage()));
            }
            answer.onError(Status.fromCode(code).withDescription(e.getMessage()).asRuntimeException());
        } catch (RuntimeException e) {
            code = Status.Code.INTERNAL;
            LOG.error("a fault of the agent in a call of the kubelet", e, "method", method.label());
            if (method == Method.ALLOCATE) {
                counts.refusedAllocation("a fault of gpu-node-agent: " + e + "; its log has the details");
            }
            answer.onError(Status.INTERNAL
                    .withDescription(
                            "a fault of gpu-node-agent in " + method.label() + ": " + e + "; its log has the details")
                    .withCause(e)
                    .asRuntimeException());
        }
        counts.call(method, code, clock.now().nanos() - began.nanos());
    }
}
