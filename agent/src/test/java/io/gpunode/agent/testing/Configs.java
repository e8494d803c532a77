package io.gpunode.agent.testing;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.ConfigException;
import io.gpunode.agent.config.ConfigLoader;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Configurations for tests. */
public final class Configs {
    private Configs() {}

    /** What an agent without file, flags and environment runs with, on a node called {@code node-a}. */
    public static AgentConfig defaults() {
        return withEnvironment(Map.of());
    }

    /** The defaults with these environment variables. */
    public static AgentConfig withEnvironment(Map<String, String> environment) {
        try {
            return new ConfigLoader(environment, () -> "node-a", Path.of("/nonexistent/config.yaml"), List::of)
                    .load(List.of(), Optional.empty())
                    .config();
        } catch (ConfigException e) {
            throw new IllegalArgumentException(e);
        }
    }
}
