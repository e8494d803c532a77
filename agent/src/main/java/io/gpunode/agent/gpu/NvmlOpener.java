package io.gpunode.agent.gpu;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.nvml.Nvml;
import io.gpunode.nvml.NvmlLibraries;
import io.gpunode.nvml.NvmlOpenException;
import java.nio.file.Path;

/** How NVML is opened: by a path, or by a search under the driver root. */
@FunctionalInterface
public interface NvmlOpener {
    /** Opens and initialises it. May take seconds, may never return. */
    Nvml open() throws NvmlOpenException;

    /** What the configuration asks for: the library that is named, else the one found under the driver root as this process sees it. */
    static NvmlOpener of(AgentConfig.Nvml nvml, AgentConfig.Plugin plugin, HostFiles hostFiles) {
        String library = nvml.library();
        if (!library.isEmpty()) {
            Path path = Path.of(library);
            return () -> NvmlLibraries.open(path);
        }
        return () -> NvmlLibraries.open(NvmlLibraries.find(hostFiles.resolve(plugin.driverRoot())));
    }
}
