package io.gpunode.agent.process;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The file of feature labels of a real process, through its end, its death and what stands in its way. */
@Timeout(120)
class LabelsIT {
    private static final Duration SOON = Duration.ofSeconds(30);

    @TempDir(factory = ShortTempDir.class)
    Path folder;

    private NodeUnderTest node;
    private Path features;
    private Path file;

    @BeforeEach
    void layOut() throws Exception {
        node = new NodeUnderTest(folder, "8xh100");
        features = Files.createDirectories(folder.resolve("etc/kubernetes/node-feature-discovery/features.d"));
        file = features.resolve("gfd");
    }

    @AfterEach
    void remove() throws Exception {
        node.close();
    }

    private void awaitLabel(String label) throws Exception {
        Eventually.within(SOON, () -> {
            String text = text();
            return text.contains(label + "\n") ? "" : "no " + label + " in: " + text;
        });
    }

    private String text() throws IOException {
        try {
            return Files.readString(file);
        } catch (NoSuchFileException e) {
            return "";
        }
    }

    private List<String> names() throws IOException {
        try (var entries = Files.list(features)) {
            return entries.map(entry -> entry.getFileName().toString()).toList();
        }
    }

    @Test
    void theFileStaysWhenTheAgentEnds() throws Exception {
        // Given
        try (AgentProcess agent = node.startAgent()) {
            agent.awaitAddress();
            awaitLabel("nvidia.com/gpu.count=8");
            String before = text();

            // When
            agent.terminate();
            int status = agent.awaitExit(10);

            // Then
            assertThat(status).isZero();
            assertThat(text()).isEqualTo(before);
            assertThat(names()).containsExactly("gfd");
        }
    }

    @Test
    void theNextAgentWritesNothingThatIsThereAlready() throws Exception {
        // Given
        try (AgentProcess first = node.startAgent("--no-timestamp")) {
            first.awaitAddress();
            awaitLabel("nvidia.com/gpu.count=8");
            first.kill();
            first.awaitExit(10);
        }
        Object inode = Files.getAttribute(file, "unix:ino");

        // When
        try (AgentProcess second = node.startAgent("--no-timestamp")) {
            String address = second.awaitAddress();
            Eventually.within(
                    SOON,
                    () -> AgentProcess.get(address, "/state").body().contains("\"state\": \"current\"")
                            ? ""
                            : "the labels are not current");

            // Then
            assertThat(Files.getAttribute(file, "unix:ino")).isEqualTo(inode);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3})
    void anAgentThatIsKilledWhileItWritesLeavesAWholeFileOrNone(int round) throws Exception {
        // Given: killed as soon as anything appears beside what was there, which may be in the middle of it
        try (AgentProcess first = node.startAgent("--log-level=" + (round == 1 ? "info" : "error"))) {
            long deadline = System.nanoTime() + SOON.toNanos();
            while (names().isEmpty()) {
                assertThat(first.alive())
                        .as(() -> String.join("\n", first.output()))
                        .isTrue();
                assertThat(System.nanoTime() - deadline)
                        .as("nothing is written")
                        .isNegative();
                Thread.onSpinWait();
            }

            // When
            first.kill();
            first.awaitExit(10);
        }

        // Then
        assertThat(text())
                .satisfiesAnyOf(
                        none -> assertThat(none).isEmpty(),
                        whole -> assertThat(whole)
                                .startsWith("nvidia.com/")
                                .contains("nvidia.com/gpu.count=8\n")
                                .endsWith("\n"));
        try (AgentProcess second = node.startAgent()) {
            second.awaitAddress();
            awaitLabel("nvidia.com/gpu.count=8");
            Eventually.within(
                    SOON, () -> names().equals(List.of("gfd")) ? "" : "remnants of the killed one: " + names());
        }
    }

    @Test
    void aPlaceThatCannotBeWrittenIsToldAndTakenWhenItCan() throws Exception {
        // Given
        Files.delete(features);
        Files.writeString(features, "in the way");
        try (AgentProcess agent = node.startAgent("--labels-sink=file")) {
            String address = agent.awaitAddress();
            agent.awaitLine("cannot write /etc/kubernetes/node-feature-discovery/features.d/gfd", 30);
            assertThat(AgentProcess.get(address, "/state").body()).contains("cannot write /etc/kubernetes/");

            // When
            Files.delete(features);

            // Then
            awaitLabel("nvidia.com/gpu.count=8");
        }
    }

