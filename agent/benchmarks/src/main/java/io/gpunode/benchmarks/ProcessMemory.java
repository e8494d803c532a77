package io.gpunode.benchmarks;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * Memory of a process from {@code /proc/PID/smaps_rollup}, in KiB.
 *
 * @param pss proportional set: what is shared with other processes counts in part
 * @param rss resident set
 * @param anonymous the process's own
 */
record ProcessMemory(long pss, long rss, long anonymous) {
    private static final Pattern MAPPING = Pattern.compile("^[0-9a-f]+-[0-9a-f]+ ");

    static ProcessMemory of(long pid) throws IOException {
        long pss = 0;
        long rss = 0;
        long anonymous = 0;
        for (String line : Files.readAllLines(Path.of("/proc/" + pid + "/smaps_rollup"), StandardCharsets.UTF_8)) {
            if (line.startsWith("Pss:")) {
                pss = kibibytes(line);
            } else if (line.startsWith("Rss:")) {
                rss = kibibytes(line);
            } else if (line.startsWith("Anonymous:")) {
                anonymous = kibibytes(line);
            }
        }
        if (rss == 0) {
            throw new IOException("/proc/" + pid + "/smaps_rollup has no Rss line");
        }
        return new ProcessMemory(pss, rss, anonymous);
    }

    String describe() {
        return "PSS " + mebibytes(pss) + ", RSS " + mebibytes(rss) + ", anonymous " + mebibytes(anonymous) + " MiB";
    }

    static String mebibytes(long kibibytes) {
        return String.format(Locale.ROOT, "%.1f", kibibytes / 1024.0);
    }

    /**
     * What the resident pages are of, the largest first and in parentheses what of them is the process's own, in MiB: the cache, the virtual machine, other files, and of what has no file the C library's
     * heap, compiled code and the rest, which is Java's heap, metaspace, stacks and what malloc maps.
     */
    static String parts(long pid) throws IOException {
        Map<String, long[]> parts = new TreeMap<>();
        String part = "";
        for (String line : Files.readAllLines(Path.of("/proc/" + pid + "/smaps"), StandardCharsets.UTF_8)) {
            if (MAPPING.matcher(line).find()) {
                part = part(line);
            } else if (line.startsWith("Rss:")) {
                parts.computeIfAbsent(part, name -> new long[2])[0] += kibibytes(line);
            } else if (line.startsWith("Anonymous:")) {
                parts.computeIfAbsent(part, name -> new long[2])[1] += kibibytes(line);
            }
        }
        return parts.entrySet().stream()
                .sorted(Comparator.comparingLong(entry -> -entry.getValue()[0]))
                .map(entry -> entry.getKey() + " " + mebibytes(entry.getValue()[0]) + " ("
                        + mebibytes(entry.getValue()[1]) + ")")
                .collect(Collectors.joining(", "));
    }

    private static String part(String mapping) {
        String[] words = mapping.split(" +", 6);
        String file = words.length < 6 ? "" : words[5].strip();
        if (file.endsWith(".aot")) {
            return "cache";
        }
        if (file.endsWith("libjvm.so")) {
            return "virtual machine";
        }
        if (file.equals("[heap]")) {
            return "malloc";
        }
        if (file.isEmpty() || file.startsWith("[")) {
            return words[1].contains("x") ? "compiled code" : "heap, metaspace, stacks";
        }
        return "other files";
    }

    private static long kibibytes(String line) {
        return Long.parseLong(line.replaceAll("[^0-9]", ""));
    }
}
