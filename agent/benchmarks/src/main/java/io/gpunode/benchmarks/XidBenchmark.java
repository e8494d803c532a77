package io.gpunode.benchmarks;

import io.gpunode.agent.simulation.DeviceList;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/** From an XID in the driver to the device list at the kubelet that shows its GPU unhealthy. */
final class XidBenchmark implements Benchmark {
    private static final int EVENTS = 120;
    private static final int DOUBLE_BIT_ECC = 48;
    private static final long BUDGET = TimeUnit.MILLISECONDS.toNanos(20);
    private static final Duration LIMIT = Duration.ofSeconds(30);

    @Override
    public String describe() {
        return "XID to device list at the kubelet, and the way back to healthy";
    }

    @Override
    public void run(Settings settings, Report report) throws Exception {
        report.begin(
                "xid",
                "XID 48 of one GPU after the other, each GPU healthy before. From just before the rule is written to the simulated driver's control file to the list's arrival in the kubelet: writing the file, its detection and parsing by the simulator are included.");
        NodeSettings nodeSettings = NodeSettings.eightGpus()
                .withIntervals(Duration.ofMillis(500), Duration.ofSeconds(10), Duration.ofSeconds(1));
        try (BenchmarkNode node = BenchmarkNode.open(nodeSettings);
                PackagedAgent agent = node.startRegistered(settings)) {
            int gpus = node.ids().size();
            int events = settings.samples(EVENTS);
            Latencies control = new Latencies(events);
            Latencies listed = new Latencies(events);
            Latencies recovered = new Latencies(events);
            for (int event = 0; event < events; event++) {
                int gpu = event % gpus;
                if (gpu == 0) {
                    node.awaitList(agent);
                }
                long before = System.nanoTime();
                node.driver.report();
                control.add(System.nanoTime() - before);
                listed.add(inject(node, gpu));
                if (gpu == gpus - 1) {
                    long unhealthy = System.nanoTime();
                    node.kubelet.awaitDevices(list -> list.allocatable() == gpus, LIMIT);
                    recovered.add(System.nanoTime() - unhealthy);
                }
            }
            report.row(
                    "XID → device list at the kubelet",
                    listed.describe(),
                    listed.count(),
                    "≤ 20 ms",
                    listed.percentile(99) <= BUDGET);
            report.row("of it, at most: the control file there and its acknowledgement back", control);
            if (recovered.count() > 0) {
                report.row("last XID → all healthy again, recovery interval 1 s, sampling 500 ms", recovered);
            }
            agent.terminate();
        }
        report.end();
    }

    private static long inject(BenchmarkNode node, int gpu) throws Exception {
        String id = node.id(gpu);
        long before = System.nanoTime();
        node.driver.injectXid(gpu, DOUBLE_BIT_ECC);
        DeviceList list = node.kubelet.awaitDevices(
                candidate -> candidate.devices().stream()
                        .anyMatch(device -> device.id().equals(id) && !device.healthy()),
                LIMIT);
        return list.changedAt().nanos() - before;
    }
}
