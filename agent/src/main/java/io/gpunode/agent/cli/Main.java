package io.gpunode.agent.cli;

import io.gpunode.agent.assembly.AgentDaemon;
import io.gpunode.agent.config.LoadedConfig;
import io.gpunode.agent.os.SystemdNotifier;
import io.gpunode.agent.time.SystemTime;
import java.util.Arrays;
import java.util.List;

/**
 * Where the process begins. {@code run} and {@code simulate} go straight to the agent; everything else is answered through the command line
 * library.
 */
public final class Main {
    /** The program's name in messages. */
    static final String NAME = "gpu-node-agent";

    private Main() {}

    /** Runs a command and ends the process with its {@link ExitCode}. */
    public static void main(String[] arguments) {
        ExitCode code = execute(
                Arrays.asList(arguments),
                new Shell(System.getenv(), System.in, System.out, System.err),
                Main::runAgent);
        // A native call that the driver does not return from must not keep the process: its thread is a daemon, and
        // exit does not wait.
        System.exit(code.code());
    }

    /** Runs a command. */
    static ExitCode execute(List<String> arguments, Shell shell, AgentRunner agent) {
        String command = arguments.isEmpty() ? "" : arguments.getFirst();
        return switch (command) {
            case "run" -> new RunCommand(shell, agent).execute(arguments.subList(1, arguments.size()));
            case "simulate" -> new SimulateCommand(shell).execute(arguments.subList(1, arguments.size()));
            case "--version", "-v" -> Commands.execute(shell, List.of("version"));
            default ->
                isFlagOfRun(command)
                        ? new RunCommand(shell, agent).execute(arguments)
                        : Commands.execute(shell, arguments);
        };
    }

    /** A command line of flags alone is that of a daemon: the components that the agent stands in for have no commands. */
    private static boolean isFlagOfRun(String argument) {
        return argument.startsWith("-")
                && !argument.equals("--help")
                && !argument.equals("-h")
                && !argument.equals("--verbose");
    }

    private static ExitCode runAgent(LoadedConfig config, AgentRunner.Reload reload) throws Exception {
        AgentDaemon daemon =
                new AgentDaemon(SystemdNotifier.ofProcess(SystemTime.monotonic()), VersionCommand.version());
        return daemon.run(config, reload::load, _ -> {}) ? ExitCode.OK : ExitCode.FAILURE;
    }
}
