package io.gpunode.agent.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class DriverVersionTest {
    @Test
    void versionsAreOrderedByNumber() {
        // When
        List<String> ordered = Stream.of("580.65.06", "535.261.03", "570.9.1", "570.10", "535.54", "1000.1", "580.65")
                .map(DriverVersion::new)
                .sorted()
                .map(DriverVersion::text)
                .toList();

        // Then
        assertThat(ordered)
                .containsExactly("535.54", "535.261.03", "570.9.1", "570.10", "580.65", "580.65.06", "1000.1");
    }

    @Test
    void aVersionKnowsItsBranchAndKeepsItsZeros() {
        // When
        DriverVersion version = new DriverVersion("535.54.03");

        // Then
        assertThat(version.branch()).isEqualTo(535);
        assertThat(version).hasToString("535.54.03");
    }

    @Test
    void orderAndEqualityAgree() {
        // Given
        DriverVersion zeros = new DriverVersion("535.54.03");
        DriverVersion plain = new DriverVersion("535.54.3");

        // When
        int order = zeros.compareTo(plain);

        // Then
        assertThat(order).isNotZero();
        assertThat(zeros).isNotEqualTo(plain);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "535",
                "535.",
                ".535",
                "535..03",
                "535.54.03-1",
                "v535.54",
                "535.54.03.1.2",
                "535.1234567",
                "535.५४"
            })
    void whatIsNoVersionIsNone(String text) {
        // When
        var version = DriverVersion.parse(text);

        // Then
        assertThat(version).isEmpty();
        assertThatThrownBy(() -> new DriverVersion(text))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("\"" + text + "\"");
    }
}
