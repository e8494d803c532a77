package io.gpunode.agent.json;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(10)
class JsonValueTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "null",
                "true",
                "0",
                "-12",
                "9223372036854775807",
                "0.5",
                "\"\"",
                "\"a\\\"b\\\\c\\n\\u0001é\"",
                "[]",
                "{}",
                "[1,[2,{\"a\":[]}],false]",
                "{\"a\":{\"b\":null},\"c\":[\"d\"]}"
            })
    void whatTheWriterWritesIsReadAsTheSame(String text) throws Exception {
        // Given
        JsonWriter out = JsonWriter.compact();

        // When
        JsonValue.parse(text).writeTo(out);

        // Then
        assertThat(out.toString()).isEqualTo(text);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                " ",
                "{",
                "[1,]",
                "[1 2]",
                "{\"a\"}",
                "{\"a\":1,}",
                "{a:1}",
                "{\"a\":1,\"a\":2}",
                "\"open",
                "\"\\x\"",
                "\"\\u12g4\"",
                "\"line\nbreak\"",
                "tru",
                "1 2",
                "--1",
                "1e999",
                "nul",
                "'a'"
            })
    void everythingElseIsRefused(String text) {
        // When
        Throwable thrown = catchThrowable(() -> JsonValue.parse(text));

        // Then
        assertThat(thrown).isInstanceOf(JsonException.class).hasMessageStartingWith("not JSON at character ");
    }

    @Test
    void nestingIsBounded() {
        // When
        Throwable thrown = catchThrowable(() -> JsonValue.parse("[".repeat(100_000)));

        // Then
        assertThat(thrown).isInstanceOf(JsonException.class).hasMessageContaining("nested more than 64 deep");
    }

    @ParameterizedTest
    @ValueSource(strings = {"[1,2,3]", "{\"a\":{\"b\":[]}}"})
    void aDocumentOfAsManyValuesAsItMayHaveIsRead(String text) throws Exception {
        // When
        JsonValue value = JsonValue.parse(text, 3);

        // Then
        assertThat(value.absent()).isFalse();
    }

    @ParameterizedTest
    @ValueSource(strings = {"[1,2,3,4]", "[[[[]]]]", "{{{{"})
    void oneOfMoreIsRefusedBeforeItIsRead(String text) {
        // When
        Throwable thrown = catchThrowable(() -> JsonValue.parse(text, 3));

        // Then
        assertThat(thrown).isInstanceOf(JsonException.class).hasMessage("JSON of more than 3 values");
    }

    @Test
    void lookingIntoWhatIsNotThereIsAbsent() throws Exception {
        // Given
        JsonValue value = JsonValue.parse("{\"a\":[1]}");

        // When
        JsonValue absent = value.member("b").member("c");

        // Then
        assertThat(absent.absent()).isTrue();
        assertThat(absent.text()).isEmpty();
        assertThat(absent.elements()).isEmpty();
        assertThat(absent.wholeNumber()).isEmpty();
    }
}
