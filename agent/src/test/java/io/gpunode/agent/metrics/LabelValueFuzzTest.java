package io.gpunode.agent.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.nio.charset.StandardCharsets;

/** Whatever a label's value is, it stays between its quotation marks, and a reader gets it back. */
class LabelValueFuzzTest {
    @FuzzTest
    void anyValueReadsBack(byte[] bytes) {
        // Given
        String value = new String(bytes, StandardCharsets.UTF_8);

        // When
        String escaped = ExpositionWriter.escapeLabelValue(value);

        // Then
        StringBuilder read = new StringBuilder();
        for (int i = 0; i < escaped.length(); i++) {
            char c = escaped.charAt(i);
            assertThat(c).isNotEqualTo('"').isNotEqualTo('\n').isNotEqualTo('\0');
            if (c == '\\') {
                char next = escaped.charAt(++i);
                assertThat("\\\"n").contains(String.valueOf(next));
                read.append(next == 'n' ? '\n' : next);
            } else {
                read.append(c);
            }
        }
        assertThat(read.toString()).isEqualTo(value.replace('\0', '\uFFFD'));
    }
}
