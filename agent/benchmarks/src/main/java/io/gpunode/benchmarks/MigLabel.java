package io.gpunode.benchmarks;

import io.gpunode.agent.simulation.DeviceList;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeoutException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The packaged agent on a node of eight A100 80 GB: from a label that somebody changes to the device list with what the GPUs have become, beside the
 * time that NVML's calls for it took. A label rests for 0.2 s before it is followed, which is part of it.
 */
final class MigLabel {
    private static final String NODE = "benchmark";
    private static final String LABEL = "nvidia.com/mig.config";
    private static final String LARGE = "nvidia.com/mig-7g.80gb";
    private static final String SMALL = "nvidia.com/mig-1g.10gb";
    private static final int CHANGES = 20;
    private static final int PER_GPU = 7;
    private static final int GPUS = 8;
    private static final Duration LIMIT = Duration.ofSeconds(60);
    private static final Pattern NVML =
            Pattern.compile("gpu_node_agent_nvml_call_seconds_sum\\{group=\"(mig|identity)\"} (\\S+)");

    private static final String LAYOUTS = """
            version: v1
            mig-configs:
              large:
                - {devices: all, mig-enabled: true, mig-devices: {"7g.80gb": 1}}
              one-small:
                - {devices: all, mig-enabled: true, mig-devices: {"7g.80gb": 1}}
                - {devices: [0], mig-enabled: true, mig-devices: {"1g.10gb": 7}}
              small:
                - {devices: all, mig-enabled: true, mig-devices: {"1g.10gb": 7}}
            """;

    private MigLabel() {}

    static void run(Settings settings, Report report) throws Exception {
        report.begin(
                "mig label",
                "The packaged agent, a stand-in API server and a kubelet in this process, eight simulated A100 80 GB. From the label on the watch to the"
                        + " device list with all new devices healthy. A label rests for 0.2 s before it is followed. NVML's time is the sum of the"
                        + " calls that read and change MIG and identities; the simulator's calls take microseconds, a real driver's milliseconds.");
        try (StandInApiServer server = StandInApiServer.plain();
                BenchmarkNode node = BenchmarkNode.open(NodeSettings.fiveResources())) {
            Path layouts = Files.writeString(node.root.resolve("layouts.yaml"), LAYOUTS);
            Path kubeconfig = Files.writeString(node.root.resolve("kubeconfig"), """
                    apiVersion: v1
                    kind: Config
                    clusters: [{name: c, cluster: {server: "%s"}}]
                    users: [{name: u, user: {token: t}}]
                    contexts: [{name: x, context: {cluster: c, user: u}}]
                    current-context: x
                    """.formatted(server.url()));
            server.label(NODE, LABEL, "large");
            try (PackagedAgent agent = node.startAgent(
                    settings,
                    "",
                    Map.of(
                            "GPU_NODE_AGENT_MIG_MANAGE",
                            "true",
                            "GPU_NODE_AGENT_MIG_CONFIG_FILE",
                            layouts.toString(),
                            "GPU_NODE_AGENT_KUBERNETES_API",
                            "auto",
                            "GPU_NODE_AGENT_KUBERNETES_KUBECONFIG",
                            kubeconfig.toString()))) {
                awaited(node, agent, LARGE, GPUS);
                measure(settings, report, server, node, agent, "one-small", PER_GPU, "one GPU, 1 device → 7, 16 steps");
                measure(
                        settings,
                        report,
                        server,
                        node,
                        agent,
                        "small",
                        PER_GPU * GPUS,
                        "eight GPUs, 8 devices → 56, 128 steps");
                agent.terminate();
            }
        }
        report.end();
    }

    private static void measure(
            Settings settings,
            Report report,
            StandInApiServer server,
            BenchmarkNode node,
            PackagedAgent agent,
            String layout,
            int devices,
            String what)
            throws Exception {
        int changes = settings.samples(CHANGES);
        Latencies there = new Latencies(changes);
        Latencies nvml = new Latencies(changes);
        for (int i = 0; i < changes; i++) {
            double before = nvmlSeconds(node);
            long began = System.nanoTime();
            server.label(NODE, LABEL, layout);
            there.add(awaited(node, agent, SMALL, devices) - began);
            nvml.add((long) (1e9 * (nvmlSeconds(node) - before)));
            server.label(NODE, LABEL, "large");
            awaited(node, agent, LARGE, GPUS);
        }
        report.row("label changed → all new devices at the kubelet, " + what, there);
        report.row("… NVML's calls meanwhile", nvml);
        report.row(
                "… beyond them and the label's rest",
                String.format(
                        Locale.ROOT,
                        "p50 %s",
                        Latencies.time(there.p50()
                                - nvml.p50()
                                - Duration.ofMillis(200).toNanos())),
                changes);
    }

    /** When the list came, on the monotonic clock. */
    private static long awaited(BenchmarkNode node, PackagedAgent agent, String resource, int devices)
            throws Exception {
        try {
            DeviceList list = node.kubelet.awaitDevices(
                    resource, each -> each.connected() && each.allocatable() == devices, LIMIT);
            return list.changedAt().nanos();
        } catch (TimeoutException e) {
            throw new IllegalStateException(
                    "not " + devices + " of " + resource + "; the agent said:\n" + agent.output(), e);
        }
    }

    private static double nvmlSeconds(BenchmarkNode node) throws IOException, InterruptedException {
        try (HttpClient client = HttpClient.newHttpClient()) {
            String page = client.send(
                            HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + node.port + "/metrics"))
                                    .build(),
                            HttpResponse.BodyHandlers.ofString())
                    .body();
            double sum = 0;
            Matcher found = NVML.matcher(page);
            while (found.find()) {
                sum += Double.parseDouble(found.group(2));
            }
            return sum;
        }
    }
}
