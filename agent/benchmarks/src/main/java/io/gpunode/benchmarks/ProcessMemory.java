package io.gpunode.benchmarks;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/**
 * Memory of a process from {@code /proc/PID/smaps_rollup}, in KiB.
 *
 * @param pss proportional set: what is shared with other processes counts in part
 * @param rss resident set
 * @param anonymous the process's own
 */
record ProcessMemory(long pss, long rss, long anonymous) {
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

    private static long kibibytes(String line) {
        return Long.parseLong(line.replaceAll("[^0-9]", ""));
    }
}
