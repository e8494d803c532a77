package io.gpunode.agent.time;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(10)
class ManualTimeTest {
    private final ManualTime time = new ManualTime();

    @Test
    void bothClocksMoveTogether() {
        // Given
        Tick tick = time.now();
        Instant wall = time.instant();

        // When
        time.advance(Duration.ofSeconds(5));

        // Then
        assertThat(time.now().since(tick)).isEqualTo(Duration.ofSeconds(5));
        assertThat(Duration.between(wall, time.instant())).isEqualTo(Duration.ofSeconds(5));
    }

    @Test
    void actionsRunInTheOrderOfTheirTimes() {
        // Given
        List<String> ran = new ArrayList<>();
        time.schedule(Duration.ofSeconds(2), () -> ran.add("second"));
        time.schedule(Duration.ofSeconds(1), () -> ran.add("first"));
        time.schedule(Duration.ofSeconds(2), () -> ran.add("third"));
        time.schedule(Duration.ofSeconds(9), () -> ran.add("not yet"));

        // When
        time.advance(Duration.ofSeconds(3));

        // Then
        assertThat(ran).containsExactly("first", "second", "third");
    }

    @Test
    void aCancelledActionDoesNotRun() throws Exception {
        // Given
        List<String> ran = new ArrayList<>();
        AutoCloseable handle = time.schedule(Duration.ofSeconds(1), () -> ran.add("ran"));

        // When
        handle.close();

        // Then
        time.advance(Duration.ofSeconds(3));
        assertThat(ran).isEmpty();
    }

    @Test
    void wallTimeCanStepAlone() {
        // Given
        Tick tick = time.now();

        // When
        time.setWall(Instant.EPOCH);

        // Then
        assertThat(time.now()).isEqualTo(tick);
        assertThat(time.wall().instant()).isEqualTo(Instant.EPOCH);
    }
}
