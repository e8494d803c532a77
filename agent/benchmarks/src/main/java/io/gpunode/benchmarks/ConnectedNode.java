package io.gpunode.benchmarks;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;

/** A simulated node whose agent is connected to a stand-in API server over TLS. */
final class ConnectedNode {
    private static final Duration LIMIT = Duration.ofMinutes(2);
    private static final Duration REPORTS = Duration.ofSeconds(5);

    private ConnectedNode() {}

    /** What is done with it. */
    interface Work {
        /** @param environment with which an agent finds the server */
        void on(BenchmarkNode node, StandInApiServer server, Map<String, String> environment) throws Exception;
    }

    static void run(NodeSettings settings, Work work) throws Exception {
        Path folder = Files.createTempDirectory("gpu-bench-");
        ServerIdentity identity = ServerIdentity.make(folder);
        try (StandInApiServer server = StandInApiServer.secure(identity.context());
                BenchmarkNode node = BenchmarkNode.open(settings)) {
            Path kubeconfig = kubeconfig(
                    folder, server.url() + ", certificate-authority: " + identity.authority(), "{token: secret}");
            work.on(node, server, Map.of("KUBECONFIG", kubeconfig.toString()));
        } finally {
            delete(folder);
        }
    }

    /** Waits for the agent's watch, and tells it of its node as a kubelet's reports do for so long. */
    static void reported(StandInApiServer server, Duration duration) {
        long limit = System.nanoTime() + LIMIT.toNanos();
        while (server.watches() == 0) {
            if (System.nanoTime() > limit) {
                throw new IllegalStateException("the agent did not watch its node within " + LIMIT);
            }
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(10));
        }
        for (long end = System.nanoTime() + duration.toNanos(); System.nanoTime() < end; ) {
            MemoryBenchmark.pause(REPORTS);
            server.report();
        }
    }

    static Path kubeconfig(Path folder, String cluster, String user) throws IOException {
        return Files.writeString(
                folder.resolve("kubeconfig"),
                "{clusters: [{name: c, cluster: {server: " + cluster + "}}], users: [{name: u, user: " + user
                        + "}], contexts: [{name: x, context: {cluster: c, user: u}}], current-context: x}\n");
    }

    static void delete(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
        }
        Files.delete(folder);
    }
}
