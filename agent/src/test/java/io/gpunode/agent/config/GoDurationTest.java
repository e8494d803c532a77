package io.gpunode.agent.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.Optional;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(10)
class GoDurationTest {
    @ParameterizedTest
    @CsvSource({
        "5s, 5000000000, 5s",
        "1m30s, 90000000000, 1m30s",
        "1.5h, 5400000000000, 1h30m",
        "250ms, 250000000, 250ms",
        "1us, 1000, 1us",
        "1µs, 1000, 1us",
        "7ns, 7, 7ns",
        "0, 0, 0s",
        "-5s, -5000000000, -5s",
        "+.5s, 500000000, 500ms",
        "1h1ms, 3600001000000, 1h1ms",
        "1.s, 1000000000, 1s",
        "0.1234567899s, 123456789, 123ms456us789ns",
        "0.000000000999999999h, 3599, 3us599ns",
        "9223372036854775807ns, 9223372036854775807, 2562047h47m16s854ms775us807ns"
    })
    void readsAndWritesGosNotation(String text, long nanos, String canonical) {
        // When
        Optional<Duration> read = GoDuration.parse(text);

        // Then
        assertThat(read).contains(Duration.ofNanos(nanos));
        assertThat(GoDuration.text(read.orElseThrow())).isEqualTo(canonical);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "5",
                "s",
                "-",
                "5 s",
                "5d",
                "1.2.3s",
                ".s",
                "5s!",
                "five seconds",
                "9999999999h",
                "9223372036854775808ns",
                "9223372036s1h",
                "١s",
                "1e3s"
            })
    void refusesEverythingElse(String text) {
        // When
        Optional<Duration> read = GoDuration.parse(text);

        // Then
        assertThat(read).isEmpty();
    }
}
