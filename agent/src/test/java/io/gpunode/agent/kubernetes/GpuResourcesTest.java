package io.gpunode.agent.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.ConfigException;
import io.gpunode.agent.config.ConfigLoader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GpuResourcesTest {
    @TempDir
    private Path directory;

    @ParameterizedTest
    @CsvSource({
        "nvidia.com/gpu, true",
        "nvidia.com/gpu.shared, true",
        "nvidia.com/mig-1g.10gb, true",
        "nvidia.com/mig-3g.40gb.shared, true",
        "nvidia.com/nvswitch, false",
        "nvidia.com/hostdev, false",
        "example.com/gpu, false",
        "cpu, false",
    })
    void whatNvidiasPluginOffersIsAGpuWhateverIsConfigured(String resource, boolean gpu) {
        assertThat(new GpuResources(Set.of()).isGpu(resource)).isEqualTo(gpu);
    }

    @Test
    void soIsWhatTheConfigurationNames() throws Exception {
        // Given
        AgentConfig config = config("""
                version: v1
                resources:
                  gpus: [{pattern: "*H100*", name: nvidia.com/hopper}]
                  mig: [{pattern: "1g*", name: nvidia.com/slice}]
                sharing:
                  timeSlicing:
                    resources:
                    - {name: nvidia.com/hopper, replicas: 2, rename: nvidia.com/half-hopper}
                    - {name: nvidia.com/slice, replicas: 2}
                """);

        // When
        GpuResources resources = GpuResources.of(config);

        // Then
        assertThat(resources.named())
                .containsExactlyInAnyOrder(
                        "nvidia.com/gpu",
                        "nvidia.com/hopper",
                        "nvidia.com/half-hopper",
                        "nvidia.com/slice",
                        "nvidia.com/slice.shared");
        assertThat(resources.isGpu("nvidia.com/half-hopper")).isTrue();
    }

    private AgentConfig config(String yaml) throws IOException, ConfigException {
        Path file = directory.resolve("config.yaml");
        Files.writeString(file, yaml);
        return new ConfigLoader(Map.of(), () -> "node-a", file, _ -> Optional.empty())
                .load(List.of(), Optional.of(file.toString()))
                .config();
    }
}
