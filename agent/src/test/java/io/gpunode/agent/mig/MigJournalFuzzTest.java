package io.gpunode.agent.mig;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.JournalFile;
import io.gpunode.agent.os.SystemHostFiles;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Whatever the journal's file holds, it is refused with a reason, or it is a change that is written and read again as it is. */
class MigJournalFuzzTest {
    @FuzzTest
    void anyJournalIsUnderstoodOrRefused(byte[] bytes) throws IOException {
        // Given
        Path root = Files.createTempDirectory("journal");
        HostFiles files = new SystemHostFiles(root);
        MigJournal journal = new MigJournal(files, Path.of("/state"));
        String lines = new String(bytes, StandardCharsets.UTF_8) + "\n";
        files.replace(
                journal.file(),
                ("gpu-node-agent-mig-journal 1 " + JournalFile.checksum(lines) + "\n" + lines)
                        .getBytes(StandardCharsets.UTF_8),
                "rw-------");
        try {
            // When
            MigJournal.Entry entry = journal.read().orElseThrow();

            // Then
            journal.write(entry);
            assertThat(journal.read()).contains(entry);
        } catch (JournalFile.UnreadableException e) {
            assertThat(e).hasMessageContaining("mig.journal");
        } finally {
            journal.remove();
            Files.delete(root.resolve("state"));
            Files.delete(root);
        }
    }
}
