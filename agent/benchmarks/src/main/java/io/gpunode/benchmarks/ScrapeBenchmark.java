package io.gpunode.benchmarks;

import java.time.Duration;
import java.util.concurrent.TimeUnit;

/** Scrapes of {@code /metrics} over one connection while the sampler works. */
final class ScrapeBenchmark implements Benchmark {
    private static final int WARM_UP = 300;
    private static final int SCRAPES = 5_000;
    private static final long BUDGET = TimeUnit.MILLISECONDS.toNanos(1);
    private static final String GPU_SERIES = "DCGM_FI_";

    @Override
    public String describe() {
        return "GET /metrics of 8 GPUs with the default fields and with 40, while all GPUs are sampled each second";
    }

    @Override
    public void run(Settings settings, Report report) throws Exception {
        report.begin(
                "scrape",
                "Keep-alive, one connection, back to back, after " + WARM_UP
                        + " scrapes; four GPUs held by three pods; all GPUs sampled each second meanwhile.");
        NodeSettings node = NodeSettings.eightGpus()
                .withIntervals(Duration.ofSeconds(1), Duration.ofSeconds(10), Duration.ofMinutes(5));
        measure(settings, report, node, "default fields");
        measure(settings, report, node.withFields(NodeSettings.FORTY_FIELDS), "40 fields");
        report.end();
    }

    private static void measure(Settings settings, Report report, NodeSettings nodeSettings, String what)
            throws Exception {
        try (BenchmarkNode node = BenchmarkNode.open(nodeSettings);
                PackagedAgent agent = node.startRegistered(settings);
                ScrapeClient client = new ScrapeClient(node.port)) {
            node.runPods();
            int scrapes = settings.samples(SCRAPES);
            client.scrapes(WARM_UP);
            long before = agent.processorNanos();
            Latencies latencies = client.scrapes(scrapes);
            long processor = agent.processorNanos() - before;
            report.row(
                    "scrape, " + what,
                    latencies.describe(),
                    latencies.count(),
                    "p99 ≤ 1 ms",
                    latencies.percentile(99) <= BUDGET);
            report.row(
                    "answer, " + what,
                    client.series("") + " series, of them " + client.series(GPU_SERIES) + " of GPUs; " + client.bytes()
                            + " bytes",
                    1);
            report.row("agent's processor time for one scrape, " + what, Latencies.time(processor / scrapes), scrapes);
            agent.terminate();
        }
    }
}
