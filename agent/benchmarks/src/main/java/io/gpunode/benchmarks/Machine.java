package io.gpunode.benchmarks;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/** What the figures were taken on. */
final class Machine {
    private static final String CPU_MODEL = "model name";

    private Machine() {}

    /** Cores, processor, memory, kernel, distribution and Java, in one line. */
    static String describe(Settings settings) {
        return Runtime.getRuntime().availableProcessors() + " cores of " + processor() + ", " + memory() + ", Linux "
                + System.getProperty("os.version") + ", JDK "
                + release(settings.home().resolve("runtime"))
                + " in the package, " + System.getProperty("java.vm.version") + " in the client";
    }

    /** The three load averages. */
    static String load() {
        String[] words = read(Path.of("/proc/loadavg")).split(" ", -1);
        return words[0] + " " + words[1] + " " + words[2];
    }

    private static String processor() {
        try (Stream<String> lines = read(Path.of("/proc/cpuinfo")).lines()) {
            return lines.filter(line -> line.startsWith(CPU_MODEL))
                    .map(line -> line.substring(line.indexOf(':') + 1).strip())
                    .findFirst()
                    .orElse(System.getProperty("os.arch"));
        }
    }

    private static String memory() {
        String total = read(Path.of("/proc/meminfo")).lines().findFirst().orElse("");
        String digits = total.replaceAll("[^0-9]", "");
        return digits.isEmpty() ? "unknown memory" : Long.parseLong(digits) / (1 << 20) + " GiB";
    }

    private static String release(Path runtime) {
        Path file = runtime.resolve("release");
        if (!Files.isReadable(file)) {
            return "unknown";
        }
        return read(file)
                .lines()
                .filter(line -> line.startsWith("JAVA_VERSION="))
                .map(line -> line.substring("JAVA_VERSION=".length()).replace("\"", ""))
                .findFirst()
                .orElse("unknown");
    }

    private static String read(Path file) {
        try {
            return Files.readString(file, StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + file, e);
        }
    }
}
