package io.gpunode.agent.deviceplugin;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.AgentConfig.DeviceIdStrategy;
import io.gpunode.agent.config.AgentConfig.DeviceListStrategy;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;

/** Plugin configurations by hand. */
final class PluginConfigs {
    private PluginConfigs() {}

    static AgentConfig.Plugin envvar() {
        return with(DeviceIdStrategy.UUID, false, Path.of("/"), DeviceListStrategy.ENVVAR);
    }

    static AgentConfig.Plugin cdi() {
        return with(DeviceIdStrategy.UUID, false, Path.of("/"), DeviceListStrategy.CDI_CRI);
    }

    static AgentConfig.Plugin with(
            DeviceIdStrategy ids, boolean passDeviceSpecs, Path devRoot, DeviceListStrategy... strategies) {
        return new AgentConfig.Plugin(
                EnumSet.copyOf(List.of(strategies)),
                ids,
                passDeviceSpecs,
                Path.of("/"),
                devRoot,
                "cdi.k8s.io/",
                "nvidia.com/gpu",
                AgentConfig.MigStrategy.NONE,
                false,
                false,
                false,
                AgentConfig.AllocationPolicy.DISTRIBUTED);
    }
}
