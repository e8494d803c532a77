package io.gpunode.agent.config;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * A configuration that can be used.
 *
 * @param config what features read
 * @param values every served setting's value in force, in the order of the schema
 * @param notices what was accepted without effect
 * @param file the file that was read
 */
public record LoadedConfig(
        AgentConfig config, List<EffectiveValue<?>> values, List<Problem> notices, Optional<Path> file) {
    public LoadedConfig {
        values = List.copyOf(values);
        notices = List.copyOf(notices);
    }
}
