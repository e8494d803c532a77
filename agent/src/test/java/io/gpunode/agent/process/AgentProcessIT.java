package io.gpunode.agent.process;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.simulation.Admission;
import io.gpunode.agent.simulation.DeviceList;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The packaged agent as a process on a simulated node: what an operator and a kubelet see of it, from start to end, through faults. */
@Timeout(120)
class AgentProcessIT {
    private static final Duration SOON = Duration.ofSeconds(30);

    @TempDir(factory = ShortTempDir.class)
    Path folder;

    private NodeUnderTest node;

    @BeforeEach
    void layOut() throws Exception {
        node = new NodeUnderTest(folder, "8xh100");
    }

    @AfterEach
    void remove() throws Exception {
        node.close();
    }

    private DeviceList awaitHealthy(int count) throws Exception {
        return node.kubelet.awaitDevices(list -> list.allocatable() == count, SOON);
    }

    @Test
    void itServesEightGpusAndEndsInOrder() throws Exception {
        // Given
        node.kubelet.start();
        try (AgentProcess agent = node.startAgent()) {
            String address = agent.awaitAddress();
            awaitHealthy(8);
            AgentProcess.awaitReady(address, SOON);
            Admission admission = node.kubelet.runPod("ml", "train-1", "main", 2);
            assertThat(admission).isInstanceOf(Admission.Admitted.class);
            Eventually.within(
                    SOON,
                    () -> AgentProcess.get(address, "/metrics").body().contains("pod=\"train-1\"")
                            ? ""
                            : "no pod label in /metrics");
            assertThat(node.cdiSpec()).content().contains(node.id(7));
            String metrics = AgentProcess.get(address, "/metrics").body();

            // When
            agent.terminate();
            int status = agent.awaitExit(5);

            // Then
            assertThat(status).isZero();
            assertThat(metrics.lines().filter(line -> line.startsWith("DCGM_FI_DEV_GPU_TEMP{")))
                    .hasSize(8);
            assertThat(metrics.lines()
                            .filter(line ->
                                    line.contains("pod=\"train-1\"") && line.startsWith("DCGM_FI_DEV_GPU_TEMP{")))
                    .hasSize(2);
            assertThat(node.cdiSpec()).exists();
            try (var sockets = Files.list(folder.resolve("kubelet"))) {
                assertThat(sockets.map(socket -> socket.getFileName().toString()))
                        .containsExactly("kubelet.sock");
            }
            assertThat(node.driver.violations()).isEmpty();
        }
    }

    @Test
    void anXidWithdrawsItsGpuWithAReasonAndItComesBack() throws Exception {
        // Given
        node.kubelet.start();
        try (AgentProcess agent = node.startAgent()) {
            String address = agent.awaitAddress();
            awaitHealthy(8);

            // When
            node.driver.apply("event gpu=3 xid=48");
            DeviceList withdrawn = awaitHealthy(7);

            // Then
            assertThat(withdrawn.healthyIds()).doesNotContain(node.id(3));
            assertThat(AgentProcess.get(address, "/state").body()).contains("XID 48");
            assertThat(AgentProcess.get(address, "/metrics").body())
                    .containsPattern("DCGM_FI_DEV_XID_ERRORS\\{gpu=\"3\".*} 48\n");
            awaitHealthy(8);
        }
    }

    @Test
    void aHungGpuCostsThatGpuOnlyAndNotTheEnd() throws Exception {
        // Given
        node.kubelet.start();
        try (AgentProcess agent = node.startAgent()) {
            String address = agent.awaitAddress();
            awaitHealthy(8);

            // When
            node.driver.apply("fault stuck gpu=5 call=nvmlDeviceGetPowerUsage hang=until-released");
            DeviceList rest = awaitHealthy(7);

            // Then
            assertThat(rest.healthyIds()).doesNotContain(node.id(5));
            assertThat(node.kubelet.runPod("ml", "other", "main", 4)).isInstanceOf(Admission.Admitted.class);
            assertThat(AgentProcess.get(address, "/metrics").body())
                    .containsPattern("DCGM_FI_DEV_POWER_USAGE\\{gpu=\"4\"")
                    .doesNotContainPattern("DCGM_FI_DEV_POWER_USAGE\\{gpu=\"5\"");
            assertThat(AgentProcess.get(address, "/healthz").status()).isEqualTo(200);
            agent.terminate();
            agent.awaitExit(5);
            // NVML is never shut down under a running call: the process ends with it open, and the simulator saw that.
            node.expectViolation("ended while initialised");
        }
    }

    @Test
    void aKubeletThatRestartsIsMetAgain() throws Exception {
        // Given
        node.kubelet.start();
        try (AgentProcess agent = node.startAgent()) {
            agent.awaitAddress();
            awaitHealthy(8);

            // When
            node.kubelet.restart();

            // Then
            awaitHealthy(8);
            assertThat(agent.alive()).isTrue();
        }
    }

