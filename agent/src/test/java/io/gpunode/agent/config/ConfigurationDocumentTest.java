package io.gpunode.agent.config;

import io.gpunode.agent.testing.Golden;
import java.util.ArrayList;
import java.util.List;
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
                `GPU_NODE_AGENT_CONFIG` or `CONFIG_FILE` names another. It may be missing, and it may be empty. It is a superset of the NVIDIA
                device plugin's file, version `v1`.

                - A flag wins over an environment variable, that over the file, that over the default. `gpu-node-agent config show` shows every
                  value in force and where it comes from.
                - The file is read strictly: unknown keys, keys given twice, wrong types and values out of range are refused, all at once,
                  each with its line. `gpu-node-agent config check FILE` does that without starting anything. `--config-strict=false` passes
                  unknown keys over with a notice.
                - An environment variable that is set to nothing says nothing.
                - Durations are written as `5s`, `1m30s` or `250ms`. A list is a YAML list, or one text with commas; in flags and variables it is
                  always the latter. A flag of `true` or `false` may stand alone, which means `true`.
                - SIGHUP reads everything again. Settings marked *live* apply at once; a change of any other is logged and waits for a restart.
                  A configuration with problems is refused as a whole, and the one in force stays.

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
        names(out, "Flag", "--", setting.flags());
        names(out, "Environment", "", setting.environment());
        if (setting.live()) {
            out.append("- Live: applied by a reload\n");
        }
    }

    private static void names(StringBuilder out, String title, String prefix, List<Spelling> spellings) {
        List<String> texts = new ArrayList<>();
        for (Spelling spelling : spellings) {
            String words = spelling.meaning().words();
            texts.add("`" + prefix + spelling.name() + "`" + (words.isEmpty() ? "" : " (" + words + ")"));
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

                ## Settings of the device plugin that this version does not serve

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
                        .append(plain("--", setting.flags()))
                        .append(" | ")
                        .append(plain("", setting.environment()))
                        .append(" | ")
                        .append(accepted)
                        .append(" |\n");
            }
        }
    }

    private static String plain(String prefix, List<Spelling> spellings) {
        return spellings.stream()
                .map(spelling -> "`" + prefix + spelling.name() + "`")
                .collect(java.util.stream.Collectors.joining(", "));
    }
}
