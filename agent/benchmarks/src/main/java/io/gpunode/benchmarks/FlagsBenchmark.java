package io.gpunode.benchmarks;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;

/** What each of the launcher's options is good for: the agent with one of them taken back at a time. */
final class FlagsBenchmark implements Benchmark {
    private static final int STARTS = 10;
    private static final int ALLOCATIONS = 10_000;
    private static final int SCRAPES = 1_000;
    private static final Duration IDLE = Duration.ofSeconds(20);

    @Override
    public String describe() {
        return "start, memory and latency with one of the launcher's options taken back at a time";
    }

    @Override
    public void run(Settings settings, Report report) throws Exception {
        report.begin(
                "flags",
                "Start: exec → Register, p50. Memory in MiB: PSS (anonymous), " + IDLE.toSeconds()
                        + " s after the start and after 10,000 allocations and 1,000 scrapes of 40 fields. Allocate and scrape: p50 / p99.");
        NodeSettings nodeSettings = NodeSettings.eightGpus().withFields(NodeSettings.FORTY_FIELDS);
        try (BenchmarkNode node = BenchmarkNode.open(nodeSettings)) {
            for (Map.Entry<String, Variant> entry : variants(settings, node).entrySet()) {
                measure(settings, report, node, entry.getKey(), entry.getValue());
            }
        }
        report.end();
    }

    private static Map<String, Variant> variants(Settings settings, BenchmarkNode node) throws IOException {
        Map<String, Variant> variants = new LinkedHashMap<>();
        variants.put("as shipped", options(""));
        variants.put("no AOT cache", options(StartBenchmark.WITHOUT_CACHE));
        variants.put("G1 instead of SerialGC", options("-XX:-UseSerialGC -XX:+UseG1GC"));
        variants.put("-Xms and -Xmx 256m, no -Xmn", options("-Xms16m -Xmx256m -XX:NewSize=5m -XX:MaxNewSize=85m"));
        variants.put("-Xmx16m", options("-Xmx16m"));
        variants.put("-Xmn1m", options("-Xmn1m"));
        variants.put("-Xmn3m", options("-Xmn3m"));
        variants.put("-Xmn4m", options("-Xmn4m -Xms6m"));
        variants.put("-XX:CompileThresholdScaling=1", options("-XX:CompileThresholdScaling=1"));
        variants.put("-XX:CompileThresholdScaling=3", options("-XX:CompileThresholdScaling=3"));
        variants.put("-XX:SweeperThreshold=15", options("-XX:SweeperThreshold=15"));
        variants.put(
                "C1 and C2", options("-XX:TieredStopAtLevel=4 -XX:CICompilerCount=2 -XX:ReservedCodeCacheSize=48m"));
        variants.put("-XX:ReservedCodeCacheSize=48m", options("-XX:ReservedCodeCacheSize=48m"));
        variants.put("-Xss1m", options("-Xss1m"));
        variants.put("no trimming of the native heap", options("-XX:TrimNativeHeapInterval=0"));
        variants.put("-XX:+UsePerfData", options("-XX:+UsePerfData"));
        variants.put("archive relocated", options("-XX:ArchiveRelocationMode=1"));
        variants.put("-XX:+AOTReplayTraining", options("-XX:+AOTReplayTraining"));
        variants.put("Netty without Unsafe", options("-Dio.netty.noUnsafe=true"));
        variants.put(
                "glibc's number of arenas", new Variant("", Map.of("GPU_NODE_AGENT_JAVA", manyArenas(settings, node))));
        return variants;
    }

    private static void measure(Settings settings, Report report, BenchmarkNode node, String name, Variant variant)
            throws Exception {
        int starts = settings.samples(STARTS);
        Latencies registered = new Latencies(starts);
        for (int i = 0; i < starts; i++) {
            var next = node.kubelet.nextRegistration().toCompletableFuture();
            try (PackagedAgent agent = node.startAgent(settings, variant.javaOptions, variant.environment)) {
                registered.add(node.awaitRegistered(agent, next).receivedAt().nanos() - agent.startedAt());
                node.awaitList(agent);
                agent.terminate();
            }
        }
        var next = node.kubelet.nextRegistration().toCompletableFuture();
        try (PackagedAgent agent = node.startAgent(settings, variant.javaOptions, variant.environment)) {
            node.awaitRegistered(agent, next);
            node.awaitList(agent);
            MemoryBenchmark.pause(IDLE);
            ProcessMemory idle = agent.memory();
            try (PluginClient client = new PluginClient(node.pluginSocket());
                    ScrapeClient scraper = new ScrapeClient(node.port)) {
                Latencies allocations = client.allocate(node.ids(), 1, ALLOCATIONS);
                Latencies scrapes = scraper.scrapes(SCRAPES);
                report.row(
                        name,
                        "start " + Latencies.time(registered.p50()) + "; idle " + memory(idle) + "; loaded "
                                + memory(agent.memory()) + "; Allocate " + pair(allocations) + "; scrape "
                                + pair(scrapes),
                        starts);
            }
            agent.terminate();
        }
    }

    /** A java that takes the launcher's arena limit back. */
    private static String manyArenas(Settings settings, BenchmarkNode node) throws IOException {
        Path script = node.root.resolve("java-with-arenas");
        Files.writeString(
                script,
                "#!/bin/sh\nunset MALLOC_ARENA_MAX\nexec " + settings.home().resolve("runtime/bin/java") + " \"$@\"\n",
                StandardCharsets.UTF_8);
        Files.setPosixFilePermissions(script, PosixFilePermissions.fromString("rwxr-xr-x"));
        return script.toString();
    }

    private static Variant options(String javaOptions) {
        return new Variant(javaOptions, Map.of());
    }

    private static String memory(ProcessMemory memory) {
        return ProcessMemory.mebibytes(memory.pss()) + " (" + ProcessMemory.mebibytes(memory.anonymous()) + ")";
    }

    private static String pair(Latencies latencies) {
        return Latencies.time(latencies.p50()) + " / " + Latencies.time(latencies.percentile(99));
    }

    /** Options after the launcher's own, and environment. */
    private record Variant(String javaOptions, Map<String, String> environment) {}
}
