package io.gpunode.agent.assembly;

import io.gpunode.agent.deviceplugin.AllocationTroubles;
import io.gpunode.agent.kubernetes.NodeEvent;
import java.util.List;
import java.util.function.Consumer;

/** Tells the cluster why pods of this node get no GPUs. The next refusal of the same resource is counted and takes the place of the last. */
record AllocationEvents(Consumer<NodeEvent> events) implements AllocationTroubles {
    @Override
    public void refused(String resource, String why) {
        events.accept(new NodeEvent(
                true, "GpuAllocationRefused", resource, "a pod was refused its " + resource + ": " + why));
    }

    @Override
    public void unserved(String resource, String why) {
        events.accept(new NodeEvent(
                true,
                "GpuResourceNotRegistered",
                resource,
                "the kubelet does not know " + resource + " of this node, so no pod gets any: " + why));
    }

    @Override
    public void served(String resource) {
        events.accept(new NodeEvent(
                false,
                "GpuResourceRegistered",
                resource,
                resource + " is registered with the kubelet again; pods may get it"));
    }

    @Override
    public void leftOut(List<String> devices, String why) {
        events.accept(new NodeEvent(
                true,
                "GpuNotOffered",
                why,
                "no pod can get " + (devices.size() == 1 ? "this device" : "these " + devices.size() + " devices")
                        + ": " + why + " (" + String.join(", ", devices) + ")"));
    }
}
