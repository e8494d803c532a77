package io.gpunode.benchmarks;

import java.util.concurrent.TimeUnit;

/** SIGTERM to the end of the process. */
final class TerminationBenchmark implements Benchmark {
    private static final int ENDS = 20;
    private static final long PROMISE = TimeUnit.SECONDS.toNanos(5);

    @Override
    public String describe() {
        return "SIGTERM to exit";
    }

    @Override
    public void run(Settings settings, Report report) throws Exception {
        report.begin(
                "sigterm", "SIGTERM to an agent that is registered, serves a stream and holds an HTTP connection.");
        int ends = settings.samples(ENDS);
        Latencies latencies = new Latencies(ends);
        try (BenchmarkNode node = BenchmarkNode.open(NodeSettings.eightGpus())) {
            for (int i = 0; i < ends; i++) {
                try (PackagedAgent agent = node.startRegistered(settings);
                        ScrapeClient client = new ScrapeClient(node.port)) {
                    client.scrape();
                    latencies.add(agent.terminate());
                }
            }
        }
        report.row("SIGTERM → exit", latencies.describe(), ends, "within 5 s", latencies.max() <= PROMISE);
        report.end();
    }
}
