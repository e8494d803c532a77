package io.gpunode.benchmarks;

import io.gpunode.agent.simulation.Registration;
import java.time.Duration;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.LockSupport;

/** A kubelet that goes and comes back, a thousand times. */
final class ReregisterBenchmark implements Benchmark {
    private static final int RESTARTS = 1_000;
    private static final int RESOURCES = 5;
    private static final long P50 = TimeUnit.MILLISECONDS.toNanos(10);
    private static final long WORST = TimeUnit.MILLISECONDS.toNanos(100);
    private static final long MISSED_SECONDS = 10;
    private static final Duration STOP = Duration.ofSeconds(4);
    private static final int LONG_ABSENCE_EVERY = 50;
    private static final long LONG_ABSENCE_MILLIS = 2_000;
    private static final int SHORT_ABSENCE_MILLIS = 100;

    @Override
    public String describe() {
        return "kubelet.sock created again to Register received, 1,000 times";
    }

    @Override
    public void run(Settings settings, Report report) throws Exception {
        report.begin(
                "reregister",
                "The kubelet is away for 0 to 100 ms, each 50th time for 2 s. From just before it deletes the old sockets and binds kubelet.sock to the Register call that is received; that it binds a moment before it listens is part of it.");
        // The same absences in every run.
        Random random = new Random(1);
        try (BenchmarkNode node = BenchmarkNode.open(NodeSettings.eightGpus());
                PackagedAgent agent = node.startRegistered(settings)) {
            int restarts = settings.samples(RESTARTS);
            Latencies registered = new Latencies(restarts);
            Latencies listed = new Latencies(restarts);
            int missed = 0;
            for (int i = 0; i < restarts; i++) {
                node.kubelet.stop(STOP);
                long absence = (i + 1) % LONG_ABSENCE_EVERY == 0
                        ? LONG_ABSENCE_MILLIS
                        : random.nextInt(SHORT_ABSENCE_MILLIS + 1);
                LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(absence));
                CompletableFuture<Registration> next =
                        node.kubelet.nextRegistration().toCompletableFuture();
                long before = System.nanoTime();
                node.kubelet.start();
                try {
                    Registration registration = next.get(MISSED_SECONDS, TimeUnit.SECONDS);
                    registered.add(registration.receivedAt().nanos() - before);
                    listed.add(node.awaitList(agent).changedAt().nanos() - before);
                } catch (TimeoutException e) {
                    missed++;
                }
            }
            report.row(
                    "kubelet.sock created again → Register received",
                    registered.describe(),
                    registered.count(),
                    "p50 ≤ 10 ms, worst of 1,000 ≤ 100 ms",
                    registered.p50() <= P50 && registered.max() <= WORST);
            report.row("not registered within 10 s", Integer.toString(missed), restarts, "none", missed == 0);
            report.row("kubelet.sock created again → device list", listed);
            agent.terminate();
        }
        severalResources(settings, report, random);
        report.end();
    }

    private static void severalResources(Settings settings, Report report, Random random) throws Exception {
        try (BenchmarkNode node = BenchmarkNode.open(NodeSettings.fiveResources());
                PackagedAgent agent = node.startAgent(settings, "")) {
            node.awaitResources(agent, RESOURCES);
            int restarts = settings.samples(RESTARTS);
            Latencies listed = new Latencies(restarts);
            int missed = 0;
            for (int i = 0; i < restarts; i++) {
                node.kubelet.stop(STOP);
                LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(random.nextInt(SHORT_ABSENCE_MILLIS + 1)));
                long before = System.nanoTime();
                node.kubelet.start();
                long nanos = node.awaitResources(agent, RESOURCES).nanos() - before;
                listed.add(nanos);
                missed += nanos > TimeUnit.SECONDS.toNanos(MISSED_SECONDS) ? 1 : 0;
            }
            report.row(RESOURCES + " resources: kubelet.sock created again → the last one's device list", listed);
            report.row(
                    RESOURCES + " resources: not all there within 10 s",
                    Integer.toString(missed),
                    restarts,
                    "none",
                    missed == 0);
            agent.terminate();
        }
    }
}
