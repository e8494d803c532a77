package io.gpunode.agent.cli;

import java.util.Arrays;
import java.util.List;

/** Where the process begins. {@code run} goes straight to the agent; everything else is answered through the command line library. */
public final class Main {
    /** The program's name in messages. */
    static final String NAME = "gpu-node-agent";

    private Main() {}

    /** Runs a command and ends the process with its {@link ExitCode}. */
    public static void main(String[] arguments) {
        ExitCode code = execute(
                Arrays.asList(arguments), new Shell(System.getenv(), System.out, System.err), (config, reload) -> {
                    throw new IllegalStateException("this build has no agent in it");
                });
        System.exit(code.code());
    }

    /** Runs a command. */
    static ExitCode execute(List<String> arguments, Shell shell, AgentRunner agent) {
        if (!arguments.isEmpty() && arguments.getFirst().equals("run")) {
            return new RunCommand(shell, agent).execute(arguments.subList(1, arguments.size()));
        }
        return Commands.execute(shell, arguments);
    }
}
