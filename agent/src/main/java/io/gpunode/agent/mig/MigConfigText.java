package io.gpunode.agent.mig;

import io.gpunode.agent.json.JsonWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;

/** Writes a {@link MigConfigFile} so that {@link MigConfigReader} and mig-parted read it back. */
public final class MigConfigText {
    /** What YAML of any version takes for a string without quotation marks, if it is not one of {@link #WORDS}. */
    private static final Pattern PLAIN = Pattern.compile("[A-Za-z][A-Za-z0-9._-]*");

    private static final Set<String> WORDS = Set.of("true", "false", "yes", "no", "on", "off", "y", "n", "null");

    private MigConfigText() {}

    /** As YAML, ending with a line break. */
    public static String yaml(MigConfigFile file) {
        StringBuilder out =
                new StringBuilder("version: ").append(MigConfigFile.VERSION).append("\nmig-configs:\n");
        file.layouts().forEach((label, entries) -> {
            out.append("  ").append(scalar(label)).append(":\n");
            for (MigConfigFile.Entry entry : entries) {
                yaml(entry, out);
            }
        });
        return out.toString();
    }

    private static void yaml(MigConfigFile.Entry entry, StringBuilder out) {
        String indent = "    - ";
        if (!entry.filters().isEmpty()) {
            List<String> filters = new ArrayList<>();
            entry.filters().forEach(filter -> filters.add(quoted(filter.toString())));
            out.append(indent)
                    .append("device-filter: [")
                    .append(String.join(", ", filters))
                    .append("]\n");
            indent = "      ";
        }
        out.append(indent)
                .append("devices: ")
                .append(entry.gpus().isEmpty() ? "all" : entry.gpus().toString())
                .append("\n      mig-enabled: ")
                .append(entry.enabled())
                .append('\n');
        if (entry.enabled()) {
            out.append("      mig-devices:").append(entry.devices().isEmpty() ? " {}\n" : "\n");
            for (MigConfigFile.Devices devices : entry.devices()) {
                out.append("        ")
                        .append(quoted(devices.profile().toString()))
                        .append(": ")
                        .append(devices.count())
                        .append('\n');
            }
        }
    }

    private static String scalar(String text) {
        boolean plain = PLAIN.matcher(text).matches() && !WORDS.contains(text.toLowerCase(Locale.ROOT));
        return plain ? text : quoted(text);
    }

    /** JSON's strings are YAML's too. */
    private static String quoted(String text) {
        StringBuilder out = new StringBuilder();
        JsonWriter.appendString(out, text);
        return out.toString();
    }

    /** As JSON, ending with a line break. */
    public static String json(MigConfigFile file) {
        JsonWriter out = JsonWriter.pretty().beginObject();
        out.member("version", MigConfigFile.VERSION).name("mig-configs").beginObject();
        for (Map.Entry<String, List<MigConfigFile.Entry>> layout :
                file.layouts().entrySet()) {
            out.name(layout.getKey()).beginArray();
            for (MigConfigFile.Entry entry : layout.getValue()) {
                json(entry, out);
            }
            out.endArray();
        }
        return out.endObject().endObject() + "\n";
    }

    private static void json(MigConfigFile.Entry entry, JsonWriter out) {
        out.beginObject();
        if (!entry.filters().isEmpty()) {
            out.member(
                    "device-filter",
                    entry.filters().stream().map(MigConfigFilter::toString).toList());
        }
        if (entry.gpus().isEmpty()) {
            out.member("devices", "all");
        } else {
            out.name("devices").beginArray();
            entry.gpus().forEach(out::value);
            out.endArray();
        }
        out.member("mig-enabled", entry.enabled());
        if (entry.enabled()) {
            out.name("mig-devices").beginObject();
            for (MigConfigFile.Devices devices : entry.devices()) {
                out.member(devices.profile().toString(), devices.count());
            }
            out.endObject();
        }
        out.endObject();
    }
}
