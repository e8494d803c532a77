package io.gpunode.agent.cdi;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class LoaderCacheTest {
    @Test
    void theCacheOfThisMachineIsRead() throws IOException {
        // Given
        Path file = Path.of("/etc/ld.so.cache");
        assumeTrue(Files.isReadable(file), "this machine has no loader cache");
        int architecture = "aarch64".equals(System.getProperty("os.arch")) ? LoaderCache.ARM64 : LoaderCache.X86_64;

        // When
        LoaderCache cache = LoaderCache.parse(Files.readAllBytes(file), architecture);

        // Then
        assertThat(cache.entries())
                .anySatisfy(entry -> {
                    assertThat(entry.name()).isEqualTo("libc.so.6");
                    assertThat(Path.of(entry.path())).isRegularFile();
                })
                .allSatisfy(entry -> assertThat(entry.path()).startsWith("/").endsWith(entry.name()));
    }
}
