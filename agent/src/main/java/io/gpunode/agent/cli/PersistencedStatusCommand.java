package io.gpunode.agent.cli;

import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code persistenced status}. */
@Command(
        name = "status",
        description = {
            "Shows whether nvidia-persistenced runs and is ready, who starts it, and whether it holds every GPU: it says that it is ready also when it"
                    + " could not open one.",
            "",
            "Needs no running agent and changes nothing. Run it as root on the node."
        })
final class PersistencedStatusCommand implements Callable<Integer> {
    private final Shell shell;

    @Mixin
    private PersistencedNode node = new PersistencedNode();

    @Mixin
    private Commands.OutputOption output = new Commands.OutputOption();

    PersistencedStatusCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() throws InterruptedException {
        Optional<PersistencedNode.Node> opened = node.open(shell);
        if (opened.isEmpty()) {
            return ExitCode.USAGE.code();
        }
        shell.out().print(PersistencedNode.text(opened.get().status(), output.json()));
        return ExitCode.OK.code();
    }
}
