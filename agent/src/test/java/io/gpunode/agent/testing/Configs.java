package io.gpunode.agent.testing;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.ConfigException;
import io.gpunode.agent.config.ConfigLoader;
import java.nio.file.Path;
import java.util.HashMap;
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

    /** The defaults with these environment variables, each as {@code NAME=value}. */
    public static AgentConfig of(String... variables) {
        Map<String, String> environment = new HashMap<>();
        for (String variable : variables) {
            int equals = variable.indexOf('=');
            environment.put(variable.substring(0, equals), variable.substring(equals + 1));
        }
        return withEnvironment(environment);
    }

    /** The defaults with these environment variables. */
    public static AgentConfig withEnvironment(Map<String, String> environment) {
        try {
            return new ConfigLoader(
                            environment, () -> "node-a", Path.of("/nonexistent/config.yaml"), _ -> Optional.empty())
                    .load(List.of(), Optional.empty())
                    .config();
        } catch (ConfigException e) {
            throw new IllegalArgumentException(e);
        }
    }
}
