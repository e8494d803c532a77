package io.gpunode.agent.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The rules as the API server's own refusals state them. */
@Timeout(10)
class LabelRulesTest {
    @ParameterizedTest
    @CsvSource({
        "nvidia.com/gpu.count, 8",
        "a, b",
        "A_b-c.D, A_b-c.D",
        "nvidia.com/mig-1g.5gb.product, ''",
        "a-b.c--d.e0/x, 0",
    })
    void whatKubernetesTakesIsTaken(String key, String value) {
        // When
        String problem = LabelRules.problem(key, value);

        // Then
        assertThat(problem).isEmpty();
    }

    @ParameterizedTest
    @CsvSource({
        "'', b",
        "/a, b",
        "a/, b",
        "a/b/c, d",
        "A.b/c, d",
        "a..b/c, d",
        ".a/c, d",
        "a./c, d",
        "-a/c, d",
        "a-/c, d",
        "a-.b/c, d",
        "a.-b/c, d",
        "a_b/c, d",
        "-a, b",
        "a., b",
        "a b, c",
        "ä, b",
    })
    void aNameThatKubernetesRefusesIsToldAsSuch(String key, String value) {
        // When
        String problem = LabelRules.problem(key, value);

        // Then
        assertThat(problem).matches("(its name|what stands before the slash) is .*");
    }

    @Test
    void everyCharacterIsLetterDigitDashUnderscoreDotOrRefused() {
        for (char c = 0; c < 0x2000; c++) {
            // When
            String inside = LabelRules.problem("a", "a" + c + "b");
            String atTheEdge = LabelRules.problem("a", String.valueOf(c));

            // Then
            boolean word = String.valueOf(c).matches("[A-Za-z0-9]");
            assertThat(inside.isEmpty()).as("character %d", (int) c).isEqualTo(word || "-_.".indexOf(c) >= 0);
            assertThat(atTheEdge.isEmpty()).as("character %d", (int) c).isEqualTo(word);
        }
    }

    @Test
    void namesAndValuesHave63CharactersAtMost() {
        // When
        String longest = LabelRules.problem("nvidia.com/" + "a".repeat(63), "b".repeat(63));
        String longerName = LabelRules.problem("nvidia.com/" + "a".repeat(64), "b");
        String longerValue = LabelRules.problem("nvidia.com/a", "b".repeat(64));
        String longerDomain = LabelRules.problem("a".repeat(254) + "/a", "b");

        // Then
        assertThat(longest).isEmpty();
        assertThat(longerName).startsWith("its name is");
        assertThat(longerValue).startsWith("its value");
        assertThat(longerDomain).startsWith("what stands");
    }
}
