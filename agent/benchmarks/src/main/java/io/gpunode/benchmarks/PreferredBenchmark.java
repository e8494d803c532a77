package io.gpunode.benchmarks;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** GetPreferredAllocation over the unix socket for every size. */
final class PreferredBenchmark implements Benchmark {
    private static final int CALLS = 2_000;
    private static final long BUDGET = TimeUnit.MICROSECONDS.toNanos(300);

    @Override
    public String describe() {
        return "GetPreferredAllocation of 8 and of 16 GPUs and of 160 shares, all sizes, over a null RPC";
    }

    @Override
    public void run(Settings settings, Report report) throws Exception {
        report.begin(
                "preferred",
                "All devices available, none required; each row is the size with the largest p50 of all sizes. Over a null RPC: p50 less the p50 of a null RPC on the same connection.");
        measure(settings, report, NodeSettings.eightGpus());
        measure(settings, report, NodeSettings.eightGpus().withSixteenGpus());
        measure(settings, report, NodeSettings.eightGpus().withSixteenGpus().withShares(10));
        report.end();
    }

    /** All sizes of up to 16 devices; of more, doubling. */
    private static List<Integer> sizes(int devices) {
        List<Integer> sizes = new ArrayList<>();
        for (int size = 1; size < devices; size += devices <= 16 ? 1 : size) {
            sizes.add(size);
        }
        sizes.add(devices);
        return sizes;
    }

    private static void measure(Settings settings, Report report, NodeSettings nodeSettings) throws Exception {
        try (BenchmarkNode node = BenchmarkNode.open(nodeSettings);
                PackagedAgent agent = node.startRegistered(settings);
                PluginClient client = new PluginClient(node.pluginSocket())) {
            List<String> ids = node.ids();
            List<Integer> sizes = sizes(ids.size());
            String devices = ids.size() + (nodeSettings.shares() == 0 ? " GPUs" : " shares");
            int calls = settings.samples(CALLS);
            client.nothing(1, calls);
            long before = agent.processorNanos();
            Latencies nothing = client.nothing(1, calls);
            long nothingProcessor = agent.processorNanos() - before;
            Latencies first = new Latencies(sizes.size());
            for (int size : sizes) {
                first.add(client.preferredOnce(ids, size));
            }
            for (int size : sizes) {
                client.preferred(ids, size, calls);
            }
            Latencies worst = new Latencies(0);
            int worstSize = 0;
            long worstProcessor = 0;
            for (int size : sizes) {
                before = agent.processorNanos();
                Latencies latencies = client.preferred(ids, size, calls);
                long processor = agent.processorNanos() - before;
                if (latencies.p50() > worst.p50()) {
                    worst = latencies;
                    worstSize = size;
                }
                worstProcessor = Math.max(worstProcessor, processor);
            }
            long over = Math.max(0, worst.p50() - nothing.p50());
            report.row("null RPC with " + devices, nothing);
            report.row(
                    "GetPreferredAllocation of " + devices + ", size " + worstSize,
                    worst.describe() + "; over a null RPC " + Latencies.time(over),
                    worst.count(),
                    "≤ 300 µs over a null RPC",
                    over <= BUDGET);
            report.row(
                    "agent's processor time for one, at the size that takes most, and for a null RPC; " + devices,
                    Latencies.time(worstProcessor / calls) + "; " + Latencies.time(nothingProcessor / calls),
                    calls);
            report.row("the first GetPreferredAllocation of each size, " + devices, first);
            agent.terminate();
        }
    }
}
