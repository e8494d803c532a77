package io.gpunode.agent.gpu;

import io.gpunode.agent.model.Gpu.ProcessUse;
import io.gpunode.agent.model.GpuSample;
import io.gpunode.agent.model.Reading;
import java.util.List;

/**
 * One sampling of one GPU.
 *
 * @param round the inventory's number of the round that asked for it
 * @param sample the GPU's numbers
 * @param migSamples those of its MIG devices, in the order of {@link GpuIdentity#migDevices()}
 * @param processes at most {@value #PROCESS_LIMIT}
 * @param condition what the answers say about the GPU
 * @param identityStale whether the answers hint that the identity has to be read again
 */
public record GpuReading(
        long round,
        GpuSample sample,
        List<GpuSample> migSamples,
        Reading<List<ProcessUse>> processes,
        GpuCondition condition,
        boolean identityStale) {
    /** More processes than this are not listed. */
    public static final int PROCESS_LIMIT = 256;

    public GpuReading {
        migSamples = List.copyOf(migSamples);
    }
}
