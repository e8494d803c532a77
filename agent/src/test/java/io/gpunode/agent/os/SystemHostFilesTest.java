package io.gpunode.agent.os;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(10)
class SystemHostFilesTest {
    @TempDir
    private Path temporary;

    @Nested
    class OnTheMachineItself extends HostFilesContract {
        @Override
        HostFiles files() {
            return new SystemHostFiles(Path.of("/"));
        }

        @Override
        Path hostDirectory() {
            return temporary;
        }
    }

    @Nested
    class UnderARoot extends HostFilesContract {
        @Override
        HostFiles files() {
            return new SystemHostFiles(temporary);
        }

        @Override
        Path hostDirectory() {
            return Path.of("/");
        }
    }

    @Test
    void anAbsoluteLinkStartsAgainAtTheRoot() throws IOException {
        // Given
        Files.createDirectories(temporary.resolve("usr/lib"));
        Files.writeString(temporary.resolve("usr/lib/file"), "inside");
        Files.createSymbolicLink(temporary.resolve("lib"), Path.of("/usr/lib"));

        // When
        Path resolved = new SystemHostFiles(temporary).resolve(Path.of("/lib/file"));

        // Then
        assertThat(resolved).isEqualTo(temporary.resolve("usr/lib/file"));
    }

    @Test
    void aLinkThatClimbsStaysUnderTheRoot() throws IOException {
        // Given
        Files.writeString(temporary.resolve("passwd"), "inside");
        Files.createDirectory(temporary.resolve("a"));
        Files.createSymbolicLink(temporary.resolve("a/link"), Path.of("../../../../passwd"));

        // When
        var text = new SystemHostFiles(temporary).readText(Path.of("/a/link"), 100);

        // Then
        assertThat(text).contains("inside");
    }

    @Test
    void aLoopOfLinksDoesNotExist() throws IOException {
        // Given
        Files.createSymbolicLink(temporary.resolve("a"), Path.of("b"));
        Files.createSymbolicLink(temporary.resolve("b"), Path.of("a"));

        // When
        boolean exists = new SystemHostFiles(temporary).exists(Path.of("/a/file"));

        // Then
        assertThat(exists).isFalse();
    }

    @Test
    void readsAFileOfSysfsThroughItsLinks() throws IOException {
        // When
        var uevent = new SystemHostFiles(Path.of("/")).readText(Path.of("/sys/class/net/lo/type"), 4096);

        // Then
        assertThat(uevent).contains("772");
    }
}
