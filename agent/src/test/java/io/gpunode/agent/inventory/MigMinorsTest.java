package io.gpunode.agent.inventory;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class MigMinorsTest {
    @Test
    void entriesAreFoundByGpuAndInstance() {
        // When
        MigMinors minors = MigMinors.parse("config 1\ngpu0/gi7/access 66\ngpu0/gi7/ci0/access 67\nodd\n");

        // Then
        assertThat(minors.gpuInstance(0, 7)).hasValue(66);
        assertThat(minors.computeInstance(0, 7, 0)).hasValue(67);
    }

    @Test
    void whatIsNotNamedIsAbsent() {
        // When
        MigMinors minors = MigMinors.parse("gpu0/gi7/access sixty\ngpu0/gi8/access 66 \n");

        // Then
        assertThat(minors.gpuInstance(0, 7)).isEmpty();
        assertThat(minors.computeInstance(0, 8, 0)).isEmpty();
        assertThat(minors.gpuInstance(0, 8)).hasValue(66);
    }
}
