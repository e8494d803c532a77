package io.gpunode.agent.config;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * A configuration file with every setting that this version serves, each with its text and its default, commented out. Packages install it, so that an
 * administrator changes what is there instead of looking for names. Made from {@link ConfigSchema}: a new row appears by itself.
 */
public final class ExampleConfiguration {
    private static final int WIDTH = 100;
    /** A link of Markdown. */
    private static final Pattern LINK = Pattern.compile("\\[([^\\]]*)\\]\\([^)]*\\)");

    private static final String HEADING = """
            ## Configuration of gpu-node-agent. Nothing needs to be set: each value below is the default.
            ##
            ## To change a setting, take the one # away before it and before the blocks that it stands in, and leave the
            ## blanks as they are. gpu-node-agent config check FILE tells what is wrong with a file, and
            ## gpu-node-agent config show which values count and where they come from.
            ## A running agent reads the file again when it changes. Settings that wait for a restart say so.

            version: v1
            """;

    private final StringBuilder out = new StringBuilder(HEADING);

    private ExampleConfiguration() {}

    /** The file's text. */
    public static String text() {
        Block root = new Block();
        for (Setting<?> setting : ConfigSchema.ALL) {
            if (setting.inFile()
                    && setting.support() instanceof Support.Served
                    && !setting.path().equals(ConfigSchema.VERSION.path())) {
                root.add(List.of(setting.path().split("\\.", -1)), setting);
            }
        }
        ExampleConfiguration example = new ExampleConfiguration();
        for (Map.Entry<String, Block> block : root.blocks.entrySet()) {
            example.out.append('\n');
            example.write(block.getKey(), block.getValue(), "");
        }
        return example.out.toString();
    }

    /** A block of the file, or a setting, which holds no further blocks. */
    private static final class Block {
        private final Map<String, Block> blocks = new LinkedHashMap<>();
        private final List<Setting<?>> setting = new ArrayList<>(1);

        private void add(List<String> path, Setting<?> what) {
            if (path.isEmpty()) {
                setting.add(what);
                return;
            }
            blocks.computeIfAbsent(path.getFirst(), _ -> new Block()).add(path.subList(1, path.size()), what);
        }
    }

    private void write(String name, Block block, String indent) {
        if (block.setting.isEmpty()) {
            out.append('#').append(indent).append(name).append(":\n");
        }
        for (Setting<?> setting : block.setting) {
            comment(setting, indent);
            out.append('#').append(indent).append(name).append(':');
            value(setting, indent);
        }
        for (Map.Entry<String, Block> inner : block.blocks.entrySet()) {
            write(inner.getKey(), inner.getValue(), indent + "  ");
        }
    }

    private void comment(Setting<?> setting, String indent) {
        String text = setting.description() + " Value: " + setting.typeText() + ".";
        if (!setting.defaultWords().isEmpty()) {
            text += " Unless set: " + setting.defaultWords() + ".";
        }
        if (!setting.live()) {
            text += " A change waits for a restart.";
        }
        String start = "## " + indent;
        StringBuilder line = new StringBuilder(start);
        for (String word : LINK.matcher(text).replaceAll("$1").replace("`", "").split(" ", -1)) {
            if (line.length() > start.length() && line.length() + word.length() >= WIDTH) {
                out.append(line.toString().stripTrailing()).append('\n');
                line = new StringBuilder(start);
            }
            line.append(word).append(' ');
        }
        out.append(line.toString().stripTrailing()).append('\n');
    }

    private void value(Setting<?> setting, String indent) {
        String text = setting.defaultText();
        if (!setting.isList() && !setting.typeText().startsWith("list")) {
            out.append(' ').append(scalar(text)).append('\n');
            return;
        }
        List<String> items = new ArrayList<>();
        for (String item : text.isEmpty() ? List.<String>of() : List.of(text.split(",", -1))) {
            items.add(scalar(item));
        }
        String list = " [" + String.join(", ", items) + "]";
        if (indent.length() + list.length() < WIDTH) {
            out.append(list).append('\n');
            return;
        }
        out.append('\n');
        for (String item : items) {
            out.append('#').append(indent).append("  - ").append(item).append('\n');
        }
    }

    private static String scalar(String text) {
        boolean plain = !text.isEmpty();
        for (int i = 0; i < text.length() && plain; i++) {
            char c = text.charAt(i);
            plain = Character.isLetterOrDigit(c) || c == '/' || c == '.' || c == '_' || (c == '-' && i > 0);
        }
        return plain ? text : "\"" + text.replace("\\", "\\\\").replace("\"", "\\\"") + "\"";
    }
}