    @Test
    void aFullDiskIsToldAndTheFileComesWhenThereIsRoom() throws Exception {
        // Given
        mountSmallDisk();
        try {
            Path filling = Files.write(features.resolve("other"), new byte[64 << 10]);
            try (AgentProcess agent = node.startAgent()) {
                String address = agent.awaitAddress();
                agent.awaitLine("No space left on device", 30);
                assertThat(AgentProcess.get(address, "/state").body()).contains("No space left on device");
                assertThat(names()).containsExactly("other");

                // When
                Files.delete(filling);

                // Then
                awaitLabel("nvidia.com/gpu.count=8");
            }
        } finally {
            mount("umount", features.toString());
        }
    }

    @Test
    void aDiskThatTurnsReadOnlyKeepsTheFileAndIsTold() throws Exception {
        // Given
        mountSmallDisk();
        try (AgentProcess agent = node.startAgent()) {
            agent.awaitAddress();
            awaitLabel("nvidia.com/gpu.replicas=1");
            mount("mount", "-o", "remount,ro", features.toString());
            Files.writeString(node.config, Files.readString(node.config) + """
                    sharing:
                      timeSlicing:
                        resources: [{name: nvidia.com/gpu, replicas: 4}]
                    """);

            // When
            agent.signal("HUP");

            // Then
            agent.awaitLine("Read-only file system", 30);
            assertThat(text()).contains("nvidia.com/gpu.replicas=1\n");
        } finally {
            mount("umount", features.toString());
        }
    }

    /** A disk of 64 KiB at the folder of feature files; it needs a right that not every machine gives. */
    private void mountSmallDisk() throws Exception {
        assumeTrue(
                mount("mount", "-t", "tmpfs", "-o", "size=64k", "small", features.toString()) == 0,
                "no small disk: mount(8) is not allowed here");
    }

    private static int mount(String... command) throws Exception {
        return new ProcessBuilder(command)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start()
                .waitFor();
    }

    @Test
    void aChangedSettingChangesTheLabelsWithoutARestart() throws Exception {
        // Given
        try (AgentProcess agent = node.startAgent()) {
            agent.awaitAddress();
            awaitLabel("nvidia.com/gpu.replicas=1");
            Files.writeString(node.config, Files.readString(node.config) + """
                    sharing:
                      timeSlicing:
                        resources: [{name: nvidia.com/gpu, replicas: 4}]
                    """);

            // When
            agent.signal("HUP");

            // Then
            awaitLabel("nvidia.com/gpu.replicas=4");
        }
    }

    @Test
    void labelsThatAreSwitchedOffGo() throws Exception {
        // Given
        try (AgentProcess agent = node.startAgent()) {
            agent.awaitAddress();
            awaitLabel("nvidia.com/gpu.count=8");
            Files.writeString(node.config, Files.readString(node.config) + "labels: {sink: off}\n");

            // When
            agent.signal("HUP");

            // Then
            Eventually.within(SOON, () -> names().isEmpty() ? "" : "still there: " + names());
        }
    }

    @Test
    void aDriverThatGoesAwayChangesNoLabelForAWhile() throws Exception {
        // Given
        try (AgentProcess agent = node.startAgent("--no-timestamp")) {
            String address = agent.awaitAddress();
            awaitLabel("nvidia.com/gpu.count=8");
            String before = text();

            // When
            node.driver.apply("fault gone call=nvmlDeviceGetCount_v2 return=DRIVER_NOT_LOADED");
            Eventually.within(
                    SOON,
                    () -> AgentProcess.get(address, "/metrics").body().contains("gpu_node_agent_nvml_open 0")
                            ? ""
                            : "the driver is still open");
            // The labels have their turn, with a picture that has no GPUs.
            Files.delete(file);
            Files.writeString(node.config, Files.readString(node.config) + "labels: {sink: file}\n");
            agent.signal("HUP");
            Eventually.within(SOON, () -> text().isEmpty() ? "not written again" : "");

            // Then
            assertThat(text()).isEqualTo(before);
        }
    }
}
