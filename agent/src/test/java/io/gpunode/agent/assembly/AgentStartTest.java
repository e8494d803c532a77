package io.gpunode.agent.assembly;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.gpunode.agent.config.ClusterSources;
import io.gpunode.agent.config.ConfigException;
import io.gpunode.agent.config.ConfigLoader;
import io.gpunode.agent.config.LoadedConfig;
import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.os.OwnerLock;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.os.SystemdNotifier;
import io.gpunode.agent.simulation.SimulatedNode;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.SystemTime;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.FutureTask;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What systemd, and through it the kubelet, learns of a start. */
@Timeout(60)
class AgentStartTest {
    private static final Path SPECIFICATIONS = Path.of("var/run/cdi/k8s.device-plugin.nvidia.com-gpu.json");

    @TempDir
    private Path folder;

    private final MonotonicClock clock = SystemTime.monotonic();
    private final EventLoops kubeletLoops = EventLoops.open("kubelet-io");
    private final Heard systemd = new Heard();
    private final AgentDaemon daemon = new AgentDaemon(systemd, "test");
    private @Nullable SimulatedNode node;
    private @Nullable FutureTask<Boolean> run;

    @BeforeEach
    void nothingIsHeardYet() {
        assertThat(systemd.messages).isEmpty();
    }

    @AfterEach
    void stop() throws Exception {
        try {
            daemon.stop();
            FutureTask<Boolean> begun = run;
            if (begun != null) {
                begun.get(10, TimeUnit.SECONDS);
            }
        } finally {
            if (node != null) {
                node.close();
            }
            kubeletLoops.close();
        }
    }

    @Test
    void isCompleteWhenTheGpusAreDescribedForContainers() throws Exception {
        // Given
        SimulatedNode simulated = node("8xh100");
        systemd.lookAt(simulated.hostRoot().resolve(SPECIFICATIONS));

        // When
        start(simulated);

        // Then
        assertThat(systemd.await("ready")).isEqualTo("ready, and the specifications are there");
    }

    @Test
    void isCompleteAtOnceOnANodeWithoutADriver() throws Exception {
        // Given
        SimulatedNode simulated = node("no-driver");
        Files.deleteIfExists(library(simulated));
        systemd.lookAt(simulated.hostRoot().resolve(SPECIFICATIONS));

        // When
        start(simulated);

        // Then
        assertThat(systemd.await("ready")).isEqualTo("ready, and no specifications");
    }

    @Test
    void tellsTheStateOfTheNodeInOneLine() throws Exception {
        // Given
        SimulatedNode simulated = node("8xh100");
        simulated.kubelet().start();

        // When
        start(simulated);

        // Then
        assertThat(systemd.await("ready; driver")).isEqualTo("ready; driver 580.95.05, 8 GPUs, nvidia.com/gpu: 8 of 8");
    }

    @Test
    void isRefusedWhileAnotherAgentRunsOnTheNode() throws Exception {
        // Given
        SimulatedNode simulated = node("8xh100");
        LoadedConfig config = configuration(simulated);
        try (OwnerLock _ = OwnerLock.take(new SystemHostFiles(simulated.hostRoot()), NodeLock.FILE)
                .orElseThrow()) {
            // When / Then
            assertThatThrownBy(() -> daemon.run(config, _ -> config, _ -> {}))
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("another gpu-node-agent runs on this node (process "
                            + ProcessHandle.current().pid())
                    .hasMessageContaining("systemctl status gpu-node-agent");
        }
        assertThat(systemd.await("failed: another")).contains("one is enough");
    }

    private SimulatedNode node(String profile) throws Exception {
        SimulatedNode simulated = SimulatedNode.create(profile, kubeletLoops, clock);
        node = simulated;
        return simulated;
    }

    private static Path library(SimulatedNode simulated) {
        return simulated.hostRoot().resolve("usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1");
    }

    private void start(SimulatedNode simulated) throws Exception {
        LoadedConfig config = configuration(simulated);
        FutureTask<Boolean> begun = new FutureTask<>(() -> daemon.run(config, _ -> config, _ -> {}));
        run = begun;
        Thread.ofPlatform().daemon().name("agent").start(begun);
    }

    private LoadedConfig configuration(SimulatedNode simulated) throws IOException, ConfigException {
        Path file = Files.writeString(folder.resolve("config.yaml"), """
                host: {root: %s}
                kubelet: {devicePluginDirectory: %s, podResourcesSocket: %s}
                kubernetes: {api: off}
                labels: {sink: off}
                http: {listen: '127.0.0.1:0'}
                """.formatted(
                        simulated.hostRoot(), simulated.devicePluginDirectory(), simulated.podResourcesSocket()));
        return new ConfigLoader(Map.of(), () -> "node-a", file, _ -> Optional.empty())
                .load(java.util.List.of(), Optional.empty(), ClusterSources.NOT_ASKED);
    }

    /** Keeps what systemd is told, and whether the specifications were there when it was told that the start is complete. */
    private static final class Heard implements SystemdNotifier {
        private final BlockingQueue<String> messages = new LinkedBlockingQueue<>();
        private volatile Path specifications = Path.of("/nonexistent");

        void lookAt(Path file) {
            specifications = file;
        }

        /** The first message that begins so. */
        String await(String beginning) throws InterruptedException {
            while (true) {
                String message = messages.poll(30, TimeUnit.SECONDS);
                if (message == null) {
                    throw new AssertionError("systemd was not told \"" + beginning + "…\"");
                }
                if (message.startsWith(beginning)) {
                    return message;
                }
            }
        }

        @Override
        public void ready() {
            messages.add(
                    Files.exists(specifications)
                            ? "ready, and the specifications are there"
                            : "ready, and no specifications");
        }

        @Override
        public void reloading() {}

        @Override
        public void stopping() {}

        @Override
        public void status(String text) {
            messages.add(text);
        }

        @Override
        public void watchdog() {}

        @Override
        public Optional<Duration> watchdogInterval() {
            return Optional.empty();
        }
    }
}
