package io.gpunode.nvml.session;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.gpunode.nvml.NvmlOpenException;
import io.gpunode.nvml.NvmlOpenException.Reason;
import io.gpunode.nvml.StubLibrary;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LibrarySearchTest {
    private final String triplet = Machine.current().triplet();

    @TempDir
    private Path root;

    @Test
    void triesTheDirectoriesInNvidiasOrder() {
        assertThat(LibrarySearch.candidates(Path.of("/run/nvidia/driver")).stream()
                        .filter(path -> !path.toString().contains("nvidia/current"))
                        .map(path -> path.toString().substring("/run/nvidia/driver/".length())))
                .containsExactly(
                        "usr/lib64/libnvidia-ml.so.1",
                        "usr/lib/" + triplet + "/libnvidia-ml.so.1",
                        "lib64/libnvidia-ml.so.1",
                        "lib/" + triplet + "/libnvidia-ml.so.1",
                        "usr/lib/libnvidia-ml.so.1",
                        "lib/libnvidia-ml.so.1",
                        "libnvidia-ml.so.1");
    }

    @Test
    void takesTheFirstThatFits() throws Exception {
        // Given
        put("lib64/libnvidia-ml.so.1");
        Path expected = put("usr/lib/" + triplet + "/libnvidia-ml.so.1");
        // When
        Path found = LibrarySearch.find(root);
        // Then
        assertThat(found).isEqualTo(expected);
    }

    @Test
    void passesOverALibraryOfAnotherMachine() throws Exception {
        // Given
        Path other = put("usr/lib64/libnvidia-ml.so.1");
        byte[] bytes = Files.readAllBytes(other);
        bytes[18] = (byte) 243;
        Files.write(other, bytes);
        Path expected = put("lib64/libnvidia-ml.so.1");
        // When
        Path found = LibrarySearch.find(root);
        // Then
        assertThat(found).isEqualTo(expected);
    }

    @Test
    void saysWhyWhenTheOnlyOneIsRefused() throws Exception {
        // Given
        Path empty = root.resolve("usr/lib64/libnvidia-ml.so.1");
        Files.createDirectories(empty.getParent());
        Files.createFile(empty);
        // When
        NvmlOpenException refusal = catchThrowableOfType(NvmlOpenException.class, () -> LibrarySearch.find(root));
        // Then
        assertThat(refusal.reason()).isEqualTo(Reason.NOT_A_LIBRARY);
        assertThat(refusal).hasMessageContaining(empty.toString());
    }

    @Test
    void saysWhereItLookedWhenThereIsNone() {
        // When
        NvmlOpenException refusal = catchThrowableOfType(NvmlOpenException.class, () -> LibrarySearch.find(root));
        // Then
        assertThat(refusal.reason()).isEqualTo(Reason.LIBRARY_NOT_FOUND);
        assertThat(refusal)
                .hasMessageContaining(root.toString())
                .hasMessageContaining("usr/lib64, usr/lib/" + triplet + ", lib64");
        assertThat(refusal.library()).isNull();
    }

    @Test
    void followsAbsoluteLinksInsideTheRoot() throws Exception {
        // Given: as Debian's alternatives do it
        Path real = put("usr/lib/" + triplet + "/nvidia/tesla/libnvidia-ml.so.535");
        Files.createDirectories(root.resolve("etc/alternatives"));
        Files.createSymbolicLink(
                root.resolve("etc/alternatives/ml"),
                Path.of("/usr/lib/" + triplet + "/nvidia/tesla/libnvidia-ml.so.535"));
        Files.createSymbolicLink(
                root.resolve("usr/lib/" + triplet + "/libnvidia-ml.so.1"), Path.of("/etc/alternatives/ml"));
        // When
        Path found = LibrarySearch.find(root);
        // Then
        assertThat(found).isEqualTo(real);
    }

    @Test
    void doesNotLeaveTheRootByClimbing() throws Exception {
        // Given
        Path real = put("lib64/libnvidia-ml.so.535");
        Files.createSymbolicLink(
                root.resolve("lib64/libnvidia-ml.so.1"), Path.of("../../../../../lib64/libnvidia-ml.so.535"));
        // When
        Path found = LibrarySearch.find(root);
        // Then
        assertThat(found).isEqualTo(real);
    }

    @Test
    void refusesLinksThatRunInACircle() throws Exception {
        // Given
        Files.createDirectories(root.resolve("lib64"));
        Files.createSymbolicLink(root.resolve("lib64/libnvidia-ml.so.1"), Path.of("/lib64/other"));
        Files.createSymbolicLink(root.resolve("lib64/other"), Path.of("/lib64/libnvidia-ml.so.1"));
        // When
        NvmlOpenException refusal = catchThrowableOfType(NvmlOpenException.class, () -> LibrarySearch.find(root));
        // Then
        assertThat(refusal.reason()).isIn(Reason.LIBRARY_NOT_FOUND, Reason.LIBRARY_NOT_READABLE);
    }

    private Path put(String path) throws Exception {
        Path target = root.resolve(path);
        Files.createDirectories(target.getParent());
        return StubLibrary.compile(Path.of("src/test/c/stub_nvml.c"), target);
    }
}
