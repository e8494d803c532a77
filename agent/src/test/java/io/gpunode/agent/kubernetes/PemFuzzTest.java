package io.gpunode.agent.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.gpunode.agent.net.Pem;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/** Any text holds a private key and certificates, or is refused with its place. */
class PemFuzzTest {
    private static final String PLACE = "the file";

    @FuzzTest
    void anyTextIsPemOrRefused(byte[] bytes) {
        // Given
        String text = new String(bytes, StandardCharsets.UTF_8);

        // When / Then
        try {
            assertThat(Pem.privateKey(text, PLACE).getAlgorithm()).isNotBlank();
        } catch (IOException e) {
            assertThat(e.getMessage()).contains(PLACE);
        }
        try {
            assertThat(Pem.certificates(text, PLACE)).isNotEmpty();
        } catch (IOException e) {
            assertThat(e.getMessage()).contains(PLACE);
        }
    }
}
