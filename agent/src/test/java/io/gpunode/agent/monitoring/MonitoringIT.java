package io.gpunode.agent.monitoring;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.process.Eventually;
import io.gpunode.agent.testing.Programs;
import io.gpunode.agent.testing.RealPrometheus;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Dashboards and rules over a simulated node with a sick GPU, a GPU in MIG mode with a sick instance, and a pod: names exist, Prometheus takes the queries, the panels have
 * something to show, and the alerts ring.
 */
@Timeout(120)
class MonitoringIT {
    private static final String MIG_RESOURCE = "nvidia.com/mig-1g.10gb";
    private static final String JOB = "gpu-node-agent";

    /** Metrics that such a node does not have, each for its reason; docs/metrics.md, docs/kubernetes.md and docs/driver.md have them. */
    private static final Map<String, Set<String>> OTHERWISE = Map.of(
            "gpu_node_agent_nvml_waiting", Set.of("kind"), // with an open NVML
            "gpu_node_agent_node_finding", Set.of("check", "severity"), // without an NVSwitch's error
            "gpu_node_agent_mig_layout_applied", Set.of(), // without mig.manage
            "gpu_node_agent_driver_as_wanted", Set.of(), // without driver.manage
            "gpu_node_agent_kubernetes_watch_up", Set.of(), // without an API server
            "gpu_node_agent_http_certificate_expiry_timestamp_seconds", Set.of(), // without TLS
            "gpu_node_agent_http_config_last_read_good", Set.of(), // without a web configuration
            "gpu_node_agent_nvml_errors_total", Set.of("group", "return")); // without an NVML call that failed

    /** Panels that show nothing on such a node, since nothing of their kind is wrong. */
    private static final List<String> EMPTY = List.of(
            "gpu_node_agent_node_finding",
            "gpu_node_agent_nvml_waiting",
            "gpu_node_agent_nvml_errors_total",
            "gpu_node_agent_collector_success",
            "gpu_node_agent_config_last_read_good",
            "gpu_node_agent_labels_current",
            "gpu_node_agent_device_plugin_unoffered_devices",
            "gpu_node_agent_series_left_out",
            "[1h]");

    /** Labels that Prometheus itself adds. */
    private static final Set<String> OF_PROMETHEUS = Set.of("job", "instance");

    private static final Set<String> METRICS_OF_PROMETHEUS = Set.of("up", "scrape_duration_seconds");

    private static MonitoredNode node;
    private static RealPrometheus prometheus;
    private static String page;

    @BeforeAll
    static void scrape(@TempDir Path folder) throws Exception {
        node = new MonitoredNode(folder, "8xh100", "flags: {migStrategy: mixed}");
        node.node().kubelet().awaitDevices("nvidia.com/gpu", list -> list.allocatable() == 8, MonitoredNode.SOON);
        node.node().simulator().apply("mig gpu=7 mode=on\nmig gpu=7 profile=1g.10gb");
        node.await("MIG", text -> text.contains("GPU_I_PROFILE=\"1g.10gb\""));
        node.node().kubelet().awaitDevices(MIG_RESOURCE, list -> list.allocatable() == 1, MonitoredNode.SOON);
        node.node().kubelet().runPod("ml", "train-0", "main", 2);
        node.node().kubelet().runPod(MIG_RESOURCE, "lab", "notebook-0", "main", 1);
        node.node()
                .simulator()
                .apply(
                        "workload gpu=0 kind=train\nworkload gpu=1 kind=train\nevent gpu=3 xid=48\nevent gpu=7 mig=0 xid=48");
        page = node.await(
                "findings, holders and profiling",
                text -> text.contains("gpu_node_agent_gpu_finding{")
                        && text.contains("gpu_node_agent_mig_device_finding{")
                        && text.contains("pod=\"notebook-0\"")
                        && text.contains("gpu_node_agent_container_sm_utilization_ratio{")
                        && text.contains("DCGM_FI_PROF_GR_ENGINE_ACTIVE{")
                        && text.contains("gpu_node_agent_device_plugin_request_seconds_max{"));
        Path rules = Shipped.RULES.toAbsolutePath().normalize();
        prometheus = RealPrometheus.start(folder, """
                rule_files: ['%s']
                scrape_configs:
                  - job_name: %s
                    static_configs: [{targets: ['%s']}]
                """.formatted(rules, JOB, node.address()));
        prometheus.awaitScraped();
    }

    @AfterAll
    static void stop() throws Exception {
        if (prometheus != null) {
            prometheus.close();
        }
        if (node != null) {
            node.close();
        }
    }

    @Test
    void everyMetricAndLabelThatAQueryUsesIsThere() throws Exception {
        // Given
        Map<String, Set<String>> there = new TreeMap<>();
        OTHERWISE.forEach((name, labels) -> there.put(name, new TreeSet<>(labels)));
        METRICS_OF_PROMETHEUS.forEach(name -> there.put(name, Set.of()));
        Shipped.rules().stream().filter(rule -> !rule.alert()).forEach(rule -> there.put(rule.name(), Set.of()));
        page.lines()
                .filter(line -> !line.startsWith("#"))
                .forEach(line -> there.computeIfAbsent(
                                line.substring(0, line.indexOf(line.contains("{") ? '{' : ' ')), _ -> new TreeSet<>())
                        .addAll(PromQl.labelsOf(line)));
        List<String> missing = new ArrayList<>();

        // When
        for (Shipped.Query query : Shipped.queries()) {
            PromQl names = PromQl.of(query.expression());
            Set<String> ofAll = new TreeSet<>(OF_PROMETHEUS);
            names.metrics().forEach((metric, labels) -> {
                Set<String> known = there.get(metric);
                if (known == null) {
                    missing.add(metric + " in " + query);
                    return;
                }
                ofAll.addAll(known);
                labels.stream()
                        .filter(label -> !known.contains(label) && !OF_PROMETHEUS.contains(label))
                        .forEach(label -> missing.add(metric + "{" + label + "} in " + query));
            });
            names.labels().stream()
                    .filter(label -> !ofAll.contains(label))
                    .forEach(label -> missing.add(label + " in " + query));
        }

        // Then
        assertThat(missing).isEmpty();
    }

