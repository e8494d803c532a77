package io.gpunode.agent.driver;

import static java.util.Objects.requireNonNull;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.gpunode.agent.testing.Programs;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** Programs that stand in for NVIDIA's daemons, compiled once for a test run. */
public final class StandInDaemons {
    private static final Object LOCK = new Object();
    private static @Nullable Path persistenced;

    private StandInDaemons() {}

    /** Installs {@code nvidia-persistenced} below a root. */
    public static void installPersistenced(Path root) throws IOException, InterruptedException {
        Path target = root.resolve("usr/bin/nvidia-persistenced");
        Files.createDirectories(target.getParent());
        Files.copy(persistenced(), target, StandardCopyOption.COPY_ATTRIBUTES, StandardCopyOption.REPLACE_EXISTING);
    }

    /** What it does wrong from its next start on. */
    public static void fault(Path root, String word) throws IOException {
        Files.createDirectories(root.resolve("etc"));
        Files.writeString(root.resolve("etc/persistenced-fault"), word);
    }

    private static Path persistenced() throws IOException, InterruptedException {
        synchronized (LOCK) {
            if (persistenced == null) {
                Path compiler = Programs.find("gcc", "cc", "gcc");
                Path directory = Files.createTempDirectory("stand-in");
                Path source = directory.resolve("persistenced.c");
                Path binary = directory.resolve("nvidia-persistenced");
                try (InputStream in = requireNonNull(StandInDaemons.class.getResourceAsStream("persistenced.c"))) {
                    Files.copy(in, source);
                }
                Process process = new ProcessBuilder(
                                compiler.toString(),
                                "-std=gnu11",
                                "-Wall",
                                "-O1",
                                "-o",
                                binary.toString(),
                                source.toString())
                        .redirectErrorStream(true)
                        .start();
                String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
                assumeTrue(process.waitFor(60, TimeUnit.SECONDS), "the compiler does not end");
                if (process.exitValue() != 0) {
                    throw new IOException("the stand-in does not compile:\n" + output);
                }
                Files.delete(source);
                binary.toFile().deleteOnExit();
                directory.toFile().deleteOnExit();
                persistenced = binary;
            }
            return persistenced;
        }
    }
}
