package io.gpunode.benchmarks;

import io.gpunode.agent.simulation.DeviceList;
import io.gpunode.agent.simulation.Registration;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** What the agent adds to the time that the kernel's programs take, when the driver is loaded, unloaded and exchanged. */
final class DriverBenchmark implements Benchmark {
    private static final int CHANGES = 20;
    private static final int COMMANDS = 5;
    private static final int BOOTS = 6;
    private static final int LOADS = StandInKernel.MODULES.size();
    private static final int LOADS_AND_UNLOADS = 2 * LOADS;
    private static final int OUTPUT_LIMIT = 1 << 20;
    private static final long BUDGET = TimeUnit.MILLISECONDS.toNanos(100);
    private static final Duration LISTED = Duration.ofSeconds(30);

    @Override
    public String describe() {
        return "driver load, unload and upgrade beyond the time of modprobe and rmmod; outage of an upgrade; boot to registered";
    }

    @Override
    public void run(Settings settings, Report report) throws Exception {
        report.begin(
                "driver",
                "Three modules, 8 GPUs; modprobe and rmmod are stand-ins that take some 60 ms each, tell how long they took, and are subtracted; the starts of"
                        + " their processes are not.");
        try (BenchmarkNode node = BenchmarkNode.open(NodeSettings.eightGpus())) {
            StandInKernel kernel = StandInKernel.install(
                    node.root, NodeSettings.eightGpus().profile().driverVersion());
            node.configure("""
                      localSocket: %1$s/http.sock
                    driver:
                      manage: true
                      persistenced: "off"
                      root: {attach: false}
                    """.formatted(node.root));
            boots(settings, report, node, kernel);
            kernel.empty();
            try (PackagedAgent agent = node.startAgent(settings, "", kernel.environment())) {
                awaitAllocatable(node, agent, node.ids().size());
                kernel.takenBy(LOADS);
                byAgent(settings, report, node, agent, kernel);
                command(settings, report, node, kernel, "with an agent that does it");
                agent.terminate();
            }
            command(settings, report, node, kernel, "without an agent");
        }
        report.end();
    }

    private static void boots(Settings settings, Report report, BenchmarkNode node, StandInKernel kernel)
            throws Exception {
        int boots = settings.samples(BOOTS);
        Latencies whole = new Latencies(boots);
        Latencies beyond = new Latencies(boots);
        Latencies processor = new Latencies(boots);
        // The first one fills the page cache.
        for (int i = -1; i < boots; i++) {
            kernel.empty();
            CompletableFuture<Registration> next =
                    node.kubelet.nextRegistration().toCompletableFuture();
            try (PackagedAgent agent = node.startAgent(settings, "", kernel.environment())) {
                long took = node.awaitRegistered(agent, next).receivedAt().nanos() - agent.startedAt();
                node.awaitList(agent);
                long used = agent.processorNanos();
                long tools = kernel.takenBy(LOADS);
                if (i >= 0) {
                    whole.add(took);
                    beyond.add(took - tools);
                    processor.add(used);
                }
                agent.terminate();
            }
        }
        report.row("boot: exec → Register received, no module loaded before", whole);
        report.row("… beyond modprobe's time", beyond);
        report.row("… processor time until the first device list", processor);
    }

    private static void byAgent(
            Settings settings, Report report, BenchmarkNode node, PackagedAgent agent, StandInKernel kernel)
            throws Exception {
        int changes = settings.samples(CHANGES);
        int gpus = node.ids().size();
        Latencies unload = new Latencies(changes);
        Latencies load = new Latencies(changes);
        Latencies loadListed = new Latencies(changes);
        Latencies upgrade = new Latencies(changes);
        Latencies outage = new Latencies(changes);
        Latencies tools = new Latencies(changes);
        Latencies outageBeyond = new Latencies(changes);
        for (int i = 0; i < changes; i++) {
            long begin = System.nanoTime();
            ask(node, "unload");
            unload.add(System.nanoTime() - begin - kernel.takenBy(LOADS));
            awaitAllocatable(node, agent, 0);
            begin = System.nanoTime();
            ask(node, "load");
            long end = System.nanoTime();
            long took = kernel.takenBy(LOADS);
            load.add(end - begin - took);
            loadListed.add(awaitAllocatable(node, agent, gpus).changedAt().nanos() - begin - took);
            kernel.age();
            CompletableFuture<DeviceList> gone = CompletableFuture.supplyAsync(() -> none(node));
            begin = System.nanoTime();
            ask(node, "upgrade");
            took = kernel.takenBy(LOADS_AND_UNLOADS);
            upgrade.add(System.nanoTime() - begin - took);
            long without = awaitAllocatable(node, agent, gpus).changedAt().nanos()
                    - gone.join().changedAt().nanos();
            outage.add(without);
            tools.add(took);
            outageBeyond.add(without - took);
        }
        report.row(
                "through the local socket: load → done, beyond modprobe's time",
                load.describe(),
                changes,
                "≤ 100 ms",
                load.p50() <= BUDGET);
        report.row("… → all GPUs at the kubelet, beyond modprobe's time", loadListed);
        report.row("unload → done, beyond rmmod's time", unload);
        report.row("upgrade → done, beyond the programs' time", upgrade);
        report.row("outage of an upgrade: no GPU → all GPUs at the kubelet", outage);
        report.row("… of it the six programs", tools);
        report.row("… of it the rest", outageBeyond);
    }

