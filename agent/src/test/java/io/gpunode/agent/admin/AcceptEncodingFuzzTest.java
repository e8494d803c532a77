package io.gpunode.agent.admin;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.nio.charset.StandardCharsets;
import java.util.Locale;

/** Whatever a request accepts, it gets gzip only when it names that or takes everything. */
class AcceptEncodingFuzzTest {
    @FuzzTest
    void anyTextSaysWhetherToCompress(byte[] bytes) {
        // Given
        String acceptEncoding = new String(bytes, StandardCharsets.ISO_8859_1);

        // When
        boolean preferred = Gzip.preferred(acceptEncoding);

        // Then
        if (preferred) {
            assertThat(acceptEncoding.toLowerCase(Locale.ROOT)).containsAnyOf("gzip", "*");
        }
    }
}
