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
 * @param named which named configuration was read over it; empty when there is no directory of them
 * @param stamps the state of everything that was read
 */
public record LoadedConfig(
        AgentConfig config,
        List<EffectiveValue<?>> values,
        List<Problem> notices,
        Optional<Path> file,
        Optional<ChosenConfiguration> named,
        FileStamps stamps) {
    public LoadedConfig {
        values = List.copyOf(values);
        notices = List.copyOf(notices);
    }
}
