package io.gpunode.agent.config;

import io.gpunode.agent.testing.Golden;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Keeps {@code docs/configuration.md} equal to the schema. */
@Timeout(10)
class ConfigurationDocumentTest {
    @Test
    void theReferenceIsMadeFromTheSchema() {
        // When
        String document = document();

        // Then
        Golden.checkDocument("docs/configuration.md", document);
    }

    private static String document() {
        StringBuilder out = new StringBuilder("""
                # Configuration

                Made from the schema (`ConfigSchema`) by a test; `-Dgolden.update=true` writes it again.

                One YAML file, `/etc/gpu-node-agent/config.yaml` unless `--config FILE` (also `--config-file`) or the variable
                `GPU_NODE_AGENT_CONFIG`, `CONFIG_FILE` or `GFD_CONFIG_FILE` names another. It may be missing, and it may be empty. It is a superset
                of the NVIDIA device plugin's and GPU feature discovery's file, version `v1`.

                - A flag wins over an environment variable, that over the file, that over the default. `gpu-node-agent config show` shows every
                  value in force and where it comes from.
                - The file is read strictly: unknown keys, keys given twice, wrong types and values out of range are refused, all at once,
                  each with its line. `gpu-node-agent config check FILE` does that without starting anything. `--config-strict=false` passes
                  unknown keys over with a notice.
                - An environment variable that is set to nothing says nothing.
                - Durations are written as `5s`, `1m30s` or `250ms`. A list is a YAML list, or one text with commas; in flags and variables it is
                  always the latter. A flag of `true` or `false` may stand alone, which means `true`.
                - A change of the files is read by itself within seconds, also when a mounted ConfigMap is updated; SIGHUP reads them at once.
                  Settings marked *live* apply without a restart; a change of any other is logged, shown by `gpu-node-agent status`, and
                  waits for one. A configuration with problems is refused as a whole, and the one in force stays;
                  `gpu_node_agent_config_last_read_good` is then 0.

                ## Several configurations in a directory

                `config.directory` names a directory of configurations, such as a mounted ConfigMap; one of its files is read over the file
                above, setting by setting, and loses to flags and variables. Which one, in this order:

                1. the one that the node's label `nvidia.com/device-plugin.config` (`config.nodeLabel`) names, where an API server is reachable;
                2. the one whose name stands in `config.selectionFile`;
                3. `config.default`;
                4. what `config.fallbackStrategies` find: the one that is called `default`, the only one, or none.

                A change of the label, of the selection file, of the directory or of the chosen file is followed without a restart. A name that
                is not there is refused: the agent goes on with what it had and says so in its log and in `gpu-node-agent status`. When it
                starts, it offers nothing before the label is known, for at most 5 s; then the rest of the list chooses. As long as nothing has
                chosen (the label is not known, or what it names cannot be used, and none of 2 to 4 applies) the node offers nothing; `/readyz`
                and `status` say why. A label that is known within those 5 s chooses settings that are not *live* as well; when it comes or
                changes later, they wait for a restart.
                `gpu-node-agent config check DIRECTORY` checks every configuration in it. Directories and names that begin with `..` are left out.

                ## Coming from NVIDIA's device plugin

                Its file, flags and variables are taken as they are; `gpu-node-agent config check FILE` says what differs for yours. Beyond
                that:

                - `resources`, and `rename` and `devices` of `sharing.timeSlicing.resources`, count. The device plugin reads them and passes
                  them over with a warning, so a file that carries them changes what the node offers: remove them to keep it as it was.
                - Unknown keys are refused. The device plugin passes them over without a word; `--config-strict=false` does so with a notice.
                - `yes`, `no`, `on` and `off` are words, not truth values: write `true` and `false`.
                - `failOnInitError` has no effect: with either value the agent waits for a driver that is not there, looks for it every
                  `nvml.retryInterval`, and says so in `/readyz` and `status`. The device plugin ends (`true`) or waits without looking (`false`).
                - `sharing.mps` is refused; share through `sharing.timeSlicing`.
                - The config manager beside it is not needed: its `CONFIG_FILE_SRCDIR`, `DEFAULT_CONFIG`, `FALLBACK_STRATEGIES`, `NODE_LABEL`,
                  `NODE_NAME` and `KUBECONFIG` are the agent's. Leave out `CONFIG_FILE` when it only named the link that the config manager
                  made (`CONFIG_FILE_DST`).
                - GPU feature discovery's flags and variables count as well. Labels are written when they change, not every `sleepInterval`;
                  `useNodeFeatureAPI` counts only where it is set, because `labels.sink` finds out by itself where labels can be written.
                - Mount the host's root, and name it in `host.root`, where the device plugin wants the driver root at `containerDriverRoot`.

                ## Coming from dcgm-exporter

                Its command line, its variables, its field files and its own YAML file are taken as they are; what has no effect here is told
                with the reason when the agent starts. [compatibility.md](compatibility.md#configuration-of-dcgm-exporter) has every flag.

                - A command line of flags alone runs the agent: `gpu-node-agent -f /etc/dcgm-exporter/default-counters.csv -k`. Flags may have
                  one dash or two.
                - `-f`, `--collectors` or `DCGM_EXPORTER_COLLECTORS` names a field file, which is `metrics.fieldsFile`: rows of name, type and help
                  text, comments with `#`, help texts with commas in double quotes. A name may be of either spelling that DCGM has, of exporter
                  1.x, or a field's number; the metric keeps the name and the help text that are written. The type is kept, too, unless it is
                  wrong: a value that can fall is no `counter`, a number is no `label` and a text is nothing else, and a notice says what is shown.
                  A row that cannot be used keeps the file from being used; all such rows are told at once, with line and column.
                - The three files that dcgm-exporter brings along need not be there: their fields are known.
                - A field that DCGM has and NVML cannot give is refused with the reason. `metrics.leaveOutUnavailable: true` leaves such fields
                  out with a notice.
                - The file is read again when it changes, through the links of a mounted ConfigMap, too; a file with a mistake leaves what was
                  shown. A file that is mounted with `subPath` never changes in a container, whoever reads it: mount the ConfigMap as a
                  directory, as dcgm-exporter's chart does not, or name it in `metrics.configMap`.
                - `-m` or `DCGM_EXPORTER_CONFIGMAP_DATA` names a ConfigMap, `namespace:name`, which is `metrics.configMap`. The agent reads it
                  from the API server twice a minute. Until it has, and where it may not, the field file or the default counts; what was read
                  last stays. It needs the verb `get` on it ([kubernetes.md](kubernetes.md)). A row of it that cannot be used is left out with
                  a notice, and one without any row that can be used does not count: it keeps nothing else from being used.
                - `metrics.fields` lists fields in the agent's own file; beside names it takes blocks of `name`, `prometheusType` and `help`.
                  Between `metrics.fields` and `metrics.fieldsFile` the one at the stronger place counts (command line over environment over
                  file). `metrics.configMap` wins over the file wherever each is set, as in dcgm-exporter, and over `metrics.fields` unless
                  that is set at a stronger place.
                - `DCGM_EXPORTER_CONFIG_FILE` names dcgm-exporter's own YAML file, version 1 or 2; `--config-file` takes one as well and tells it
                  from the agent's by its version, which is a number. What the agent's file says wins over it. `collection.interval`, or `every`
                  of the collection of all fields, is `sampling.interval`. Of groups with an interval of their own, those of profiling fields
                  are `sampling.profilingInterval`; all other fields are read together, so that the shortest interval that is asked for
                  counts for all of them.
                - `-c`, `--collect-interval` or `DCGM_EXPORTER_INTERVAL` is `sampling.interval`, in milliseconds. It is 5 s unless set, where
                  dcgm-exporter takes 30 s.
                - `-k` or `DCGM_EXPORTER_KUBERNETES` is `metrics.podAttribution`, which is on unless set.
                - `-d` selects devices as there, with one difference: fields of the board are shown once, for the GPU, also while MIG is on, so
                  that `i` alone shows the fields of GPU instances and no others. A number without a device is no error: GPUs come and go.

                ## Settings

                """);
        table(out);
        for (Setting<?> setting : ConfigSchema.ALL) {
            if (setting.support() instanceof Support.Served) {
                entry(out, setting);
            }
        }
        others(out);
        return out.toString();
    }

