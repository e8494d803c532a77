package io.gpunode.benchmarks;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.kubernetes.ApiConnection;
import io.gpunode.agent.kubernetes.NodeCondition;
import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.simulation.Registration;
import io.gpunode.agent.time.SystemTime;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SortedMap;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/** What a fleet asks of an API server, and what being connected to one costs an agent. */
final class ApiServerBenchmark implements Benchmark {
    private static final int FLEET = 500;
    private static final Duration LIMIT = Duration.ofMinutes(2);
    private static final Duration AWAY = Duration.ofSeconds(5);
    private static final Duration SETTLE = Duration.ofSeconds(45);
    private static final Duration QUIET = Duration.ofSeconds(8);
    private static final Duration REPORTS = Duration.ofSeconds(5);
    private static final NodeCondition.Wish HEALTHY =
            new NodeCondition.Wish(NodeCondition.Status.TRUE, "GpusHealthy", "all 8 GPUs are healthy");

    @Override
    public String describe() {
        return "500 agents' connections to a stand-in API server: requests and bytes; memory that a connection takes";
    }

    @Override
    public void run(Settings settings, Report report) throws Exception {
        fleet(settings, report);
        memory(settings, report);
    }

    private static void fleet(Settings settings, Report report) throws Exception {
        int size = settings.samples(FLEET);
        report.begin(
                "apiserver",
                "The API connections of " + size
                        + " agents that write 29 labels and the node's condition, in this process together with a stand-in API"
                        + " server; nodes of 30 labels, 12 annotations and 50 images. HTTP without TLS: its bytes alone, and a connection each where TLS would"
                        + " have a handshake.");
        Path folder = Files.createTempDirectory("gpu-bench-");
        List<ApiConnection> agents = new ArrayList<>();
        try (StandInApiServer server = StandInApiServer.plain()) {
            AgentConfig.Kubernetes config = new AgentConfig.Kubernetes(
                    AgentConfig.ApiServer.AUTO,
                    ConnectedNode.kubeconfig(folder, server.url(), "{token: secret}")
                            .toString(),
                    true,
                    true,
                    "",
                    false);
            for (int i = 0; i < size; i++) {
                agents.add(agent(config, "gpu-node-" + i));
            }
            server.traffic().begin();
            long began = System.nanoTime();
            agents.forEach(ApiConnection::start);
            await(() -> server.watches() == size);
            long watched = System.nanoTime() - began;
            quiet(server);
            rows(report, server, "start of all at once", size);
            report.row("… until the last one watches", seconds(watched), size);

            server.traffic().begin();
            Duration rest = settings.idle();
            long end = System.nanoTime() + rest.toNanos();
            while (System.nanoTime() < end) {
                MemoryBenchmark.pause(
                        Duration.ofNanos(Math.min(TimeUnit.MINUTES.toNanos(1), Math.max(1, end - System.nanoTime()))));
                server.bookmark();
            }
            report.row(
                    "requests at rest, in " + rest.toSeconds() + " s",
                    Long.toString(server.traffic().requests()),
                    size,
                    "0",
                    server.traffic().requests() == 0);
            report.row("bytes at rest", server.traffic().bytes(), size);

            // Each of them warns that it is not connected.
            Log.level(Log.Level.ERROR);
            server.stop();
            await(() -> server.watches() == 0);
            MemoryBenchmark.pause(AWAY);
            server.traffic().begin();
            long back = System.nanoTime();
            server.start();
            await(() -> server.watches() == size);
            watched = System.nanoTime() - back;
            quiet(server);
            rows(report, server, "server back after " + AWAY.toSeconds() + " s", size);
            report.row("… until the last one watches again", seconds(watched), size);
        } finally {
            for (ApiConnection agent : agents) {
                agent.stop(Duration.ofSeconds(2));
            }
            Log.level(Log.Level.WARN);
            ConnectedNode.delete(folder);
        }
        report.end();
    }

    private static void rows(Report report, StandInApiServer server, String when, int size) {
        StandInApiServer.Traffic traffic = server.traffic();
        report.row("requests, " + when, traffic.describe(), size);
        report.row("… connections", Long.toString(traffic.connections()), size);
        report.row("… bytes", traffic.bytes(), size);
        report.row("… in the second with the most", traffic.peak(), size);
    }

