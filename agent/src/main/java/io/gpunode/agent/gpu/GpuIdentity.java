package io.gpunode.agent.gpu;

import io.gpunode.agent.model.BoardText;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.MigAttributes;
import io.gpunode.agent.model.PciAddress;
import io.gpunode.agent.model.Reading;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.OptionalLong;

/** What a GPU is, as NVML told: everything of {@link Gpu} that does not change from one sampling to the next. */
public record GpuIdentity(
        GpuId id,
        int index,
        int minor,
        PciAddress pci,
        String name,
        Reading<String> serial,
        Reading<String> vbiosVersion,
        Reading<String> computeCapability,
        OptionalInt architecture,
        OptionalLong memoryBytes,
        Reading<Boolean> persistenceMode,
        Reading<Boolean> migMode,
        List<Mig> migDevices,
        Reading<Gpu.FabricState> fabric,
        Map<BoardText, String> texts) {
    public GpuIdentity {
        migDevices = List.copyOf(migDevices);
        texts = Map.copyOf(texts);
    }

    /** Whether MIG mode is in force, as far as it was told. */
    public boolean migEnabled() {
        return migMode instanceof Reading.Value<Boolean>(Boolean enabled) && enabled;
    }

    /** What a MIG device is; the components are those of {@link io.gpunode.agent.model.MigDevice}. */
    public record Mig(
            GpuId id,
            int index,
            int gpuInstanceId,
            int computeInstanceId,
            String profile,
            int gpuSlices,
            int computeSlices,
            long memoryMebibytes,
            MigAttributes attributes) {}
}
