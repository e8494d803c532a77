package io.gpunode.agent.health;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.inventory.SimulatedNode;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.GpuHealth;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.os.KmsgKernelLog;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.SystemTime;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The kernel's log as a second witness on a simulated node: a file that grows stands for the device. */
@Timeout(60)
class KernelLogOnNodeTest {
    private static final Duration LIMIT = Duration.ofSeconds(5);

    private final MonotonicClock clock = SystemTime.monotonic();

    @TempDir
    private Path root;

    @Test
    void anXidThatNvmlCannotTellIsKnownFromTheLog() throws Exception {
        try (SimulatedNode node = node("4xl4")) {
            // Given: the driver's events are lost
            node.simulator().apply("set gpu=all events=unsupported");
            node.started();
            KernelLogWatcher watcher = watching(node);
            Gpu hit = node.inventory().current().gpus().get(2);

            // When
            write("NVRM: Xid (PCI:" + hit.pci().sysfsName().replaceFirst("\\.0$", "")
                    + "): 119, pid=1, name=x, Timeout");

            // Then
            NodeSnapshot picture = node.await("an unhealthy GPU", candidate -> withheld(candidate) > 0);
            assertThat(picture.gpus())
                    .filteredOn(gpu -> !gpu.healthy())
                    .extracting(Gpu::id)
                    .containsExactly(hit.id());
            watcher.stop(LIMIT);
        }
    }

    @Test
    void anXidOfAMigDeviceInTheLogWithholdsThatDevice() throws Exception {
        try (SimulatedNode node = node("8xa100-80gb-mig")) {
            // Given
            node.started();
            KernelLogWatcher watcher = watching(node);
            Gpu parent = node.inventory().current().gpus().stream()
                    .filter(gpu -> gpu.migDevices().size() > 1)
                    .findFirst()
                    .orElseThrow();
            int instance = parent.migDevices().get(1).gpuInstanceId();

            // When
            write("NVRM: Xid (PCI:" + parent.pci().sysfsName() + " GPU-I:" + instance + " GPU-CI:00): 95, pid=1, x");

            // Then
            NodeSnapshot picture = node.await(
                    "a MIG device withheld",
                    candidate -> candidate.gpu(parent.id()).orElseThrow().migDevices().stream()
                            .anyMatch(mig -> mig.health() instanceof GpuHealth.Unhealthy));
            assertThat(picture.gpus()).allMatch(Gpu::healthy);
            assertThat(picture.gpus().stream().flatMap(gpu -> gpu.migDevices().stream()))
                    .filteredOn(mig -> mig.health() instanceof GpuHealth.Unhealthy)
                    .singleElement()
                    .satisfies(mig -> assertThat(mig.gpuInstanceId()).isEqualTo(instance));
            watcher.stop(LIMIT);
        }
    }

    @Test
    void anSxidIsInThePictureAsTheNodes() throws Exception {
        try (SimulatedNode node = node("8xh100")) {
            // Given
            node.started();
            KernelLogWatcher watcher = watching(node);

            // When
            write("nvidia-nvswitch0: SXid (PCI:0000:c3:00.0): 24007, Fatal, Link 30 sourcetrack timeout error");

            // Then
            NodeSnapshot picture =
                    node.await("a finding", candidate -> !candidate.findings().isEmpty());
            assertThat(picture.gpus()).allMatch(Gpu::healthy);
            assertThat(picture.findings())
                    .singleElement()
                    .satisfies(finding -> assertThat(finding.reason()).contains("SXid 24007"));
            watcher.stop(LIMIT);
        }
    }

    private SimulatedNode node(String profile) throws IOException {
        Files.createDirectories(root.resolve("dev"));
        Files.createFile(root.resolve("dev/kmsg"));
        return new SimulatedNode(root, profile);
    }

    private KernelLogWatcher watching(SimulatedNode node) throws InterruptedException {
        HealthKeeper keeper = new HealthKeeper(
                HealthConfigs.usual(), node.inventory(), node.inventory()::lookAgain, clock, SystemTime.wall());
        keeper.picture(node.inventory().current());
        node.subscribe("health", keeper::picture);
        CountDownLatch open = new CountDownLatch(1);
        KernelLogWatcher watcher = new KernelLogWatcher(
                () -> {
                    KmsgKernelLog log = KmsgKernelLog.open(new SystemHostFiles(root));
                    open.countDown();
                    return log;
                },
                keeper,
                clock,
                node.heartbeats());
        watcher.start();
        assertThat(open.await(5, TimeUnit.SECONDS)).isTrue();
        return watcher;
    }

    private static long withheld(NodeSnapshot picture) {
        return picture.gpus().stream().filter(gpu -> !gpu.healthy()).count();
    }

    private void write(String line) throws IOException {
        Files.writeString(root.resolve("dev/kmsg"), "3,1,1,-;" + line + "\n", StandardOpenOption.APPEND);
    }
}
