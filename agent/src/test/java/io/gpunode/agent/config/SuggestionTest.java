package io.gpunode.agent.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(10)
class SuggestionTest {
    private static final List<String> WORDS = List.of("sampling", "interval", "deviceIDStrategy", "log", "a");

    @ParameterizedTest
    @CsvSource({
        "smapling, sampling",
        "Sampling, sampling",
        "intervall, interval",
        "intrval, interval",
        "deviceIdStrategy, deviceIDStrategy",
        "lgo, log",
        "zebra, ''",
        "x, ''"
    })
    void findsTheNearestOrNothing(String word, String expected) {
        // When
        Optional<String> nearest = Suggestion.nearest(word, WORDS);

        // Then
        assertThat(nearest.orElse("")).isEqualTo(expected);
    }
}
