package io.gpunode.agent.os;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * What the kernel was started with ({@code /proc/cmdline}).
 *
 * @param words in order
 */
public record KernelCommandLine(List<String> words) {
    private static final Path FILE = Path.of("/proc/cmdline");
    /** The longest that an architecture allows is 4 KiB. */
    private static final int LIMIT = 64 << 10;

    public KernelCommandLine {
        words = List.copyOf(words);
    }

    /** The running kernel's; empty when it cannot be read. */
    public static KernelCommandLine of(HostFiles files) {
        try {
            return parse(files.readText(FILE, LIMIT).orElse(""));
        } catch (IOException e) {
            return new KernelCommandLine(List.of());
        }
    }

    /** Words are separated by blanks; quotation marks do not matter for the options that are asked for here. */
    static KernelCommandLine parse(String text) {
        List<String> words = new ArrayList<>();
        for (String word : text.split("\\s+", -1)) {
            if (!word.isEmpty()) {
                words.add(word);
            }
        }
        return new KernelCommandLine(words);
    }

    /** The elements of all {@code name=a,b}; module names with underscores. */
    public List<String> values(String name) {
        List<String> values = new ArrayList<>();
        for (String word : words) {
            if (word.startsWith(name + "=")) {
                for (String value : word.substring(name.length() + 1).split(",", -1)) {
                    if (!value.isEmpty()) {
                        values.add(value.replace('-', '_'));
                    }
                }
            }
        }
        return values;
    }
}
