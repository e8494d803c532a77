package io.gpunode.agent.cli;

import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code node uncordon}. */
@Command(
        name = "uncordon",
        description = {
            "Lets pods come to the node again, if it was node drain that cordoned it. A node that somebody else has cordoned,"
                    + " before or instead, stays so."
        })
final class NodeUncordonCommand implements Callable<Integer> {
    private final Shell shell;

    @Option(names = "--dry-run", description = "Tells what would be done.")
    private boolean dryRun;

    @Mixin
    private NodeOptions options = new NodeOptions();

    NodeUncordonCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() {
        return options.execute(
                        shell,
                        false,
                        session -> session.uncordon(dryRun),
                        _ -> "stopped; see how it stands with: " + Main.NAME + " node status")
                .code();
    }
}
