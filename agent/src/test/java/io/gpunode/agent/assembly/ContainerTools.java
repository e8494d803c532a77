package io.gpunode.agent.assembly;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Real container runtimes: those in the folder that {@code CONTAINER_TOOLS} names, as {@code fetch-container-tools.sh} fills it, else those that are
 * installed.
 */
final class ContainerTools {
    private static final List<String> PLACES = List.of("usr/sbin", "usr/bin", "sbin", "bin");
    /** What a C library of the machine itself needs, and where one that looks into lib64 was unpacked. */
    private static final String OTHER_LOADER = "lib64-loader/lib64";

    private ContainerTools() {}

    private static Optional<Path> folder() {
        @Nullable String folder = System.getenv("CONTAINER_TOOLS");
        return folder == null || folder.isBlank() ? Optional.empty() : Optional.of(Path.of(folder));
    }

    /** A program; empty when it is nowhere. */
    static Optional<Path> find(String program) {
        List<Path> roots = new ArrayList<>();
        folder().ifPresent(roots::add);
        roots.add(Path.of("/"));
        roots.add(Path.of("/usr/local"));
        for (Path root : roots) {
            for (String place : PLACES) {
                Path path = root.resolve(place).resolve(program);
                if (Files.isExecutable(path)) {
                    return Optional.of(path);
                }
            }
        }
        return Optional.empty();
    }

    /** A C library and loader that search {@code /lib64} and {@code /usr/lib64}, as in Red Hat's family. */
    static Optional<Path> otherLoader() {
        return folder().map(folder -> folder.resolve(OTHER_LOADER)).filter(Files::isDirectory);
    }

    /** Why no container can be started here with a program; empty when one can. */
    static Optional<String> missing(String program) {
        if (!"root".equals(System.getProperty("user.name"))) {
            return Optional.of("containers with device nodes need root");
        }
        if (find("cc").isEmpty()) {
            return Optional.of("no C compiler");
        }
        return find(program).isPresent()
                ? Optional.empty()
                : Optional.of("no " + program + ": install it, or set"
                        + " CONTAINER_TOOLS=$(agent/src/test/scripts/fetch-container-tools.sh)");
    }

    /** Runs a program to its end and gives what it wrote; fails when it ends with an error. */
    static String run(List<String> command, int seconds) throws IOException, InterruptedException {
        Path output = Files.createTempFile("gn", ".out");
        try {
            ProcessBuilder builder =
                    new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(output.toFile());
            environment(builder.environment());
            Process process = builder.start();
            if (!process.waitFor(seconds, TimeUnit.SECONDS)) {
                process.destroyForcibly();
                throw new AssertionError(command + " took more than " + seconds + " s:\n" + Files.readString(output));
            }
            String text = new String(Files.readAllBytes(output), StandardCharsets.UTF_8);
            if (process.exitValue() != 0) {
                throw new AssertionError(command + " ended with " + process.exitValue() + ":\n" + text);
            }
            return text;
        } finally {
            Files.deleteIfExists(output);
        }
    }

    private static void environment(Map<String, String> environment) {
        folder().ifPresent(folder -> {
            String architecture = "aarch64".equals(System.getProperty("os.arch")) ? "aarch64" : "x86_64";
            environment.put("LD_LIBRARY_PATH", folder + "/usr/lib/" + architecture + "-linux-gnu");
            environment.put("PATH", folder + "/usr/sbin:" + folder + "/usr/bin:" + environment.get("PATH"));
        });
    }
}
