package io.gpunode.benchmarks;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.kubernetes.ApiConnection;
import io.gpunode.agent.kubernetes.NodeCondition;
import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.os.SystemHostFiles;
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
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/**
 * The figures of docs/scale.md: what hundreds of agents ask of one stand-in API server, when; what a node is to Prometheus; and how long a node is without its
 * agent when a new version comes. What the whole fleet does follows from them by multiplication, which the rows show.
 */
final class FleetBenchmark implements Benchmark {
    private static final int FLEET = 500;
    /** What the figures are multiplied to. */
    private static final int NODES = 5_000;

    private static final Duration LIMIT = Duration.ofMinutes(2);
    private static final Duration AWAY = Duration.ofSeconds(5);
    /** Longer than what a start writes may wait for its turn. */
    private static final Duration QUIET = Duration.ofSeconds(8);
    /** Longer than labels that change may wait. */
    private static final Duration LABELS_QUIET = Duration.ofSeconds(35);

    private static final Duration SCRAPE_INTERVAL = Duration.ofSeconds(15);
    /** Shorter than a connection may be idle. */
    private static final Duration GROWN = Duration.ofSeconds(3);

    private static final int REPLACEMENTS = 10;
    /** A kubelet makes a pod whose image is there in 1 to 3 s, and the chart's readiness probe looks each 5 s. */
    private static final double KUBELET_SECONDS = 3;

    private static final double PROBE_SECONDS = 5;
    private static final String GPU_SERIES = "DCGM_FI_";
    private static final NodeCondition.Wish HEALTHY =
            new NodeCondition.Wish(NodeCondition.Status.TRUE, "GpusHealthy", "all 8 GPUs are healthy");

    @Override
    public String describe() {
        return "the figures of docs/scale.md: " + FLEET
                + " agents and one stand-in API server, series of a node, replacing an agent";
    }

    @Override
    public void run(Settings settings, Report report) throws Exception {
        requests(settings, report);
        series(settings, report);
        replacement(settings, report);
    }

    private static void requests(Settings settings, Report report) throws Exception {
        int size = settings.samples(FLEET);
        report.begin(
                "fleet: requests",
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
            start(report, server, config, agents, size, labels(), "first start, all at once");

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

            server.traffic().begin();
            SortedMap<String, String> changed = labels();
            changed.put("nvidia.com/gpu.count", "7");
            agents.forEach(agent -> agent.labelWriter().orElseThrow().want(changed));
            quiet(server, LABELS_QUIET);
            rows(report, server, "a label changed on all at once", size);

            // Each of them warns that it is not connected.
            Log.level(Log.Level.ERROR);
            server.stop();
            await(() -> server.watches() == 0);
            MemoryBenchmark.pause(AWAY);
            server.traffic().begin();
            long back = System.nanoTime();
            server.start();
            await(() -> server.watches() == size);
            long watched = System.nanoTime() - back;
            quiet(server, QUIET);
            rows(report, server, "server back after " + AWAY.toSeconds() + " s", size);
            report.row("… until the last one watches again", seconds(watched), size);

            stop(agents);
            await(() -> server.watches() == 0);
            start(report, server, config, agents, size, changed, "start again of all at once, nothing changed");

            stop(agents);
            await(() -> server.watches() == 0);
            start(report, server, config, agents, size, labels(), "start again with other labels, as after an upgrade");
        } finally {
            stop(agents);
            Log.level(Log.Level.WARN);
            ConnectedNode.delete(folder);
        }
        report.end();
    }

    private static void start(
            Report report,
            StandInApiServer server,
            AgentConfig.Kubernetes config,
            List<ApiConnection> agents,
            int size,
            SortedMap<String, String> labels,
            String what) {
        agents.clear();
        for (int i = 0; i < size; i++) {
            agents.add(agent(config, "gpu-node-" + i, labels));
        }
        server.traffic().begin();
        long began = System.nanoTime();
        agents.forEach(ApiConnection::start);
        await(() -> server.watches() == size);
        long watched = System.nanoTime() - began;
        quiet(server, QUIET);
        rows(report, server, what, size);
        report.row("… until the last one watches", seconds(watched), size);
    }

    private static void stop(List<ApiConnection> agents) throws Exception {
        for (ApiConnection agent : agents) {
            agent.stop(Duration.ofSeconds(2));
        }
    }

