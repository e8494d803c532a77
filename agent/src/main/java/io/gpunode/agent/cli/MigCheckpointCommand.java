package io.gpunode.agent.cli;

import io.gpunode.agent.mig.CheckpointFile;
import io.gpunode.agent.mig.MigGpu;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code mig checkpoint}. */
@Command(
        name = "checkpoint",
        description = {
            "Writes down how the GPUs are split, with the place of every instance, so that it can be brought back after a restart."
                    + " nvidia-mig-parted restores from the file too."
        })
final class MigCheckpointCommand implements Callable<Integer> {
    private final Shell shell;

    @Option(
            names = {"-f", "--checkpoint-file"},
            paramLabel = "FILE",
            description = "Where to write it; - is standard output. Variable: MIG_PARTED_CHECKPOINT_FILE.")
    private @Nullable String file;

    @Mixin
    private MigNode node = new MigNode();

    MigCheckpointCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() throws Exception {
        String target = node.required(file, "--checkpoint-file", "MIG_PARTED_CHECKPOINT_FILE", shell);
        Optional<List<MigGpu>> gpus = node.read(shell);
        if (gpus.isEmpty()) {
            return ExitCode.FAILURE.code();
        }
        MigNode.write(target, CheckpointFile.of(gpus.get()).json(), shell);
        return ExitCode.OK.code();
    }
}
