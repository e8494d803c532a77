package io.gpunode.agent.cli;

import io.gpunode.agent.driver.DaemonKind;
import io.gpunode.agent.driver.StagedDriver;
import java.io.IOException;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code persistenced start}. */
@Command(
        name = "start",
        description = {
            "Starts nvidia-persistenced for the loaded driver and waits until it is ready: through its systemd unit where that is enabled, else as a"
                    + " process that stays. One that runs is left as it is.",
            "",
            "An agent that manages the driver takes it over. Needs root."
        })
final class PersistencedStartCommand implements Callable<Integer> {
    private final Shell shell;

    @Option(names = "--dry-run", description = "Prints what would be run, and changes nothing.")
    private boolean dryRun;

    @Mixin
    private PersistencedNode node = new PersistencedNode();

    @Mixin
    private Commands.OutputOption output = new Commands.OutputOption();

    PersistencedStartCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() throws IOException, InterruptedException {
        Optional<PersistencedNode.Node> opened = node.open(shell);
        if (opened.isEmpty()) {
            return ExitCode.USAGE.code();
        }
        PersistencedNode.Node here = opened.get();
        Optional<StagedDriver> driver = here.hand()
                .loaded(DriverOptions.node(shell, here.config()).observer().observe());
        if (driver.isEmpty()) {
            shell.err()
                    .println("no driver is loaded for it to keep initialised; load it first: " + Main.NAME
                            + " driver load");
            return ExitCode.FAILURE.code();
        }
        if (dryRun) {
            return PersistencedNode.would(
                    shell, here.daemons().starting(DaemonKind.PERSISTENCED, driver.get()), output.json());
        }
        return PersistencedNode.tell(
                shell,
                here.hand()
                        .start(
                                DaemonKind.PERSISTENCED,
                                driver.get(),
                                here.config().driver().limits().daemon()),
                output.json());
    }
}
