package io.gpunode.agent.simulation;

import com.google.protobuf.ByteString;
import io.gpunode.podresources.v1.AllocatableResourcesRequest;
import io.gpunode.podresources.v1.AllocatableResourcesResponse;
import io.gpunode.podresources.v1.ContainerDevices;
import io.gpunode.podresources.v1.ContainerResources;
import io.gpunode.podresources.v1.ListPodResourcesRequest;
import io.gpunode.podresources.v1.ListPodResourcesResponse;
import io.gpunode.podresources.v1.NUMANode;
import io.gpunode.podresources.v1.PodResources;
import io.gpunode.podresources.v1.PodResourcesListerGrpc;
import io.gpunode.podresources.v1.TopologyInfo;
import io.grpc.Attributes;
import io.grpc.ServerTransportFilter;
import io.grpc.stub.StreamObserver;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** PodResources of the embedded kubelet: answers from its containers, or misbehaves as told. Thread-safe. */
final class PodResourcesServer extends PodResourcesListerGrpc.PodResourcesListerImplBase {
    private static final int FILLER_BYTES = 1 << 16;

    private final Supplier<List<RunningContainer>> containers;
    private final Supplier<Map<String, DeviceList>> devices;
    private final boolean groupedByNumaNode;
    private final Runnable called;
    private final AtomicLong calls = new AtomicLong();
    private final AtomicInteger open = new AtomicInteger();
    private volatile PodResourcesFault fault = new PodResourcesFault.None();

    PodResourcesServer(
            Supplier<List<RunningContainer>> containers,
            Supplier<Map<String, DeviceList>> devices,
            boolean groupedByNumaNode,
            Runnable called) {
        this.containers = containers;
        this.devices = devices;
        this.groupedByNumaNode = groupedByNumaNode;
        this.called = called;
    }

    void fault(PodResourcesFault changed) {
        fault = changed;
    }

    long calls() {
        return calls.get();
    }

    int open() {
        return open.get();
    }

    /** Counts the connections of the server that it is added to. */
    ServerTransportFilter connections() {
        return new ServerTransportFilter() {
            @Override
            public Attributes transportReady(Attributes attributes) {
                open.incrementAndGet();
                called.run();
                return attributes;
            }

            @Override
            public void transportTerminated(@Nullable Attributes attributes) {
                // Without attributes: it never became ready, as when somebody only looked whether the socket is
                // listened on.
                if (attributes != null) {
                    open.decrementAndGet();
                    called.run();
                }
            }
        };
    }

    @Override
    public void list(ListPodResourcesRequest request, StreamObserver<ListPodResourcesResponse> observer) {
        calls.incrementAndGet();
        switch (fault) {
            case PodResourcesFault.None _ -> {
                observer.onNext(pods().build());
                observer.onCompleted();
            }
            case PodResourcesFault.Failing failing ->
                observer.onError(failing.status().asRuntimeException());
            case PodResourcesFault.Hanging _ -> {}
            case PodResourcesFault.Oversized oversized -> {
                observer.onNext(filled(oversized.bytes()));
                observer.onCompleted();
            }
        }
        called.run();
    }

    /** The healthy devices, in one entry per NUMA node. */
    @Override
    public void getAllocatableResources(
            AllocatableResourcesRequest request, StreamObserver<AllocatableResourcesResponse> observer) {
        AllocatableResourcesResponse.Builder response = AllocatableResourcesResponse.newBuilder();
        devices.get()
                .values()
                .forEach(list -> response.addAllDevices(entries(
                        list.resource(),
                        list.devices().stream()
                                .filter(DeviceList.Device::healthy)
                                .toList())));
        observer.onNext(response.build());
        observer.onCompleted();
    }

    private ListPodResourcesResponse.Builder pods() {
        Map<String, PodResources.Builder> pods = new LinkedHashMap<>();
        for (RunningContainer container : containers.get()) {
            pods.computeIfAbsent(
                            container.namespace() + "/" + container.pod(),
                            _ -> PodResources.newBuilder()
                                    .setNamespace(container.namespace())
                                    .setName(container.pod()))
                    .addContainers(ContainerResources.newBuilder()
                            .setName(container.container())
                            .addAllDevices(entries(container.resource(), container.devices())));
        }
        ListPodResourcesResponse.Builder response = ListPodResourcesResponse.newBuilder();
        pods.values().forEach(response::addPodResources);
        return response;
    }

    /** A device of several nodes is in each node's entry; one without a node has an entry without topology. */
    private List<ContainerDevices> entries(String resource, List<DeviceList.Device> held) {
        Map<List<Long>, ContainerDevices.Builder> groups = new LinkedHashMap<>();
        for (DeviceList.Device device : held) {
            if (!groupedByNumaNode || device.numaNodes().isEmpty()) {
                groups.computeIfAbsent(List.of(), _ -> ContainerDevices.newBuilder())
                        .addDeviceIds(device.id());
                continue;
            }
            for (Long node : device.numaNodes()) {
                groups.computeIfAbsent(
                                List.of(node),
                                _ -> ContainerDevices.newBuilder()
                                        .setTopology(TopologyInfo.newBuilder()
                                                .addNodes(NUMANode.newBuilder().setID(node))))
                        .addDeviceIds(device.id());
            }
        }
        List<ContainerDevices> entries = new ArrayList<>(groups.size());
        groups.values()
                .forEach(group -> entries.add(group.setResourceName(resource).build()));
        return entries;
    }

    private ListPodResourcesResponse filled(int bytes) {
        ByteString filler = ByteString.copyFrom(new byte[FILLER_BYTES]);
        ListPodResourcesResponse.Builder response = pods();
        for (int size = 0; size < bytes; size += FILLER_BYTES) {
            response.addPodResources(PodResources.newBuilder().setNameBytes(filler));
        }
        return response.build();
    }
}
