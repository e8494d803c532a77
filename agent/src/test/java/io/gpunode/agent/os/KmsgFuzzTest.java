package io.gpunode.agent.os;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;

/** Whatever bytes the log holds, reading them ends, and a record behind them is still found. */
class KmsgFuzzTest {
    private static final String MARK = "the record behind";

    @FuzzTest
    void anyBytesAreReadToTheirEnd(byte[] bytes) throws IOException {
        // Given
        Path root = Files.createTempDirectory("kmsg");
        Path file = Files.createDirectory(root.resolve("dev")).resolve("kmsg");
        Files.createFile(file);
        try (KernelLog log = KmsgKernelLog.open(new SystemHostFiles(root))) {
            Files.write(file, bytes, StandardOpenOption.APPEND);
            Files.writeString(file, "\n6,1,1,-;" + MARK + "\n", StandardOpenOption.APPEND);

            // When
            String line = null;
            int reads = 0;
            while (!MARK.equals(line) && reads <= bytes.length + 2) {
                line = log.next(Duration.ZERO);
                reads++;
            }

            // Then
            assertThat(line).isEqualTo(MARK);
        } finally {
            Files.delete(file);
            Files.delete(file.getParent());
            Files.delete(root);
        }
    }
}
