package io.gpunode.benchmarks;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Scrapes of {@code /metrics} over one connection while the sampler works, and over many at once. */
final class ScrapeBenchmark implements Benchmark {
    private static final int WARM_UP = 300;
    private static final int SCRAPES = 5_000;
    private static final int SCRAPERS = 100;
    private static final int ROUNDS = 50;
    private static final long BUDGET = TimeUnit.MILLISECONDS.toNanos(1);
    private static final long MIG_BUDGET = TimeUnit.MILLISECONDS.toNanos(5);
    private static final String GPU_SERIES = "DCGM_FI_";
    private static final Path REFERENCE = Path.of("docs/metrics.md");
    private static final Pattern FIELD = Pattern.compile("^\\| `(DCGM_FI_\\w+)` \\|", Pattern.MULTILINE);

    /** The reference also names fields that NVML cannot give. */
    static final Map<String, String> TOLERANT = Map.of("GPU_NODE_AGENT_METRICS_LEAVE_OUT_UNAVAILABLE", "true");

    @Override
    public String describe() {
        return "GET /metrics of 8 GPUs with the default fields and with 40, of 8 x 7 MIG devices, of 16 GPUs with all fields; "
                + SCRAPERS + " scrapers at once";
    }

    @Override
    public void run(Settings settings, Report report) throws Exception {
        report.begin(
                "scrape",
                "Keep-alive, one connection, back to back, after " + WARM_UP
                        + " scrapes; on whole GPUs four held by three pods; all GPUs sampled each second meanwhile. Prometheus asks for OpenMetrics and gzip.");
        NodeSettings node = NodeSettings.eightGpus()
                .withIntervals(Duration.ofSeconds(1), Duration.ofSeconds(10), Duration.ofMinutes(5));
        NodeSettings forty = node.withFields(NodeSettings.FORTY_FIELDS);
        measure(settings, report, node, "8 GPUs, default fields", BUDGET);
        measure(settings, report, forty, "8 GPUs, 40 fields", BUDGET);
        measure(settings, report, forty.withSevenSlices("1g.10gb"), "8 × 7 MIG devices, 40 fields", MIG_BUDGET);
        measure(settings, report, node.withSixteenGpus().withFields(allFields()), "16 GPUs, all fields", MIG_BUDGET);
        atOnce(settings, report, forty);
        report.end();
    }

    private static void measure(Settings settings, Report report, NodeSettings nodeSettings, String what, long budget)
            throws Exception {
        try (BenchmarkNode node = BenchmarkNode.open(nodeSettings);
                PackagedAgent agent = node.startServing(settings, 1, TOLERANT)) {
            if (nodeSettings.profile().text().lines().noneMatch(line -> line.startsWith("mig "))) {
                node.runPods();
            }
            try (ScrapeClient client = new ScrapeClient(node.port)) {
                measure(settings, report, agent, client, what, budget);
                report.row(
                        "allocated for one scrape, " + what,
                        allocatedBytes(client, settings.samples(SCRAPES)) + " bytes",
                        settings.samples(SCRAPES));
            }
            try (ScrapeClient client = ScrapeClient.prometheus(node.port)) {
                measure(settings, report, agent, client, what + ", as Prometheus", budget);
            }
            agent.terminate();
        }
    }

    private static void measure(
            Settings settings, Report report, PackagedAgent agent, ScrapeClient client, String what, long budget)
            throws IOException {
        int scrapes = settings.samples(SCRAPES);
        client.scrapes(WARM_UP);
        long before = agent.processorNanos();
        Latencies latencies = client.scrapes(scrapes);
        long processor = agent.processorNanos() - before;
        report.row(
                "scrape, " + what,
                latencies.describe(),
                latencies.count(),
                "p99 ≤ " + Latencies.time(budget),
                latencies.percentile(99) <= budget);
        report.row(
                "answer, " + what,
                client.series("") + " series, of them " + client.series(GPU_SERIES) + " of GPUs; " + client.bytes()
                        + " bytes",
                1);
        report.row("agent's processor time for one scrape, " + what, Latencies.time(processor / scrapes), scrapes);
    }

    /** What the heap's young space took meanwhile, the agent's other work included. */
    private static long allocatedBytes(ScrapeClient client, int scrapes) throws IOException {
        double before = allocated(client);
        client.scrapes(scrapes);
        return Math.round(Math.max(0, allocated(client) - before) / scrapes);
    }

    /** Since the start, as the agent's own meters tell it: what was collected and what lies in the young space. */
    private static double allocated(ScrapeClient client) throws IOException {
        // The meters are rendered ahead, once a second while somebody scrapes.
        MemoryBenchmark.pause(Duration.ofMillis(2_500));
        client.scrape();
        MemoryBenchmark.pause(Duration.ofMillis(2_500));
        client.scrape();
        String page = client.text();
        double eden = value(page, "jvm_memory_committed_bytes{area=\"heap\",id=\"Eden Space\"}");
        double collections = value(page, "jvm_gc_collection_seconds_count{gc=\"Copy\"}");
        return collections * eden + value(page, "jvm_memory_used_bytes{area=\"heap\",id=\"Eden Space\"}");
    }

    private static double value(String page, String series) {
        int start = page.indexOf("\n" + series + " ");
        if (start < 0) {
            throw new IllegalStateException("/metrics has no " + series);
        }
        int from = start + series.length() + 2;
        return Double.parseDouble(page.substring(from, page.indexOf('\n', from)));
    }

    private static void atOnce(Settings settings, Report report, NodeSettings nodeSettings) throws Exception {
        int rounds = settings.samples(ROUNDS);
        try (BenchmarkNode node = BenchmarkNode.open(nodeSettings);
                PackagedAgent agent = node.startServing(settings, 1, TOLERANT);
                ExecutorService threads = Executors.newFixedThreadPool(SCRAPERS)) {
            node.runPods();
            CyclicBarrier start = new CyclicBarrier(SCRAPERS);
            List<Callable<Latencies>> scrapers = new ArrayList<>();
            for (int i = 0; i < SCRAPERS; i++) {
                scrapers.add(() -> {
                    Latencies own = new Latencies(rounds);
                    try (ScrapeClient client = ScrapeClient.prometheus(node.port)) {
                        client.scrapeUnlessBusy();
                        for (int round = 0; round < rounds; round++) {
                            start.await();
                            own.add(client.scrapeUnlessBusy());
                        }
                    }
                    return own;
                });
            }
            Latencies answered = new Latencies(SCRAPERS * rounds);
            int refused = 0;
            for (Future<Latencies> scraper : threads.invokeAll(scrapers)) {
                refused += scraper.get().addAnsweredTo(answered);
            }
            report.row(SCRAPERS + " scrapers at the same moment, each as Prometheus", answered);
            report.row("answered with 503 meanwhile", refused + " of " + SCRAPERS * rounds, rounds);
            report.row("memory after them", agent.memory().describe(), 1);
            agent.terminate();
        }
    }

    /** Those of the reference. */
    static List<String> allFields() throws IOException {
        List<String> names = new ArrayList<>();
        Matcher rows = FIELD.matcher(Files.readString(REFERENCE, StandardCharsets.UTF_8));
        while (rows.find()) {
            if (!names.contains(rows.group(1))) {
                names.add(rows.group(1));
            }
        }
        return names;
    }
}
