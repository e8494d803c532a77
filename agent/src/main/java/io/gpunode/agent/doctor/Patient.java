package io.gpunode.agent.doctor;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.AgentConfig.DeviceListStrategy;
import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.os.CommandRunner;
import io.gpunode.agent.os.HostFiles;
import java.nio.file.Path;
import java.util.Optional;

/**
 * The node as the checks see it.
 *
 * @param files the host's files
 * @param commands the host's programs; refuses where the host's file system is not this process's own
 * @param config what the agent runs with
 * @param state the running agent's {@code /state}; empty when none answers
 * @param home where the agent's own files are, as the host sees them
 */
public record Patient(
        HostFiles files, CommandRunner commands, AgentConfig config, Optional<JsonValue> state, Path home) {
    /** Whether containers are told of their GPUs by CDI names. */
    boolean cdi() {
        return config.plugin().deviceListStrategies().contains(DeviceListStrategy.CDI_CRI)
                || config.plugin().deviceListStrategies().contains(DeviceListStrategy.CDI_ANNOTATIONS);
    }

    /** Whether containers get their GPUs from NVIDIA's container runtime. */
    boolean nvidiaRuntime() {
        return !cdi();
    }

    Path cdiDirectory() {
        return config.cdi().directory();
    }
}
