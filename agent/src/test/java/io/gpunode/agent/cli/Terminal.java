package io.gpunode.agent.cli;

import io.gpunode.agent.config.LoadedConfig;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Runs commands in tests and keeps what they write. */
final class Terminal {
    private final Map<String, String> environment = new HashMap<>();
    private String input = "";
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final ByteArrayOutputStream err = new ByteArrayOutputStream();
    private @Nullable LoadedConfig started;
    private AgentRunner runner = (config, _) -> {
        started = config;
        return ExitCode.OK;
    };

    Terminal environment(String name, String value) {
        environment.put(name, value);
        return this;
    }

    /** What the command finds on its standard input. */
    Terminal input(String value) {
        input = value;
        return this;
    }

    Terminal runner(AgentRunner value) {
        runner = value;
        return this;
    }

    ExitCode execute(String... arguments) {
        return Main.execute(List.of(arguments), shell(), runner);
    }

    Shell shell() {
        return new Shell(
                environment,
                new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8)),
                new PrintStream(out, true, StandardCharsets.UTF_8),
                new PrintStream(err, true, StandardCharsets.UTF_8));
    }

    /** What the agent was started with. */
    @Nullable LoadedConfig started() {
        return started;
    }

    String out() {
        return out.toString(StandardCharsets.UTF_8);
    }

    String err() {
        return err.toString(StandardCharsets.UTF_8);
    }
}
