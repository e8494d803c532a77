package io.gpunode.agent.process;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.simulation.EmbeddedKubelet;
import io.gpunode.agent.simulation.KubeletOptions;
import io.gpunode.agent.time.SystemTime;
import io.gpunode.nvml.simulator.ControlFile;
import io.gpunode.nvml.simulator.SimulatedNodeFiles;
import io.gpunode.nvml.simulator.SimulatedProfile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * A simulated node for the packaged agent in another process: files and driver in a folder, faults through the driver's control file, and an
 * embedded kubelet in this process.
 */
final class NodeUnderTest implements AutoCloseable {
    static final Duration ACKNOWLEDGED = Duration.ofSeconds(10);

    final Path root;
    final ControlFile driver;
    final EventLoops loops = EventLoops.open("test-io");
    final EmbeddedKubelet kubelet;
    final Path config;
    private String expected = "";

    NodeUnderTest(Path folder, String profile) throws IOException {
        this.root = folder;
        SimulatedProfile node = SimulatedProfile.named(profile);
        SimulatedNodeFiles.create(root, node);
        this.driver = ControlFile.install(root, node, ACKNOWLEDGED);
        Path plugins = root.resolve("kubelet");
        Path podResources = root.resolve("pod-resources/kubelet.sock");
        this.kubelet = new EmbeddedKubelet(KubeletOptions.of(plugins, podResources), loops, SystemTime.monotonic());
        this.config = root.resolve("config.yaml");
        Files.writeString(config, """
                version: v1
                flags:
                  plugin:
                    deviceListStrategy: [envvar, cdi-cri]
                host:
                  root: %1$s
                  nodeName: node-under-test
                kubelet:
                  devicePluginDirectory: %2$s
                  podResourcesSocket: %3$s
                nvml:
                  callDeadline: 1s
                  retryInterval: 500ms
                sampling:
                  interval: 1s
                health:
                  recoveryInterval: 5s
                http:
                  listen: 127.0.0.1:0
                """.formatted(root, plugins, podResources));
    }

    /** Where the specification is written. */
    Path cdiSpec() {
        return root.resolve("var/run/cdi/k8s.device-plugin.nvidia.com-gpu.json");
    }

    /** The device id of a GPU by its number in the profile. */
    String id(int gpu) {
        return driver.profile().gpus().get(gpu).uuid();
    }

    /** Starts the agent on this node. */
    AgentProcess startAgent(String... more) throws IOException {
        List<String> arguments = new ArrayList<>(List.of("run", "--config", config.toString()));
        arguments.addAll(List.of(more));
        return AgentProcess.start(arguments);
    }

    /** The one misuse of the driver that this test brings about; any other still fails it. */
    void expectViolation(String text) {
        expected = text;
    }

    @Override
    public void close() throws IOException {
        try {
            kubelet.close();
        } finally {
            loops.close();
        }
        if (expected.isEmpty()) {
            driver.close();
        } else {
            assertThat(driver.violations()).singleElement().asString().contains(expected);
        }
    }
}