    private static void command(Settings settings, Report report, BenchmarkNode node, StandInKernel kernel, String with)
            throws Exception {
        int commands = settings.samples(COMMANDS);
        Latencies unload = new Latencies(commands);
        Latencies load = new Latencies(commands);
        Latencies upgrade = new Latencies(commands);
        Latencies nothing = new Latencies(commands);
        for (int i = 0; i < commands; i++) {
            unload.add(beyond(settings, node, kernel, LOADS, "unload"));
            load.add(beyond(settings, node, kernel, LOADS, "load"));
            kernel.age();
            upgrade.add(beyond(settings, node, kernel, LOADS_AND_UNLOADS, "upgrade"));
            nothing.add(beyond(settings, node, kernel, 0, "load"));
        }
        report.row("command `driver load` " + with + ", exec → exit, beyond modprobe's time", load);
        report.row("… where nothing is to be done", nothing);
        report.row("`driver unload`, the same", unload);
        report.row("`driver upgrade`, the same", upgrade);
    }

    private static long beyond(Settings settings, BenchmarkNode node, StandInKernel kernel, int programs, String word)
            throws IOException, InterruptedException {
        ProcessBuilder builder = new ProcessBuilder(List.of(
                        settings.launcher().toString(),
                        "driver",
                        word,
                        "--config",
                        node.config().toString()))
                .redirectErrorStream(true);
        builder.environment().putAll(kernel.environment());
        long begin = System.nanoTime();
        Process process = builder.start();
        String said = new String(process.getInputStream().readNBytes(OUTPUT_LIMIT), StandardCharsets.UTF_8);
        int status = process.waitFor();
        long took = System.nanoTime() - begin;
        if (status != 0) {
            throw new IOException("driver " + word + " ended with " + status + ": " + said);
        }
        return took - kernel.takenBy(programs);
    }

    /** As the command asks a running agent, without the start of a process. */
    private static void ask(BenchmarkNode node, String word) throws IOException {
        Path socket = node.root.resolve("http.sock");
        List<String> lines = new ArrayList<>();
        try (SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(socket))) {
            channel.write(ByteBuffer.wrap(
                    ("POST /driver/" + word + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                            .getBytes(StandardCharsets.US_ASCII)));
            BufferedReader in =
                    new BufferedReader(new InputStreamReader(Channels.newInputStream(channel), StandardCharsets.UTF_8));
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                lines.add(line);
            }
        }
        if (lines.isEmpty() || !lines.getLast().startsWith("done ")) {
            throw new IOException("driver " + word + " was not done: " + lines);
        }
    }

    private static DeviceList none(BenchmarkNode node) {
        try {
            return node.kubelet.awaitDevices(list -> list.allocatable() == 0, LISTED);
        } catch (TimeoutException | InterruptedException e) {
            throw new IllegalStateException("the GPUs were not withdrawn", e);
        }
    }

    private static DeviceList awaitAllocatable(BenchmarkNode node, PackagedAgent agent, int count) throws Exception {
        try {
            return node.kubelet.awaitDevices(list -> list.connected() && list.allocatable() == count, LISTED);
        } catch (TimeoutException e) {
            throw new IllegalStateException("not " + count + " GPUs; the agent said:\n" + agent.output(), e);
        }
    }
}
