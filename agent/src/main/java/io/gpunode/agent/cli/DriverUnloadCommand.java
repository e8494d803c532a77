package io.gpunode.agent.cli;

import io.gpunode.agent.driver.DriverCommand;
import java.io.IOException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code driver unload}. */
@Command(
        name = "unload",
        description = {
            "Takes the driver out of the kernel: GPUs are withdrawn, daemons stopped, modules unloaded. While somebody uses it nothing is changed, and who it is"
                    + " is told. It stays away until it is loaded again or the machine is started anew.",
            "",
            "Needs root."
        })
final class DriverUnloadCommand implements Callable<Integer> {
    private final Shell shell;

    @Mixin
    private DriverOptions options = new DriverOptions();

    @Option(names = "--dry-run", description = "Prints what would be done, and who is in the way; changes nothing.")
    private boolean dryRun;

    DriverUnloadCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() throws IOException {
        return options.execute(shell, DriverCommand.UNLOAD, dryRun, false).code();
    }
}