    private static void rows(Report report, StandInApiServer server, String when, int size) {
        StandInApiServer.Traffic traffic = server.traffic();
        report.row("requests, " + when, traffic.describe(), size);
        report.row(
                "… of each; of " + NODES + " nodes",
                String.format(
                        Locale.ROOT,
                        "%.1f; %,d",
                        (double) traffic.requests() / size,
                        traffic.requests() * NODES / size),
                size);
        report.row("… connections", Long.toString(traffic.connections()), size);
        report.row("… bytes", traffic.bytes(), size);
        report.row("… in the second with the most", traffic.peak(), size);
        traffic.arrivals().forEach((verb, times) -> report.row("… when, " + verb, times));
    }

    /** Until nothing came for so long. */
    private static void quiet(StandInApiServer server, Duration silence) {
        long before = -1;
        for (long now = server.traffic().requests();
                now != before;
                now = server.traffic().requests()) {
            before = now;
            MemoryBenchmark.pause(silence);
        }
    }

    private static void series(Settings settings, Report report) throws Exception {
        report.begin(
                "fleet: series",
                "What one node has, scraped once as Prometheus does; four of its GPUs held by three pods.");
        NodeSettings eight = NodeSettings.eightGpus()
                .withIntervals(Duration.ofSeconds(1), Duration.ofSeconds(10), Duration.ofMinutes(5));
        NodeSettings forty = eight.withFields(NodeSettings.FORTY_FIELDS);
        series(settings, report, "8 GPUs, default fields", eight, true);
        series(settings, report, "8 GPUs, 40 fields", forty, true);
        series(settings, report, "8 × 7 MIG devices, 40 fields", forty.withSevenSlices("1g.10gb"), false);
        series(
                settings,
                report,
                "16 GPUs, all fields",
                eight.withSixteenGpus().withFields(ScrapeBenchmark.allFields()),
                true);
        report.end();
    }

    private static void series(Settings settings, Report report, String what, NodeSettings nodeSettings, boolean pods)
            throws Exception {
        try (BenchmarkNode node = BenchmarkNode.open(nodeSettings);
                PackagedAgent agent = node.startServing(settings, 1, ScrapeBenchmark.TOLERANT)) {
            if (pods) {
                node.runPods();
            }
            try (ScrapeClient client = ScrapeClient.prometheus(node.port)) {
                // Rates need two samples, and some values are read seldom: until the page has grown to its size.
                long series = 0;
                for (long before = -1; series != before; ) {
                    before = series;
                    MemoryBenchmark.pause(GROWN);
                    client.scrape();
                    series = client.series("");
                }
                report.row(
                        "series, " + what,
                        String.format(
                                Locale.ROOT,
                                "%,d, of them %,d of GPUs; %,d bytes; %d nodes: %.1f million, %,d samples a second",
                                series,
                                client.series(GPU_SERIES),
                                client.bytes(),
                                NODES,
                                series * NODES / 1e6,
                                series * NODES / SCRAPE_INTERVAL.toSeconds()),
                        1);
            }
            agent.terminate();
        }
    }

    private static void replacement(Settings settings, Report report) throws Exception {
        int times = settings.samples(REPLACEMENTS);
        report.begin(
                "fleet: roll-out",
                "One agent is ended and another started, on a node of eight GPUs. A roll-out has as many rounds as nodes are not in one of them, and a round takes what"
                        + " was measured, " + KUBELET_SECONDS + " s for the kubelet to make the pod and "
                        + PROBE_SECONDS
                        + " s until the probe looks.");
        Latencies ended = new Latencies(times);
        Latencies ready = new Latencies(times);
        try (BenchmarkNode node = BenchmarkNode.open(NodeSettings.eightGpus())) {
            for (int i = 0; i < times; i++) {
                try (PackagedAgent agent = node.startAgent(settings, "")) {
                    ready.add(StartBenchmark.seriesAfter(node, agent));
                    node.awaitList(agent);
                    ended.add(agent.terminate());
                }
            }
        }
        report.row("SIGTERM → end", ended);
        report.row("exec → GPU series in /metrics", ready);
        double round = (ended.max() + ready.max()) / 1e9 + KUBELET_SECONDS + PROBE_SECONDS;
        report.row("one round, with the slowest of both", String.format(Locale.ROOT, "%.1f s", round), times);
        for (int[] fleet : new int[][] {{100, 10}, {1_000, 100}, {NODES, 500}, {NODES, 50}, {NODES, 10}}) {
            int rounds = Math.ceilDiv(fleet[0], fleet[1]);
            report.row(
                    fleet[0] + " nodes, " + fleet[1] + " at once",
                    String.format(Locale.ROOT, "%d rounds, %.0f min", rounds, Math.ceil(rounds * round / 60)),
                    fleet[0]);
        }
        report.end();
    }

    private static ApiConnection agent(AgentConfig.Kubernetes config, String node, SortedMap<String, String> labels) {
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
        agent.labelWriter().orElseThrow().want(labels);
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
