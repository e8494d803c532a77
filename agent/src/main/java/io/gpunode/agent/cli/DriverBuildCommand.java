package io.gpunode.agent.cli;

import io.gpunode.agent.config.AgentConfig.Driver.SourceKind;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code driver build}. */
@Command(
        name = "build",
        description = {
            "Makes the wanted driver ready for a kernel, mostly one that is installed and does not run yet, so that the boot into it needs neither"
                    + " compiler nor network.",
            "",
            "Needs root."
        })
final class DriverBuildCommand implements Callable<Integer> {
    private final Shell shell;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    @Option(
            names = {"-k", "--kernel"},
            paramLabel = "RELEASE",
            description = "The kernel, as uname -r writes it. Default: the one that runs.")
    private String kernel = "";

    @Option(
            names = "--if-managed",
            description =
                    "Does nothing, and succeeds, unless the configuration has driver.manage and a source whose modules are kept in the"
                            + " store. For the hooks of kernel packages.")
    private boolean ifManaged;

    @Option(
            names = "--wait",
            paramLabel = "SECONDS",
            description = "How long to wait for another process that is preparing a driver. Default: not at all.")
    private int wait;

    @Option(names = "--dry-run", description = "Prints what would be done, and does nothing.")
    private boolean dryRun;

    @Mixin
    private DriverStaging staging = new DriverStaging();

    @Mixin
    private Commands.OutputOption output = new Commands.OutputOption();

    DriverBuildCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() throws Exception {
        if (wait < 0) {
            throw new ParameterException(spec.commandLine(), "--wait " + wait + " is less than 0 seconds");
        }
        if (kernel.contains("/")) {
            throw new ParameterException(
                    spec.commandLine(), "--kernel " + kernel + " is no release of a kernel, as uname -r writes it");
        }
        Optional<DriverStaging.Node> node = staging.open(shell);
        if (node.isEmpty()) {
            return ExitCode.USAGE.code();
        }
        var settings = node.get().config().driver();
        if (ifManaged && (!settings.manage() || settings.source() == SourceKind.HOST)) {
            shell.err().println("the agent keeps no driver of its own on this node: nothing to do");
            return ExitCode.OK.code();
        }
        return DriverStaging.stage(
                shell, node.get(), settings, kernel, Duration.ofSeconds(wait), dryRun, output.json());
    }
}
