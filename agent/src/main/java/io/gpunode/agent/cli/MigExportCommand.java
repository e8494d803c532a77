package io.gpunode.agent.cli;

import io.gpunode.agent.mig.MigConfigExport;
import io.gpunode.agent.mig.MigConfigText;
import io.gpunode.agent.mig.MigGpu;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code mig export}. */
@Command(
        name = "export",
        description =
                "Writes how the GPUs are split now as a configuration file, which assert and nvidia-mig-parted read.")
final class MigExportCommand implements Callable<Integer> {
    private static final String DEFAULT_LABEL = "current";

    private final Shell shell;

    @Option(
            names = {"-o", "--output", "--output-format"},
            paramLabel = "FORMAT",
            description = "yaml or json. Default: yaml. Variable: MIG_PARTED_OUTPUT_FORMAT.")
    private @Nullable String format;

    @Option(
            names = {"-l", "--config-label"},
            paramLabel = "LABEL",
            description =
                    "The layout's name in the file. Default: " + DEFAULT_LABEL + ". Variable: MIG_PARTED_CONFIG_LABEL.")
    private @Nullable String label;

    @Mixin
    private MigNode node = new MigNode();

    MigExportCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() throws Exception {
        boolean json = node.json(format, shell);
        String name = MigNode.text(label, "MIG_PARTED_CONFIG_LABEL", shell);
        Optional<List<MigGpu>> gpus = node.read(shell);
        if (gpus.isEmpty()) {
            return ExitCode.FAILURE.code();
        }
        MigConfigExport export = MigConfigExport.of(name.isEmpty() ? DEFAULT_LABEL : name, gpus.get());
        shell.out().print(json ? MigConfigText.json(export.file()) : MigConfigText.yaml(export.file()));
        for (String note : export.notes()) {
            shell.err().println(Text.printable(note));
        }
        return ExitCode.OK.code();
    }
}
