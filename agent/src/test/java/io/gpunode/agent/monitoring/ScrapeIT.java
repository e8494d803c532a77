package io.gpunode.agent.monitoring;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.process.Eventually;
import io.gpunode.agent.testing.RealPrometheus;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * A real Prometheus scrapes all fields of the agent on a node with GPU instances, with the negotiation and compression that it has by default, and knows afterwards what NVML said.
 * Simulated time stands still, so that two scrapes show the same.
 */
@Timeout(60)
class ScrapeIT {
    private static final Pattern LABEL = Pattern.compile("([A-Za-z0-9_]+)=\"((?:[^\"\\\\]|\\\\.)*)\",?");

    private static final Pattern FIELD = Pattern.compile("^\\| `(DCGM_FI_\\w+)` \\|", Pattern.MULTILINE);

    private static MonitoredNode node;
    private static RealPrometheus prometheus;

    @BeforeAll
    static void scrape(@TempDir Path folder) throws Exception {
        node = new MonitoredNode(
                folder,
                "8xa100-80gb-mig",
                "metrics: {leaveOutUnavailable: true, fields: [" + String.join(", ", fieldsOfTheReference()) + "]}");
        node.node().simulator().apply("set gpu=7 temperature=81 power=312337\ntime freeze");
        node.await("the values that were set", page -> page.contains("} 312.337"));
        prometheus = RealPrometheus.scraping(folder, node.address());
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
    void knowsEverySeriesOfTheDevicesWithItsValue() throws Exception {
        // When / Then: the page in the text format and what came of the one that Prometheus chose
        Eventually.within(MonitoredNode.SOON, () -> {
            Map<Map<String, String>, Double> shown = deviceSeries(node.metrics());
            Map<Map<String, String>, Double> known = new HashMap<>();
            prometheus.query("{__name__=~\"DCGM_.+\"}").forEach((labels, value) -> {
                Map<String, String> own = new TreeMap<>(labels);
                own.keySet().removeAll(List.of("instance", "job"));
                known.put(own, Double.parseDouble(value));
            });
            assertThat(shown).hasSizeGreaterThan(1_000);
            return known.equals(shown) ? "" : difference(shown, known);
        });
    }

    @Test
    void knowsWhatNvmlSaid() throws Exception {
        // When
        Map<Map<String, String>, String> power = prometheus.query("DCGM_FI_DEV_POWER_USAGE{gpu=\"7\"}");
        Map<Map<String, String>, String> temperature = prometheus.query("DCGM_FI_DEV_GPU_TEMP{gpu=\"7\"}");
        Map<Map<String, String>, String> instances =
                prometheus.query("count by (GPU_I_PROFILE) (DCGM_FI_DEV_FB_USED{gpu=\"4\"})");

        // Then
        assertThat(power.values()).containsExactly("312.337");
        assertThat(temperature.values()).containsExactly("81");
        assertThat(instances)
                .containsExactlyInAnyOrderEntriesOf(Map.of(
                        Map.of("GPU_I_PROFILE", "1g.10gb"), "2",
                        Map.of("GPU_I_PROFILE", "2g.20gb"), "1",
                        Map.of("GPU_I_PROFILE", "3g.40gb"), "1"));
    }

    @Test
    void readsOpenMetricsAndItsTypes() throws Exception {
        // When
        Map<String, String> types = prometheus.api("/api/v1/targets/metadata").elements().stream()
                .collect(Collectors.toMap(
                        metric -> metric.member("metric").textOr(""),
                        metric -> metric.member("type").textOr("")));

        // Then: a counter whose name does not end in _total is of unknown type in OpenMetrics only
        assertThat(types)
                .containsEntry("DCGM_FI_DEV_GPU_TEMP", "gauge")
                .containsEntry("DCGM_FI_DEV_PCIE_REPLAY_COUNTER", "unknown")
                .containsEntry("gpu_node_agent_sampling_seconds", "summary")
                .containsEntry("process_cpu_seconds", "counter");
    }

    @Test
    void losesNoSampleOfAScrape() throws Exception {
        // When
        Map<Map<String, String>, String> left =
                prometheus.query("scrape_samples_scraped - scrape_samples_post_metric_relabeling");
        JsonValue target = prometheus
                .api("/api/v1/targets")
                .member("activeTargets")
                .elements()
                .getFirst();

        // Then
        assertThat(left.values()).containsExactly("0");
        assertThat(target.member("lastError").textOr("")).isEmpty();
    }

    /** Those that NVML cannot give among them. */
    private static Set<String> fieldsOfTheReference() throws IOException {
        Matcher rows = FIELD.matcher(Files.readString(Path.of("..", "docs", "metrics.md")));
        Set<String> fields = new TreeSet<>();
        while (rows.find()) {
            fields.add(rows.group(1));
        }
        return fields;
    }

    private static Map<Map<String, String>, Double> deviceSeries(String page) {
        Map<Map<String, String>, Double> series = new HashMap<>();
        page.lines().filter(line -> line.startsWith("DCGM_")).forEach(line -> {
            Map<String, String> labels = new TreeMap<>();
            labels.put("__name__", line.substring(0, line.indexOf('{')));
            int end = line.lastIndexOf('}');
            Matcher matcher = LABEL.matcher(line.substring(line.indexOf('{') + 1, end));
            while (matcher.find()) {
                labels.put(matcher.group(1), matcher.group(2));
            }
            series.put(labels, Double.parseDouble(line.substring(end + 2)));
        });
        return series;
    }

    private static String difference(Map<?, ?> shown, Map<?, ?> known) {
        Map<Object, Object> onlyShown = new HashMap<>(shown);
        onlyShown.entrySet().removeAll(known.entrySet());
        Map<Object, Object> onlyKnown = new HashMap<>(known);
        onlyKnown.entrySet().removeAll(shown.entrySet());
        return "shown and not known: " + onlyShown + "; known and not shown: " + onlyKnown;
    }
}
