package io.gpunode.agent.deviceplugin;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.simulation.EmbeddedKubelet;
import io.gpunode.agent.simulation.KubeletOptions;
import io.gpunode.agent.simulation.KubeletVersion;
import io.gpunode.agent.time.ManualTime;
import io.gpunode.agent.time.SystemTime;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What the device plugin tells of what keeps pods from getting devices. */
@Timeout(60)
class AllocationTroublesTest {
    private static final String GPU = "nvidia.com/gpu";
    private static final ResourcePlan.Problem BARE =
            new ResourcePlan.Problem(List.of("GPU-b"), "MIG mode is on: make some");

    private static EventLoops loops;
    private static EventLoops kubeletLoops;

    @TempDir
    private Path directory;

    private final ManualTime time = new ManualTime();
    private PluginUnderTest under;

    @BeforeAll
    static void openLoops() {
        loops = EventLoops.open("plugin-io");
        kubeletLoops = EventLoops.open("kubelet-io");
    }

    @AfterAll
    static void closeLoops() {
        loops.close();
        kubeletLoops.close();
    }

    @BeforeEach
    void makePlugin() {
        under = new PluginUnderTest(directory, loops, FileSystems.getDefault()::newWatchService, time);
        under.catalog.offer(GPU, "GPU-a");
    }

    @AfterEach
    void stopPlugin() throws Exception {
        under.stop();
    }

    /** A socket on which nobody listens any more. */
    private void deadKubelet() throws Exception {
        try (ServerSocketChannel channel = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            channel.bind(UnixDomainSocketAddress.of(directory.resolve("kubelet.sock")));
        }
    }

    private void failOnceMore() throws InterruptedException {
        long failed = under.status(GPU).failedRegistrations();
        time.advance(Duration.ofSeconds(5));
        under.look();
        under.await(GPU, status -> status.failedRegistrations() > failed);
    }

    @Test
    void aKubeletThatIsAwayForAMomentIsNotTold() throws Exception {
        // Given
        deadKubelet();
        under.plugin.start();
        under.await(GPU, status -> status.failedRegistrations() > 0);

        // When
        for (int i = 0; i < 4; i++) {
            failOnceMore();
        }

        // Then
        assertThat(under.troubles.heard()).isEmpty();
    }

    @Test
    void aResourceThatTheKubeletDoesNotTakeForLongIsToldOnceAndAgainWhenItDoes() throws Exception {
        // Given
        deadKubelet();
        under.plugin.start();
        under.await(GPU, status -> status.failedRegistrations() > 0);
        for (int i = 0; i < 10; i++) {
            failOnceMore();
        }
        assertThat(under.troubles.heard())
                .singleElement()
                .asString()
                .startsWith("unserved nvidia.com/gpu: cannot reach the kubelet at ");
        Files.delete(directory.resolve("kubelet.sock"));

        // When
        try (EmbeddedKubelet kubelet = new EmbeddedKubelet(
                KubeletOptions.of(directory, directory.resolve("pod-resources.sock"))
                        .withVersion(KubeletVersion.V1_36),
                kubeletLoops,
                SystemTime.monotonic())) {
            kubelet.start();
            // It may be called between bind and listen; the next try comes when the clock says so.
            under.await(GPU, status -> {
                time.advance(Duration.ofMillis(1));
                under.look();
                return status.registered();
            });
        }

        // Then
        assertThat(under.troubles.heard()).hasSize(2).endsWith("served nvidia.com/gpu");
    }

    @Test
    void devicesThatAreLeftOutAreToldOnceUntilItIsOtherwise() throws Exception {
        // Given
        under.catalog.leaveOut(BARE);
        under.plugin.start();
        under.lookThrough();
        under.catalog.leaveOut(BARE, new ResourcePlan.Problem(List.of(), "sharing names a device that is not there"));
        under.lookThrough();
        under.catalog.leaveOut();
        under.lookThrough();

        // When
        under.catalog.leaveOut(BARE);
        under.lookThrough();

        // Then
        assertThat(under.troubles.heard())
                .containsExactly(
                        "left out [GPU-b]: MIG mode is on: make some", "left out [GPU-b]: MIG mode is on: make some");
    }
}
