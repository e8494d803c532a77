package io.gpunode.agent.attribution;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.os.SystemHostFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(10)
class JobFilesTest {
    @TempDir
    private Path directory;

    private final JobFiles files = new JobFiles(new SystemHostFiles(Path.of("/")));

    @Test
    void eachLineIsAJobOfTheDevice() throws IOException {
        // Given
        Files.writeString(directory.resolve("0"), "1001\n1002\r\n\n1001\n");
        Files.writeString(directory.resolve("3.7"), "array 5 [2]");
        Files.writeString(directory.resolve("4"), "\n");

        // When
        Map<String, List<String>> jobs = files.read(directory);

        // Then
        assertThat(jobs).isEqualTo(Map.of("0", List.of("1001", "1002"), "3.7", List.of("array 5 [2]")));
        assertThat(files.skipped()).isZero();
    }

    @Test
    void aDirectoryThatIsNotThereHasNoJobs() {
        assertThat(files.read(directory.resolve("none"))).isEmpty();
        assertThat(files.skipped()).isZero();
    }

    @Test
    void whatIsNoJobFileIsPassedOverAndCounted() throws IOException {
        // Given
        for (String name : List.of("README", "gpu0", "0.", ".0", "0.1.2", "-1", "123456", "0.1~")) {
            Files.writeString(directory.resolve(name), "7");
        }
        Files.writeString(directory.resolve("1"), "x".repeat(20_000));
        Files.createDirectory(directory.resolve("2"));
        Files.writeString(directory.resolve("5"), "good\nb\u0001d\n" + "y".repeat(129) + "\n");

        // When
        Map<String, List<String>> jobs = files.read(directory);

        // Then
        assertThat(jobs).isEqualTo(Map.of("5", List.of("good")));
        assertThat(files.skipped()).isEqualTo(8 + 2 + 2);
    }

    @Test
    void aDeviceHasNoMoreJobsThanTheBound() throws IOException {
        // Given
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < 1_000; i++) {
            text.append(i).append('\n');
        }
        Files.writeString(directory.resolve("0"), text);

        // When
        Map<String, List<String>> jobs = files.read(directory);

        // Then
        assertThat(jobs.get("0")).hasSize(64).startsWith("0", "1");
        assertThat(files.skipped()).isEqualTo(936);
    }
}
