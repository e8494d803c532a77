package io.gpunode.agent.json;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.nio.charset.StandardCharsets;

/** Any text is a document or refused; a document that is written again means the same. */
class JsonFuzzTest {
    @FuzzTest
    void anyTextIsADocumentOrRefused(byte[] bytes) throws JsonException {
        // When
        String written;
        try {
            written = write(JsonValue.parse(new String(bytes, StandardCharsets.UTF_8)));
        } catch (JsonException e) {
            assertThat(e).hasMessageMatching("(?s).+");
            return;
        }

        // Then
        assertThat(write(JsonValue.parse(written))).isEqualTo(written);
    }

    private static String write(JsonValue value) {
        JsonWriter out = JsonWriter.compact();
        value.writeTo(out);
        return out.toString();
    }
}