    /** Until nothing came for as long as a write may wait for its turn, and longer. */
    private static void quiet(StandInApiServer server) {
        long before = -1;
        for (long now = server.traffic().requests();
                now != before;
                now = server.traffic().requests()) {
            before = now;
            MemoryBenchmark.pause(QUIET);
        }
    }

    private static ApiConnection agent(AgentConfig.Kubernetes config, String node) {
        SystemHostFiles files = new SystemHostFiles(Path.of("/"));
        ApiConnection agent = new ApiConnection(
                config,
                node,
                "GpuHealthy",
                new AgentConfig.Labels(AgentConfig.LabelOutput.NODE, "", "", true, false, false, false, ""),
                "",
                "benchmark",
                Map.of(),
                files,
                files,
                SystemTime.monotonic(),
                SystemTime.wall(),
                new SplittableRandom(),
                new Heartbeats(SystemTime.monotonic()),
                Meters.NONE);
        agent.condition().orElseThrow().want(HEALTHY);
        agent.labelWriter().orElseThrow().want(labels());
        return agent;
    }

    /** As many and as long as those of a node of eight H100s. */
    private static SortedMap<String, String> labels() {
        SortedMap<String, String> labels = new TreeMap<>();
        for (String key : List.of(
                "cuda.driver-version.full",
                "cuda.driver-version.major",
                "cuda.driver-version.minor",
                "cuda.driver-version.revision",
                "cuda.driver.major",
                "cuda.driver.minor",
                "cuda.driver.rev",
                "cuda.runtime-version.full",
                "cuda.runtime-version.major",
                "cuda.runtime-version.minor",
                "cuda.runtime.major",
                "cuda.runtime.minor",
                "gfd.timestamp",
                "gpu.clique",
                "gpu.compute.major",
                "gpu.compute.minor",
                "gpu.count",
                "gpu.family",
                "gpu.machine",
                "gpu.memory",
                "gpu.mode",
                "gpu.present",
                "gpu.product",
                "gpu.replicas",
                "gpu.sharing-strategy",
                "mig.capable",
                "mig.strategy",
                "mps.capable",
                "vgpu.present")) {
            labels.put("nvidia.com/" + key, "NVIDIA-value");
        }
        return labels;
    }

    private static void memory(Settings settings, Report report) throws Exception {
        report.begin(
                "apiserver memory",
                "Two packaged agents on simulated nodes of eight H100s beside each other, one of them connected to a stand-in API server over TLS with its watch open"
                        + " and its node told every 5 s. They share the file pages of the runtime and the cache: the difference counts and not the sums.");
        NodeSettings nodeSettings = NodeSettings.eightGpus().withFields(NodeSettings.FORTY_FIELDS);
        ConnectedNode.run(nodeSettings, (with, server, environment) -> {
            try (BenchmarkNode without = BenchmarkNode.open(nodeSettings);
                    PackagedAgent alone = registered(without, settings, Map.of());
                    PackagedAgent connected = registered(with, settings, environment)) {
                ConnectedNode.reported(server, settings.quick() ? REPORTS : SETTLE);
                ProcessMemory one = alone.memory();
                ProcessMemory other = connected.memory();
                report.row("no API server", one.describe(), 1);
                report.row("connected", other.describe(), 1);
                report.row(
                        "difference",
                        "PSS " + ProcessMemory.mebibytes(other.pss() - one.pss()) + ", anonymous "
                                + ProcessMemory.mebibytes(other.anonymous() - one.anonymous()) + " MiB",
                        1);
                report.row("threads", alone.threadCount() + "; " + connected.threadCount(), 1);
                connected.terminate();
                alone.terminate();
            }
        });
        report.end();
    }

    private static PackagedAgent registered(BenchmarkNode node, Settings settings, Map<String, String> environment)
            throws Exception {
        CompletableFuture<Registration> registered =
                node.kubelet.nextRegistration().toCompletableFuture();
        PackagedAgent agent = node.startAgent(settings, "", environment);
        node.awaitRegistered(agent, registered);
        return agent;
    }

    private static void await(BooleanSupplier wanted) {
        long end = System.nanoTime() + LIMIT.toNanos();
        while (!wanted.getAsBoolean()) {
            if (System.nanoTime() > end) {
                throw new IllegalStateException("not so within " + LIMIT);
            }
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(10));
        }
    }

    private static String seconds(long nanos) {
        return String.format(Locale.ROOT, "%.2f s", nanos / 1e9);
    }
}
