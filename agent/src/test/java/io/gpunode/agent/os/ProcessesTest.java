package io.gpunode.agent.os;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(10)
class ProcessesTest {
    private static final int NO_PID = 2_000_000_001;

    @TempDir
    private Path root;

    @Test
    void thisProcessHasAStartAndAContainerOrNone() {
        // Given
        Processes processes = new Processes(new SystemHostFiles(Path.of("/")));
        int self = (int) ProcessHandle.current().pid();

        // When
        long started = processes.startedMillisAfterBoot(self).orElseThrow();

        // Then
        assertThat(started)
                .isPositive()
                .isLessThanOrEqualTo(processes.uptimeMillis().orElseThrow());
        assertThat(processes.container(self)).isPresent();
        assertThat(processes.seesAll()).isPresent();
    }

    @Test
    void aProcessThatIsGoneHasNeither() {
        // Given
        Processes processes = new Processes(new SystemHostFiles(Path.of("/")));

        // When / Then
        assertThat(processes.startedMillisAfterBoot(NO_PID)).isEmpty();
        assertThat(processes.container(NO_PID)).isEmpty();
    }

    @Test
    void aNameWithParenthesesAndBlanksHidesNothing() throws IOException {
        // Given
        write("proc/7/stat", "7 (a) b (c d) S 1 7 7 0 -1 4194304 98 0 0 0 0 0 0 0 20 0 1 0 3522471 3133440 362");

        // When / Then
        assertThat(new Processes(new SystemHostFiles(root)).startedMillisAfterBoot(7))
                .hasValue(35_224_710);
    }

    @ParameterizedTest
    @CsvSource({
        "/docker/ID, /var/lib/docker/containers/OTHER/hostname",
        "/, /var/lib/docker/containers/ID/hostname",
        "/, /containers/overlay-containers/ID/userdata/hostname",
    })
    void theOwnContainerIsThatOfTheGroupOrElseOfTheHostname(String group, String behind) throws IOException {
        // Given
        String id = "4f".repeat(32);
        write("proc/self/cgroup", "0::" + group.replace("ID", id));
        write(
                "proc/self/mountinfo",
                "21 1 0:20 / /sys rw - sysfs sysfs rw\n22 1 8:1 "
                        + behind.replace("OTHER", "00".repeat(32)).replace("ID", id)
                        + " /etc/hostname rw,relatime - ext4 /dev/sda1 rw");

        // When
        String own = new Processes(new SystemHostFiles(root)).ownContainerId();

        // Then
        assertThat(own).isEqualTo(id);
    }

    @Test
    void outsideOfAContainerThereIsNoOwn() throws IOException {
        // Given
        write("proc/self/cgroup", "0::/system.slice/gpu-node-agent.service");
        write("proc/self/mountinfo", "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw");

        // When / Then
        assertThat(new Processes(new SystemHostFiles(root)).ownContainerId()).isEmpty();
    }

    @Test
    void brokenFilesAreNoAnswer() throws IOException {
        // Given
        write("proc/7/stat", "7 (a S 1 2");
        write("proc/8/stat", "8 (a) S x x x x x x x x x x x x x x x x x x soon 3");
        write("proc/uptime", "long");
        Processes processes = new Processes(new SystemHostFiles(root));

        // When / Then
        assertThat(processes.startedMillisAfterBoot(7)).isEmpty();
        assertThat(processes.startedMillisAfterBoot(8)).isEmpty();
        assertThat(processes.uptimeMillis()).isEmpty();
        assertThat(processes.seesAll()).isEmpty();
    }

    @Test
    void anotherPidNamespaceIsTold() throws IOException {
        // Given
        Files.createDirectories(root.resolve("proc/self/ns"));
        Files.createSymbolicLink(root.resolve("proc/self/ns/pid"), Path.of("pid:[4026532512]"));

        // When / Then
        assertThat(new Processes(new SystemHostFiles(root)).seesAll()).contains(false);
    }

    private void write(String file, String text) throws IOException {
        Path path = root.resolve(file);
        Files.createDirectories(path.getParent());
        Files.writeString(path, text + "\n");
    }
}
