package io.gpunode.agent.labels;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.NodeLabels;
import io.gpunode.agent.testing.Snapshots;
import java.util.Map;
import java.util.SortedMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(10)
class OperatorLabelsTest {
    private static final String PLUGIN = "nvidia.com/gpu.deploy.device-plugin";
    private static final String EXPORTER = "nvidia.com/gpu.deploy.dcgm-exporter";
    private static final String PRESENT = "nvidia.com/gpu.present";

    private final SortedMap<String, String> wanted =
            FeatureLabels.of(Snapshots.h100x8().build(), Settings.operatorLabels(), HostFacts.NONE);

    private static NodeLabels node(Map<String, String> labels) {
        return new NodeLabels() {
            @Override
            public Answer label(String name) {
                String value = labels.get(name);
                return value == null ? new Answer.NotSet() : new Answer.Value(value);
            }

            @Override
            public boolean pending() {
                return false;
            }

            @Override
            public void onChange(Runnable changed) {
                throw new UnsupportedOperationException("nothing changes here");
            }
        };
    }

    @Test
    void aNodeThatHasNoneGetsAll() {
        // When
        var labels = OperatorLabels.yielding(wanted, node(Map.of()));

        // Then
        assertThat(labels).isEqualTo(wanted).containsEntry(PLUGIN, "true").containsEntry(PRESENT, "true");
    }

    @ParameterizedTest
    @ValueSource(strings = {"false", "paused-for-driver-upgrade", "true_paused-for-driver-upgrade", ""})
    void whatSomebodyElseHasSetStays(String value) {
        // When
        var labels = OperatorLabels.yielding(wanted, node(Map.of(PLUGIN, value)));

        // Then
        assertThat(labels).doesNotContainKey(PLUGIN).containsEntry(EXPORTER, "true");
    }

    @Test
    void whatTheNodeHasAlreadyIsKeptUp() {
        // When
        var labels = OperatorLabels.yielding(wanted, node(Map.of(PLUGIN, "true")));

        // Then
        assertThat(labels).containsEntry(PLUGIN, "true");
    }

    @Test
    void onePersonsWordKeepsAllPartsOff() {
        // When
        var labels = OperatorLabels.yielding(wanted, node(Map.of("nvidia.com/gpu.deploy.operands", "false")));

        // Then
        assertThat(labels.keySet()).noneMatch(key -> key.startsWith("nvidia.com/gpu.deploy."));
        assertThat(labels).containsEntry(PRESENT, "true").containsEntry("nvidia.com/gpu.count", "8");
    }

    @Test
    void aNodeThatIsNotKnownGetsNothingThatSomebodyMayHaveForbidden() {
        // When
        var labels = OperatorLabels.yielding(wanted, NodeLabels.NONE);

        // Then
        assertThat(labels.keySet()).noneMatch(key -> key.startsWith("nvidia.com/gpu.deploy."));
        assertThat(labels).containsEntry(PRESENT, "true");
    }

    @Test
    void labelsOfFeaturesAreNotGivenUp() {
        // When
        var labels = OperatorLabels.yielding(wanted, node(Map.of("nvidia.com/gpu.count", "4")));

        // Then
        assertThat(labels).containsEntry("nvidia.com/gpu.count", "8");
    }
}
