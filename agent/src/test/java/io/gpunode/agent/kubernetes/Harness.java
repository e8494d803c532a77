package io.gpunode.agent.kubernetes;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.NodeLabels;
import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.time.ManualTime;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/** A connection on a manual clock whose turns the test takes by hand, and the files that it finds its credentials in. */
final class Harness implements AutoCloseable {
    static final String NODE = "node-a";
    /** Of a call, by the machine's own clock: long, since a slow machine is none of the tests' subjects. */
    static final Duration CALL_LIMIT = Duration.ofSeconds(10);
    /** The same where an answer that does not come is the subject. */
    static final Duration SHORT_CALL_LIMIT = Duration.ofMillis(1_500);

    final Path root;
    final ManualTime time = new ManualTime();
    final ApiConnection connection;
    private final Heartbeats heartbeats = new Heartbeats(time);

    private Harness(Path root, String node) {
        this(root, node, false, CALL_LIMIT, "");
    }

    private Harness(Path root, String node, boolean takeLabels, Duration callLimit, String fieldConfigMap) {
        AgentConfig.Kubernetes config = new AgentConfig.Kubernetes(
                AgentConfig.ApiServer.AUTO, "", true, true, "nvidia.com/gpu-not-ready", false);
        this.root = root;
        SystemHostFiles files = new SystemHostFiles(root);
        this.connection = new ApiConnection(
                config,
                node,
                "GpuHealthy",
                new AgentConfig.Labels(AgentConfig.LabelOutput.AUTO, "", "", true, false, false, takeLabels, "gpu"),
                fieldConfigMap,
                "1.2.3",
                new AccessSearch(config, Map.of(), new SystemHostFiles(Path.of("/")), files),
                callLimit,
                time,
                time.wall(),
                new SplittableRandom(1),
                heartbeats,
                Meters.NONE);
    }

    /** Credentials are looked for in {@code root} as the host's files. */
    static Harness on(Path root) {
        return new Harness(root, NODE);
    }

    /** The same with another {@code host.nodeName}. */
    static Harness named(String node, Path root) {
        return new Harness(root, node);
    }

    /** The same, and the ConfigMap of the metric fields is read. */
    static Harness withFields(String map, FakeApiServer server, Path root) throws IOException {
        return new Harness(root, NODE, false, CALL_LIMIT, map).to(server);
    }

    /** With a token in a file of a kubelet's kubeconfig. */
    static Harness connectedTo(FakeApiServer server, Path root) throws IOException {
        return on(root).to(server);
    }

    /** The same, and it takes labels from whoever else manages them. */
    static Harness takingLabels(FakeApiServer server, Path root) throws IOException {
        return new Harness(root, NODE, true, CALL_LIMIT, "").to(server);
    }

    /** The same as {@link #connectedTo}, and it waits for {@link #SHORT_CALL_LIMIT} only. */
    static Harness impatient(FakeApiServer server, Path root) throws IOException {
        return new Harness(root, NODE, false, SHORT_CALL_LIMIT, "").to(server);
    }

    private Harness to(FakeApiServer server) throws IOException {
        server.token("token-1");
        token("token-1");
        kubeconfig("""
                apiVersion: v1
                kind: Config
                clusters: [{name: c, cluster: {server: "%s", certificate-authority: ca.pem}}]
                users: [{name: u, user: {tokenFile: token}}]
                contexts: [{name: x, context: {cluster: c, user: u}}]
                current-context: x
                """.formatted(server.url()));
        Files.copy(
                FakeApiServer.FIXTURES.resolve("ca.pem"),
                root.resolve("etc/kubernetes/ca.pem"),
                StandardCopyOption.REPLACE_EXISTING);
        return this;
    }

    void kubeconfig(String text) throws IOException {
        Files.createDirectories(root.resolve("etc/kubernetes"));
        Files.writeString(root.resolve("etc/kubernetes/kubelet.conf"), text);
    }

    void token(String token) throws IOException {
        Files.createDirectories(root.resolve("etc/kubernetes"));
        Files.writeString(root.resolve("etc/kubernetes/token"), token + "\n");
    }

    /** Takes turns, a second of the clock apart, until something is so. */
    void turnUntil(BooleanSupplier wanted) throws InterruptedException {
        CountDownLatch never = new CountDownLatch(1);
        for (int i = 0; i < 1_000; i++) {
            connection.turn();
            if (wanted.getAsBoolean()) {
                return;
            }
            if (never.await(10, TimeUnit.MILLISECONDS)) {
                throw new IllegalStateException("nobody counts this down");
            }
            time.advance(Duration.ofSeconds(1));
        }
        throw new AssertionError("never so; " + connection.status());
    }

    /** Waits for what another thread does, with no turn and no time passing. */
    static void until(BooleanSupplier wanted) throws InterruptedException {
        CountDownLatch never = new CountDownLatch(1);
        for (int i = 0; i < 2_000; i++) {
            if (wanted.getAsBoolean()) {
                return;
            }
            if (never.await(5, TimeUnit.MILLISECONDS)) {
                throw new IllegalStateException("nobody counts this down");
            }
        }
        throw new AssertionError("not so within 10 s");
    }

    void watching() throws InterruptedException {
        turnUntil(() -> connection.status().watching());
    }

    String label(String key) {
        return switch (connection.ownNode().label(key)) {
            case NodeLabels.Answer.Value(String value) -> value;
            case NodeLabels.Answer.NotSet _ -> "(none)";
            case NodeLabels.Answer.Unknown _ -> "(unknown)";
        };
    }

    @Override
    public void close() {
        try {
            connection.stop(Duration.ofSeconds(2));
        } catch (Exception e) {
            throw new IllegalStateException("the connection did not end", e);
        }
    }
}
