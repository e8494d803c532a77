package io.gpunode.agent.deviceplugin;

import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.podresources.DeviceNames;
import io.gpunode.agent.podresources.PodUse;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What containers hold, through whatever resource, as far as it is known. Immutable.
 *
 * @param known whether the kubelet has told, and not too long ago
 * @param holds by device id; empty when it is not known
 * @param slices how many slices a MIG device's GPU instance has
 */
record HeldDevices(boolean known, Map<String, Hold> holds, Map<GpuId, Integer> slices) {
    /** Nothing is known. */
    static final HeldDevices UNKNOWN = new HeldDevices(false, Map.of(), Map.of());

    /**
     * One device that a container holds.
     *
     * @param base the GPU or MIG device
     * @param parent the GPU that {@code base} is or is part of
     * @param share whether others may hold the same base
     */
    record Hold(GpuId base, GpuId parent, boolean share) {}

    /** @param byDevice the kubelet's answer; null when there is none that can be trusted */
    static HeldDevices of(List<Gpu> gpus, @Nullable Map<String, List<PodUse>> byDevice) {
        Map<GpuId, Integer> slices = new HashMap<>();
        for (Gpu gpu : gpus) {
            for (MigDevice mig : gpu.migDevices()) {
                slices.put(mig.id(), Math.max(1, mig.gpuSlices()));
            }
        }
        if (byDevice == null) {
            return new HeldDevices(false, Map.of(), slices);
        }
        Map<String, Hold> holds = HashMap.newHashMap(byDevice.size());
        if (!byDevice.isEmpty()) {
            DeviceNames names = new DeviceNames(gpus);
            for (String id : byDevice.keySet()) {
                DeviceNames.Device device = names.find(id);
                if (device != null) {
                    GpuId parent = gpus.get(device.gpuPlace()).id();
                    MigDevice mig = device.mig();
                    holds.put(id, new Hold(mig == null ? parent : mig.id(), parent, device.share()));
                }
            }
        }
        return new HeldDevices(true, holds, slices);
    }

    /** How much of a GPU a device is, 1 or more: a MIG device's slices; 1 for a GPU or a share of one. */
    int weight(GpuId base) {
        return slices.getOrDefault(base, 1);
    }
}
