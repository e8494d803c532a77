package io.gpunode.agent.os;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What every {@link HostFiles} does. */
@Timeout(10)
abstract class HostFilesContract {
    private HostFiles files;
    private Path base;

    /** The implementation under test. */
    abstract HostFiles files();

    /** A host directory that exists, is empty and may be written to. */
    abstract Path hostDirectory();

    @BeforeEach
    void setUp() {
        files = files();
        base = hostDirectory();
    }

    @Test
    void whatWasReplacedIsRead() throws IOException {
        // Given
        Path path = base.resolve("a/b/spec.json");

        // When
        files.replace(path, bytes("{}\n"), "rw-r--r--");

        // Then
        assertThat(files.readText(path, 100)).contains("{}");
        assertThat(files.exists(path)).isTrue();
    }

    @Test
    void replacingLeavesNothingBesideTheFile() throws IOException {
        // Given
        Path path = base.resolve("spec.json");
        files.replace(path, bytes("old"), "rw-r--r--");

        // When
        files.replace(path, bytes("new"), "rw-r--r--");

        // Then
        assertThat(files.list(base)).containsExactly("spec.json");
        assertThat(files.readText(path, 100)).contains("new");
    }

    @Test
    void replacingSetsTheModeWhateverTheUmask() throws IOException {
        // Given
        Path path = base.resolve("shared");

        // When
        files.replace(path, bytes("x"), "rw-rw-rw-");

        // Then
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(files.resolve(path))))
                .isEqualTo("rw-rw-rw-");
    }

    @Test
    void aFailedReplaceLeavesNothingBehind() throws IOException {
        // Given
        Path directory = base.resolve("taken");
        Files.createDirectories(files.resolve(directory.resolve("not-empty")));

        // When
        assertThatThrownBy(() -> files.replace(directory, bytes("x"), "rw-r--r--"))
                .isInstanceOf(IOException.class);

        // Then
        assertThat(files.list(base)).containsExactly("taken");
    }

    @Test
    void replacingALinkLeavesItsTargetAlone() throws IOException {
        // Given
        files.replace(base.resolve("target"), bytes("target"), "rw-r--r--");
        Files.createSymbolicLink(files.resolve(base).resolve("link"), Path.of("target"));

        // When
        files.replace(base.resolve("link"), bytes("new"), "rw-r--r--");

        // Then
        assertThat(files.readText(base.resolve("target"), 100)).contains("target");
        assertThat(files.readText(base.resolve("link"), 100)).contains("new");
    }

    @Test
    void whatIsNotThereIsEmpty() throws IOException {
        assertThat(files.readText(base.resolve("none"), 100)).isEmpty();
        assertThat(files.readText(base.resolve("none/deeper"), 100)).isEmpty();
        assertThat(files.list(base.resolve("none"))).isEmpty();
        assertThat(files.exists(base.resolve("none"))).isFalse();
    }

    @Test
    void aFileLongerThanTheLimitIsRefused() throws IOException {
        // Given
        files.replace(base.resolve("long"), bytes("123456"), "rw-r--r--");

        // When / Then
        assertThat(files.readText(base.resolve("long"), 6)).contains("123456");
        assertThatThrownBy(() -> files.readText(base.resolve("long"), 5))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("5 bytes");
    }

    @Test
    void aDirectoryIsNotReadAsText() {
        assertThatThrownBy(() -> files.readText(base, 100)).isInstanceOf(IOException.class);
    }

    @Test
    void entriesAreSorted() throws IOException {
        // Given
        for (String name : List.of("b", "a", "c")) {
            files.replace(base.resolve(name), bytes(""), "rw-r--r--");
        }

        // When
        List<String> names = files.list(base);

        // Then
        assertThat(names).containsExactly("a", "b", "c");
    }

    @Test
    void aDeletedFileIsGone() throws IOException {
        // Given
        files.replace(base.resolve("a"), bytes("x"), "rw-r--r--");

        // When
        files.delete(base.resolve("a"));

        // Then
        assertThat(files.exists(base.resolve("a"))).isFalse();
    }

    @Test
    void deletingWhatIsNotThereDoesNothing() throws IOException {
        // When
        files.delete(base.resolve("none"));

        // Then
        assertThat(files.list(base)).isEmpty();
    }

    @Test
    void aDanglingLinkDoesNotExist() throws IOException {
        // Given
        Files.createSymbolicLink(files.resolve(base).resolve("dangling"), Path.of("nowhere"));

        // When
        boolean exists = files.exists(base.resolve("dangling"));

        // Then
        assertThat(exists).isFalse();
    }

    @Test
    void aPathThatClimbsIsRefused() {
        for (Path path :
                Stream.of("/etc/../../passwd", "/..", "/a/../b").map(Path::of).toList()) {
            assertThatThrownBy(() -> files.resolve(path))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("..");
        }
    }

    @Test
    void aRelativePathIsRefused() {
        assertThatThrownBy(() -> files.exists(Path.of("etc/passwd")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("etc/passwd");
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
