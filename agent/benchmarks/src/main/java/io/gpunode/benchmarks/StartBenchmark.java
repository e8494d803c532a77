package io.gpunode.benchmarks;

import io.gpunode.agent.simulation.DeviceList;
import io.gpunode.agent.simulation.Registration;
import java.io.IOException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/** From starting the launcher to being of use. */
final class StartBenchmark implements Benchmark {
    /** Looked at as the last -XX option wins. */
    static final String WITHOUT_CACHE = "-XX:AOTMode=off";

    private static final int STARTS = 20;
    private static final long BUDGET = TimeUnit.MILLISECONDS.toNanos(400);
    private static final long ASK_EVERY_NANOS = TimeUnit.MILLISECONDS.toNanos(2);
    private static final long METRICS_LIMIT = TimeUnit.SECONDS.toNanos(30);
    private static final String A_GPU_SERIES = "DCGM_FI_DEV_GPU_TEMP{";

    @Override
    public String describe() {
        return "process start to registered, to the first device list, to GPU series in /metrics; the very first Allocate";
    }

    @Override
    public void run(Settings settings, Report report) throws Exception {
        report.begin(
                "start",
                "From just before the launcher (a shell script) is executed, in a process that is started anew each time; 8 GPUs, CDI on.");
        try (BenchmarkNode node = BenchmarkNode.open(NodeSettings.eightGpus())) {
            int starts = settings.samples(STARTS);
            // The first one fills the page cache.
            registered(settings, node, "", 1);
            Starts shipped = registered(settings, node, "", starts);
            report.row(
                    "exec → Register received, as shipped",
                    shipped.registered.describe(),
                    starts,
                    "≤ 400 ms",
                    shipped.registered.p50() <= BUDGET);
            report.row("exec → first device list at the kubelet, as shipped", shipped.listed);
            report.row("exec → GPU series in /metrics, as shipped", metrics(settings, node, starts));
            report.row("the very first Allocate after registration", shipped.firstAllocate);
            report.row("the first scrape after registration", shipped.firstScrape);
            report.row("processor time until the first device list", shipped.processor);
            Starts plain = registered(settings, node, WITHOUT_CACHE, starts);
            report.row("exec → Register received, without the AOT cache", plain.registered);
            report.row("exec → first device list, without the AOT cache", plain.listed);
        }
        report.end();
    }

    /** Starts and ends the agent so often. */
    static Starts registered(Settings settings, BenchmarkNode node, String javaOptions, int times) throws Exception {
        Starts starts = new Starts(times);
        for (int i = 0; i < times; i++) {
            CompletableFuture<Registration> next =
                    node.kubelet.nextRegistration().toCompletableFuture();
            try (PackagedAgent agent = node.startAgent(settings, javaOptions)) {
                Registration registration = node.awaitRegistered(agent, next);
                DeviceList list = node.awaitList(agent);
                starts.registered.add(registration.receivedAt().nanos() - agent.startedAt());
                starts.listed.add(list.changedAt().nanos() - agent.startedAt());
                starts.processor.add(agent.processorNanos());
                try (PluginClient client = new PluginClient(node.pluginSocket())) {
                    // The connection is made and this client's own code is warm; the agent has not seen an Allocate.
                    client.nothing(1, 1);
                    starts.firstAllocate.add(client.allocate(node.ids(), 1, 1).max());
                }
                try (ScrapeClient client = new ScrapeClient(node.port)) {
                    starts.firstScrape.add(client.scrape());
                }
                agent.terminate();
            }
        }
        return starts;
    }

    /** Asked again and again from the start, in starts of their own because asking costs processor time. */
    private static Latencies metrics(Settings settings, BenchmarkNode node, int times) throws Exception {
        Latencies latencies = new Latencies(times);
        for (int i = 0; i < times; i++) {
            try (PackagedAgent agent = node.startAgent(settings, "")) {
                latencies.add(seriesAfter(node, agent));
                node.awaitList(agent);
                agent.terminate();
            }
        }
        return latencies;
    }

    /** Nanoseconds from the agent's start until its page has values of GPUs. */
    static long seriesAfter(BenchmarkNode node, PackagedAgent agent) throws IOException {
        while (!hasSeries(node.port)) {
            if (System.nanoTime() - agent.startedAt() > METRICS_LIMIT) {
                throw new IOException("no GPU series in /metrics; the agent said:\n" + agent.output());
            }
            LockSupport.parkNanos(ASK_EVERY_NANOS);
        }
        return System.nanoTime() - agent.startedAt();
    }

    private static boolean hasSeries(int port) {
        try (ScrapeClient client = new ScrapeClient(port)) {
            client.scrape();
            return client.text().contains(A_GPU_SERIES);
        } catch (IOException e) {
            return false;
        }
    }

    /** What was seen of several starts. */
    static final class Starts {
        final Latencies registered;
        final Latencies listed;
        final Latencies firstAllocate;
        final Latencies firstScrape;
        final Latencies processor;

        Starts(int times) {
            registered = new Latencies(times);
            listed = new Latencies(times);
            firstAllocate = new Latencies(times);
            firstScrape = new Latencies(times);
            processor = new Latencies(times);
        }
    }
}
