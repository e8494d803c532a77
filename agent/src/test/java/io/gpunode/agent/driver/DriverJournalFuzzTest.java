package io.gpunode.agent.driver;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.JournalFile;
import io.gpunode.agent.os.SystemHostFiles;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Whatever the journal's file holds, it is refused with a reason, or it is a change that is written and read again as it is. */
@Timeout(value = 10, unit = TimeUnit.MINUTES)
class DriverJournalFuzzTest {
    private static final ClusterTurn.Asked BEFORE = new ClusterTurn.Asked(List.of("kube-system"), true);

    @TempDir
    Path folder;

    @FuzzTest
    void anyJournalIsUnderstoodOrRefused(byte[] bytes) throws IOException {
        // Given
        HostFiles files = new SystemHostFiles(folder);
        DriverJournal journal = new DriverJournal(files, Path.of("/state"));
        String lines = new String(bytes, StandardCharsets.UTF_8) + "\n";
        files.replace(
                journal.file(),
                ("gpu-node-agent-driver-journal 1 " + JournalFile.checksum(lines) + "\n" + lines)
                        .getBytes(StandardCharsets.UTF_8),
                "rw-------");
        try {
            // When
            DriverJournal.Entry entry = journal.read(BEFORE).orElseThrow();

            // Then
            journal.write(entry);
            assertThat(journal.read(BEFORE)).contains(entry);
        } catch (JournalFile.UnreadableException e) {
            assertThat(e).hasMessageContaining("driver.journal");
        }
    }
}
