package io.gpunode.agent.cli;

import io.gpunode.agent.driver.DaemonKind;
import java.io.IOException;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code persistenced stop}. */
@Command(
        name = "stop",
        description = {
            "Stops nvidia-persistenced, whoever started it, and waits until its process has ended: through its systemd unit when that runs, else by a signal to"
                    + " that very process, which is killed when it does not listen.",
            "",
            "It stays stopped, also with an agent that manages the driver, until it is started by hand or the machine starts anew. Needs root."
        })
final class PersistencedStopCommand implements Callable<Integer> {
    private final Shell shell;

    @Option(names = "--dry-run", description = "Prints what would be stopped, and changes nothing.")
    private boolean dryRun;

    @Mixin
    private PersistencedNode node = new PersistencedNode();

    @Mixin
    private Commands.OutputOption output = new Commands.OutputOption();

    PersistencedStopCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() throws IOException, InterruptedException {
        Optional<PersistencedNode.Node> opened = node.open(shell);
        if (opened.isEmpty()) {
            return ExitCode.USAGE.code();
        }
        PersistencedNode.Node here = opened.get();
        if (dryRun) {
            return PersistencedNode.would(shell, here.daemons().stopping(DaemonKind.PERSISTENCED), output.json());
        }
        return PersistencedNode.tell(
                shell,
                here.hand()
                        .stop(
                                DaemonKind.PERSISTENCED,
                                here.config().driver().limits().stop()),
                output.json());
    }
}
