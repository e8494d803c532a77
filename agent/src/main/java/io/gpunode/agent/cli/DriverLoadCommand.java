package io.gpunode.agent.cli;

import io.gpunode.agent.driver.DriverCommand;
import java.io.IOException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code driver load}. */
@Command(
        name = "load",
        description = {
            "Makes the wanted driver ready, loads its kernel modules where none are loaded, and puts in place what is missing: nodes, daemons and the files that"
                    + " NVIDIA's other parts look for. A driver that runs is not exchanged: that is what upgrade does.",
            "",
            "Needs root."
        })
final class DriverLoadCommand implements Callable<Integer> {
    private final Shell shell;

    @Mixin
    private DriverOptions options = new DriverOptions();

    @Option(names = "--dry-run", description = "Prints what would be done, and who is in the way; changes nothing.")
    private boolean dryRun;

    DriverLoadCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() throws IOException {
        return options.execute(shell, DriverCommand.LOAD, dryRun, false).code();
    }
}
