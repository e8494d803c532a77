package io.gpunode.agent.os;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.testing.InMemory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(20)
class OwnerLockTest {
    private static final Path FILE = Path.of("/var/lib/gpu-node-agent/driver.lock");

    @TempDir(factory = InMemory.class)
    private Path root = Path.of("");

    /** What the kernel says: another process could take it otherwise. */
    private boolean isLockedByThisProcess() throws IOException {
        String inode = ":" + Files.getAttribute(root.resolve("." + FILE), "unix:ino") + " ";
        String pid = " " + ProcessHandle.current().pid() + " ";
        return Files.readAllLines(Path.of("/proc/locks")).stream()
                .anyMatch(line -> line.contains("POSIX") && line.contains(pid) && line.contains(inode));
    }

    @Test
    void aSecondTakerInTheSameProcessLeavesTheLockWithTheFirst() throws IOException {
        // Given
        HostFiles files = new SystemHostFiles(root);
        try (OwnerLock first = OwnerLock.take(files, FILE).orElseThrow()) {
            assertThat(isLockedByThisProcess()).isTrue();

            // When
            Optional<OwnerLock> second = OwnerLock.take(files, FILE);

            // Then
            assertThat(second).isEmpty();
            assertThat(first).isNotNull();
            assertThat(isLockedByThisProcess()).isTrue();
        }
    }

    @Test
    void askingWhoHasItLeavesTheLockWhereItIs() throws IOException {
        // Given
        HostFiles files = new SystemHostFiles(root);
        try (OwnerLock lock = OwnerLock.take(files, FILE).orElseThrow()) {
            // When
            String owner = OwnerLock.owner(files, FILE);

            // Then
            assertThat(owner).isEqualTo("process " + ProcessHandle.current().pid());
            assertThat(lock).isNotNull();
            assertThat(isLockedByThisProcess()).isTrue();
        }
    }

    @Test
    void itIsTheSameLockUnderAnotherName() throws IOException {
        // Given
        HostFiles files = new SystemHostFiles(root);
        try (OwnerLock lock = OwnerLock.take(files, FILE).orElseThrow()) {
            Files.createSymbolicLink(root.resolve("link"), Path.of("." + FILE));

            // When
            Optional<OwnerLock> second = OwnerLock.take(files, Path.of("/link"));

            // Then
            assertThat(second).isEmpty();
            assertThat(lock).isNotNull();
            assertThat(isLockedByThisProcess()).isTrue();
        }
    }

    @Test
    void whatWasGivenBackCanBeTakenAgain() throws IOException {
        // Given
        HostFiles files = new SystemHostFiles(root);
        OwnerLock first = OwnerLock.take(files, FILE).orElseThrow();
        first.close();
        first.close();

        // When
        Optional<OwnerLock> second = OwnerLock.take(files, FILE);

        // Then
        assertThat(second).isPresent();
        second.orElseThrow().close();
        assertThat(isLockedByThisProcess()).isFalse();
    }
}
