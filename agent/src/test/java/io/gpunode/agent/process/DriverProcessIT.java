package io.gpunode.agent.process;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.simulation.DeviceList;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The driver's life as processes see it: an agent that keeps the driver, and commands that meet it or work without one, killed where it hurts. */
@Timeout(120)
class DriverProcessIT {
    private static final Duration SOON = Duration.ofSeconds(30);
    private static final List<String> ALL = List.of("nvidia", "nvidia_modeset", "nvidia_uvm");

    @TempDir(factory = ShortTempDir.class)
    Path folder;

    private NodeUnderTest node;
    private FakeKernel kernel;

    @BeforeEach
    void layOut() throws Exception {
        node = new NodeUnderTest(folder, "4xl4");
        kernel = new FakeKernel(folder, node.driver.profile().driverVersion());
        Files.writeString(folder.resolve("driver.yaml"), """
                version: v1
                host: {root: %1$s, nodeName: node-under-test}
                kubelet: {devicePluginDirectory: %1$s/kubelet, podResourcesSocket: %1$s/pod-resources/kubelet.sock}
                nvml: {callDeadline: 1s, retryInterval: 500ms}
                sampling: {interval: 1s}
                http: {listen: "127.0.0.1:0", localSocket: %1$s/http.sock}
                driver:
                  manage: true
                  persistenced: "off"
                  root: {attach: false}
                """.formatted(folder));
    }

    @AfterEach
    void remove() throws Exception {
        node.close();
    }

    private AgentProcess start(String... words) throws Exception {
        List<String> arguments = new ArrayList<>(List.of(words));
        arguments.addAll(List.of("--config", folder.resolve("driver.yaml").toString()));
        return AgentProcess.start(arguments, kernel.environment());
    }

    /** Runs a command to its end. */
    private List<String> command(int status, String... words) throws Exception {
        try (AgentProcess process = start(words)) {
            assertThat(process.awaitExit(30)).as("%s", process.output()).isEqualTo(status);
            return process.output();
        }
    }

    private DeviceList awaitHealthy(int count) throws Exception {
        return node.kubelet.awaitDevices(list -> list.allocatable() == count, SOON);
    }

    @Test
    void theAgentBringsTheDriverUpAndEverythingFollowsWhenItGoesAndComes() throws Exception {
        // Given
        node.kubelet.start();
        try (AgentProcess agent = start("run")) {
            String address = agent.awaitAddress();
            awaitHealthy(4);
            List<String> atStart = kernel.loaded();

            // When
            List<String> unload = command(0, "driver", "unload");
            awaitHealthy(0);
            List<String> without = kernel.loaded();
            // The command has its answer before the manager looks at what has come of it.
            Eventually.within(
                    SOON,
                    () -> AgentProcess.get(address, "/state").body().contains("\"state\": \"unloaded\"")
                            ? ""
                            : "the driver is not told to be unloaded");
            String state = AgentProcess.get(address, "/state").body();
            String metrics = AgentProcess.get(address, "/metrics").body();
            boolean described = Files.exists(node.cdiSpec());
            List<String> load = command(0, "driver", "load");
            awaitHealthy(4);

            // Then
            assertThat(atStart).isEqualTo(ALL);
            assertThat(unload).contains("step withdraw the GPUs", "step unload nvidia");
            assertThat(without).isEmpty();
            assertThat(state).contains("the GPUs are withdrawn: the driver: somebody has unloaded it");
            assertThat(metrics).doesNotContain("DCGM_FI_DEV_GPU_TEMP{").contains("gpu_node_agent_driver_as_wanted 0");
            assertThat(described).isFalse();
            assertThat(load).contains("step load nvidia", "step offer the GPUs again");
            assertThat(kernel.loaded()).isEqualTo(ALL);
            Eventually.within(SOON, () -> Files.exists(node.cdiSpec()) ? "" : "no CDI specification");
            assertThat(node.driver.violations()).isEmpty();
        }
    }

    @ParameterizedTest
    @CsvSource({
        "load, before, modprobe, nvidia, rollback, true",
        "load, after, modprobe, nvidia, load, true",
        "load, after, modprobe, nvidia_uvm, rollback, true",
        "unload, before, rmmod, nvidia_modeset, unload, false",
        "unload, after, rmmod, nvidia_uvm, rollback, true",
        "unload, after, rmmod, nvidia, unload, false",
        "unload, after, rmmod, nvidia, rollback, true"
    })
    void aCommandThatIsKilledHasItsChangeEndedByTheNext(
            String command, String when, String program, String module, String next, boolean loaded) throws Exception {
        // Given
        if (command.equals("unload")) {
            command(0, "driver", "load");
        }
        kernel.endAt(when, program, module);
        try (AgentProcess killed = start("driver", command)) {
            assertThat(killed.awaitExit(30)).isEqualTo(128 + 9);
        }
        boolean interrupted = Files.exists(folder.resolve("var/lib/gpu-node-agent/driver.journal"));

        // When
        command(0, "driver", next);

        // Then
        assertThat(interrupted).isTrue();
        assertThat(kernel.loaded()).isEqualTo(loaded ? ALL : List.of());
        assertThat(folder.resolve("var/lib/gpu-node-agent/driver.journal")).doesNotExist();
    }

    @Test
    void aModuleThatTheKernelRefusesLeavesNothingBehind() throws Exception {
        // Given
        kernel.refuses("nvidia_modeset");

        // When
        List<String> refused = command(1, "driver", "load");

        // Then
        assertThat(kernel.loaded()).isEmpty();
        assertThat(String.join("\n", refused))
                .contains("could not load nvidia_modeset")
                .contains("back to no driver");
        kernel.accepts("nvidia_modeset");
        command(0, "driver", "load");
        assertThat(kernel.loaded()).isEqualTo(ALL);
    }

    @Test
    void aPlanChangesNothing() throws Exception {
        // When
        List<String> plan = command(0, "driver", "plan");

        // Then
        assertThat(plan)
                .anyMatch(line -> line.contains("no driver is loaded"))
                .anyMatch(line -> line.contains("load nvidia"));
        assertThat(kernel.loaded()).isEmpty();
        assertThat(folder.resolve("var/lib/gpu-node-agent/driver.journal")).doesNotExist();
    }
}
