package io.gpunode.agent.cli;

import io.gpunode.agent.driver.DriverSourceException;
import io.gpunode.agent.driver.DriverStore;
import io.gpunode.agent.driver.StagedDriver;
import io.gpunode.agent.json.JsonWriter;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code driver prune}. */
@Command(
        name = "prune",
        description = {
            "Removes drivers from the store: all but the one that is in use, the one before it, and the newest others. Shows what was there.",
            "",
            "Needs root; works on a full disk. --dry-run only reads."
        })
final class DriverPruneCommand implements Callable<Integer> {
    private final Shell shell;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    @Option(names = "--keep", paramLabel = "NUMBER", description = "How many others stay. Default: driver.store.keep.")
    private @Nullable Integer keep;

    @Option(names = "--dry-run", description = "Shows what would be removed, and removes nothing.")
    private boolean dryRun;

    @Mixin
    private DriverStaging staging = new DriverStaging();

    @Mixin
    private Commands.OutputOption output = new Commands.OutputOption();

    DriverPruneCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() throws Exception {
        if (keep != null && keep < 0) {
            throw new ParameterException(spec.commandLine(), "--keep " + keep + " is less than 0");
        }
        Optional<DriverStaging.Node> node = staging.open(shell);
        if (node.isEmpty()) {
            return ExitCode.USAGE.code();
        }
        DriverStore store = node.get().store();
        List<StagedDriver> all = store.list();
        DriverStore.Pins pins = store.pins();
        int others = keep == null ? node.get().config().driver().keep() : keep;
        try {
            Set<String> removed = node.get().sources().prune(others, dryRun).stream()
                    .map(StagedDriver::key)
                    .collect(Collectors.toSet());
            shell.out().print(output.json() ? json(all, pins, removed) : text(all, pins, removed));
            return ExitCode.OK.code();
        } catch (DriverSourceException e) {
            shell.err().println(Text.printable(String.valueOf(e.getMessage())));
            return ExitCode.FAILURE.code();
        }
    }

    private String text(List<StagedDriver> all, DriverStore.Pins pins, Set<String> removed) {
        if (all.isEmpty()) {
            return "the store has no drivers\n";
        }
        Text.Table table = new Text.Table("VERSION", "TYPE", "KERNEL", "STATE", "KEY");
        for (StagedDriver driver : all) {
            table.row(
                    driver.version().text(),
                    driver.type().text(),
                    driver.kernel(),
                    state(driver, pins, removed),
                    driver.key());
        }
        return table.toString();
    }

    private String json(List<StagedDriver> all, DriverStore.Pins pins, Set<String> removed) {
        JsonWriter out = JsonWriter.pretty().beginObject().name("drivers").beginArray();
        for (StagedDriver driver : all) {
            DriverStaging.write(out.beginObject(), driver);
            out.member("state", state(driver, pins, removed)).endObject();
        }
        return out.endArray().endObject() + "\n";
    }

    private String state(StagedDriver driver, DriverStore.Pins pins, Set<String> removed) {
        if (driver.key().equals(pins.current())) {
            return "in use";
        }
        if (pins.others().contains(driver.key())) {
            return "previous";
        }
        return removed.contains(driver.key()) ? dryRun ? "would be removed" : "removed" : "kept";
    }
}
