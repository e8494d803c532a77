package io.gpunode.agent.mig;

import io.gpunode.agent.os.CommandRunner;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/** Runs the commands of a hooks file, one after the other, each with a time limit. Blocks; one thread. */
public final class MigHooks {
    /** Stopping the services of a node takes minutes, and mig-parted has no limit at all. */
    private static final Duration LIMIT = Duration.ofMinutes(10);

    private static final int OUTPUT_LIMIT = 64 * 1024;

    private final HooksFile file;
    private final CommandRunner commands;
    private final Map<String, String> variables;
    private final Consumer<String> output;

    /** A hook failed. */
    public static final class FailedException extends Exception {
        private static final long serialVersionUID = 1L;

        FailedException(String message, Throwable cause) {
            super(message, cause);
        }

        FailedException(String message) {
            super(message);
        }
    }

    /**
     * @param variables the change's own, which every hook gets beside those that the file gives it
     * @param output what hooks write, each in one piece when it has ended
     */
    public MigHooks(HooksFile file, CommandRunner commands, Map<String, String> variables, Consumer<String> output) {
        this.file = file;
        this.commands = commands;
        this.variables = Map.copyOf(variables);
        this.output = output;
    }

    /** Runs those of one point; the first that fails ends it. */
    public void run(HooksFile.Point point) throws FailedException, InterruptedException {
        for (HooksFile.Hook hook : file.hooks().getOrDefault(point, List.of())) {
            run(point, hook);
        }
    }

    private void run(HooksFile.Point point, HooksFile.Hook hook) throws FailedException, InterruptedException {
        String what = "the hook " + hook.command() + " of " + point.key();
        List<String> command = new ArrayList<>();
        command.add(hook.command());
        command.addAll(hook.arguments());
        Map<String, String> environment = new LinkedHashMap<>(variables);
        environment.putAll(hook.environment());
        Path directory =
                Path.of(hook.directory().isEmpty() ? "" : hook.directory()).toAbsolutePath();
        CommandRunner.Result result;
        try {
            result = commands.run(command, environment, directory, LIMIT, OUTPUT_LIMIT);
        } catch (IOException e) {
            throw new FailedException(what + " cannot be started: " + e.getMessage(), e);
        }
        String said = result.output() + result.error();
        if (!said.isBlank()) {
            output.accept(said.stripTrailing());
        }
        if (result.timedOut()) {
            throw new FailedException(what + " has not ended within " + LIMIT.toMinutes() + " minutes");
        }
        if (!result.ok()) {
            throw new FailedException(what + " ended with status " + result.status());
        }
    }
}
