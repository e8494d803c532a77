package io.gpunode.agent.cdi;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.model.NvmlState;
import io.gpunode.agent.testing.Configs;
import io.gpunode.agent.testing.FakeSnapshotSource;
import io.gpunode.agent.testing.Snapshots;
import io.gpunode.agent.time.ManualTime;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CdiPublisherTest {
    private static final Path SPEC = Path.of("var/run/cdi/k8s.device-plugin.nvidia.com-gpu.json");

    @TempDir
    Path root;

    private final Snapshots node = Snapshots.h100x8();
    private final FakeSnapshotSource source = new FakeSnapshotSource(node.build());
    private final ManualTime time = new ManualTime();
    private int notices;

    private CdiPublisher publisher() throws IOException {
        HostTree host = HostTree.at(root).withDriver("", Snapshots.DRIVER).withNodes(8);
        AgentConfig config = Configs.defaults();
        return new CdiPublisher(source, () -> config, host.files(), time, new Heartbeats(time), () -> notices++);
    }

    @Test
    void anOpenPictureIsWrittenAndSaid() throws IOException {
        // Given
        CdiPublisher publisher = publisher();

        // When
        publisher.turn();

        // Then
        assertThat(root.resolve(SPEC)).content().contains(Snapshots.uuid(7));
        assertThat(publisher.status().structureVersion())
                .isEqualTo(source.current().structureVersion());
        assertThat(notices).isEqualTo(1);
    }

    @Test
    void theSamePictureIsWrittenOnce() throws IOException {
        // Given
        CdiPublisher publisher = publisher();
        publisher.turn();
        var before = Files.readAttributes(root.resolve(SPEC), BasicFileAttributes.class)
                .fileKey();

        // When
        publisher.turn();

        // Then
        assertThat(Files.readAttributes(root.resolve(SPEC), BasicFileAttributes.class)
                        .fileKey())
                .isEqualTo(before);
        assertThat(notices).isEqualTo(1);
    }

    @Test
    void withdrawnGpusTakeTheFileWithThem() throws IOException {
        // Given
        CdiPublisher publisher = publisher();
        publisher.turn();
        source.publish(node.withdrawn().build());

        // When
        publisher.turn();

        // Then
        assertThat(root.resolve(SPEC)).doesNotExist();
        assertThat(publisher.status().written()).isFalse();
    }

    @Test
    void aPlaceThatCannotBeWrittenIsAnErrorThatNamesItAndIsTriedAgain() throws IOException {
        // Given
        CdiPublisher publisher = publisher();
        Files.createDirectories(root.resolve("var/run"));
        Files.writeString(root.resolve("var/run/cdi"), "a file where the directory should be");

        // When
        Duration next = publisher.turn();

        // Then
        assertThat(publisher.status().error()).contains("/var/run/cdi/").contains("cdi.directory");
        assertThat(next).isLessThanOrEqualTo(Duration.ofSeconds(1));
    }

    @Test
    void aFileThatSomebodyRemovedIsWrittenAgain() throws IOException {
        // Given
        CdiPublisher publisher = publisher();
        publisher.turn();
        Files.delete(root.resolve(SPEC));
        time.advance(Duration.ofSeconds(30));

        // When
        publisher.turn();

        // Then
        assertThat(root.resolve(SPEC)).exists();
    }

    @Test
    void aChangeOfHealthAloneIsTakenOverWithoutLookingAtFiles() throws IOException {
        // Given
        CdiPublisher publisher = publisher();
        publisher.turn();
        source.publish(node.unhealthy(3).build());
        Files.delete(root.resolve("usr/lib/x86_64-linux-gnu/libcuda.so." + Snapshots.DRIVER));

        // When
        publisher.turn();

        // Then
        assertThat(publisher.status().structureVersion())
                .isEqualTo(source.current().structureVersion());
        assertThat(publisher.status().error()).isEmpty();
    }

    @Test
    void aDriverWithoutItsLibrariesIsNoSpecification() throws IOException {
        // Given
        CdiPublisher publisher = publisher();
        Files.delete(root.resolve("usr/lib/x86_64-linux-gnu/libcuda.so." + Snapshots.DRIVER));

        // When
        publisher.turn();

        // Then
        assertThat(publisher.status().written()).isFalse();
        assertThat(publisher.status().error()).contains("libcuda.so." + Snapshots.DRIVER);
        assertThat(root.resolve(SPEC)).doesNotExist();
    }

    @Test
    void theFileOfAnEarlierLifeStaysWhileNvmlIsBeingOpened() throws IOException {
        // Given
        CdiPublisher publisher = publisher();
        HostTree.at(root).write("/" + SPEC, "of an earlier life");
        source.publish(node.nvml(new NvmlState.Waiting(NvmlState.Waiting.STARTING, "", "", Snapshots.AT))
                .build());

        // When
        publisher.turn();

        // Then
        assertThat(root.resolve(SPEC)).hasContent("of an earlier life");
    }

    @Test
    void theEndLeavesAFileThatAnotherAgentWrote() throws Exception {
        // Given
        CdiPublisher publisher = publisher();
        publisher.turn();
        HostTree.at(root).write("/" + SPEC, "another agent's");
        publisher.start();

        // When
        publisher.stop(Duration.ofSeconds(5));

        // Then
        assertThat(root.resolve(SPEC)).hasContent("another agent's");
    }

    @Test
    void theEndRemovesTheFile() throws Exception {
        // Given
        CdiPublisher publisher = publisher();
        publisher.turn();
        publisher.start();

        // When
        publisher.stop(Duration.ofSeconds(5));

        // Then
        assertThat(root.resolve(SPEC)).doesNotExist();
    }
}
