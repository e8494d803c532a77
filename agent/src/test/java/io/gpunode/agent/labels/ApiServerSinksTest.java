package io.gpunode.agent.labels;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.kubernetes.LabelWriterStatus;
import io.gpunode.agent.kubernetes.NodeFeatureStatus;
import io.gpunode.agent.kubernetes.NodeFeatureWriter.Usability;
import io.gpunode.agent.labels.LabelSink.Standing;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What is told of labels on their way to the API server. */
@Timeout(10)
class ApiServerSinksTest {
    private static final SortedMap<String, String> NONE = new TreeMap<>();

    private static LabelWriterStatus node(int applied, SortedMap<String, String> conflicts, String reason) {
        return new LabelWriterStatus(3, applied, conflicts, NONE, reason, 1);
    }

    private static NodeFeatureStatus feature(boolean written, String reason) {
        return new NodeFeatureStatus(
                Usability.USABLE, "gpu/nvidia-features-for-node-a", 3, written, false, NONE, reason, 1);
    }

    @Test
    void labelsThatTheNodeHasAreCurrent() {
        // When
        Standing standing = NodeSink.standing(node(3, NONE, ""), 3, "");

        // Then
        assertThat(standing.current()).isTrue();
        assertThat(standing.problem()).isEmpty();
    }

    @Test
    void labelsThatTheWriterHasNotSeenYetAreNot() {
        // When
        Standing standing = NodeSink.standing(node(3, NONE, ""), 4, "");

        // Then
        assertThat(standing.current()).isFalse();
        assertThat(standing.problem()).isEmpty();
    }

    @Test
    void labelsOfOthersAreNamedWithTheirOwners() {
        // Given
        SortedMap<String, String> conflicts = new TreeMap<>(Map.of(
                "nvidia.com/a", "nfd-master", "nvidia.com/b", "nfd-master", "nvidia.com/c", "x", "nvidia.com/d", "y"));

        // When
        Standing standing = NodeSink.standing(node(0, conflicts, ""), 3, "");

        // Then
        assertThat(standing.problem())
                .isEqualTo(
                        "others have set nvidia.com/a (nfd-master), nvidia.com/b (nfd-master), nvidia.com/c (x) and 1"
                                + " more; end what writes them, remove them with kubectl label, or set labels.force");
    }

    @Test
    void anApiServerThatIsNotReachedIsTheReason() {
        // When
        Standing standing = NodeSink.standing(node(3, NONE, ""), 3, "there is no kubeconfig");

        // Then
        assertThat(standing.current()).isFalse();
        assertThat(standing.problem()).isEqualTo("there is no kubeconfig");
    }

    @Test
    void anObjectThatHoldsTheLabelsIsCurrentAndNamed() {
        // When
        Standing standing = NodeFeatureSink.standing(feature(true, ""), 3, "");

        // Then
        assertThat(standing.current()).isTrue();
        assertThat(standing.place()).isEqualTo("NodeFeature gpu/nvidia-features-for-node-a");
    }

    @Test
    void anObjectThatIsForbiddenSaysWhy() {
        // When
        Standing standing = NodeFeatureSink.standing(feature(false, "the API server forbids it"), 3, "");

        // Then
        assertThat(standing.problem()).isEqualTo("the API server forbids it");
    }
}
