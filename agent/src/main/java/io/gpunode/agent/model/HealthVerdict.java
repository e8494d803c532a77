package io.gpunode.agent.model;

import java.util.Map;

/**
 * What the health checks say of one GPU.
 *
 * @param gpu the physical GPU
 * @param health of the GPU as a whole
 * @param migDevices of its MIG devices, as far as it is about each alone; one that is missing has nothing against it
 */
public record HealthVerdict(GpuId gpu, GpuHealth health, Map<GpuId, GpuHealth> migDevices) {
    public HealthVerdict {
        migDevices = Map.copyOf(migDevices);
    }

    /** Nothing is known against it. */
    public static HealthVerdict clean(GpuId gpu) {
        return new HealthVerdict(gpu, GpuHealth.Healthy.CLEAN, Map.of());
    }

    /** The verdict for one of its MIG devices. */
    public GpuHealth migDevice(GpuId id) {
        return migDevices.getOrDefault(id, GpuHealth.Healthy.CLEAN);
    }
}
