package io.gpunode.agent.cli;

import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code mig plan}. */
@Command(
        name = "plan",
        description = {
            "Prints the steps from how the GPUs are split to a layout of a configuration file, or who is in the way, or what would fit instead."
                    + " Changes nothing."
        })
final class MigPlanCommand implements Callable<Integer> {
    private final Shell shell;

    @Mixin
    private MigLayoutOptions layout = new MigLayoutOptions();

    @Mixin
    private MigNode node = new MigNode();

    @Mixin
    private Commands.OutputOption output = new Commands.OutputOption();

    MigPlanCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() throws Exception {
        return layout.change(shell, node, output.json(), "", Map.of(), true, false);
    }
}
