package io.gpunode.agent.labels;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.NodeLabels;
import io.gpunode.agent.testing.Snapshots;
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

    private static NodeLabels node() {
        return new FakeNodeLabels().read();
    }

    private static NodeLabels node(String name, String value) {
        return new FakeNodeLabels().set(name, value);
    }

    @Test
    void aNodeThatHasNoneGetsAll() {
        // When
        var labels = OperatorLabels.yielding(wanted, node());

        // Then
        assertThat(labels).isEqualTo(wanted).containsEntry(PLUGIN, "true").containsEntry(PRESENT, "true");
    }

    @ParameterizedTest
    @ValueSource(strings = {"false", "paused-for-driver-upgrade", "true_paused-for-driver-upgrade", ""})
    void whatSomebodyElseHasSetStays(String value) {
        // When
        var labels = OperatorLabels.yielding(wanted, node(PLUGIN, value));

        // Then
        assertThat(labels).doesNotContainKey(PLUGIN).containsEntry(EXPORTER, "true");
    }

    @Test
    void whatTheNodeHasAlreadyIsKeptUp() {
        // When
        var labels = OperatorLabels.yielding(wanted, node(PLUGIN, "true"));

        // Then
        assertThat(labels).containsEntry(PLUGIN, "true");
    }

    @Test
    void onePersonsWordKeepsAllPartsOff() {
        // When
        var labels = OperatorLabels.yielding(wanted, node("nvidia.com/gpu.deploy.operands", "false"));

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
        var labels = OperatorLabels.yielding(wanted, node("nvidia.com/gpu.count", "4"));

        // Then
        assertThat(labels).containsEntry("nvidia.com/gpu.count", "8");
    }
}
