package io.gpunode.agent.deviceplugin;

import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.PciAddress;
import java.util.List;
import java.util.OptionalInt;

/**
 * One device as the kubelet knows it: a GPU, a MIG device, or one of several shares of either.
 *
 * @param id the kubelet's device ID: the UUID of {@code base}, of a share {@code <uuid>::<n>}. It never changes between versions, because the
 *     kubelet replays old answers
 * @param base the GPU or MIG device that a container gets
 * @param parent the GPU that {@code base} is or is part of
 * @param indexName what names {@code base} under the {@code index} id strategy: {@code 3}, or {@code 3:1} for a MIG device
 * @param minor the N of {@code /dev/nvidiaN} of the parent
 * @param capabilities the N of each {@code /dev/nvidia-caps/nvidia-capN} that a MIG device needs; empty for a GPU
 * @param pci the parent's address; lists are in this order
 * @param numaNode the parent's; absent when the kernel knows none
 * @param problem why it may not be given to containers; empty when it may
 */
record AdvertisedDevice(
        String id,
        GpuId base,
        GpuId parent,
        String indexName,
        int minor,
        List<Integer> capabilities,
        PciAddress pci,
        OptionalInt numaNode,
        String problem) {
    AdvertisedDevice {
        capabilities = List.copyOf(capabilities);
    }

    /** A whole GPU that is not shared. */
    static AdvertisedDevice gpu(GpuId gpu, int index, int minor, PciAddress pci, OptionalInt numaNode, String problem) {
        return new AdvertisedDevice(
                gpu.uuid(), gpu, gpu, Integer.toString(index), minor, List.of(), pci, numaNode, problem);
    }

    /** Whether it is one of several shares. */
    boolean share() {
        return id.length() > base.uuid().length();
    }

    /** Whether it is a GPU that is neither divided nor shared. */
    boolean wholeGpu() {
        return base.equals(parent) && !share();
    }

    boolean healthy() {
        return problem.isEmpty();
    }

    /** The same device, withheld. */
    AdvertisedDevice withheld(String why) {
        return new AdvertisedDevice(id, base, parent, indexName, minor, capabilities, pci, numaNode, why);
    }
}
