package io.gpunode.agent.cli;

import io.gpunode.agent.driver.DriverSourceException;
import io.gpunode.agent.driver.DriverStore;
import io.gpunode.agent.driver.StagedDriver;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code driver bundle}. */
@Command(
        name = "bundle",
        description = {
            "Writes drivers of the store, with everything that they need, into an archive for nodes without a network: driver install --bundle, or"
                    + " driver.source: bundle.",
            "",
            "Needs root."
        })
final class DriverBundleCommand implements Callable<Integer> {
    private final Shell shell;

    @Parameters(
            arity = "0..*",
            paramLabel = "KEY",
            description =
                    "Which drivers, by key or the beginning of one, as driver prune --dry-run shows them. Default: all.")
    private List<String> keys = new ArrayList<>();

    @Option(
            names = "--file",
            required = true,
            paramLabel = "FILE",
            description = "The archive; its name ends with .tar, .tar.gz, .tar.xz or .tar.zst.")
    private String file = "";

    @Mixin
    private DriverStaging staging = new DriverStaging();

    DriverBundleCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() throws Exception {
        Optional<DriverStaging.Node> node = staging.open(shell);
        if (node.isEmpty()) {
            return ExitCode.USAGE.code();
        }
        DriverStore store = node.get().store();
        List<String> chosen = new ArrayList<>();
        for (StagedDriver driver : store.list()) {
            if (keys.isEmpty() || keys.stream().anyMatch(driver.key()::startsWith)) {
                chosen.add(driver.key());
            }
        }
        if (chosen.isEmpty()) {
            shell.err().println(keys.isEmpty() ? "the store has no drivers" : "the store has no such driver");
            return ExitCode.FAILURE.code();
        }
        try {
            node.get()
                    .sources()
                    .writeBundle(chosen, Path.of(file).toAbsolutePath().normalize());
            shell.out().println(chosen.size() + (chosen.size() == 1 ? " driver" : " drivers") + " in " + file);
            return ExitCode.OK.code();
        } catch (DriverSourceException e) {
            shell.err().println(Text.printable(String.valueOf(e.getMessage())));
            return ExitCode.FAILURE.code();
        }
    }
}