    private static void table(StringBuilder out) {
        out.append("| Setting | Default | Live |\n|---|---|---|\n");
        for (Setting<?> setting : ConfigSchema.ALL) {
            if (setting.support() instanceof Support.Served) {
                out.append("| [`")
                        .append(setting.path())
                        .append("`](#")
                        .append(setting.path()
                                .toLowerCase(java.util.Locale.ROOT)
                                .replace(".", ""))
                        .append(") | ")
                        .append(defaultText(setting))
                        .append(" | ")
                        .append(setting.live() ? "live" : "")
                        .append(" |\n");
            }
        }
    }

    private static void entry(StringBuilder out, Setting<?> setting) {
        out.append("\n## ")
                .append(setting.path())
                .append("\n\n")
                .append(setting.description())
                .append(setting.inFile() ? "\n\n" : " Not in the file.\n\n");
        out.append("- Value: ").append(setting.typeText()).append('\n');
        out.append("- Default: ").append(defaultText(setting)).append('\n');
        if (!setting.defaultWords().isEmpty() && !setting.defaultText().isEmpty()) {
            out.append("  (").append(setting.defaultText().replace(",", ", ")).append(")\n");
        }
        names(out, "Flag", Spelling::flag, setting.flags());
        names(out, "Environment", Spelling::name, setting.environment());
        if (setting.live()) {
            out.append("- Live: applied by a reload\n");
        }
    }

