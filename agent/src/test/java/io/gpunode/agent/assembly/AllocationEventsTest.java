package io.gpunode.agent.assembly;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.kubernetes.NodeEvent;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class AllocationEventsTest {
    private final List<NodeEvent> sent = new ArrayList<>();
    private final AllocationEvents events = new AllocationEvents(sent::add);

    @Test
    void whatADescribeOfTheNodeShows() {
        // When
        events.refused("nvidia.com/gpu", "device GPU-a (0000:3b:00.0) of nvidia.com/gpu is unhealthy: XID 79");
        events.unserved("nvidia.com/gpu", "nobody listens");
        events.served("nvidia.com/gpu");
        events.leftOut(List.of("GPU-a"), "MIG mode is on: make MIG devices");
        events.leftOut(List.of("MIG-a", "MIG-b"), "they have no name");

        // Then
        assertThat(sent)
                .containsExactly(
                        new NodeEvent(
                                true,
                                "GpuAllocationRefused",
                                "nvidia.com/gpu",
                                "a pod was refused its nvidia.com/gpu: device GPU-a (0000:3b:00.0) of nvidia.com/gpu is"
                                        + " unhealthy: XID 79"),
                        new NodeEvent(
                                true,
                                "GpuResourceNotRegistered",
                                "nvidia.com/gpu",
                                "the kubelet does not know nvidia.com/gpu of this node, so no pod gets any: nobody listens"),
                        new NodeEvent(
                                false,
                                "GpuResourceRegistered",
                                "nvidia.com/gpu",
                                "nvidia.com/gpu is registered with the kubelet again; pods may get it"),
                        new NodeEvent(
                                true,
                                "GpuNotOffered",
                                "MIG mode is on: make MIG devices",
                                "no pod can get this device: MIG mode is on: make MIG devices (GPU-a)"),
                        new NodeEvent(
                                true,
                                "GpuNotOffered",
                                "they have no name",
                                "no pod can get these 2 devices: they have no name (MIG-a, MIG-b)"));
    }
}
