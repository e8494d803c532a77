package io.gpunode.nvml.simulator;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.jna.NativeLibrary;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The library leaves nothing behind in the process that closes it. */
@Timeout(30)
class UnmapTest {
    private static final Duration BOUND = Duration.ofSeconds(20);

    @TempDir
    Path root;

    @Test
    void libraryWithItsControlThreadIsUnmappedAfterTheLastShutdown() throws Exception {
        // Given
        try (ControlFile control = ControlFile.install(root, "8xh100", BOUND)) {
            NativeLibrary library = NvmlSimulatorTest.initialized(control);
            assertThat(threads()).contains("nvmlsim-control");
            control.apply("set gpu=0 temperature=71"); // from this process to itself, over the file
            // When
            NvmlSimulatorTest.call(library, "nvmlShutdown");
            library.close();
            // Then
            assertThat(maps()).doesNotContain(control.library().toString());
        }
    }

    @Test
    void libraryClosedWithoutShutdownIsUnmappedAndReported() throws Exception {
        // Given
        ControlFile control = ControlFile.install(root, "8xh100", BOUND);
        NativeLibrary library = NvmlSimulatorTest.initialized(control);
        // When
        library.close();
        // Then
        assertThat(maps()).doesNotContain(control.library().toString());
        assertThat(control.violations())
                .singleElement()
                .asString()
                .endsWith("unloaded or ended while initialised 1 times");
    }

    private static String maps() throws IOException {
        return Files.readString(Path.of("/proc/self/maps"), StandardCharsets.UTF_8);
    }

    private static String threads() throws IOException {
        StringBuilder names = new StringBuilder();
        try (var tasks = Files.newDirectoryStream(Path.of("/proc/self/task"))) {
            for (Path task : tasks) {
                names.append(nameOf(task));
            }
        }
        return names.toString();
    }

    private static String nameOf(Path task) {
        try {
            return Files.readString(task.resolve("comm"), StandardCharsets.UTF_8);
        } catch (IOException e) {
            return ""; // it ended between the two looks
        }
    }
}
