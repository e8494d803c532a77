package io.gpunode.benchmarks;

import java.time.Duration;
import java.util.Locale;
import java.util.Map;

/** Memory of an agent that is scraped once a second for long: it has to stay flat. */
final class SoakBenchmark implements Benchmark {
    private static final Duration SETTLE = Duration.ofMinutes(1);
    private static final Duration BETWEEN_SCRAPES = Duration.ofSeconds(1);
    private static final int SCRAPES_PER_READING = 10;
    private static final long BUDGET_KIBIBYTES = 80 * 1024;

    /** What a heap that is collected now and then, and compiled code that still comes, move it by. */
    private static final long FLAT_KIBIBYTES = 3 * 1024;

    @Override
    public String describe() {
        return "memory over an hour (--soak-minutes) at one scrape a second";
    }

    @Override
    public void run(Settings settings, Report report) throws Exception {
        report.begin(
                "soak",
                "8 GPUs, 40 fields, three pods, 5 s sampling, a scrape a second as Prometheus asks for it, "
                        + settings.soak().toMinutes() + " minutes; memory is read every "
                        + SCRAPES_PER_READING + " s from a minute after the start.");
        NodeSettings nodeSettings = NodeSettings.eightGpus().withFields(NodeSettings.FORTY_FIELDS);
        try (BenchmarkNode node = BenchmarkNode.open(nodeSettings);
                PackagedAgent agent = node.startServing(settings, 1, Map.of());
                ScrapeClient client = ScrapeClient.prometheus(node.port)) {
            node.runPods();
            scrape(client, settings.quick() ? Duration.ofSeconds(10) : SETTLE, new Latencies(1));
            ProcessMemory first = agent.memory();
            ProcessMemory last = first;
            String partsFirst = agent.memoryParts();
            // What it is after each tenth of the time: growth that ends looks another than growth that goes on.
            StringBuilder tenths = new StringBuilder();
            long largest = first.pss();
            long smallest = first.pss();
            Latencies latencies = new Latencies((int) settings.soak().toSeconds());
            long processor = agent.processorNanos();
            long began = System.nanoTime();
            long end = began + settings.soak().toNanos();
            long tenth = began;
            while (System.nanoTime() < end) {
                scrape(client, BETWEEN_SCRAPES.multipliedBy(SCRAPES_PER_READING), latencies);
                last = agent.memory();
                largest = Math.max(largest, last.pss());
                smallest = Math.min(smallest, last.pss());
                if (System.nanoTime() - tenth >= settings.soak().toNanos() / 10) {
                    tenth += settings.soak().toNanos() / 10;
                    tenths.append(tenths.isEmpty() ? "" : ", ").append(ProcessMemory.mebibytes(last.pss()));
                }
            }
            double percent = 100.0 * (agent.processorNanos() - processor) / (System.nanoTime() - began);
            report.row("memory first", first.describe(), 1);
            report.row("… of", partsFirst, 1);
            report.row("memory last", last.describe(), 1);
            report.row("… of", agent.memoryParts(), 1);
            report.row("PSS after each tenth", tenths + " MiB", 1);
            report.row(
                    "PSS, smallest to largest",
                    ProcessMemory.mebibytes(smallest) + " to " + ProcessMemory.mebibytes(largest) + " MiB",
                    latencies.count() / SCRAPES_PER_READING,
                    "PSS ≤ 80 MiB",
                    largest <= BUDGET_KIBIBYTES);
            report.row(
                    "PSS, last less first",
                    ProcessMemory.mebibytes(last.pss() - first.pss()) + " MiB",
                    1,
                    "≤ 3 MiB",
                    last.pss() - first.pss() <= FLAT_KIBIBYTES);
            report.row("scrape", latencies);
            report.row("processor time", String.format(Locale.ROOT, "%.3f %% of one core", percent), 1);
            agent.terminate();
        }
        report.end();
    }

    /** A scrape a second for so long. */
    private static void scrape(ScrapeClient client, Duration duration, Latencies latencies) throws Exception {
        for (long second = 0; second < duration.toSeconds(); second++) {
            latencies.add(client.scrape());
            MemoryBenchmark.pause(BETWEEN_SCRAPES);
        }
    }
}
