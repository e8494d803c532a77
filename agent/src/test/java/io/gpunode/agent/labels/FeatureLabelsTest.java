package io.gpunode.agent.labels;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.AgentConfig.MigStrategy;
import io.gpunode.agent.config.AgentConfig.Resources;
import io.gpunode.agent.config.AgentConfig.Sharing;
import io.gpunode.agent.testing.Snapshots;
import java.util.OptionalLong;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

class FeatureLabelsTest {
    private static final LabelSettings PLAIN = new LabelSettings(
            MigStrategy.NONE, "nvidia.com/gpu", Resources.NONE, Sharing.NONE, false, false, OptionalLong.empty());

    @Test
    void anH100NodeHasTheLabelsOfGpuFeatureDiscovery() {
        // Given
        var snapshot = Snapshots.h100x8().build();

        // When
        var labels = FeatureLabels.of(snapshot, PLAIN, HostFacts.NONE);

        // Then
        assertThat(new TreeMap<>(labels)).containsEntry("nvidia.com/gpu.product", "NVIDIA-H100-80GB-HBM3");
    }
}
