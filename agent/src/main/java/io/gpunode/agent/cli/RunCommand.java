package io.gpunode.agent.cli;

import io.gpunode.agent.config.ClusterSources;
import io.gpunode.agent.config.ConfigException;
import io.gpunode.agent.config.LoadedConfig;
import io.gpunode.agent.config.Problem;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.time.SystemTime;
import java.time.temporal.ChronoUnit;
import java.util.List;

/** {@code gpu-node-agent run}: from the command line to the running agent. Nothing here may load the command line library. */
final class RunCommand {
    private static final Log LOG = Log.of(RunCommand.class);

    private final Shell shell;
    private final AgentRunner runner;

    RunCommand(Shell shell, AgentRunner runner) {
        this.shell = shell;
        this.runner = runner;
    }

    /** Runs until the agent ends. */
    ExitCode execute(List<String> arguments) {
        RunArguments parsed = RunArguments.parse(arguments, List.of());
        if (parsed.help()) {
            return Commands.execute(shell, List.of("run", "--help"));
        }
        if (!parsed.problems().isEmpty()) {
            shell.usage("run", parsed.problems());
            return ExitCode.USAGE;
        }
        try {
            AgentRunner.Reload load = cluster -> shell.loader().load(parsed.flags(), parsed.file(), cluster);
            LoadedConfig config = load.load(ClusterSources.NOT_ASKED);
            configureLog(shell, config.config().log().level());
            for (Problem notice : config.notices()) {
                LOG.warn(notice.toString());
            }
            return runner.run(config, load);
        } catch (ConfigException e) {
            shell.problems(e.problems());
            return ExitCode.USAGE;
        } catch (Exception e) {
            shell.failure(e, parsed.verbose());
            return ExitCode.FAILURE;
        }
    }

    /** Sends the log to standard error at a level; journald's priorities are written when it reads the stream. */
    static void configureLog(Shell shell, String level) {
        boolean journal =
                !shell.environment().getOrDefault("JOURNAL_STREAM", "").isEmpty();
        Log.configure(
                shell.err(),
                Log.Level.parse(level),
                journal,
                () -> SystemTime.wall().instant().truncatedTo(ChronoUnit.MILLIS).toString());
    }
}
