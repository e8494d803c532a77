package io.gpunode.agent.cli;

import io.gpunode.agent.driver.DriverCommand;
import java.io.IOException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code driver upgrade}. */
@Command(
        name = "upgrade",
        description = {
            "Brings the node to the driver that the configuration wants. Everything that can be done before is done while the running driver works; when a step"
                    + " fails, the driver before comes back by itself.",
            "",
            "Needs root."
        })
final class DriverUpgradeCommand implements Callable<Integer> {
    private final Shell shell;

    @Mixin
    private DriverOptions options = new DriverOptions();

    @Option(names = "--dry-run", description = "Prints what would be done, and who is in the way; changes nothing.")
    private boolean dryRun;

    DriverUpgradeCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() throws IOException {
        return options.execute(shell, DriverCommand.UPGRADE, dryRun, false).code();
    }
}
