package io.gpunode.benchmarks;

import io.gpunode.agent.simulation.Registration;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/** What being connected to an API server costs an agent; what a fleet asks of one is in {@link FleetBenchmark}. */
final class ApiServerBenchmark implements Benchmark {
    private static final Duration SETTLE = Duration.ofSeconds(45);
    private static final Duration REPORTS = Duration.ofSeconds(5);

    @Override
    public String describe() {
        return "memory that a connection to an API server takes";
    }

    @Override
    public void run(Settings settings, Report report) throws Exception {
        report.begin(
                "apiserver",
                "Two packaged agents on simulated nodes of eight H100s beside each other, one of them connected to a stand-in API server over TLS with its watch open"
                        + " and its node told every 5 s. They share the file pages of the runtime and the cache: the difference counts and not the sums.");
        NodeSettings nodeSettings = NodeSettings.eightGpus().withFields(NodeSettings.FORTY_FIELDS);
        ConnectedNode.run(nodeSettings, (with, server, environment) -> {
            try (BenchmarkNode without = BenchmarkNode.open(nodeSettings);
                    PackagedAgent alone = registered(without, settings, Map.of());
                    PackagedAgent connected = registered(with, settings, environment)) {
                ConnectedNode.reported(server, settings.quick() ? REPORTS : SETTLE);
                ProcessMemory one = alone.memory();
                ProcessMemory other = connected.memory();
                report.row("no API server", one.describe(), 1);
                report.row("connected", other.describe(), 1);
                report.row(
                        "difference",
                        "PSS " + ProcessMemory.mebibytes(other.pss() - one.pss()) + ", anonymous "
                                + ProcessMemory.mebibytes(other.anonymous() - one.anonymous()) + " MiB",
                        1);
                report.row("threads", alone.threadCount() + "; " + connected.threadCount(), 1);
                connected.terminate();
                alone.terminate();
            }
        });
        report.end();
    }

    private static PackagedAgent registered(BenchmarkNode node, Settings settings, Map<String, String> environment)
            throws Exception {
        CompletableFuture<Registration> registered =
                node.kubelet.nextRegistration().toCompletableFuture();
        PackagedAgent agent = node.startAgent(settings, "", environment);
        node.awaitRegistered(agent, registered);
        return agent;
    }
}
