package io.gpunode.benchmarks;

import io.gpunode.agent.simulation.DeviceList;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** Allocate and GetPreferredAllocation while the device list changes again and again: GPUs fall ill and recover beside those that are asked for. */
final class ChurnBenchmark implements Benchmark {
    private static final int CALLS = 30_000;
    private static final int WARM_UP = 2_000;
    private static final int DOUBLE_BIT_ECC = 48;
    /** These fall ill; the others are asked for. */
    private static final int ILL = 4;

    private static final Duration LIMIT = Duration.ofSeconds(30);
    private static final long P99 = TimeUnit.MICROSECONDS.toNanos(500);

    @Override
    public String describe() {
        return "Allocate while the device list changes";
    }

    @Override
    public void run(Settings settings, Report report) throws Exception {
        report.begin(
                "churn",
                "XID 48 of four GPUs one after the other, again as soon as all are healthy (recovery interval 1 s, sampling 100 ms), while one caller asks for healthy devices without a pause; one connection.");
        NodeSettings eight = NodeSettings.eightGpus()
                .withIntervals(Duration.ofMillis(100), Duration.ofSeconds(10), Duration.ofSeconds(1));
        measure(settings, report, "8 GPUs", eight);
        measure(
                settings,
                report,
                "16 GPUs in 10 shares each",
                eight.withSixteenGpus().withShares(10));
        report.end();
    }

    private static void measure(Settings settings, Report report, String what, NodeSettings nodeSettings)
            throws Exception {
        try (BenchmarkNode node = BenchmarkNode.open(nodeSettings);
                PackagedAgent agent = node.startRegistered(settings);
                PluginClient client = new PluginClient(node.pluginSocket())) {
            List<String> healthy = new ArrayList<>(node.ids());
            for (int gpu = 0; gpu < ILL; gpu++) {
                healthy.removeAll(node.ids(gpu));
            }
            int calls = settings.samples(CALLS);
            client.allocate(healthy, 1, WARM_UP);
            client.preferred(healthy, 2, WARM_UP);
            report.row("Allocate with " + what + ", quiet", client.allocate(healthy, 1, calls));
            report.row("GetPreferredAllocation of 2 with " + what + ", quiet", client.preferred(healthy, 2, calls));
            long before = node.awaitList(agent).messages();
            Illness illness = new Illness(node);
            illness.start();
            Latencies allocations = client.allocate(healthy, 1, calls);
            Latencies preferences = client.preferred(healthy, 2, calls);
            illness.end();
            report.row(
                    "Allocate with " + what + ", the list changing",
                    allocations.describe(),
                    allocations.count(),
                    "p99 ≤ 500 µs",
                    allocations.percentile(99) <= P99);
            report.row("GetPreferredAllocation of 2 with " + what + ", the list changing", preferences);
            DeviceList after = node.kubelet.awaitDevices(DeviceList::connected, LIMIT);
            report.row("device lists sent meanwhile", Long.toString(after.messages() - before), illness.rounds());
            agent.terminate();
        }
    }

    /** Makes GPUs ill on a thread of its own until it is told to end. */
    private static final class Illness {
        private final BenchmarkNode node;
        private final CompletableFuture<Void> ended = new CompletableFuture<>();
        private volatile boolean ending;
        private final AtomicInteger rounds = new AtomicInteger();

        Illness(BenchmarkNode node) {
            this.node = node;
        }

        void start() {
            Thread.ofPlatform().daemon().name("illness").start(() -> {
                try {
                    while (!ending) {
                        round();
                    }
                    ended.complete(null);
                } catch (Exception e) {
                    ended.completeExceptionally(e);
                }
            });
        }

        void end() throws Exception {
            ending = true;
            ended.get(2 * LIMIT.toSeconds(), TimeUnit.SECONDS);
        }

        int rounds() {
            return rounds.get();
        }

        private long messages() throws Exception {
            return node.kubelet.awaitDevices(DeviceList::connected, LIMIT).messages();
        }

        private void round() throws Exception {
            for (int gpu = 0; gpu < ILL; gpu++) {
                long before = messages();
                node.driver.injectXid(gpu, DOUBLE_BIT_ECC);
                // Any list: the simulator's acknowledgement can take longer than the GPU is ill.
                node.kubelet.awaitDevices(list -> list.messages() > before, LIMIT);
            }
            node.kubelet.awaitDevices(list -> list.allocatable() == node.ids().size(), LIMIT);
            rounds.incrementAndGet();
        }
    }
}
