package io.gpunode.agent.cli;

import io.gpunode.agent.config.ClusterSources;
import io.gpunode.agent.config.ConfigException;
import io.gpunode.agent.config.LoadedConfig;
import io.gpunode.agent.config.Problem;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.os.SystemdNotifier;
import io.gpunode.agent.time.SystemTime;
import java.io.IOException;
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
            LOG.info(
                    Main.NAME + " " + VersionCommand.version() + " begins",
                    "node",
                    config.config().host().nodeName(),
                    "config",
                    config.file().map(Object::toString).orElse("none"),
                    "java",
                    Runtime.version(),
                    "kernel",
                    System.getProperty("os.version"));
            for (Problem notice : config.notices()) {
                LOG.warn(notice.toString());
            }
            return runner.run(config, load);
        } catch (ConfigException e) {
            if (journal(shell)) {
                tell(e.problems());
            } else {
                shell.problems(e.problems());
            }
            return ExitCode.USAGE;
        } catch (Exception e) {
            if (journal(shell)) {
                tell(e);
            } else {
                shell.failure(e, parsed.verbose());
            }
            return ExitCode.FAILURE;
        }
    }

    /** Each problem is an entry of the journal, with the priority of an error. */
    private void tell(List<Problem> problems) {
        configureLog(shell, "info");
        for (Problem problem : problems) {
            LOG.error("the configuration cannot be used: " + problem);
        }
        LOG.error(
                "not started; when it is right (gpu-node-agent config check says so): systemctl restart gpu-node-agent");
        SystemdNotifier.ofProcess(SystemTime.monotonic())
                .status("failed: " + problems.getFirst() + (problems.size() == 1 ? "" : ", and more"));
    }

    /** What the host refuses is told in a line; what nobody thought of, with the place in the program. */
    private void tell(Exception failure) {
        configureLog(shell, "info");
        String message = failure.getMessage();
        if (failure instanceof IOException && message != null) {
            LOG.error("the agent ends: " + message);
        } else {
            LOG.error("the agent ends, and systemd starts it again", failure);
        }
    }

    private static boolean journal(Shell shell) {
        return !shell.environment().getOrDefault("JOURNAL_STREAM", "").isEmpty();
    }

    /** Sends the log to standard error at a level; journald's priorities are written when it reads the stream. */
    static void configureLog(Shell shell, String level) {
        Log.configure(
                shell.err(),
                Log.Level.parse(level),
                journal(shell),
                () -> SystemTime.wall().instant().truncatedTo(ChronoUnit.MILLIS).toString());
    }
}
