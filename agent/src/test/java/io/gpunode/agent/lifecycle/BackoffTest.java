package io.gpunode.agent.lifecycle;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(10)
class BackoffTest {
    private static final Duration FIRST = Duration.ofMillis(100);
    private static final Duration LIMIT = Duration.ofSeconds(1);

    @Test
    void doublesUpToTheLimitAndNeverBeyond() {
        // Given
        Backoff backoff = new Backoff(FIRST, LIMIT, new SplittableRandom(7));

        // When
        List<Duration> waits = waits(backoff, 8);

        // Then
        long[] longest = {100, 200, 400, 800, 1000, 1000, 1000, 1000};
        for (int i = 0; i < longest.length; i++) {
            assertThat(waits.get(i)).isBetween(Duration.ofMillis(longest[i] * 3 / 4), Duration.ofMillis(longest[i]));
        }
    }

    @Test
    void theSameSeedGivesTheSameWaits() {
        // Given
        Backoff one = new Backoff(FIRST, LIMIT, new SplittableRandom(7));
        Backoff other = new Backoff(FIRST, LIMIT, new SplittableRandom(7));

        // When
        List<Duration> waits = waits(one, 20);

        // Then
        assertThat(waits).isEqualTo(waits(other, 20));
        assertThat(waits).doesNotHaveDuplicates();
    }

    @Test
    void startsOverAfterSuccess() {
        // Given
        Backoff backoff = new Backoff(FIRST, LIMIT, new SplittableRandom(7));
        waits(backoff, 5);

        // When
        backoff.reset();

        // Then
        assertThat(backoff.failures()).isZero();
        assertThat(backoff.next()).isLessThanOrEqualTo(FIRST);
    }

    @Test
    void refusesAFirstWaitAboveTheLimit() {
        assertThatThrownBy(() -> new Backoff(Duration.ofSeconds(2), LIMIT, new SplittableRandom(7)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("PT2S");
    }

    private static List<Duration> waits(Backoff backoff, int count) {
        List<Duration> waits = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            waits.add(backoff.next());
        }
        return waits;
    }
}
