package io.gpunode.agent.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.AgentConfig.HostnameLabel;
import io.gpunode.agent.testing.Snapshots;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Older spellings of labels, for dashboards that were made for them. */
@Timeout(10)
class LabelSpellingTest {
    private final Pages pages = Pages.of(
                    Snapshots.pcie(1).sample(0, Pages.numbers(0)).build())
            .fields(List.of("DCGM_FI_DEV_GPU_TEMP"))
            .holder(Snapshots.uuid(0), "ml", "job", "train");

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "HOSTNAME | ,hostname=\"node-a\",container=",
                "CAPITAL | ,Hostname=\"node-a\",container=",
                "BOTH | ,hostname=\"node-a\",Hostname=\"node-a\",container=",
                "NONE | modelName=\"NVIDIA L40S\",container="
            })
    void theNodesNameIsSpelledAsWanted(HostnameLabel hostname, String expected) {
        // When
        String page = pages.labels(hostname, false, false).render();

        // Then
        assertThat(temperature(page)).contains(expected);
    }

    @Test
    void theOldNamespaceRenamesTheLabelsOfDeviceMetricsOnly() {
        // When
        String page = pages.labels(HostnameLabel.CAPITAL, true, false).render();

        // Then
        assertThat(temperature(page))
                .startsWith("DCGM_FI_DEV_GPU_TEMP{gpu=\"0\",uuid=\"" + Snapshots.uuid(0) + "\",pci_bus_id=")
                .contains(",container_name=\"train\",pod_namespace=\"ml\",pod_name=\"job\"}");
        assertThat(page)
                .contains("gpu_node_agent_device_pod_info{gpu=\"0\",UUID=\"" + Snapshots.uuid(0)
                        + "\",container=\"train\",namespace=\"ml\",pod=\"job\"} 1");
    }

    @Test
    void blanksInTheModelsNameBecomeDashes() {
        // When
        String page = pages.labels(HostnameLabel.HOSTNAME, false, true).render();

        // Then
        assertThat(temperature(page)).contains("modelName=\"NVIDIA-L40S\"");
    }

    private static String temperature(String page) {
        return page.lines()
                .filter(line -> line.startsWith("DCGM_FI_DEV_GPU_TEMP{"))
                .findFirst()
                .orElseThrow();
    }
}