    private static void names(
            StringBuilder out, String title, Function<Spelling, String> text, List<Spelling> spellings) {
        List<String> texts = new ArrayList<>();
        for (Spelling spelling : spellings) {
            String words = spelling.meaning().words();
            texts.add("`" + text.apply(spelling) + "`" + (words.isEmpty() ? "" : " (" + words + ")"));
        }
        if (!texts.isEmpty()) {
            out.append("- ")
                    .append(title)
                    .append(": ")
                    .append(String.join(", ", texts))
                    .append('\n');
        }
    }

    private static String defaultText(Setting<?> setting) {
        if (!setting.defaultWords().isEmpty()) {
            return setting.defaultWords();
        }
        return setting.defaultText().isEmpty() ? "none" : "`" + setting.defaultText() + "`";
    }

    private static void others(StringBuilder out) {
        out.append("""

                ## Settings of the components that the agent stands in for, and that it does not serve

                They are known, so that a file can be shared. Any value that is not listed here is refused with the next step; those without
                effect are told when the agent starts.

                | Setting | Flags | Environment | Accepted |
                |---|---|---|---|
                """);
        for (Setting<?> setting : ConfigSchema.ALL) {
            String accepted = switch (setting.support()) {
                case Support.Served _ -> "";
                case Support.NoEffect(String why) -> "anything; no effect: " + why;
                case Support.OnlyOff off ->
                    off.accepted().stream()
                            .sorted()
                            .map(text -> text.isEmpty() ? "nothing" : "`" + text + "`")
                            .collect(java.util.stream.Collectors.joining(", "));
            };
            if (!accepted.isEmpty()) {
                out.append("| ")
                        .append(setting.inFile() ? "`" + setting.path() + "`" : "not in the file")
                        .append(" | ")
                        .append(plain(Spelling::flag, setting.flags()))
                        .append(" | ")
                        .append(plain(Spelling::name, setting.environment()))
                        .append(" | ")
                        .append(accepted)
                        .append(" |\n");
            }
        }
    }

    private static String plain(Function<Spelling, String> text, List<Spelling> spellings) {
        return spellings.stream()
                .map(spelling -> "`" + text.apply(spelling) + "`")
                .collect(java.util.stream.Collectors.joining(", "));
    }
}
