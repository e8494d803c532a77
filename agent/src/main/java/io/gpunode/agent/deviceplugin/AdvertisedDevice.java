package io.gpunode.agent.deviceplugin;

import io.gpunode.agent.model.PciAddress;
import java.util.OptionalInt;

/**
 * One device as the kubelet knows it.
 *
 * @param id the kubelet's device ID: the GPU's UUID. It never changes between versions, because the kubelet replays old answers
 * @param index NVML's index, for the {@code index} id strategy
 * @param minor the N of {@code /dev/nvidiaN}
 * @param pci its address; lists are in this order
 * @param numaNode absent when the kernel knows none
 * @param problem why it may not be given to containers; empty when it may
 */
record AdvertisedDevice(String id, int index, int minor, PciAddress pci, OptionalInt numaNode, String problem) {
    boolean healthy() {
        return problem.isEmpty();
    }

    /** The same device, withheld. */
    AdvertisedDevice withheld(String why) {
        return new AdvertisedDevice(id, index, minor, pci, numaNode, why);
    }
}
