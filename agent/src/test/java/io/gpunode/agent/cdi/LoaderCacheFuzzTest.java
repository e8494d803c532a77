package io.gpunode.agent.cdi;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;

/** Any bytes are a loader cache or refused with a reason. */
class LoaderCacheFuzzTest {
    @FuzzTest
    void anyFileIsACacheOrRefused(byte[] bytes) {
        // When
        LoaderCache cache;
        try {
            cache = LoaderCache.parse(bytes, LoaderCache.X86_64);
        } catch (IOException e) {
            assertThat(e.getMessage()).isNotBlank();
            return;
        }

        // Then
        assertThat(cache.entries()).hasSizeLessThanOrEqualTo(bytes.length).allSatisfy(entry -> {
            assertThat(entry.name()).doesNotContain("\0");
            assertThat(entry.path()).doesNotContain("\0");
        });
    }
}
