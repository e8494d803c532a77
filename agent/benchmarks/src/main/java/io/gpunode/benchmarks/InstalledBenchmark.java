package io.gpunode.benchmarks;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileVisitOption;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The footprint of an installation: its size, and one agent at a time, left alone, after work and connected to an API server. Nothing else of the same
 * installation may run meanwhile: file pages that two processes share count half in each.
 */
final class InstalledBenchmark implements Benchmark {
    private static final int ALLOCATIONS = 10_000;
    private static final int SCRAPES = 1_000;
    private static final long BUDGET_KIBIBYTES = 80 * 1024;
    private static final double BUDGET_PERCENT = 0.2;
    private static final Duration SETTLE = Duration.ofSeconds(60);
    private static final Duration TRIM = Duration.ofSeconds(65);
    private static final int SHOWN_THREADS = 14;
    private static final Pattern CLASSES = Pattern.compile("[0-9]+ classes(?: \\([0-9]+ shared\\))?");

    @Override
    public String describe() {
        return "an installation's size; its memory idle, after work and connected; its idle processor time by thread";
    }

    @Override
    public void run(Settings settings, Report report) throws Exception {
        report.begin(
                "installed",
                "Everything on: 8 GPUs, 40 fields, 5 s sampling, XIDs, CDI, a stand-in kubelet with three pods. What memory is of is resident, in MiB, in parentheses the process's own.");
        size(settings, report);
        NodeSettings nodeSettings = NodeSettings.eightGpus().withFields(NodeSettings.FORTY_FIELDS);
        try (BenchmarkNode node = BenchmarkNode.open(nodeSettings);
                PackagedAgent agent = node.startRegistered(settings)) {
            node.runPods();
            MemoryBenchmark.pause(settings.quick() ? Duration.ofSeconds(5) : SETTLE);
            idle(settings, report, agent);
            memory(report, "idle", agent);
            loaded(settings, report, "after 10,000 allocations and 1,000 scrapes", node, agent);
            agent.terminate();
        }
        ConnectedNode.run(nodeSettings, (node, server, environment) -> {
            try (PackagedAgent agent = node.startServing(settings, 1, environment)) {
                node.runPods();
                ConnectedNode.reported(server, settings.quick() ? Duration.ofSeconds(5) : SETTLE);
                memory(report, "connected, idle", agent);
                loaded(settings, report, "connected, after the same work", node, agent);
                agent.terminate();
            }
        });
        report.end();
    }

    /** What the files take; the package makes the cache on the node. */
    private static void size(Settings settings, Report report) throws IOException {
        Map<String, Long> sizes = new HashMap<>();
        try (Stream<Path> files = Files.walk(settings.home(), FileVisitOption.FOLLOW_LINKS)) {
            files.filter(Files::isRegularFile).forEach(file -> {
                try {
                    if (!Files.isSymbolicLink(file)) {
                        sizes.merge(file.toString().endsWith(".aot") ? "cache" : "files", Files.size(file), Long::sum);
                    } else if (file.toRealPath().startsWith(settings.home().toRealPath())) {
                        // Counted at its own name.
                        return;
                    } else {
                        sizes.merge("cache", Files.size(file), Long::sum);
                    }
                } catch (IOException e) {
                    throw new UncheckedIOException("cannot look at " + file, e);
                }
            });
        }
        long files = sizes.getOrDefault("files", 0L) / 1024;
        long cache = sizes.getOrDefault("cache", 0L) / 1024;
        report.row(
                "installed size without the start-up cache",
                ProcessMemory.mebibytes(files) + " MiB",
                1,
                "≤ 80 MiB",
                files <= BUDGET_KIBIBYTES);
        report.row("start-up cache", ProcessMemory.mebibytes(cache) + " MiB", 1);
        report.row(
                "both",
                ProcessMemory.mebibytes(files + cache) + " MiB",
                1,
                "≤ 80 MiB",
                files + cache <= BUDGET_KIBIBYTES);
    }

    /** Processor time of the process, and of the threads that take most of it. */
    private static void idle(Settings settings, Report report, PackagedAgent agent) throws IOException {
        Map<String, Long> before = agent.processorNanosByThread();
        long processBefore = agent.processNanos();
        long since = System.nanoTime();
        MemoryBenchmark.pause(settings.idle());
        double elapsed = System.nanoTime() - since;
        double percent = 100.0 * (agent.processNanos() - processBefore) / elapsed;
        report.row(
                "idle processor time, " + settings.idle().toSeconds() + " s",
                String.format(Locale.ROOT, "%.3f %% of one core", percent),
                1,
                "≤ 0.2 %",
                percent <= BUDGET_PERCENT);
        agent.processorNanosByThread().entrySet().stream()
                .map(entry -> Map.entry(entry.getKey(), entry.getValue() - before.getOrDefault(entry.getKey(), 0L)))
                .sorted(Map.Entry.<String, Long>comparingByValue().reversed())
                .limit(SHOWN_THREADS)
                .forEach(entry -> report.row(
                        "… thread " + entry.getKey(),
                        String.format(Locale.ROOT, "%.4f %%", 100 * entry.getValue() / elapsed),
                        1));
    }

    private static void loaded(Settings settings, Report report, String when, BenchmarkNode node, PackagedAgent agent)
            throws Exception {
        try (PluginClient client = new PluginClient(node.pluginSocket())) {
            client.allocate(node.ids(), 1, ALLOCATIONS);
        }
        // A connection of its own: the agent closes one that is silent for long.
        try (ScrapeClient scraper = new ScrapeClient(node.port)) {
            scraper.scrapes(SCRAPES);
        }
        ProcessMemory memory = agent.memory();
        report.row("memory " + when, memory.describe(), 1, "PSS ≤ 80 MiB", memory.pss() <= BUDGET_KIBIBYTES);
        if (!settings.quick()) {
            MemoryBenchmark.pause(TRIM);
        }
        memory(report, when + ", a minute later", agent);
    }

    private static void memory(Report report, String when, PackagedAgent agent) throws Exception {
        ProcessMemory memory = agent.memory();
        report.row("memory " + when, memory.describe(), 1, "PSS ≤ 80 MiB", memory.pss() <= BUDGET_KIBIBYTES);
        report.row("… of", agent.memoryParts(), 1);
        report.row("… threads; classes", agent.threadCount() + "; " + classes(agent), 1);
    }

    /** As the agent's virtual machine says. Asked after memory was read: being asked takes some. */
    private static String classes(PackagedAgent agent) throws Exception {
        Process asked = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "jcmd").toString(),
                        Long.toString(agent.pid()),
                        "VM.metaspace")
                .redirectErrorStream(true)
                .start();
        String answer = new String(asked.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        asked.waitFor();
        Matcher classes = CLASSES.matcher(answer);
        return classes.find() ? classes.group() : "not told";
    }
}
