package io.gpunode.agent.os;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.SystemTime;
import io.gpunode.agent.time.Tick;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The reader over a file that grows as the device does, and over the device where it may be read. */
@Timeout(20)
class KmsgKernelLogTest {
    private static final Duration SHORT = Duration.ofMillis(50);

    private final MonotonicClock clock = SystemTime.monotonic();

    @TempDir
    private Path root;

    private Path file;

    @BeforeEach
    void makeFile() throws IOException {
        file = root.resolve("dev/kmsg");
        Files.createDirectories(root.resolve("dev"));
        Files.writeString(file, "6,1,1000,-;from before\n");
    }

    @Test
    void whatWasThereBeforeIsNotSeen() throws IOException {
        try (KernelLog log = open()) {
            // When
            String line = log.next(SHORT);

            // Then
            assertThat(line).isNull();
        }
    }

    @Test
    void recordsComeInOrderAndWithoutTheirProperties() throws IOException {
        try (KernelLog log = open()) {
            // Given
            append("3,7,2000,-;NVRM: first\n SUBSYSTEM=pci\n DEVICE=+pci:0000:65:00.0\n4,8,2001,c;second\n");

            // When
            String first = log.next(SHORT);
            String second = log.next(SHORT);
            String third = log.next(SHORT);

            // Then
            assertThat(first).isEqualTo("NVRM: first");
            assertThat(second).isEqualTo("second");
            assertThat(third).isNull();
        }
    }

    @Test
    void aRecordThatComesInPiecesIsOne() throws IOException {
        try (KernelLog log = open()) {
            // Given
            append("3,7,2000,-;NVRM: in ");
            String early = log.next(SHORT);

            // When
            append("pieces\n");
            String whole = log.next(SHORT);

            // Then
            assertThat(early).isNull();
            assertThat(whole).isEqualTo("NVRM: in pieces");
        }
    }

    @Test
    void theKernelsEscapesAreUndone() throws IOException {
        try (KernelLog log = open()) {
            // Given
            append("3,7,2000,-;one\\x0atwo \\x5c \\xc3\\xa4 \\xzz \\x4\n");

            // When
            String line = log.next(SHORT);

            // Then
            assertThat(line).isEqualTo("one\ntwo \\ ä \\xzz \\x4");
        }
    }

    @Test
    void whatUserSpaceWroteIsPassedOver() throws IOException {
        try (KernelLog log = open()) {
            // Given: facilities 1 (user) and 23 (local7)
            append("11,7,2000,-;NVRM: Xid (PCI:0000:65:00): 79\n");
            append("187,8,2001,-;also\n");
            append("99999999999999,9,2002,-;and\n");
            append("3,10,2003,-;the kernel's\n");

            // When
            String line = log.next(SHORT);

            // Then
            assertThat(line).isEqualTo("the kernel's");
        }
    }

    @Test
    void aLineWithoutEndIsSkippedAndCounted() throws IOException {
        try (KernelLog log = open()) {
            // Given
            append("3,7,2000,-;" + "x".repeat(3 * KmsgKernelLog.BUFFER_BYTES) + "\n3,8,2001,-;after it\n");

            // When
            String line = null;
            for (int i = 0; line == null && i < 20; i++) {
                line = log.next(SHORT);
            }

            // Then
            assertThat(line).isEqualTo("after it");
            assertThat(log.gaps()).isPositive();
        }
    }

    @Test
    void linesThatAreNoRecordsArePassedOver() throws IOException {
        try (KernelLog log = open()) {
            // Given
            append("\n;\nno record\n\0\0\n3,8,2001,-;a record\n");

            // When
            String line = log.next(SHORT);

            // Then
            assertThat(line).isEqualTo("a record");
        }
    }

    @Test
    void aMissingLogIsNamed() throws IOException {
        // Given
        Files.delete(file);

        // When / Then
        assertThatThrownBy(this::open).isInstanceOf(NoSuchFileException.class).hasMessageContaining(file.toString());
    }

    @Test
    void aClosedLogIsNotRead() throws IOException {
        // Given
        KernelLog log = open();
        log.close();

        // When / Then
        assertThatThrownBy(() -> log.next(SHORT)).isInstanceOf(IOException.class);
    }

    @Test
    void theKernelsOwnLogIsWaitedForWithALimit() throws IOException {
        assumeThat(Files.isReadable(KmsgKernelLog.PATH))
                .as("/dev/kmsg can be read here")
                .isTrue();
        try (KernelLog log = KmsgKernelLog.open(new SystemHostFiles(Path.of("/")))) {
            // Given
            Tick began = clock.now();

            // When
            String line = log.next(Duration.ofMillis(200));

            // Then: at its end, so nothing unless the kernel says something now
            Duration took = clock.now().since(began);
            assertThat(took).isLessThan(Duration.ofSeconds(2));
            if (line == null) {
                assertThat(took).isGreaterThanOrEqualTo(Duration.ofMillis(150));
            }
        }
    }

    @Test
    void aWaitIsCutShortByAnotherThread() throws Exception {
        // Given: a pipe that nobody has written to, which is waited for as the device is
        Files.delete(file);
        assertThat(new ProcessBuilder("mkfifo", file.toString()).start().waitFor())
                .isZero();
        try (KernelLog log = open()) {
            CompletableFuture<@Nullable String> line = new CompletableFuture<>();
            Thread.ofPlatform().daemon().start(() -> {
                try {
                    line.complete(log.next(Duration.ofMinutes(1)));
                } catch (IOException e) {
                    line.completeExceptionally(e);
                }
            });

            // When
            log.wake();

            // Then: whichever of the two came first
            assertThat(line.get(10, TimeUnit.SECONDS)).isNull();
        }
    }

    @Test
    void aLogThatWasWokenStillGivesWhatIsThere() throws IOException {
        try (KernelLog log = open()) {
            // Given
            log.wake();
            append("3,8,2001,-;a record\n");

            // When
            String line = log.next(Duration.ofMinutes(1));

            // Then
            assertThat(line).isEqualTo("a record");
        }
    }

    private KernelLog open() throws IOException {
        return KmsgKernelLog.open(new SystemHostFiles(root));
    }

    private void append(String text) throws IOException {
        Files.write(file, text.getBytes(StandardCharsets.UTF_8), StandardOpenOption.APPEND);
    }
}
