package io.gpunode.agent.os;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.nio.charset.StandardCharsets;

/** Whatever {@code /proc/devices} holds, it is read as far as it makes sense. */
class CharacterMajorsFuzzTest {
    @FuzzTest
    void anyTableIsReadAsFarAsItMakesSense(byte[] bytes) {
        // When
        CharacterMajors majors = CharacterMajors.parse(new String(bytes, StandardCharsets.UTF_8));

        // Then
        assertThat(majors.majors().values()).allMatch(major -> major > 0 && major <= 4_095);
        majors.majors()
                .forEach((driver, major) -> assertThat(
                                CharacterMajors.parse("Character devices:\n" + major + " " + driver)
                                        .of(driver))
                        .hasValue(major));
    }
}
