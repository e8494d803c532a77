package io.gpunode.nvml.raw;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;

class NativeBlockTest {
    @AutoClose
    private final NativeBlock block = new NativeBlock(64);

    @Test
    void textEndsAtItsMark() {
        // Given
        block.put(0, "NVIDIA H100\0left over".getBytes(StandardCharsets.US_ASCII));
        // When
        String text = block.getText(0, 64);
        // Then
        assertThat(text).isEqualTo("NVIDIA H100");
    }

    @Test
    void textWithoutMarkEndsWithTheBuffer() {
        // Given
        block.fill(0, 64, 'x');
        // When
        String text = block.getText(8, 16);
        // Then
        assertThat(text).isEqualTo("x".repeat(16));
    }

    @Test
    void bytesThatAreNoTextAreReplaced() {
        // Given
        block.put(0, new byte[] {'a', (byte) 0xFF, '\n', 0x1B, (byte) 0xC3, (byte) 0xA9, 'z', 0});
        // When
        String text = block.getText(0, 64);
        // Then
        assertThat(text).isEqualTo("a\uFFFD\uFFFD\uFFFD\u00E9z");
    }

    @Test
    void beginsZeroed() {
        assertThat(block.getText(0, 64)).isEmpty();
    }
}
