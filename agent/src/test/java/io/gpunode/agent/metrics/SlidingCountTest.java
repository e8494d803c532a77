package io.gpunode.agent.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.time.Tick;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(10)
class SlidingCountTest {
    private static final Tick START = new Tick(-3);

    @Test
    void countsWhatIsWithinTheWindow() {
        // Given
        SlidingCount count = new SlidingCount(Duration.ofSeconds(100));
        for (int second = 0; second < 1_000; second++) {
            count.add(START.plus(Duration.ofSeconds(second)), 2);
        }

        // When
        long sum = count.sum(START.plus(Duration.ofSeconds(999)));

        // Then
        assertThat(sum).isEqualTo(200);
    }

    @Test
    void nothingIsLeftAfterTheWindow() {
        // Given
        SlidingCount count = new SlidingCount(Duration.ofSeconds(100));
        count.add(START, 7);

        // When
        long sum = count.sum(START.plus(Duration.ofSeconds(100)));

        // Then
        assertThat(sum).isZero();
    }

    @Test
    void aLongPauseIsNoLoop() {
        // Given
        SlidingCount count = new SlidingCount(Duration.ofMillis(1));
        count.add(START, 7);

        // When
        long sum = count.sum(START.plus(Duration.ofDays(3_650)));

        // Then
        assertThat(sum).isZero();
    }
}
