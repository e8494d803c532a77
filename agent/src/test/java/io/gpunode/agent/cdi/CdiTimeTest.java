package io.gpunode.agent.cdi;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.testing.Configs;
import io.gpunode.agent.testing.FakeSnapshotSource;
import io.gpunode.agent.testing.Snapshots;
import io.gpunode.agent.time.ManualTime;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** How long a change takes to be in the file, with as many libraries as a driver has and all that a node can be split into. */
class CdiTimeTest {
    private static final int ROUNDS = 41;
    private static final int LIBRARIES = 40;

    @TempDir
    Path root;

    @ParameterizedTest
    @ValueSource(ints = {0, 7})
    void aChangeIsWrittenInLittleTime(int migDevices) throws IOException {
        // Given
        HostTree host =
                HostTree.at(root).withDriver("", Snapshots.DRIVER).withNodes(8).withMajors();
        for (int i = 0; i < LIBRARIES; i++) {
            host.library(
                    HostTree.TRIPLET + "/libnvidia-part" + i + ".so." + Snapshots.DRIVER,
                    "libnvidia-part" + i + ".so.1");
            host.link(
                    HostTree.TRIPLET + "/libnvidia-part" + i + ".so.1",
                    "libnvidia-part" + i + ".so." + Snapshots.DRIVER);
        }
        Snapshots node = Snapshots.h100x8();
        for (int gpu = 0; gpu < 8 && migDevices > 0; gpu++) {
            MigDevice[] devices = new MigDevice[migDevices];
            for (int i = 0; i < migDevices; i++) {
                devices[i] = Snapshots.migDevice(gpu * migDevices + i, 7 + i, 0, "1g.10gb");
            }
            node.mig(gpu, devices);
        }
        FakeSnapshotSource source = new FakeSnapshotSource(node.build());
        ManualTime time = new ManualTime();
        AgentConfig config = Configs.of("MIG_STRATEGY=mixed");
        CdiPublisher publisher = new CdiPublisher(
                source, () -> config, host.files(), host.nodes(), time, new Heartbeats(time), () -> {});
        Path spec = root.resolve("var/run/cdi/k8s.device-plugin.nvidia.com-gpu.json");

        // When
        List<Long> microseconds = new ArrayList<>();
        for (int i = 0; i < ROUNDS; i++) {
            Files.deleteIfExists(spec);
            source.publish(
                    i % 2 == 0 ? node.unhealthy(0).build() : node.healthy(0).build());
            time.advance(Duration.ofSeconds(30));
            long start = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
            publisher.turn();
            microseconds.add((ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime() - start) / 1_000);
        }

        // Then
        assertThat(spec).exists();
        microseconds.sort(null);
        System.out.printf(
                "CDI specifications of 8 GPUs with %d MIG devices each: processor time, first quartile %.1f ms, median %.1f ms; %d KiB%n",
                migDevices,
                microseconds.get(ROUNDS / 4) / 1_000.0,
                microseconds.get(ROUNDS / 2) / 1_000.0,
                Files.size(spec) / 1_024);
        assertThat(microseconds.get(ROUNDS / 4)).as("microseconds").isLessThan(200_000);
    }
}
