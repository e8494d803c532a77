package io.gpunode.agent.cli;

import io.gpunode.agent.mig.GeneratedConfig;
import io.gpunode.agent.mig.MigConfigFile;
import io.gpunode.agent.mig.MigConfigText;
import io.gpunode.agent.mig.MigGpu;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code mig generate-config}. */
@Command(
        name = "generate-config",
        description = {
            "Writes a configuration file with the usual layouts of this node's GPUs: all-disabled, all-enabled, all-balanced, and all-PROFILE"
                    + " for each profile. Profiles and counts are what the driver tells; there is no list of GPUs."
        })
final class MigGenerateConfigCommand implements Callable<Integer> {
    private final Shell shell;

    @Option(
            names = {"-f", "--output-file"},
            paramLabel = "FILE",
            description = "Where to write it. Default: standard output. Variable: MIG_PARTED_OUTPUT_FILE.")
    private @Nullable String file;

    @Option(
            names = {"-o", "--output", "--output-format"},
            paramLabel = "FORMAT",
            description = "yaml or json. Default: yaml. Variable: MIG_PARTED_OUTPUT_FORMAT.")
    private @Nullable String format;

    @Mixin
    private MigNode node = new MigNode();

    MigGenerateConfigCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() throws Exception {
        boolean json = node.json(format, shell);
        String target = MigNode.text(file, "MIG_PARTED_OUTPUT_FILE", shell);
        Optional<List<MigGpu>> gpus = node.read(shell);
        if (gpus.isEmpty()) {
            return ExitCode.FAILURE.code();
        }
        MigConfigFile generated = GeneratedConfig.of(gpus.get());
        MigNode.write(
                target.isEmpty() ? "-" : target,
                json ? MigConfigText.json(generated) : MigConfigText.yaml(generated),
                shell);
        return ExitCode.OK.code();
    }
}
