package io.gpunode.agent.cli;

import io.gpunode.agent.kubernetes.NodeSession;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code node status}. */
@Command(
        name = "status",
        description = {
            "Shows whether the node takes pods, who has cordoned it and why, and which of its pods hold GPUs. Changes nothing."
        })
final class NodeStatusCommand implements Callable<Integer> {
    private final Shell shell;

    @Mixin
    private NodeOptions options = new NodeOptions();

    NodeStatusCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() {
        return options.execute(shell, true, NodeSession::look, _ -> "stopped").code();
    }
}
