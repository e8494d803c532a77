package io.gpunode.agent.lifecycle;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.time.ManualTime;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(10)
class HeartbeatsTest {
    private final ManualTime time = new ManualTime();
    private final Heartbeats heartbeats = new Heartbeats(time);

    @Test
    void aLoopThatHasNotTurnedWithinItsBoundIsNotOk() {
        // Given
        heartbeats.register("quick", Duration.ofSeconds(1));
        heartbeats.register("slow", Duration.ofSeconds(60));

        // When
        time.advance(Duration.ofSeconds(2));

        // Then
        assertThat(heartbeats.ok()).isFalse();
        assertThat(heartbeats.read())
                .containsExactly(
                        new Heartbeats.Pulse("quick", Duration.ofSeconds(2), Duration.ofSeconds(1), false),
                        new Heartbeats.Pulse("slow", Duration.ofSeconds(2), Duration.ofSeconds(60), true));
    }

    @Test
    void aTurnMakesItOkAgain() {
        // Given
        Heartbeats.Beat beat = heartbeats.register("quick", Duration.ofSeconds(1));
        time.advance(Duration.ofSeconds(2));

        // When
        beat.turned();

        // Then
        assertThat(heartbeats.ok()).isTrue();
    }

    @Test
    void anEndedLoopIsNoLongerAskedAbout() {
        // Given
        Heartbeats.Beat beat = heartbeats.register("quick", Duration.ofSeconds(1));
        time.advance(Duration.ofSeconds(2));

        // When
        beat.close();

        // Then
        assertThat(heartbeats.ok()).isTrue();
        assertThat(heartbeats.read()).isEmpty();
    }
}
