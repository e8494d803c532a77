package io.gpunode.agent.assembly;

import io.gpunode.agent.config.ConfigLoader;
import io.gpunode.agent.config.LoadedConfig;
import io.gpunode.agent.kubernetes.FakeApiServer;
import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.process.Eventually;
import io.gpunode.agent.simulation.SimulatedNode;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.SystemTime;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What the cluster is told of a simulated node, from the driver to the API server. */
@Timeout(120)
class EventsOfANodeTest {
    private static final Duration SOON = Duration.ofSeconds(30);

    @TempDir
    private Path folder;

    @Test
    void devicesWithoutAResourceAndAGpuThatIsSplitAnewAreTold() throws Exception {
        // Given
        MonotonicClock clock = SystemTime.monotonic();
        try (EventLoops kubeletLoops = EventLoops.open("kubelet-io");
                SimulatedNode node = SimulatedNode.create("8xa100-80gb-mig", kubeletLoops, clock);
                FakeApiServer server = FakeApiServer.plain("node-a")) {
            server.labels(Map.of());
            node.kubelet().start();
            AgentAssembly agent = new AgentAssembly(
                    config(node, server), "test", EventLoops.open("agent-io"), clock, SystemTime.wall());
            agent.start(() -> {});
            try {
                awaitEvent(server, "GpuNotOffered", "no pod can get these ");

                // When
                node.simulator().apply("mig gpu=6 destroy=0\nmig gpu=6 profile=4g.40gb\nmig gpu=6 profile=1g.20gb");

                // Then
                awaitEvent(server, "MigLayoutChanged", "was split anew: from ");
                awaitEvent(server, "MigLayoutChanged", " to 1x 1g.20gb + 1x 4g.40gb");
            } finally {
                agent.stop(SOON);
            }
        }
    }

    private static void awaitEvent(FakeApiServer server, String reason, String message) throws Exception {
        Eventually.within(SOON, () -> {
            List<String> events = server.keptEvents();
            return events.stream().anyMatch(event -> event.contains('"' + reason + '"') && event.contains(message))
                    ? ""
                    : "no " + reason + " with \"" + message + "\" among " + events;
        });
    }

    private LoadedConfig config(SimulatedNode node, FakeApiServer server) throws Exception {
        Path kubeconfig = Files.writeString(folder.resolve("kubeconfig"), """
                clusters: [{name: a, cluster: {server: '%s'}}]
                contexts: [{name: a, context: {cluster: a, user: ""}}]
                current-context: a
                """.formatted(server.url()));
        Path file = Files.writeString(folder.resolve("config.yaml"), """
                version: v1
                flags: {migStrategy: single}
                host: {root: %s}
                kubelet: {devicePluginDirectory: %s, podResourcesSocket: %s}
                kubernetes: {kubeconfig: %s}
                sampling: {interval: 1s}
                http: {listen: "127.0.0.1:0"}
                """.formatted(
                        node.hostRoot(), node.devicePluginDirectory(), node.podResourcesSocket(), kubeconfig));
        return new ConfigLoader(Map.of(), () -> "node-a", file, _ -> Optional.empty())
                .load(List.of(), Optional.empty());
    }
}
