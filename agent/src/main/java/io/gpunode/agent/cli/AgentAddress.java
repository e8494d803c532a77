package io.gpunode.agent.cli;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.ConfigException;
import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.time.SystemTime;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Options of the commands that ask the running agent. */
final class AgentAddress {
    private static final String DEFAULT = "127.0.0.1:9400";
    private static final Duration LIMIT = Duration.ofSeconds(5);

    @Spec(Spec.Target.MIXEE)
    private CommandSpec spec = CommandSpec.create();

    @Option(
            names = "--address",
            paramLabel = "HOST:PORT",
            description = "Where the agent listens; the path of its local socket, too. Default: http.listen of its"
                    + " configuration, or http.localSocket where a client has to be known.")
    private @Nullable String address;

    @Mixin
    private ConfigurationOption configuration = new ConfigurationOption();

    /**
     * Asks for the state. Empty when nobody answers; standard error then has what to do.
     *
     * @throws ParameterException when the address cannot be one
     */
    Optional<JsonValue> state(Shell shell) {
        StateClient client;
        try {
            client = new StateClient(listening(shell), LIMIT, SystemTime.monotonic());
        } catch (IllegalArgumentException e) {
            throw new ParameterException(spec.commandLine(), "--address: " + e.getMessage(), e);
        }
        try {
            return Optional.of(client.state());
        } catch (IOException e) {
            shell.err()
                    .println(Main.NAME + ": no agent answers at " + client.url() + ": "
                            + Text.printable(String.valueOf(e.getMessage())));
            shell.err().println("start it with: systemctl start gpu-node-agent (or: " + Main.NAME + " run)");
            shell.err().println("if it listens elsewhere: --address HOST:PORT");
            return Optional.empty();
        }
    }

    /** Whether whoever calls says which agent it is. */
    boolean isGiven() {
        return address != null;
    }

    /** Asks for the state of an agent that may not run: nobody is told when none answers. */
    Optional<JsonValue> stateOfAnAgent(Shell shell) {
        try {
            return Optional.of(new StateClient(listening(shell), LIMIT, SystemTime.monotonic()).state());
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    /** What the agent runs with. */
    AgentConfig configuration(Shell shell) throws ConfigException {
        return configuration.load(shell, List.of());
    }

    /** Where an agent of this machine that runs with a configuration can be asked. */
    static String of(AgentConfig config) {
        return config.http().asksLocally()
                ? config.http().localSocket()
                : config.http().listen().getFirst();
    }

    private String listening(Shell shell) {
        if (address != null) {
            return address;
        }
        try {
            return of(configuration(shell));
        } catch (ConfigException e) {
            shell.err()
                    .println("the configuration cannot be used (" + e.problems().getFirst() + "); asking " + DEFAULT);
            return DEFAULT;
        }
    }
}
