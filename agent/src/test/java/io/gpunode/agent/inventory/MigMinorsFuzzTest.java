package io.gpunode.agent.inventory;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.nio.charset.StandardCharsets;

/** Whatever the kernel's table holds, it is read as far as it makes sense. */
class MigMinorsFuzzTest {
    private static final int INSTANCES = 15;

    @FuzzTest
    void anyTableIsReadAsFarAsItMakesSense(byte[] bytes) {
        // When
        String table = new String(bytes, StandardCharsets.UTF_8);
        MigMinors minors = MigMinors.parse(table);

        // Then
        for (int instance = 0; instance < INSTANCES; instance++) {
            assertThat(minors.gpuInstance(0, instance).orElse(0)).isNotNegative();
            assertThat(minors.computeInstance(0, instance, 0).orElse(0)).isNotNegative();
        }
        // The first line of a name counts, also one that is no entry.
        if (!table.contains("gpu77/gi1/ci2/access ")) {
            assertThat(MigMinors.parse(table + "\ngpu77/gi1/ci2/access 66\n").computeInstance(77, 1, 2))
                    .hasValue(66);
        }
    }
}
