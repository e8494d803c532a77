package io.gpunode.agent.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.gpunode.agent.os.SystemHostFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;

/** Any file is a kubeconfig or refused with its name. */
class KubeconfigFuzzTest {
    @TempDir
    Path root;

    @FuzzTest
    void anyFileIsAKubeconfigOrRefused(byte[] bytes) throws IOException {
        // Given
        Files.write(root.resolve("config"), bytes);

        // When
        try {
            ApiAccess access = Kubeconfig.read(new SystemHostFiles(root), Path.of("/config"), "the file")
                    .orElseThrow();

            // Then
            assertThat(access.server().getHost()).isNotBlank();
        } catch (AccessException e) {
            assertThat(e.getMessage()).contains("/config");
        }
    }
}
