package io.gpunode.nvml;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Builds small shared libraries with the system's C compiler; skips the test where there is none. */
public final class StubLibrary {
    private static final Path SOURCE = Path.of("src/test/c/stub_nvml.c");

    private StubLibrary() {}

    /** A library in this directory, from the stub's source with these arguments to the compiler. */
    public static Path build(Path directory, String... arguments) {
        return compile(
                SOURCE,
                Files.exists(directory.resolve("stub.so")) ? temporary(directory) : directory.resolve("stub.so"),
                arguments);
    }

    private static Path temporary(Path directory) {
        try {
            return Files.createTempFile(directory, "stub", ".so");
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    /** A shared library from one source. */
    public static Path compile(Path source, Path target, String... arguments) {
        List<String> command = new ArrayList<>(List.of("cc", "-shared", "-fPIC", "-o", target.toString()));
        command.addAll(List.of(arguments));
        command.add(source.toString());
        run(command);
        return target;
    }

    /** Runs a command and gives what it printed; skips the test when there is no such program. */
    public static String run(List<String> command) {
        Process process;
        try {
            process = new ProcessBuilder(command).redirectErrorStream(true).start();
        } catch (IOException e) {
            assumeTrue(false, "skipped: this machine has no '" + command.get(0) + "' (" + e.getMessage() + ")");
            throw new AssertionError(e);
        }
        try {
            String output =
                    new String(process.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
            if (!process.waitFor(30, TimeUnit.SECONDS) || process.exitValue() != 0) {
                throw new AssertionError(String.join(" ", command) + " failed:\n" + output);
            }
            return output;
        } catch (IOException e) {
            throw new AssertionError(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError(e);
        }
    }
}
