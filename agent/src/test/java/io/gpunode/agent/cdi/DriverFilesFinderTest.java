package io.gpunode.agent.cdi;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.os.SystemHostFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DriverFilesFinderTest {
    private static final String VERSION = "580.65.06";

    @TempDir
    Path root;

    private DriverFiles find(String driverRoot) throws IOException {
        return new DriverFilesFinder(HostTree.at(root).files(), Path.of(driverRoot)).find(VERSION);
    }

    private static List<String> containerPaths(DriverFiles files) {
        return files.mounts().stream()
                .map(mount -> mount.containerPath().toString())
                .toList();
    }

    @Test
    void everyVersionedLibraryIsMountedUnderEachNameThatIsLookedFor() throws IOException {
        // Given
        HostTree.at(root).withDriver("", VERSION);

        // When
        DriverFiles files = find("/");

        // Then
        assertThat(containerPaths(files))
                .contains(
                        "/usr/lib/x86_64-linux-gnu/libcuda.so." + VERSION,
                        "/usr/lib/x86_64-linux-gnu/libcuda.so.1",
                        "/usr/lib/x86_64-linux-gnu/libcuda.so",
                        "/usr/lib/x86_64-linux-gnu/libnvidia-somethingnew.so.7",
                        "/usr/lib/x86_64-linux-gnu/vdpau/libvdpau_nvidia.so.1",
                        "/usr/bin/nvidia-smi",
                        "/lib/firmware/nvidia/" + VERSION + "/gsp_ga10x.bin",
                        "/usr/share/glvnd/egl_vendor.d/10_nvidia.json",
                        "/etc/vulkan/icd.d/nvidia_icd.json")
                .doesNotContain("/usr/lib/x86_64-linux-gnu/libother.so.1")
                .isSorted();
        assertThat(files.sockets())
                .containsExactly(new DriverFiles.Mount(
                        Path.of("/run/nvidia-persistenced/socket"), Path.of("/run/nvidia-persistenced/socket")));
    }

    @Test
    void imagesOfTheOtherFamilyGetTheNamesThatTheirLoaderLooksFor() throws IOException {
        // Given
        HostTree.at(root).withDriver("", VERSION);

        // When
        DriverFiles files = find("/");

        // Then
        assertThat(containerPaths(files))
                .contains(
                        "/usr/lib64/libcuda.so.1",
                        "/usr/lib64/libnvidia-ml.so.1",
                        "/usr/lib64/libnvidia-glcore.so." + VERSION)
                .doesNotContain("/usr/lib64/libcuda.so." + VERSION);
    }

    @Test
    void librariesInAFolderOfTheDriversOwnGetTheirNamesWhereLoadersLook() throws IOException {
        // Given: Debian's layout, with a part of the libraries one folder up
        String triplet = "/usr/lib/x86_64-linux-gnu";
        HostTree.at(root)
                .with(
                        triplet + "/nvidia/current/libcuda.so." + VERSION,
                        triplet + "/libnvidia-glcore.so." + VERSION,
                        triplet + "/libnvidia-egl-wayland.so.1.1.13",
                        triplet + "/gbm/nvidia-drm_gbm.so");

        // When
        DriverFiles files = find("/");

        // Then
        assertThat(files.problems()).isEmpty();
        assertThat(files.mounts())
                .contains(
                        new DriverFiles.Mount(
                                Path.of(triplet + "/nvidia/current/libcuda.so." + VERSION),
                                Path.of(triplet + "/libcuda.so.1")),
                        new DriverFiles.Mount(
                                Path.of(triplet + "/libnvidia-egl-wayland.so.1.1.13"),
                                Path.of(triplet + "/libnvidia-egl-wayland.so.1")));
        assertThat(containerPaths(files))
                .contains(triplet + "/libnvidia-glcore.so." + VERSION, triplet + "/gbm/nvidia-drm_gbm.so");
    }

    @Test
    void aMergedUsrIsReadOnceAlsoUnderTheRealRoot() throws IOException {
        // Given
        HostTree.at(root).with("/usr/lib64/libcuda.so." + VERSION);
        Files.createSymbolicLink(root.resolve("lib64"), Path.of("usr/lib64"));

        // When: the host's root is /, where links are the kernel's business
        DriverFiles files = new DriverFilesFinder(new SystemHostFiles(Path.of("/")), root).find(VERSION);

        // Then
        assertThat(files.libraryDirectories()).containsExactly(Path.of("/usr/lib64"));
        assertThat(containerPaths(files)).noneMatch(path -> path.startsWith("/lib64"));
    }

    @Test
    void aDriverRootIsCutOffInTheContainer() throws IOException {
        // Given
        HostTree.at(root).withDriver("/run/nvidia/driver", VERSION);

        // When
        DriverFiles files = find("/run/nvidia/driver");

        // Then
        assertThat(files.mounts())
                .contains(new DriverFiles.Mount(
                        Path.of("/run/nvidia/driver/usr/lib/x86_64-linux-gnu/libcuda.so." + VERSION),
                        Path.of("/usr/lib/x86_64-linux-gnu/libcuda.so.1")));
    }

    @Test
    void librariesOfAnotherVersionAreAProblemThatNamesTheSetting() throws IOException {
        // Given
        HostTree.at(root).withDriver("", "550.163.01");

        // When
        DriverFiles files = find("/");

        // Then
        assertThat(files.problems())
                .singleElement()
                .asString()
                .contains("libcuda.so." + VERSION)
                .contains("flags.nvidiaDriverRoot");
        assertThat(containerPaths(files)).noneMatch(path -> path.contains("libcuda"));
    }
}
