package io.gpunode.agent.driver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.gpunode.agent.os.SystemHostFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ValidatorFilesTest {
    @TempDir
    Path root;

    private Path file(String name) {
        return root.resolve("run/nvidia/validations").resolve(name);
    }

    private ValidatorFiles files() {
        return new ValidatorFiles(new SystemHostFiles(root));
    }

    @Test
    void aShellReadsWhereTheDriverIs() throws IOException {
        // When
        files().ready(DriverRoot.POINT, Path.of("/"), Set.of("nvidia"));

        // Then
        assertThat(file("driver-ready")).hasContent("""
                IS_HOST_DRIVER=false
                NVIDIA_DRIVER_ROOT=/run/nvidia/driver
                DRIVER_ROOT_CTR_PATH=/driver-root
                NVIDIA_DEV_ROOT=/
                DEV_ROOT_CTR_PATH=/host
                """);
    }

    @Test
    void aDriverOfTheHostIsFoundUnderTheHostsRoot() throws IOException {
        // When
        files().ready(Path.of("/"), Path.of("/"), Set.of("nvidia"));

        // Then
        assertThat(file("driver-ready")).hasContent("""
                IS_HOST_DRIVER=true
                NVIDIA_DRIVER_ROOT=/
                DRIVER_ROOT_CTR_PATH=/host
                NVIDIA_DEV_ROOT=/
                DEV_ROOT_CTR_PATH=/host
                """);
    }

    @Test
    void whatIsLoadedBesideTheDriverIsToldToTheValidator() throws IOException {
        // When
        files().ready(DriverRoot.POINT, DriverRoot.POINT, Set.of("nvidia", "nvidia_fs", "nvidia_peermem"));

        // Then
        assertThat(file(".driver-ctr-ready")).hasContent("""
                GDRCOPY_ENABLED: false
                GDS_ENABLED: true
                GPU_DIRECT_RDMA_ENABLED: true
                """);
        assertThat(file(".driver-daemons-status")).hasContent("Ready\n");
    }

    @Test
    void nothingSaysThatTheDriverIsReadyWhileItsDaemonsStart() throws IOException {
        // When
        files().starting();

        // Then
        assertThat(file("")).isDirectoryNotContaining("glob:**ready");
        assertThat(file(".driver-daemons-status")).hasContent("NotReady\n");
    }

    @Test
    void whatRestsOnTheDriverGoesWithItAndOthersFilesStay() throws IOException {
        // Given
        files().ready(DriverRoot.POINT, Path.of("/"), Set.of());
        Files.writeString(file("toolkit-ready"), "");
        Files.writeString(file("plugin-ready"), "");
        Files.writeString(file("mofed-ready"), "");
        Files.writeString(file("workload-type"), "container");

        // When
        files().withdraw();

        // Then
        try (Stream<Path> left = Files.list(file(""))) {
            assertThat(left.map(path -> path.getFileName().toString()))
                    .containsExactlyInAnyOrder("mofed-ready", "workload-type");
        }
    }

    @Test
    void oneFileThatStaysDoesNotKeepTheOthers() throws IOException {
        // Given
        files().ready(DriverRoot.POINT, Path.of("/"), Set.of());
        Files.createDirectories(file("cuda-ready/not-empty"));

        // When
        assertThatThrownBy(() -> files().withdraw())
                // Then
                .isInstanceOf(IOException.class)
                .hasMessageContaining("cuda-ready");
        assertThat(file("driver-ready")).doesNotExist();
    }
}
