package io.gpunode.agent.cli;

import io.gpunode.agent.config.Report;
import io.gpunode.agent.mig.HooksFile;
import io.gpunode.agent.mig.MigConfigFile;
import io.gpunode.agent.mig.MigConfigWishes;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** A layout of a configuration file, named by the flags and variables of nvidia-mig-parted, and changing the node to it. */
final class MigLayoutOptions {
    @Option(
            names = {"-f", "--config-file"},
            paramLabel = "FILE",
            description = "The configuration file; - is standard input. Variable: MIG_PARTED_CONFIG_FILE.")
    private @Nullable String file;

    @Option(
            names = {"-c", "--selected-config"},
            paramLabel = "LAYOUT",
            description =
                    "The layout's name. Default: the only one that the file has. Variable: MIG_PARTED_SELECTED_CONFIG.")
    private @Nullable String selected;

    @Option(
            names = {"-m", "--mode-only"},
            description = "Changes MIG modes alone. Variable: MIG_PARTED_MODE_CHANGE_ONLY.")
    private boolean modeOnly;

    /**
     * Plans the change, and carries it out unless it is a dry run; the exit status.
     *
     * @param hooksName of the hooks file; empty for none
     * @param variables for hooks, beside those that say which layout it is
     * @param skipReset whether a mode may be left pending
     */
    int change(
            Shell shell,
            MigNode node,
            boolean json,
            String hooksName,
            Map<String, String> variables,
            boolean dryRun,
            boolean skipReset)
            throws Exception {
        String name = node.required(file, "--config-file", "MIG_PARTED_CONFIG_FILE", shell);
        String label = MigNode.text(selected, "MIG_PARTED_SELECTED_CONFIG", shell);
        boolean modes = node.on(modeOnly, "MIG_PARTED_MODE_CHANGE_ONLY", shell);
        Report report = new Report(true);
        Optional<MigConfigFile> config = MigAssertCommand.read(name, shell, report);
        Optional<String> layout = config.flatMap(found -> MigConfigWishes.select(name, found, label, report));
        Optional<HooksFile> hooks = MigChange.hooks(hooksName, report);
        MigChange change = new MigChange(shell, node, json, modes, dryRun, skipReset);
        if (config.isEmpty() || layout.isEmpty() || hooks.isEmpty()) {
            return change.problems(report);
        }
        List<MigConfigFile.Entry> all = config.get().layout(layout.get());
        List<MigConfigFile.Entry> entries =
                modes ? all.stream().map(MigConfigFile.Entry::withoutDevices).toList() : all;
        Map<String, String> environment = new LinkedHashMap<>(variables);
        environment.put("MIG_PARTED_CONFIG_FILE", name);
        environment.put("MIG_PARTED_SELECTED_CONFIG", layout.get());
        environment.put("MIG_PARTED_MODE_CHANGE_ONLY", String.valueOf(modes));
        return change.run(
                (gpus, problems) -> MigConfigWishes.of(entries, gpus, problems).map(MigConfigWishes::gpus),
                hooks.get(),
                environment,
                report);
    }
}
