package io.gpunode.agent.monitoring;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(10)
class PromQlTest {
    @Test
    void namesMetricsTheirLabelsAndWhatTheyAreGroupedBy() {
        // When
        PromQl names = PromQl.of(
                "sum by (job, gpu) (rate(a_total{code!=\"a,b=c\", x=~\"y\"}[5m])) / b > 3e2 and on (job) c == 1 or vector(0)");

        // Then
        assertThat(names.metrics()).isEqualTo(Map.of("a_total", Set.of("code", "x"), "b", Set.of(), "c", Set.of()));
        assertThat(names.labels()).containsExactly("gpu", "job");
    }

    @Test
    void namesBothSidesOfAJoin() {
        // When
        PromQl names = PromQl.of("max by (UUID) (a) * on (UUID) group_right () b{gpu=~\".*\"} unless on (UUID) c");

        // Then
        assertThat(names.metrics()).isEqualTo(Map.of("a", Set.of(), "b", Set.of("gpu"), "c", Set.of()));
        assertThat(names.labels()).containsExactly("UUID");
    }
}