    @Test
    void itWaitsForADriverAndAKubeletAndSaysSo() throws Exception {
        // Given
        Path elsewhere = Files.createDirectory(folder.resolve("n"));
        try (NodeUnderTest bare = new NodeUnderTest(elsewhere, "no-driver");
                AgentProcess agent = bare.startAgent()) {
            String address = agent.awaitAddress();
            Eventually.within(
                    SOON,
                    () -> AgentProcess.get(address, "/readyz").body().contains("kernel module is not loaded")
                            ? ""
                            : AgentProcess.get(address, "/readyz").body());
            assertThat(AgentProcess.get(address, "/readyz").status()).isEqualTo(503);
            assertThat(AgentProcess.get(address, "/healthz").status()).isEqualTo(200);
            assertThat(AgentProcess.get(address, "/metrics").status()).isEqualTo(200);

            // When
            bare.driver.post("driver loaded=yes");
            bare.kubelet.start();

            // Then
            AgentProcess.awaitReady(address, SOON);
        }
    }

    @Test
    void anAgentThatWasKilledIsReplacedWithoutARemnant() throws Exception {
        // Given
        node.kubelet.start();
        try (AgentProcess first = node.startAgent()) {
            first.awaitAddress();
            awaitHealthy(8);
            first.kill();
            first.awaitExit(10);
        }
        awaitHealthy(0);

        // When
        try (AgentProcess second = node.startAgent()) {
            second.awaitAddress();
            awaitHealthy(8);

            // Then
            try (var sockets = Files.list(folder.resolve("kubelet"))) {
                assertThat(sockets).hasSize(2);
            }
        }
    }

    @Test
    void aTakenPortEndsItWithTheNextStep() throws Exception {
        // Given
        try (ServerSocket taken = new ServerSocket(0, 1, java.net.InetAddress.getLoopbackAddress());
                AgentProcess agent = node.startAgent("--http-listen", "127.0.0.1:" + taken.getLocalPort())) {

            // When
            int status = agent.awaitExit(20);

            // Then
            assertThat(status).isEqualTo(1);
            assertThat(String.join("\n", agent.output()))
                    .contains("127.0.0.1:" + taken.getLocalPort())
                    .contains("is held by java (process "
                            + ProcessHandle.current().pid() + ")")
                    .contains("gpu-node-agent preflight");
        }
    }

    @Test
    void aReloadAppliesWhatCanBeAppliedAndSaysWhatCannot() throws Exception {
        // Given
        node.kubelet.start();
        try (AgentProcess agent = node.startAgent()) {
            agent.awaitAddress();
            awaitHealthy(8);
            Files.writeString(
                    node.config,
                    Files.readString(node.config)
                            .replace("interval: 1s", "interval: 2s")
                            .replace("callDeadline: 1s", "callDeadline: 2s"));

            // When
            agent.signal("HUP");

            // Then
            agent.awaitLine(line -> line.contains("applied") && line.contains("sampling.interval"), "the change", 10);
            agent.awaitLine(
                    line -> line.contains("needs a restart") && line.contains("nvml.callDeadline"), "the rest", 10);
        }
    }

    @Test
    void aBrokenConfigurationOnReloadIsRefusedAndTheOldOneStays() throws Exception {
        // Given
        node.kubelet.start();
        try (AgentProcess agent = node.startAgent()) {
            String address = agent.awaitAddress();
            awaitHealthy(8);
            Files.writeString(node.config, "version: v1\nsampling:\n  interval: -1s\n  intervall: 3s\n");

            // When
            agent.signal("HUP");

            // Then
            agent.awaitLine(line -> line.contains("intervall") && line.contains("interval"), "the suggestion", 10);
            AgentProcess.awaitReady(address, SOON);
        }
    }

    @Test
    void wrongSettingsEndItWithEveryProblem() throws Exception {
        // Given
        Files.writeString(node.config, "nvml:\n  callDeadline: soon\nhttp:\n  listn: x\n");

        // When
        try (AgentProcess agent = node.startAgent()) {
            int status = agent.awaitExit(20);

            // Then
            assertThat(status).isEqualTo(2);
            assertThat(String.join("\n", agent.output()))
                    .contains("nvml.callDeadline")
                    .contains("listn")
                    .contains("2 problems");
        }
    }

    @Test
    void statusShowsWhatTheAgentDoes() throws Exception {
        // Given
        node.kubelet.start();
        try (AgentProcess agent = node.startAgent()) {
            String address = agent.awaitAddress();
            awaitHealthy(8);
            AgentProcess.awaitReady(address, SOON);

            // When
            try (AgentProcess status = AgentProcess.start(List.of("status", "--address", address))) {
                int code = status.awaitExit(20);

                // Then
                assertThat(code).isZero();
                assertThat(String.join("\n", status.output()))
                        .contains("node-under-test, ready")
                        .contains("NVIDIA H100 80GB HBM3")
                        .contains(node.id(0));
            }
        }
    }
}
