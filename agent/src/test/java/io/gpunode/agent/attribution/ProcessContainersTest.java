package io.gpunode.agent.attribution;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.os.ContainerCgroup;
import io.gpunode.agent.os.Processes;
import io.gpunode.agent.os.SystemHostFiles;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(10)
class ProcessContainersTest {
    @TempDir
    private Path root;

    private ProcFiles proc;
    private ProcessContainers containers;

    @BeforeEach
    void prepare() throws IOException {
        proc = new ProcFiles(root);
        containers = new ProcessContainers(new Processes(new SystemHostFiles(root)));
    }

    @Test
    void aProcessIsInTheContainerOfItsControlGroup() throws IOException {
        // Given
        proc.process(71, 900, ProcFiles.cgroup(ProcFiles.uid(1), ProcFiles.id(1)));
        containers.begin();

        // When / Then
        assertThat(containers.of(71, 500)).contains(new ContainerCgroup(ProcFiles.uid(1), ProcFiles.id(1)));
    }

    @Test
    void anotherProcessWithTheSameIdIsNotTakenForIt() throws IOException {
        // Given
        proc.process(71, 900, ProcFiles.cgroup(ProcFiles.uid(1), ProcFiles.id(1)));
        containers.begin();
        containers.of(71, 500);
        containers.end();
        proc.process(71, 990, "0::/system.slice/cron.service");

        // When
        containers.begin();

        // Then
        assertThat(containers.of(71, 500)).contains(ContainerCgroup.NONE);
    }

    @Test
    void aProcessThatBeganAfterTheDriverListedItsIdIsNotTheOneListed() throws IOException {
        // Given
        proc.process(71, 997, ProcFiles.cgroup(ProcFiles.uid(2), ProcFiles.id(2)));

        // When
        containers.begin();

        // Then
        assertThat(containers.of(71, 10_000)).isEmpty();
        assertThat(containers.of(71, 1_000)).isPresent();
    }

    @Test
    void aProcessThatIsGoneIsNobodys() throws IOException {
        // Given
        proc.process(71, 900, ProcFiles.cgroup(ProcFiles.uid(1), ProcFiles.id(1)));
        containers.begin();
        containers.of(71, 500);
        containers.end();
        proc.end(71);

        // When
        containers.begin();

        // Then
        assertThat(containers.of(71, 500)).isEmpty();
    }

    @Test
    void anIdThatNoProcessCanHaveIsNobodys() {
        // When
        containers.begin();

        // Then
        assertThat(containers.of(0, 0)).isEmpty();
        assertThat(containers.of(-1, 0)).isEmpty();
    }
}
