package io.gpunode.agent.attribution;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.time.ManualTime;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(10)
class KubeletLogsTest {
    @TempDir
    private Path root;

    private final ManualTime time = new ManualTime();
    private ProcFiles files;
    private KubeletLogs logs;

    @BeforeEach
    void prepare() throws IOException {
        files = new ProcFiles(root);
        logs = new KubeletLogs(new SystemHostFiles(root), time);
    }

    @Test
    void theNamesOfAContainerAndOfItsPodAreThoseOfItsLog() throws IOException {
        // Given
        files.logged("ml", "train-0", ProcFiles.uid(1), "main", ProcFiles.id(1));

        // When / Then
        assertThat(logs.container(ProcFiles.id(1))).contains(new KubeletLogs.Container("ml", "train-0", "main"));
        assertThat(logs.pod(ProcFiles.uid(1))).contains(new KubeletLogs.Pod("ml", "train-0"));
        assertThat(logs.uid("ml", "train-0")).contains(ProcFiles.uid(1));
    }

    @Test
    void aContainerThatComesLaterIsFoundAfterTheSpacing() throws IOException {
        // Given
        assertThat(logs.container(ProcFiles.id(1))).isEmpty();
        files.logged("ml", "train-0", ProcFiles.uid(1), "main", ProcFiles.id(1));
        assertThat(logs.container(ProcFiles.id(1))).isEmpty();

        // When
        time.advance(Duration.ofSeconds(10));

        // Then
        assertThat(logs.container(ProcFiles.id(1))).isPresent();
    }

    @Test
    void newsOfThePodsAreLookedForAtOnce() throws IOException {
        // Given
        assertThat(logs.uid("ml", "train-0")).isEmpty();
        files.logged("ml", "train-0", ProcFiles.uid(1), "main", ProcFiles.id(1));

        // When
        logs.outdated();

        // Then
        assertThat(logs.uid("ml", "train-0")).contains(ProcFiles.uid(1));
    }

    @Test
    void whileAnEarlierPodOfTheNameIsStillThereNeitherIsGuessed() throws IOException {
        // Given
        files.logged("ml", "train-0", ProcFiles.uid(1), "main", ProcFiles.id(1));
        files.logged("ml", "train-0", ProcFiles.uid(2), "main", ProcFiles.id(2));

        // When / Then
        assertThat(logs.uid("ml", "train-0")).isEmpty();
        assertThat(logs.pod(ProcFiles.uid(2))).isPresent();
    }

    @Test
    void aPodThatIsMadeAnewHasItsNewUidAfterTheSpacing() throws IOException {
        // Given
        files.logged("ml", "web-0", ProcFiles.uid(1), "main", ProcFiles.id(1));
        assertThat(logs.uid("ml", "web-0")).contains(ProcFiles.uid(1));
        Path directory = root.resolve("var/log/pods/ml_web-0_" + ProcFiles.uid(1));
        Files.delete(directory.resolve("main"));
        Files.delete(directory);
        files.logged("ml", "web-0", ProcFiles.uid(2), "main", ProcFiles.id(2));

        // When
        time.advance(Duration.ofSeconds(10));

        // Then
        assertThat(logs.uid("ml", "web-0")).contains(ProcFiles.uid(2));
    }

    @Test
    void otherFilesAreNoContainers() throws IOException {
        // Given
        for (String name : new String[] {
            "x.log", "a_b_c-1234.log", "a_b-" + ProcFiles.id(1) + ".log", "_b_c-" + ProcFiles.id(1) + ".log", ".log"
        }) {
            files.write("var/log/containers/" + name, "");
        }
        Files.createDirectories(root.resolve("var/log/pods/a_b"));
        Files.createDirectories(root.resolve("var/log/pods/a__c"));
        Files.createDirectories(root.resolve("var/log/pods/a_b_"));

        // When / Then
        assertThat(logs.container(ProcFiles.id(1))).isEmpty();
        assertThat(logs.uid("a", "b")).isEmpty();
    }
}
