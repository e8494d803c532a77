package io.gpunode.agent.monitoring;

import io.gpunode.agent.assembly.AgentAssembly;
import io.gpunode.agent.assembly.AgentDaemon;
import io.gpunode.agent.config.ClusterSources;
import io.gpunode.agent.config.ConfigLoader;
import io.gpunode.agent.config.LoadedConfig;
import io.gpunode.agent.metrics.FieldChoices;
import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.os.SystemdNotifier;
import io.gpunode.agent.process.Eventually;
import io.gpunode.agent.simulation.SimulatedNode;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.SystemTime;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;

/** The whole agent in this process on a simulated node, for others to scrape. Closing it ends both. */
final class MonitoredNode implements AutoCloseable {
    static final Duration SOON = Duration.ofSeconds(20);

    private final MonotonicClock clock = SystemTime.monotonic();
    private final EventLoops loops = EventLoops.open("kubelet-io");
    private final HttpClient client = HttpClient.newHttpClient();
    private final SimulatedNode node;
    private final AgentDaemon daemon;
    private final CompletableFuture<Boolean> run = new CompletableFuture<>();
    private final AgentAssembly assembly;

    /**
     * Starts both and waits until the first metrics of the GPUs and the agent's own meters are there.
     *
     * @param folder for the configuration
     * @param yaml what the configuration says beside where the node is
     */
    MonitoredNode(Path folder, String profile, String yaml) throws Exception {
        node = SimulatedNode.create(profile, loops, clock);
        node.kubelet().start();
        daemon = new AgentDaemon(SystemdNotifier.of(Map.of(), 1, clock), "test");
        Path file = Files.writeString(folder.resolve("config.yaml"), """
                version: v1
                %s
                host: {root: %s, nodeName: node-a}
                kubelet: {devicePluginDirectory: %s, podResourcesSocket: %s}
                kubernetes: {api: off}
                labels: {sink: file}
                sampling: {interval: 1s}
                http: {listen: '127.0.0.1:0'}
                """.formatted(
                        yaml, node.hostRoot(), node.devicePluginDirectory(), node.podResourcesSocket()));
        AgentDaemon.Reload load = cluster -> new ConfigLoader(Map.of(), () -> "node-a", file, FieldChoices::judge)
                .load(List.of(), Optional.empty(), cluster);
        LoadedConfig config = load.load(ClusterSources.NOT_ASKED);
        BlockingQueue<AgentAssembly> started = new LinkedBlockingQueue<>();
        Thread.ofPlatform().daemon().name("agent").start(() -> {
            try {
                run.complete(daemon.run(config, load, started::add));
            } catch (Exception e) {
                run.completeExceptionally(e);
            }
        });
        AgentAssembly first = started.poll(SOON.toSeconds(), TimeUnit.SECONDS);
        if (first == null) {
            throw new AssertionError("the agent did not start within " + SOON);
        }
        assembly = first;
        await("process_start_time_seconds", page -> page.contains("process_start_time_seconds "));
    }

    SimulatedNode node() {
        return node;
    }

    /** {@code host:port} of its pages. */
    String address() {
        return "127.0.0.1:" + assembly.httpAddress().getPort();
    }

    /** Its metrics at this moment. */
    String metrics() throws IOException, InterruptedException {
        return get("/metrics");
    }

    /** One of its pages. */
    String get(String path) throws IOException, InterruptedException {
        return client.send(
                        HttpRequest.newBuilder(URI.create("http://" + address() + path))
                                .build(),
                        HttpResponse.BodyHandlers.ofString())
                .body();
    }

    /** Waits until its metrics are so. */
    String await(String what, Predicate<String> wanted) throws Exception {
        Eventually.within(SOON, () -> wanted.test(metrics()) ? "" : what);
        return metrics();
    }

    @Override
    public void close() throws IOException {
        try {
            daemon.stop();
            run.orTimeout(10, TimeUnit.SECONDS).join();
        } finally {
            client.shutdownNow();
            node.close();
            loops.close();
        }
    }
}
