package io.gpunode.agent.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.gpunode.agent.os.SystemHostFiles;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpRequest;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;

/** Any file is a kubeconfig or refused with its name; what is in one makes connections or is refused. */
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
            assertThat(HttpRequest.newBuilder(URI.create(access.server() + "/api/v1/nodes"))
                            .build()
                            .uri()
                            .getPort())
                    .isBetween(-1, 65_535);
            connectionsCanBeMadeOrAreRefused(access);
        } catch (AccessException e) {
            assertThat(e.getMessage()).contains("/config");
        }
    }

    private static void connectionsCanBeMadeOrAreRefused(ApiAccess access) {
        try {
            Tls tls = Tls.read(access);
            assertThat(tls.nodeName().orElse("node")).isNotBlank();
            assertThat(tls.context(access).getProtocol()).isEqualTo("TLS");
        } catch (IOException e) {
            assertThat(e.getMessage()).isNotBlank();
        }
    }
}
