package io.gpunode.agent.config;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Optional;

/** Any text is a duration or is none; the sign says which way it goes and nothing else. */
class GoDurationFuzzTest {
    @FuzzTest
    void anyTextIsADurationOrNone(byte[] bytes) {
        // Given
        String text = new String(bytes, StandardCharsets.UTF_8);

        // When
        Optional<Duration> parsed = GoDuration.parse(text);

        // Then
        if (!text.startsWith("-") && !text.startsWith("+") && parsed.isPresent()) {
            Duration duration = parsed.get();
            assertThat(duration).isGreaterThanOrEqualTo(Duration.ZERO);
            if (text.length() < 64) {
                assertThat(GoDuration.parse("-" + text)).contains(duration.negated());
                assertThat(GoDuration.parse("+" + text)).contains(duration);
            }
        }
    }
}
