package io.gpunode.agent.cli;

import io.gpunode.agent.config.Report;
import io.gpunode.agent.config.TextFile;
import io.gpunode.agent.mig.CheckpointFile;
import io.gpunode.agent.mig.CheckpointWishes;
import io.gpunode.agent.mig.HooksFile;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code mig restore}. */
@Command(
        name = "restore",
        description = {
            "Splits the GPUs as a checkpoint says, with every instance at its place. What is so already stays.",
            "",
            "All GPUs end as written down, or all as they were. A change that was interrupted is ended first. Needs root."
        })
final class MigRestoreCommand implements Callable<Integer> {
    private static final String STANDARD_INPUT = "standard input";

    private final Shell shell;

    @Option(
            names = {"-f", "--checkpoint-file"},
            paramLabel = "FILE",
            description = "The checkpoint; - is standard input. Variable: MIG_PARTED_CHECKPOINT_FILE.")
    private @Nullable String file;

    @Option(
            names = {"-k", "--hooks-file"},
            paramLabel = "FILE",
            description =
                    "Commands to run before and after, when there is something to do. Variable: MIG_PARTED_HOOKS_FILE.")
    private @Nullable String hooksFile;

    @Option(
            names = {"-m", "--mode-only"},
            description = "Changes MIG modes alone. Variable: MIG_PARTED_MODE_CHANGE_ONLY.")
    private boolean modeOnly;

    @Option(names = "--dry-run", description = "Prints the steps, or who is in the way, and changes nothing.")
    private boolean dryRun;

    @Mixin
    private MigNode node = new MigNode();

    @Mixin
    private Commands.OutputOption output = new Commands.OutputOption();

    MigRestoreCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() throws Exception {
        String name = node.required(file, "--checkpoint-file", "MIG_PARTED_CHECKPOINT_FILE", shell);
        String hooksName = MigNode.text(hooksFile, "MIG_PARTED_HOOKS_FILE", shell);
        boolean modes = node.on(modeOnly, "MIG_PARTED_MODE_CHANGE_ONLY", shell);
        Report report = new Report(true);
        Optional<CheckpointFile> checkpoint = read(name, report);
        Optional<HooksFile> hooks = MigChange.hooks(hooksName, report);
        MigChange change = new MigChange(shell, node, output.json(), modes, dryRun, false);
        if (checkpoint.isEmpty() || hooks.isEmpty()) {
            return change.problems(report);
        }
        Map<String, String> variables = new LinkedHashMap<>();
        variables.put("MIG_PARTED_CHECKPOINT_FILE", name);
        variables.put("MIG_PARTED_HOOKS_FILE", hooksName);
        variables.put("MIG_PARTED_MODE_CHANGE_ONLY", String.valueOf(modes));
        return change.run(
                (gpus, problems) -> CheckpointWishes.of(name, checkpoint.get(), gpus, problems),
                hooks.get(),
                variables,
                report);
    }

    private Optional<CheckpointFile> read(String name, Report report) {
        if (name.equals("-")) {
            return TextFile.read(STANDARD_INPUT, shell.in(), report)
                    .flatMap(text -> CheckpointFile.read(STANDARD_INPUT, text, report));
        }
        return TextFile.read(Path.of(name), report).flatMap(text -> CheckpointFile.read(name, text, report));
    }
}
