package io.gpunode.agent.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(10)
class EntitySelectorTest {
    private final Report report = new Report(true);

    private Optional<EntitySelector> read(String text) {
        return new EntitySelector.Type().read(RawValue.untyped(text, Place.flag("devices")), "metrics.devices", report);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "f; f; 3; f",
                "g; g; 3; all",
                "i; i; 3; none",
                "g:0,2-4; g:0,2-4; 3; all",
                "g:0,2-4; g:0,2-4; 1; none",
                "' i:1 + g:3 '; g:3+i:1; 3; all",
                "g+i; g+i; 5; all",
                "g:2-2; g:2; 2; all"
            })
    void aSelectorIsReadAndWrittenInTheGrammar(String text, String canonical, int gpu, String meant) {
        // When
        EntitySelector selector = read(text).orElseThrow();

        // Then
        assertThat(selector).hasToString(canonical);
        assertThat(selector.flexible() ? "f" : selector.major().has(gpu) ? "all" : "none")
                .isEqualTo(meant);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "h; \"h\": \"h\" is none of f, g and i",
                "f:1; \"f:1\": f takes no numbers: it is every GPU, or its instances",
                "f+g; \"f+g\": f stands alone: it is every GPU, or its instances",
                "g+; \"g+\": a selector is missing beside +",
                "g:; \"g:\": a number is missing",
                "g:1,; \"g:1,\": a number is missing",
                "g:-1; \"g:-1\": \"-1\" is neither a number from 0 to 4095 nor a range such as 2-4",
                "g:1-2-3; \"g:1-2-3\": \"1-2-3\" is neither a number from 0 to 4095 nor a range such as 2-4",
                "g:4-2; \"g:4-2\": the range 4-2 ends before it begins",
                "i:4096; \"i:4096\": \"4096\" is neither a number from 0 to 4095 nor a range such as 2-4",
                "g:1+g:2; \"g:1+g:2\": g is given twice: write its numbers behind one"
            })
    void whatIsWrongIsSaidPrecisely(String text, String what) {
        // When
        Optional<EntitySelector> selector = read(text);

        // Then
        assertThat(selector).isEmpty();
        assertThat(report.problems())
                .isEqualTo(List.of(new Problem(
                        "flag --devices",
                        "metrics.devices",
                        what,
                        "write f, g, i, or numbers such as g:0,2-4 or g:0+i:1")));
    }
}