    @Test
    void whatSuchANodeDoesNotHaveIsDescribed() throws Exception {
        // Given
        String documents = Files.readString(Path.of("../docs/metrics.md"))
                + Files.readString(Path.of("../docs/kubernetes.md"))
                + Files.readString(Path.of("../docs/driver.md"));

        // Then
        assertThat(OTHERWISE.keySet())
                .allSatisfy(
                        name -> assertThat(documents.contains(name)).as(name).isTrue());
        assertThat(OTHERWISE.keySet())
                .filteredOn(name -> page.contains("\n# TYPE " + name + " "))
                .isEmpty();
    }

    @Test
    void noSeriesIsLeftOutOfThePage() {
        // Then
        assertThat(page.lines().filter(line -> line.startsWith("gpu_node_agent_series_left_out{")))
                .isNotEmpty()
                .allMatch(line -> line.endsWith(" 0"));
    }

    @Test
    void theStatusPageTellsOfEveryPart() throws Exception {
        // When
        String html = node.get("/");

        // Then
        assertThat(html)
                .contains("GPU 3 is withheld", "XID 48: a double-bit ECC error", "nvidia-smi --gpu-reset")
                .contains("MIG device 7:0 is withheld", "MIG: 1 × 1g.10gb", "lab/notebook-0")
                .contains(">NVML<", ">CDI<", ">Kubelet<", ">Pods<", ">nvidia.com/gpu<", ">nvidia.com/mig-1g.10gb<")
                .contains(
                        ">API server<", ">Feature labels<", "nvidia.com/gpu.count=8", ">Configuration<", "config.yaml")
                .contains(">HTTP<", ">Loops<");
    }

    @Test
    void everyPanelHasSomethingToShow() throws Exception {
        // Given: rates need more than one scrape
        Eventually.within(
                MonitoredNode.SOON,
                () -> prometheus
                                .query("rate(gpu_node_agent_nvml_call_seconds_count[10s]) > 0")
                                .isEmpty()
                        ? "no rate"
                        : "");
        List<Shipped.Query> panels = Shipped.queries().stream()
                .filter(query ->
                        query.where().contains("panel") || query.where().contains("variable"))
                .filter(query -> EMPTY.stream().noneMatch(query.expression()::contains))
                .toList();

        // When
        List<Shipped.Query> without = new ArrayList<>();
        for (Shipped.Query panel : panels) {
            if (prometheus.query(panel.expression()).isEmpty()) {
                without.add(panel);
            }
        }

        // Then
        assertThat(panels).hasSizeGreaterThan(50);
        assertThat(without).isEmpty();
    }

    @Test
    void prometheusTakesEveryQuery() throws Exception {
        // When
        List<Shipped.Query> queries = Shipped.queries();

        // Then: it refuses with an error
        for (Shipped.Query query : queries) {
            prometheus.query(query.expression());
        }
        assertThat(queries).hasSizeGreaterThan(100);
    }

    @Test
    void theAlertOfASickGpuRings() throws Exception {
        // When
        Eventually.within(
                MonitoredNode.SOON,
                () -> prometheus
                                .query("ALERTS{alertname=\"GpuXid\", alertstate=\"firing\", gpu=\"3\"}")
                                .isEmpty()
                        ? "GpuXid does not ring"
                        : "");

        // Then
        assertThat(prometheus.query("ALERTS{alertname=\"GpuNodeAgentDown\"}")).isEmpty();
        Eventually.within(
                MonitoredNode.SOON,
                () -> prometheus
                                .query("instance:gpu_node_agent_gpus_withheld:count == 1")
                                .isEmpty()
                        ? "the count of withheld GPUs is not recorded"
                        : "");
    }

    @Test
    void promtoolPassesTheRulesOwnTests(@TempDir Path folder) throws Exception {
        // When
        Path tests = Shipped.RULE_TESTS;

        // Then
        promtool(folder, "test", "rules", tests.toString());
    }

    @Test
    void promtoolTakesTheScrapeJobs(@TempDir Path folder) throws Exception {
        // Given
        Map<?, ?> object = (Map<?, ?>)
                Shipped.yaml(Files.readString(Shipped.FOLDER.resolve("kubernetes/scrape-annotations.yaml")));
        Map<?, ?> data = (Map<?, ?>) Objects.requireNonNull(object.get("data"));
        // Debian's Prometheus is built without the discovery of Kubernetes, which gives the targets only.
        String jobs = String.valueOf(data.get("gpu-node-agent.yml"))
                .replaceAll("kubernetes_sd_configs: .*", "static_configs: [{targets: ['node-a:9400']}]");

        // When
        Path plain = Files.writeString(folder.resolve("plain.yml"), jobs);
        Path secured = Files.writeString(
                folder.resolve("secured.yml"),
                jobs.replace("# tls_config", "tls_config").replace("# basic_auth", "basic_auth"));

        // Then
        promtool(folder, "check", "config", "--syntax-only", plain.toString());
        promtool(folder, "check", "config", "--syntax-only", secured.toString());
    }

    private static void promtool(Path folder, String... arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of(arguments));
        command.addFirst(Programs.find("prometheus", "promtool").toString());
        Path output = folder.resolve("said");
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(output.toFile())
                .start();
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue())
                .as(Files.readString(output, StandardCharsets.UTF_8))
                .isZero();
    }
}
