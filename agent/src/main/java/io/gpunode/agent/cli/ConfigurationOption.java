package io.gpunode.agent.cli;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.ConfigException;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** {@code --config} of the commands that need what the agent runs with. */
final class ConfigurationOption {
    @Option(
            names = {"--config", "--config-file"},
            paramLabel = "FILE",
            description = "The configuration that the agent runs with.")
    private @Nullable String file;

    /** Empty when it cannot be used, which standard error then tells: the command ends with {@link ExitCode#USAGE}. */
    Optional<AgentConfig> read(Shell shell) {
        try {
            return Optional.of(load(shell, List.of()));
        } catch (ConfigException e) {
            shell.problems(e.problems());
            return Optional.empty();
        }
    }

    /**
     * Reads it for a command that has settings as flags of its own.
     *
     * @param flags these, as {@code --NAME=VALUE}
     */
    AgentConfig load(Shell shell, List<String> flags) throws ConfigException {
        return shell.loader()
                .load(RunArguments.parse(flags, List.of()).flags(), Optional.ofNullable(file))
                .config();
    }
}
