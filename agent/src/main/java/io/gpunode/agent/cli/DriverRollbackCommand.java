package io.gpunode.agent.cli;

import io.gpunode.agent.driver.DriverCommand;
import java.io.IOException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code driver rollback}. */
@Command(
        name = "rollback",
        description = {
            "Goes back to the driver that ran before, or ends a change that could not be taken back yet.",
            "",
            "Needs root."
        })
final class DriverRollbackCommand implements Callable<Integer> {
    private final Shell shell;

    @Mixin
    private DriverOptions options = new DriverOptions();

    @Option(names = "--dry-run", description = "Prints what would be done, and who is in the way; changes nothing.")
    private boolean dryRun;

    DriverRollbackCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() throws IOException {
        return options.execute(shell, DriverCommand.ROLLBACK, dryRun, false).code();
    }
}
