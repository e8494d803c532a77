package io.gpunode.agent.cli;

import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code mig apply}. */
@Command(
        name = "apply",
        description = {
            "Splits the GPUs as a layout of a configuration file wants it, in the fewest steps: instances that fit stay, also while they are used."
                    + " Only GPUs that change are touched, and only when nobody uses what has to go.",
            "",
            "All GPUs end as wanted, or all as they were. A change that was interrupted is ended first. Needs root."
        })
final class MigApplyCommand implements Callable<Integer> {
    private final Shell shell;

    @Mixin
    private MigLayoutOptions layout = new MigLayoutOptions();

    @Option(
            names = {"-k", "--hooks-file"},
            paramLabel = "FILE",
            description =
                    "Commands to run before and after, when there is something to do. Variable: MIG_PARTED_HOOKS_FILE.")
    private @Nullable String hooksFile;

    @Option(
            names = {"-s", "--skip-reset"},
            description =
                    "Where the driver cannot reset a GPU for its new mode, leaves the mode pending for somebody else to do so, and does"
                            + " not take it back. Variable: MIG_PARTED_SKIP_RESET.")
    private boolean skipReset;

    @Option(names = "--dry-run", description = "Prints the steps, or who is in the way, and changes nothing.")
    private boolean dryRun;

    @Mixin
    private MigNode node = new MigNode();

    @Mixin
    private Commands.OutputOption output = new Commands.OutputOption();

    MigApplyCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() throws Exception {
        String hooksName = MigNode.text(hooksFile, "MIG_PARTED_HOOKS_FILE", shell);
        boolean skip = node.on(skipReset, "MIG_PARTED_SKIP_RESET", shell);
        return layout.change(
                shell,
                node,
                output.json(),
                hooksName,
                Map.of("MIG_PARTED_HOOKS_FILE", hooksName, "MIG_PARTED_SKIP_RESET", String.valueOf(skip)),
                dryRun,
                skip);
    }
}
