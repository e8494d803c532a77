package io.gpunode.agent.cli;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.ConfigException;
import io.gpunode.agent.mig.MigGpu;
import io.gpunode.agent.mig.MigOperations;
import io.gpunode.agent.mig.MigReader;
import io.gpunode.agent.mig.MigTransaction;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.time.SystemTime;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** What the commands about MIG have in common: the node, and the variables of nvidia-mig-parted. */
final class MigNode {
    @Spec(Spec.Target.MIXEE)
    private CommandSpec spec = CommandSpec.create();

    @Option(
            names = "--config",
            paramLabel = "FILE",
            description = "The configuration that the agent runs with; it says where the driver is.")
    private @Nullable String config;

    /** The node's GPUs; empty when the agent's configuration cannot be used, which is then told. */
    Optional<List<MigGpu>> read(Shell shell) throws MigReader.UnreadableException, InterruptedException {
        Optional<MigReader> opened = open(shell);
        if (opened.isEmpty()) {
            return Optional.empty();
        }
        try (MigReader reader = opened.get()) {
            return Optional.of(reader.read());
        }
    }

    /** A session with NVML, which the caller closes; empty when the agent's configuration cannot be used, which is then told. */
    Optional<MigReader> open(Shell shell) throws MigReader.UnreadableException, InterruptedException {
        Optional<AgentConfig> effective = effective(shell);
        return effective.isEmpty()
                ? Optional.empty()
                : Optional.of(MigReader.open(
                        effective.get(),
                        new SystemHostFiles(effective.get().host().root()),
                        SystemTime.monotonic(),
                        SystemTime.wall()));
    }

    /**
     * Changes of the node's GPUs, with journal and lock where the node keeps them.
     *
     * @param steps told of each step before it is made
     */
    MigTransaction transaction(Shell shell, MigOperations operations, Consumer<String> steps) {
        Path root = effective(shell).map(found -> found.host().root()).orElse(Path.of("/"));
        return new MigTransaction(
                new SystemHostFiles(root),
                MigTransaction.STATE_DIRECTORY,
                operations,
                (gpu, step, back) -> steps.accept((back ? "back: " : "") + gpu + ": " + step.text()));
    }

    /** The configuration that the agent runs with; empty when it cannot be used, which is then told. */
    Optional<AgentConfig> effective(Shell shell) {
        try {
            return Optional.of(
                    shell.loader().load(List.of(), Optional.ofNullable(config)).config());
        } catch (ConfigException e) {
            shell.problems(e.problems());
            return Optional.empty();
        }
    }

    /** A flag's text, else the variable's; empty when neither is given. */
    static String text(@Nullable String flag, String variable, Shell shell) {
        return flag == null ? shell.environment().getOrDefault(variable, "") : flag;
    }

    /**
     * The same for what must be given.
     *
     * @throws ParameterException when it is not
     */
    String required(@Nullable String flag, String name, String variable, Shell shell) {
        String text = text(flag, variable, shell);
        if (text.isEmpty()) {
            throw new ParameterException(
                    spec.commandLine(), "name a file with " + name + " (or the variable " + variable + ")");
        }
        return text;
    }

    /**
     * Whether a flag is given, else what the variable says; the words are those of Go.
     *
     * @throws ParameterException when the variable is neither true nor false
     */
    boolean on(boolean flag, String variable, Shell shell) {
        String text = shell.environment().getOrDefault(variable, "");
        if (flag || text.isEmpty()) {
            return flag;
        }
        return switch (text) {
            case "1", "t", "T", "true", "TRUE", "True" -> true;
            case "0", "f", "F", "false", "FALSE", "False" -> false;
            default ->
                throw new ParameterException(
                        spec.commandLine(),
                        "the variable " + variable + " is \"" + Text.printable(text)
                                + "\", which is neither true nor false");
        };
    }

    /**
     * A format of configuration files.
     *
     * @return whether it is JSON
     * @throws ParameterException when it is none
     */
    boolean json(@Nullable String flag, Shell shell) {
        String format = text(flag, "MIG_PARTED_OUTPUT_FORMAT", shell);
        return switch (format) {
            case "", "yaml" -> false;
            case "json" -> true;
            default ->
                throw new ParameterException(
                        spec.commandLine(), "the format \"" + Text.printable(format) + "\" is neither yaml nor json");
        };
    }

    /** Writes a file in one step; what is no regular file, such as a pipe, is written to as it is. */
    static void write(String name, String text, Shell shell) throws IOException {
        Path file = Path.of(name).toAbsolutePath().normalize();
        if (name.equals("-")) {
            shell.out().print(text);
        } else if (Files.exists(file) && !Files.isRegularFile(file)) {
            Files.writeString(file, text);
        } else {
            new SystemHostFiles(Path.of("/")).replace(file, text.getBytes(StandardCharsets.UTF_8), "rw-r--r--");
        }
    }
}
