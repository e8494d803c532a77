package io.gpunode.benchmarks;

import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/** Memory and processor time of an agent that is left alone, and its memory after work. */
final class MemoryBenchmark implements Benchmark {
    private static final int ALLOCATIONS = 10_000;
    private static final int SCRAPES = 1_000;
    private static final long BUDGET_KIBIBYTES = 80 * 1024;
    private static final double BUDGET_PERCENT = 0.2;
    private static final Duration SETTLE = Duration.ofSeconds(30);
    private static final Duration TRIM = Duration.ofSeconds(65);

    @Override
    public String describe() {
        return "memory and processor time idle, memory after 10,000 allocations and 1,000 scrapes";
    }

    @Override
    public void run(Settings settings, Report report) throws Exception {
        report.begin(
                "memory",
                "Everything on: 8 GPUs, 40 fields, 5 s sampling, XIDs, CDI, PodResources with three pods. Idle for "
                        + settings.idle().toSeconds() + " s.");
        NodeSettings nodeSettings = NodeSettings.eightGpus().withFields(NodeSettings.FORTY_FIELDS);
        try (BenchmarkNode node = BenchmarkNode.open(nodeSettings);
                PackagedAgent agent = node.startRegistered(settings);
                PluginClient client = new PluginClient(node.pluginSocket())) {
            node.runPods();
            pause(settings.quick() ? Duration.ofSeconds(5) : SETTLE);
            report.row(
                    "memory after " + SETTLE.toSeconds() + " s", agent.memory().describe(), 1);
            long before = agent.processorNanos();
            long since = System.nanoTime();
            pause(settings.idle());
            double percent = 100.0 * (agent.processorNanos() - before) / (System.nanoTime() - since);
            report.row(
                    "idle processor time",
                    String.format(Locale.ROOT, "%.3f %% of one core", percent),
                    1,
                    "≤ 0.2 %",
                    percent <= BUDGET_PERCENT);
            report.row("memory idle", agent.memory().describe(), 1);
            report.row("threads idle", Integer.toString(agent.threadCount()), 1);
            load(node, client);
            ProcessMemory loaded = agent.memory();
            report.row(
                    "memory after 10,000 allocations and 1,000 scrapes",
                    loaded.describe(),
                    1,
                    "PSS ≤ 80 MiB",
                    loaded.pss() <= BUDGET_KIBIBYTES);
            if (!settings.quick()) {
                pause(TRIM);
                report.row("memory a minute later", agent.memory().describe(), 1);
                for (int i = 0; i < 4; i++) {
                    load(node, client);
                }
                report.row(
                        "memory after 50,000 allocations and 5,000 scrapes",
                        agent.memory().describe(),
                        1);
            }
            agent.terminate();
        }
        report.end();
    }

    private static void load(BenchmarkNode node, PluginClient client) throws Exception {
        client.allocate(node.ids(), 1, ALLOCATIONS);
        // A connection of its own: the agent closes one that is silent for long.
        try (ScrapeClient scraper = new ScrapeClient(node.port)) {
            scraper.scrapes(SCRAPES);
        }
    }

    static void pause(Duration duration) {
        long end = System.nanoTime() + duration.toNanos();
        for (long left = duration.toNanos(); left > 0; left = end - System.nanoTime()) {
            LockSupport.parkNanos(Math.min(left, TimeUnit.SECONDS.toNanos(1)));
        }
    }
}
