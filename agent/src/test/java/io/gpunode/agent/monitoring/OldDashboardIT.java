package io.gpunode.agent.monitoring;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.testing.RealPrometheus;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * The queries of the dashboard that dcgm-exporter ships (grafana.com id 12239), as they are, with its variables filled in as Grafana does it for
 * "All": a real Prometheus scrapes the agent on a simulated node and answers them.
 */
@Timeout(60)
class OldDashboardIT {
    private static MonitoredNode node;
    private static RealPrometheus prometheus;

    @BeforeAll
    static void scrape(@TempDir Path folder) throws Exception {
        node = new MonitoredNode(folder, "8xh100", "");
        node.await("profiling", page -> page.contains("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE{"));
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

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            DCGM_FI_DEV_GPU_TEMP{instance=~"$instance", gpu=~"$gpu"}            | 8 | 20   | 100
            avg(DCGM_FI_DEV_GPU_TEMP{instance=~"$instance", gpu=~"$gpu"})       | 1 | 20   | 100
            DCGM_FI_DEV_POWER_USAGE{instance=~"$instance", gpu=~"$gpu"}         | 8 | 30   | 750
            sum(DCGM_FI_DEV_POWER_USAGE{instance=~"$instance", gpu=~"$gpu"})    | 1 | 240  | 6000
            DCGM_FI_DEV_SM_CLOCK{instance=~"$instance", gpu=~"$gpu"} * 1000000  | 8 | 1e8  | 3e9
            DCGM_FI_DEV_GPU_UTIL{instance=~"$instance", gpu=~"$gpu"}            | 8 | 0    | 100
            DCGM_FI_DEV_FB_USED{instance=~"$instance", gpu=~"$gpu"}             | 8 | 0    | 81559
            DCGM_FI_PROF_PIPE_TENSOR_ACTIVE{instance=~"$instance", gpu=~"$gpu"} | 8 | 0    | 1
            """)
    void eachPanelHasDataInItsUnit(String panel, int series, double least, double most) throws Exception {
        // When
        Map<Map<String, String>, String> values = prometheus.query(filled(panel));

        // Then
        assertThat(values).hasSize(series);
        assertThat(values.values())
                .allSatisfy(value -> assertThat(Double.parseDouble(value)).isBetween(least, most));
    }

    @Test
    void theVariablesHaveTheirValues() throws Exception {
        // When
        Map<Map<String, String>, String> values = prometheus.query("DCGM_FI_DEV_GPU_TEMP");

        // Then
        assertThat(values.keySet().stream().map(labels -> labels.get("gpu")).collect(Collectors.toSet()))
                .containsExactlyInAnyOrder("0", "1", "2", "3", "4", "5", "6", "7");
        assertThat(values.keySet().stream().map(labels -> labels.get("instance")))
                .containsOnly(node.address());
    }

    private static String filled(String query) {
        return query.replace("$instance", node.address().replace(".", "\\\\.")).replace("$gpu", "(0|1|2|3|4|5|6|7)");
    }
}
