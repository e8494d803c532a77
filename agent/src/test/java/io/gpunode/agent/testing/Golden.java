package io.gpunode.agent.testing;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Compares what others read with the file that is kept of it. {@code -Dgolden.update=true} rewrites the files instead; the difference is then for the
 * reviewer of the change.
 */
public final class Golden {
    private static final Path RESOURCES = Path.of("src", "test", "resources", "golden");

    private Golden() {}

    /** Compares with {@code src/test/resources/golden/NAME}. */
    public static void check(String name, String actual) {
        check(RESOURCES.resolve(name), actual);
    }

    /** Compares with a document of the repository, such as {@code docs/metrics.md}. */
    public static void checkDocument(String pathInRepository, String actual) {
        check(Path.of("..").resolve(pathInRepository), actual);
    }

    private static void check(Path file, String actual) {
        try {
            if (Boolean.getBoolean("golden.update")) {
                Files.createDirectories(file.toAbsolutePath().getParent());
                Files.writeString(file, actual);
                return;
            }
            assertThat(file)
                    .as("%s is missing; run the test with -Dgolden.update=true to make it", file)
                    .exists();
            assertThat(actual)
                    .as("differs from %s; if the change is wanted, run the test with -Dgolden.update=true", file)
                    .isEqualTo(Files.readString(file));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
