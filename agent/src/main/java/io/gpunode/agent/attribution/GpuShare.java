package io.gpunode.agent.attribution;

import io.gpunode.agent.model.Gpu.ProcessUtilization;
import io.gpunode.agent.model.GpuId;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/**
 * What the processes of one user take of a GPU or GPU instance. Those of all users add up to what the driver says of all processes.
 *
 * @param gpu the GPU as a whole
 * @param gpuInstanceId -1 for the GPU as a whole
 * @param processes how many
 * @param usedBytes of memory; absent where the driver told of none of them
 * @param utilization the sum of all; null where the driver does not tell
 */
public record GpuShare(
        GpuId gpu,
        int gpuInstanceId,
        GpuUser user,
        int processes,
        OptionalLong usedBytes,
        @Nullable ProcessUtilization utilization) {
    /** What this one and another of the same GPU or GPU instance take together, as this one's user. */
    public GpuShare plus(GpuShare other) {
        ProcessUtilization more = other.utilization;
        ProcessUtilization together = utilization;
        if (more != null) {
            together = together == null
                    ? more
                    : new ProcessUtilization(
                            together.sm() + more.sm(),
                            together.memory() + more.memory(),
                            together.encoder() + more.encoder(),
                            together.decoder() + more.decoder());
        }
        return new GpuShare(
                gpu,
                gpuInstanceId,
                user,
                processes + other.processes,
                other.usedBytes.isEmpty()
                        ? usedBytes
                        : OptionalLong.of(usedBytes.orElse(0) + other.usedBytes.getAsLong()),
                together);
    }
}
