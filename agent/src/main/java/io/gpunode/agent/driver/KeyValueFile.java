package io.gpunode.agent.driver;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** The configuration format of the fabric manager and of IMEX: {@code NAME=value} lines, comments behind {@code #}. */
final class KeyValueFile {
    private KeyValueFile() {}

    /** A value; empty when the file does not set it, or sets it to nothing. The last line counts. */
    static Optional<String> value(String text, String name) {
        String found = "";
        for (String line : text.split("\n", -1)) {
            if (name.equals(name(line))) {
                found = line.substring(line.indexOf('=') + 1).strip();
            }
        }
        return Optional.of(found).filter(value -> !value.isEmpty());
    }

    /** The same file with other values, in place of its own or behind them. */
    static String with(String text, Map<String, String> values) {
        List<String> lines = new ArrayList<>();
        for (String line : text.split("\n", -1)) {
            if (!values.containsKey(name(line))) {
                lines.add(line);
            }
        }
        while (!lines.isEmpty() && lines.getLast().isEmpty()) {
            lines.removeLast();
        }
        values.forEach((name, value) -> lines.add(name + "=" + value));
        return String.join("\n", lines) + "\n";
    }

    /** What a line sets; empty when it sets nothing. */
    private static String name(String line) {
        int equals = line.indexOf('=');
        return equals < 0 || line.stripLeading().startsWith("#")
                ? ""
                : line.substring(0, equals).strip();
    }
}
