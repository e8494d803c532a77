package io.gpunode.agent.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.gpunode.agent.testing.Configs;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(10)
class AttributionConfigTest {
    @Test
    void theExportersVariablesSayTheSame() {
        // When
        AgentConfig.Attribution attribution = Configs.of(
                        "KUBERNETES_VIRTUAL_GPUS=true",
                        "DCGM_EXPORTER_KUBERNETES_ENABLE_POD_LABELS=true",
                        "DCGM_EXPORTER_KUBERNETES_ENABLE_POD_UID=1",
                        "DCGM_EXPORTER_KUBERNETES_POD_LABEL_ALLOWLIST_REGEX=^app$,^team/.*",
                        "DCGM_EXPORTER_KUBERNETES_GPU_ID_TYPE=device-name",
                        "KUBERNETES_ENABLE_DRA=true",
                        "NVIDIA_RESOURCE_NAMES=acme.com/gpu,acme.com/small-gpu",
                        "DCGM_HPC_JOB_MAPPING_DIR=/run/slurm",
                        "DCGM_EXPORTER_CONTAINER_LABELS=true",
                        "DCGM_CONTAINER_RUNTIME_SOCKET=/run/podman/podman.sock")
                .attribution();

        // Then
        assertThat(attribution.virtualGpus()).isTrue();
        assertThat(attribution.podLabels()).isTrue();
        assertThat(attribution.podUid()).isTrue();
        assertThat(attribution.podLabelAllowlist()).containsExactly("^app$", "^team/.*");
        assertThat(attribution.claims()).isTrue();
        assertThat(attribution.resourceNames()).containsExactlyInAnyOrder("acme.com/gpu", "acme.com/small-gpu");
        assertThat(attribution.jobDirectory()).isEqualTo("/run/slurm");
        assertThat(attribution.containers()).isTrue();
        assertThat(attribution.containerSocket()).isEqualTo(Path.of("/run/podman/podman.sock"));
    }

    @Test
    void whatIsNoExpressionIsRefusedByName() {
        assertThatThrownBy(() -> Configs.of("DCGM_EXPORTER_KUBERNETES_POD_LABEL_ALLOWLIST_REGEX=app,(team"))
                .hasRootCauseInstanceOf(ConfigException.class)
                .rootCause()
                .hasMessageContaining("(team")
                .hasMessageContaining("attribution.podLabelAllowlist");
    }

    @Test
    void whatIsNoResourceIsRefusedByName() {
        assertThatThrownBy(() -> Configs.of("NVIDIA_RESOURCE_NAMES=gpu"))
                .hasRootCauseInstanceOf(ConfigException.class)
                .rootCause()
                .hasMessageContaining("\"gpu\"")
                .hasMessageContaining("acme.com/gpu");
    }
}
