package io.gpunode.agent.simulation;

import io.gpunode.deviceplugin.v1beta1.AllocateResponse;
import java.util.List;

/**
 * An admitted container; also the checkpoint's entry, which outlives the kubelet's restarts.
 *
 * @param devices as they were when they were allocated
 */
public record RunningContainer(
        String namespace,
        String pod,
        String container,
        String resource,
        List<DeviceList.Device> devices,
        AllocateResponse response) {
    /** The ids of its devices. */
    public List<String> ids() {
        return devices.stream().map(DeviceList.Device::id).toList();
    }
}
