package io.gpunode.agent.cli;

import io.gpunode.agent.driver.DriverCommand;
import java.io.IOException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code driver plan}. */
@Command(
        name = "plan",
        description = {
            "Prints the steps from the driver that is there to the one that the configuration wants, why they are needed, and who is in the way. Changes"
                    + " nothing.",
            "",
            "While the wanted driver has to be fetched, taken over or compiled: what comes first, how the loaded one goes, and who is in the way of that. Needs root."
        })
final class DriverPlanCommand implements Callable<Integer> {
    private final Shell shell;

    @Mixin
    private DriverOptions options = new DriverOptions();

    @Mixin
    private Commands.OutputOption output = new Commands.OutputOption();

    DriverPlanCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() throws IOException {
        return options.execute(shell, DriverCommand.UPGRADE, true, output.json())
                .code();
    }
}
