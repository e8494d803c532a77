package io.gpunode.agent.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.nio.charset.StandardCharsets;
import java.util.Locale;

/** Whatever a request accepts, it gets a page, and OpenMetrics only when it names that. */
class AcceptFuzzTest {
    @FuzzTest
    void anyTextChoosesAFormat(byte[] bytes) {
        // Given
        String accept = new String(bytes, StandardCharsets.ISO_8859_1);

        // When
        ExpositionFormat format = ExpositionFormat.preferred(accept);

        // Then
        if (!accept.toLowerCase(Locale.ROOT).contains("application/openmetrics-text")) {
            assertThat(format).isEqualTo(ExpositionFormat.TEXT);
        }
        assertThat(ExpositionFormat.preferred(accept + ",application/openmetrics-text;q=0"))
                .isEqualTo(format);
    }
}
