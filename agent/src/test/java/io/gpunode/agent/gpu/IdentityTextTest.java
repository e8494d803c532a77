package io.gpunode.agent.gpu;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(10)
class IdentityTextTest {
    @Test
    void whatIsNotPrintableIsReplaced() {
        assertThat(IdentityReader.printable("NVIDIA\u0007 \u00ffH100\n")).isEqualTo("NVIDIA? ?H100?");
    }

    @Test
    void textHasABound() {
        assertThat(IdentityReader.printable("x".repeat(10_000))).hasSize(96);
    }
}
