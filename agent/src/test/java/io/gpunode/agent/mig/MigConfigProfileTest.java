package io.gpunode.agent.mig;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(10)
class MigConfigProfileTest {
    @ParameterizedTest
    @CsvSource({
        "1g.10gb, 1g.10gb",
        "1c.3g.20gb, 1c.3g.20gb",
        "3c.3g.20gb, 3g.20gb",
        "1g.10gb+me, 1g.10gb+me",
        "1g.24gb+me.all, 1g.24gb+me.all",
        "4g.96gb+gfx, 4g.96gb+gfx",
        "2g.48gb-me, 2g.48gb-me",
        "1c.2g.0gb+gfx, 1c.2g.0gb+gfx",
        "'1g.5gb+me,gfx', '1g.5gb+gfx,me'",
        "7g.186gb, 7g.186gb",
    })
    void aProfileIsReadAndWritten(String text, String written) {
        // When
        MigConfigProfile profile = MigConfigProfile.parse(text);

        // Then
        assertThat(profile).hasToString(written);
        assertThat(MigConfigProfile.parse(written)).isEqualTo(profile);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "bogus",
                "1g",
                "1g.",
                ".5gb",
                "1g.5",
                "1g.5GB",
                "1G.5gb",
                "g.gb",
                "1g.5gb+",
                "1g.5gb-",
                "1g.5gb+me,",
                "1g.5gb+me,me",
                "1g.5gb+me-gfx",
                "1g.5gb-me+gfx",
                "1g.5gb+.me",
                "1g.5gb+me.",
                "1g.5gb+1me",
                "1g.5gb+m e",
                "1g.5gb+mé",
                " 1g.5gb",
                "1g.5gb ",
                "+1g.5gb",
                "-1g.5gb",
                "1g.-5gb",
                "2c.1g.5gb",
                "0c.1g.5gb",
                "1c.1c.1g.5gb",
                "12345g.5gb",
                "1g.5gb.me",
                "1g..5gb",
                "99999999999g.5gb",
                "1g.5gb+aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
            })
    void whatIsNoProfileIsRefusedWithAReason(String text) {
        // When / Then
        assertThatThrownBy(() -> MigConfigProfile.parse(text))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageMatching("\\S.*");
    }

    @Test
    void bothSpellingsOfAGpuInstanceAreTheSameAndHowItIsSplitDoesNotCount() {
        // Given
        MigConfigProfile wanted = MigConfigProfile.parse("1c.3g.40gb+gfx,me");

        // When / Then
        assertThat(wanted.isInstance("3g.40gb+me,gfx")).isTrue();
        assertThat(wanted.isInstance("3g.40gb")).isFalse();
        assertThat(wanted.isInstance("3g.39gb+me,gfx")).isFalse();
        assertThat(wanted.isInstance("")).isFalse();
        assertThat(MigConfigProfile.parse("1g.10gb").isInstance("1g.10gb-me")).isFalse();
        assertThat(MigConfigProfile.parse("1g.24gb-me").isInstance("1g.24gb+me"))
                .isFalse();
    }

    @Test
    void profilesAreInTheOrderThatPeopleListThem() {
        // When
        Stream<String> sorted = Stream.of(
                        "7g.80gb", "1g.20gb", "1c.3g.40gb", "3g.40gb", "1g.5gb", "1g.10gb+me", "1g.10gb", "2g.20gb")
                .map(MigConfigProfile::parse)
                .sorted()
                .map(MigConfigProfile::toString);

        // Then
        assertThat(sorted)
                .containsExactly(
                        "1g.5gb", "1g.10gb", "1g.10gb+me", "1g.20gb", "2g.20gb", "1c.3g.40gb", "3g.40gb", "7g.80gb");
    }
}
