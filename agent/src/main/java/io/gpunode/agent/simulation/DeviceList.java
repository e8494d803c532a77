package io.gpunode.agent.simulation;

import io.gpunode.agent.time.Tick;
import java.util.ArrayList;
import java.util.List;

/**
 * What the kubelet holds of one resource at one moment.
 *
 * @param devices in the plugin's order
 * @param connected whether the newest plugin's stream is open
 * @param messages lists received for this resource since the kubelet's last start
 * @param changedAt when the last list came, or the stream ended, or the kubelet started
 */
public record DeviceList(String resource, List<Device> devices, boolean connected, long messages, Tick changedAt) {
    /**
     * One device.
     *
     * @param health the plugin's own word; only exactly {@code Healthy} counts
     * @param numaNodes empty when the plugin names none
     */
    public record Device(String id, String health, List<Long> numaNodes) {
        /** Whether the kubelet would allocate it. */
        public boolean healthy() {
            return health.equals(EmbeddedKubelet.HEALTHY);
        }
    }

    /** The node's capacity: healthy or not. */
    public int capacity() {
        return devices.size();
    }

    /** The node's allocatable: the healthy ones, in use or not. */
    public int allocatable() {
        int healthy = 0;
        for (Device device : devices) {
            if (device.healthy()) {
                healthy++;
            }
        }
        return healthy;
    }

    /** The ids of the healthy ones, in the plugin's order. */
    public List<String> healthyIds() {
        List<String> ids = new ArrayList<>(devices.size());
        for (Device device : devices) {
            if (device.healthy()) {
                ids.add(device.id());
            }
        }
        return ids;
    }
}
