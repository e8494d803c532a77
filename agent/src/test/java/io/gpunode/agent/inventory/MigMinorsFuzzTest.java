package io.gpunode.agent.inventory;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.nio.charset.StandardCharsets;

/** Whatever the kernel's table holds, it is read as far as it makes sense. */
class MigMinorsFuzzTest {
    @FuzzTest
    void anyTableIsReadAsFarAsItMakesSense(byte[] bytes) {
        // When
        MigMinors minors = MigMinors.parse(new String(bytes, StandardCharsets.UTF_8));

        // Then
        assertThat(minors.minors().values()).allMatch(minor -> minor >= 0);
        minors.minors()
                .forEach((entry, minor) -> assertThat(
                                MigMinors.parse(entry + " " + minor).minors())
                        .containsEntry(entry, minor));
    }
}
