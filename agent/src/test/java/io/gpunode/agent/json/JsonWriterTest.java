package io.gpunode.agent.json;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(10)
class JsonWriterTest {
    @Test
    void writesNestedValuesWithoutBlanks() {
        // Given
        JsonWriter json = JsonWriter.compact();

        // When
        json.beginObject()
                .member("text", "a")
                .member("whole", 42L)
                .member("fraction", 0.25)
                .member("yes", true)
                .member("list", List.of("x", "y"))
                .name("inner")
                .beginArray()
                .beginObject()
                .endObject()
                .beginArray()
                .value(1)
                .value(2)
                .endArray()
                .nullValue()
                .endArray()
                .member("none", (String) null)
                .endObject();

        // Then
        assertThat(json.toString())
                .isEqualTo("{\"text\":\"a\",\"whole\":42,\"fraction\":0.25,\"yes\":true,\"list\":[\"x\",\"y\"],"
                        + "\"inner\":[{},[1,2],null],\"none\":null}");
    }

    @Test
    void indentsForPeople() {
        // Given
        JsonWriter json = JsonWriter.pretty();

        // When
        json.beginObject()
                .name("gpus")
                .beginArray()
                .beginObject()
                .member("index", 0L)
                .endObject()
                .endArray()
                .name("empty")
                .beginArray()
                .endArray()
                .endObject();

        // Then
        assertThat(json.toString()).isEqualTo("""
                {
                  "gpus": [
                    {
                      "index": 0
                    }
                  ],
                  "empty": []
                }""");
    }

    @Test
    void escapesWhatJsonForbidsAndReplacesHalvesOfSurrogatePairs() {
        // Given
        JsonWriter json = JsonWriter.compact();

        // When
        json.value("\"\\\n\r\t\u0000\u001f\u007f é 🙂 \ud83d!\udc00");

        // Then
        assertThat(json.toString()).isEqualTo("\"\\\"\\\\\\n\\r\\t\\u0000\\u001f\\u007f é 🙂 \uFFFD!\uFFFD\"");
    }

    @Test
    void writesWholeDoublesWithoutAFractionAndKeepsLongsExact() {
        // Given
        JsonWriter json = JsonWriter.compact();

        // When
        json.beginArray()
                .value(3.0)
                .value(-0.5)
                .value(1e300)
                .value(Long.MAX_VALUE)
                .endArray();

        // Then
        assertThat(json.toString()).isEqualTo("[3,-0.5,1.0E300,9223372036854775807]");
    }

    @Test
    void refusesNumbersThatJsonCannotSay() {
        // Given
        JsonWriter json = JsonWriter.compact();

        // When / Then
        assertThatThrownBy(() -> json.value(Double.NaN))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("NaN");
    }

    @Test
    void refusesAValueWithoutAName() {
        // Given
        JsonWriter json = JsonWriter.compact().beginObject();

        // When / Then
        assertThatThrownBy(() -> json.value("x"))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("needs a name");
    }

    @Test
    void refusesASecondDocument() {
        // Given
        JsonWriter json = JsonWriter.compact().value(1);

        // When / Then
        assertThatThrownBy(() -> json.value(2)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void refusesToHandOutAnUnfinishedDocument() {
        // Given
        JsonWriter json = JsonWriter.compact().beginObject().name("open");

        // When / Then
        assertThatThrownBy(json::toString)
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("not complete");
    }

    @Test
    void refusesEndlessNesting() {
        // Given
        JsonWriter json = JsonWriter.compact();

        // When / Then
        assertThatThrownBy(() -> {
                    for (int i = 0; i < 1000; i++) {
                        json.beginArray();
                    }
                })
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("nested deeper");
    }

    @Test
    void staysWholeWhenAGuardedMemberFails() {
        // Given
        JsonWriter json = JsonWriter.compact().beginObject();

        // When
        json.guardedMember("good", value -> value.value(1))
                .guardedMember("bad", value -> {
                    value.beginObject().name("half").beginArray().value(1);
                    throw new IllegalStateException("a fault of the test");
                })
                .guardedMember("unfinished", value -> value.beginArray())
                .guardedMember("nothing", _ -> {})
                .endObject();

        // Then
        assertThat(json.toString())
                .isEqualTo("{\"good\":1,\"bad\":{\"error\":\"java.lang.IllegalStateException: a fault of the test\"},"
                        + "\"unfinished\":{\"error\":\"the value was left unfinished\"},"
                        + "\"nothing\":{\"error\":\"the value was left unfinished\"}}");
    }
}
