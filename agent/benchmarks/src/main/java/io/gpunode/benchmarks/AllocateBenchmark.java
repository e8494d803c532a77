package io.gpunode.benchmarks;

import java.util.Locale;
import java.util.concurrent.TimeUnit;

/** Allocate over the unix socket, beside a call that does nothing. */
final class AllocateBenchmark implements Benchmark {
    private static final int WARM_UP = 1_000;
    private static final int CALLS = 10_000;
    private static final int EIGHT = 8;
    private static final long P50 = TimeUnit.MICROSECONDS.toNanos(200);
    private static final long P99 = TimeUnit.MICROSECONDS.toNanos(500);
    private static final long P999 = TimeUnit.MILLISECONDS.toNanos(2);

    @Override
    public String describe() {
        return "Allocate by one caller and by eight, and a null RPC";
    }

    @Override
    public void run(Settings settings, Report report) throws Exception {
        report.begin(
                "allocate",
                "One GPU for each call, strategies envvar and cdi-cri, one connection, after " + WARM_UP
                        + " calls to warm up; client and agent share the cores.");
        try (BenchmarkNode node = BenchmarkNode.open(NodeSettings.eightGpus())) {
            warmUp(settings, node);
            measure(settings, report, node);
        }
        report.end();
    }

    /** The client's own code gets warm on an agent that is ended after it. */
    private static void warmUp(Settings settings, BenchmarkNode node) throws Exception {
        try (PackagedAgent agent = node.startRegistered(settings);
                PluginClient client = new PluginClient(node.pluginSocket())) {
            client.nothing(1, CALLS);
            client.allocate(node.ids(), 1, CALLS);
            agent.terminate();
        }
    }

    private static void measure(Settings settings, Report report, BenchmarkNode node) throws Exception {
        try (PackagedAgent agent = node.startRegistered(settings);
                PluginClient client = new PluginClient(node.pluginSocket())) {
            int calls = settings.samples(CALLS);
            report.row("the first 1,000 Allocates of a process", client.allocate(node.ids(), 1, WARM_UP));
            client.nothing(1, WARM_UP);
            report.row("null RPC, one caller", client.nothing(1, calls));
            client.allocate(node.ids(), 1, WARM_UP);
            long before = agent.processorNanos();
            Latencies one = client.allocate(node.ids(), 1, calls);
            long processor = agent.processorNanos() - before;
            report.row(
                    "Allocate, one caller",
                    one.describe(),
                    one.count(),
                    "≤ 200 µs / ≤ 500 µs / ≤ 2 ms",
                    one.p50() <= P50 && one.percentile(99) <= P99 && one.percentile(99.9) <= P999);
            report.row("agent's processor time for one Allocate", Latencies.time(processor / calls), calls);
            report.row("null RPC, one caller, again", client.nothing(1, calls));
            eight(node, client, calls, report);
            agent.terminate();
        }
    }

    private static void eight(BenchmarkNode node, PluginClient client, int calls, Report report) throws Exception {
        client.allocate(node.ids(), EIGHT, WARM_UP);
        long before = System.nanoTime();
        Latencies eight = client.allocate(node.ids(), EIGHT, calls);
        double seconds = (System.nanoTime() - before) / 1e9;
        report.row("Allocate, eight callers", eight);
        report.row(
                "Allocate, eight callers, calls in a second",
                String.format(Locale.ROOT, "%,.0f", calls / seconds),
                calls);
    }
}
