package io.gpunode.benchmarks;

import io.gpunode.agent.simulation.DeviceList;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** One GPU whose driver calls never return. */
final class HungGpuBenchmark implements Benchmark {
    private static final int ROUNDS = 5;
    private static final int HUNG = 3;
    private static final int ALLOCATIONS = 5_000;
    private static final int SCRAPES = 2_000;
    private static final Duration DEADLINE = Duration.ofSeconds(1);
    private static final Duration SAMPLING = Duration.ofSeconds(1);
    private static final Duration LIMIT = Duration.ofSeconds(60);
    private static final long ROOM = TimeUnit.MILLISECONDS.toNanos(100);

    @Override
    public String describe() {
        return "a GPU whose calls hang: how soon it is unhealthy, and what the others notice";
    }

    @Override
    public void run(Settings settings, Report report) throws Exception {
        report.begin(
                "hung",
                "All calls of GPU " + HUNG
                        + " hang until released; call deadline 1 s, sampling each second, so the first call that hangs begins within a second.");
        NodeSettings nodeSettings = NodeSettings.eightGpus().withIntervals(SAMPLING, DEADLINE, Duration.ofSeconds(1));
        try (BenchmarkNode node = BenchmarkNode.open(nodeSettings);
                PackagedAgent agent = node.startRegistered(settings);
                PluginClient client = new PluginClient(node.pluginSocket())) {
            List<String> others =
                    node.ids().stream().filter(id -> !id.equals(node.id(HUNG))).toList();
            client.allocate(others, 1, ALLOCATIONS);
            scrapes(node);
            report.row("Allocate before", client.allocate(others, 1, ALLOCATIONS));
            report.row("scrape before", scrapes(node));
            Latencies unhealthy = new Latencies(ROUNDS);
            Latencies healthy = new Latencies(ROUNDS);
            int rounds = settings.samples(ROUNDS);
            for (int round = 0; round < rounds; round++) {
                node.awaitList(agent);
                long before = System.nanoTime();
                node.driver.apply("fault stuck gpu=" + HUNG + " group=all hang=until-released");
                DeviceList list = node.kubelet.awaitDevices(one -> one.allocatable() == others.size(), LIMIT);
                unhealthy.add(list.changedAt().nanos() - before);
                if (round == 0) {
                    report.row("Allocate of the others meanwhile", client.allocate(others, 1, ALLOCATIONS));
                    report.row("scrape meanwhile", scrapes(node));
                }
                before = System.nanoTime();
                node.driver.apply("clear stuck");
                healthy.add(node.awaitList(agent).changedAt().nanos() - before);
            }
            long promise = DEADLINE.plus(SAMPLING).toNanos() + ROOM;
            report.row(
                    "hang → unhealthy on the stream",
                    unhealthy.describe(),
                    rounds,
                    "≤ sampling interval + deadline + 100 ms",
                    unhealthy.max() <= promise);
            report.row("released → healthy on the stream, recovery interval 1 s", healthy);
            agent.terminate();
        }
        report.end();
    }

    private static Latencies scrapes(BenchmarkNode node) throws IOException {
        try (ScrapeClient scraper = new ScrapeClient(node.port)) {
            return scraper.scrapes(SCRAPES);
        }
    }
}
