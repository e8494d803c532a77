package io.gpunode.agent.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(10)
class PodLabelNamesTest {
    @Test
    void whatPrometheusDoesNotAllowBecomesAnUnderscore() {
        assertThat(PodLabelNames.of(Map.of("app.kubernetes.io/name", "x", "9lives", "y", "team", "z"), Set.of()))
                .isEqualTo(Map.of("app_kubernetes_io_name", "x", "_9lives", "y", "team", "z"));
    }

    @Test
    void aNameThatTheSeriesHasAlreadyGetsAPrefix() {
        assertThat(PodLabelNames.of(Map.of("pod", "x", "gpu", "y", "__name__", "z"), Set.of("pod", "gpu")))
                .isEqualTo(Map.of("pod_label_pod", "x", "pod_label_gpu", "y", "pod_label___name__", "z"));
    }

    @Test
    void namesThatBecomeTheSameAreNumberedInTheOrderOfTheOriginals() {
        assertThat(PodLabelNames.of(Map.of("a.b", "1", "a-b", "2", "a/b", "3", "a_b_conflict1", "4"), Set.of()))
                .isEqualTo(
                        Map.of("a_b_conflict2", "2", "a_b_conflict3", "1", "a_b_conflict4", "3", "a_b_conflict1", "4"));
    }

    @Test
    void noLabelIsLostAndEveryNameIsAllowed() {
        // Given
        Random random = new Random(7);
        String characters = "ab_-./9";

        for (int round = 0; round < 2_000; round++) {
            Map<String, String> labels = new HashMap<>();
            for (int i = 0; i < 12; i++) {
                StringBuilder key = new StringBuilder();
                for (int length = 1 + random.nextInt(4); length > 0; length--) {
                    key.append(characters.charAt(random.nextInt(characters.length())));
                }
                labels.put(key.toString(), String.valueOf(i));
            }

            // When
            Map<String, String> named = PodLabelNames.of(labels, Set.of("a", "a_b"));

            // Then
            assertThat(named.values()).containsExactlyInAnyOrderElementsOf(labels.values());
            assertThat(named.keySet())
                    .allMatch(name -> name.matches("[a-zA-Z_][a-zA-Z0-9_]*"))
                    .noneMatch(name -> name.startsWith("__") || name.equals("a") || name.equals("a_b"));
        }
    }
}
