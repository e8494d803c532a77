package io.gpunode.agent.cdi;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.cdi.ContainerEdits.Mount;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.testing.ElfFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Files are looked for, then asked about as the mounts that a container without hooks is given. */
class DriverFilesFinderTest {
    private static final String VERSION = "580.65.06";
    private static final String TRIPLET = HostTree.TRIPLET;

    @TempDir
    Path root;

    private DriverFiles find(String driverRoot, String... featureFlags) throws IOException {
        return new DriverFilesFinder(HostTree.at(root).files(), Path.of(driverRoot), List.of(), Set.of(featureFlags))
                .find(VERSION);
    }

    private static List<Mount> mounts(DriverFiles files) {
        return HookFreeEdits.common(files, List.of()).mounts();
    }

    private static List<String> places(DriverFiles files) {
        return mounts(files).stream()
                .map(mount -> mount.containerPath().toString())
                .toList();
    }

    /** What on the host is mounted at a place. */
    private static Optional<String> source(DriverFiles files, String place) {
        return mounts(files).stream()
                .filter(mount -> mount.containerPath().equals(Path.of(place)))
                .map(mount -> mount.hostPath().toString())
                .findFirst();
    }

    @Test
    void everyVersionedLibraryIsMountedUnderEachNameThatIsLookedFor() throws IOException {
        // Given
        HostTree.at(root).withDriver("", VERSION);

        // When
        DriverFiles files = find("/");

        // Then
        assertThat(places(files))
                .contains(
                        TRIPLET + "/libcuda.so." + VERSION,
                        TRIPLET + "/libcuda.so.1",
                        TRIPLET + "/libcuda.so",
                        TRIPLET + "/libnvidia-somethingnew.so.7",
                        TRIPLET + "/libnvidia-encode.so",
                        TRIPLET + "/libGLX_indirect.so.0",
                        TRIPLET + "/vdpau/libvdpau_nvidia.so.1",
                        "/usr/bin/nvidia-smi",
                        "/lib/firmware/nvidia/" + VERSION + "/gsp_ga10x.bin",
                        "/usr/share/glvnd/egl_vendor.d/10_nvidia.json",
                        "/etc/vulkan/icd.d/nvidia_icd.json",
                        "/run/nvidia-persistenced/socket")
                .doesNotContain(TRIPLET + "/libother.so.1", TRIPLET + "/libnvidia-ml.so")
                .doesNotHaveDuplicates();
    }

    @Test
    void imagesOfTheOtherFamilyGetTheNamesThatTheirLoaderLooksFor() throws IOException {
        // Given
        HostTree.at(root).withDriver("", VERSION);

        // When
        DriverFiles files = find("/");

        // Then
        assertThat(places(files))
                .contains(
                        "/usr/lib64/libcuda.so.1",
                        "/usr/lib64/libnvidia-ml.so.1",
                        "/usr/lib64/vdpau/libvdpau_nvidia.so.1",
                        "/usr/lib64/libnvidia-glcore.so." + VERSION)
                .doesNotContain("/usr/lib64/libcuda.so." + VERSION);
    }

    @Test
    void librariesInAFolderOfTheDriversOwnGetTheirNamesWhereLoadersLook() throws IOException {
        // Given: Debian's layout, with a part of the libraries one folder up
        HostTree.at(root)
                .library(TRIPLET + "/nvidia/current/libcuda.so." + VERSION, "libcuda.so.1")
                .library(TRIPLET + "/libnvidia-glcore.so." + VERSION, "libnvidia-glcore.so." + VERSION)
                .library(TRIPLET + "/libnvidia-egl-wayland.so.1.1.13", "libnvidia-egl-wayland.so.1")
                .library(TRIPLET + "/libnvidia-allocator.so." + VERSION, "libnvidia-allocator.so.1")
                .link(TRIPLET + "/libnvidia-allocator.so.1", "libnvidia-allocator.so." + VERSION)
                .link(TRIPLET + "/gbm/nvidia-drm_gbm.so", "../libnvidia-allocator.so.1");

        // When
        DriverFiles files = find("/");

        // Then
        assertThat(files.problem()).isEmpty();
        assertThat(source(files, TRIPLET + "/libcuda.so.1"))
                .hasValue(TRIPLET + "/nvidia/current/libcuda.so." + VERSION);
        assertThat(source(files, TRIPLET + "/libnvidia-egl-wayland.so.1"))
                .hasValue(TRIPLET + "/libnvidia-egl-wayland.so.1.1.13");
        assertThat(source(files, "/usr/lib64/gbm/nvidia-drm_gbm.so"))
                .hasValue(TRIPLET + "/libnvidia-allocator.so." + VERSION);
        assertThat(places(files)).contains(TRIPLET + "/libnvidia-glcore.so." + VERSION);
    }

    @Test
    void aDirectoryThatOnlyTheLoadersCacheNamesIsFound() throws IOException {
        // Given
        HostTree.at(root)
                .library("/opt/driver/lib/libcuda.so." + VERSION, "libcuda.so.1")
                .write("/etc/ld.so.cache", cache("libcuda.so.1", "/opt/driver/lib/libcuda.so.1"));

        // When
        DriverFiles files = find("/");

        // Then
        assertThat(files.libraryDirectories()).containsExactly(Path.of("/opt/driver/lib"));
        assertThat(source(files, "/usr/lib64/libcuda.so.1")).hasValue("/opt/driver/lib/libcuda.so." + VERSION);
    }

    @Test
    void aDamagedLoadersCacheDoesNotStandInTheWay() throws IOException {
        // Given
        HostTree.at(root).withDriver("", VERSION).write("/etc/ld.so.cache", "no cache");

        // When
        DriverFiles files = find("/");

        // Then
        assertThat(files.problem()).isEmpty();
        assertThat(places(files)).contains("/usr/lib64/libcuda.so.1");
    }

    @Test
    void aLoadersCacheOfAnUnlikelyLengthIsNotTakenIntoMemory() throws IOException {
        // Given
        byte[] cache = cache("libcuda.so.1", "/opt/driver/lib/libcuda.so.1");
        HostTree.at(root)
                .library("/opt/driver/lib/libcuda.so." + VERSION, "libcuda.so.1")
                .write("/etc/ld.so.cache", Arrays.copyOf(cache, (2 << 20) + 1));

        // When
        DriverFiles files = find("/");

        // Then
        assertThat(files.libraryDirectories()).isEmpty();
    }

    @Test
    void aPlaceThatCouldNotBeLookedAtIsSaidWithTheLibraryThatIsMissing() throws IOException {
        // Given
        HostTree.at(root).with("/usr/lib64");

        // When
        DriverFiles files = find("/");

        // Then
        assertThat(files.problem())
                .contains("there is no libcuda.so." + VERSION)
                .contains("/usr/lib64 cannot be read");
    }

    @Test
    void aDirectoryFromTheSettingsIsLookedAt() throws IOException {
        // Given: a link into a store, as on NixOS
        HostTree host = HostTree.at(root)
                .library("/nix/store/abc-nvidia/lib/libcuda.so." + VERSION, "libcuda.so.1")
                .link("/run/opengl-driver/lib", "/nix/store/abc-nvidia/lib");

        // When
        DriverFiles files = new DriverFilesFinder(
                        host.files(), Path.of("/"), List.of(Path.of("/run/opengl-driver/lib")), Set.of())
                .find(VERSION);

        // Then
        assertThat(source(files, TRIPLET + "/libcuda.so.1"))
                .hasValue("/nix/store/abc-nvidia/lib/libcuda.so." + VERSION);
    }

    @Test
    void the32BitTwinOfALibraryIsNotMistakenForIt() throws IOException {
        // Given
        HostTree.at(root)
                .write("/usr/lib/libcuda.so." + VERSION, ElfFile.of32Bits("libcuda.so.1"))
                .library("/usr/lib64/libcuda.so." + VERSION, "libcuda.so.1");

        // When
        DriverFiles files = find("/");

        // Then
        assertThat(source(files, TRIPLET + "/libcuda.so.1")).hasValue("/usr/lib64/libcuda.so." + VERSION);
        assertThat(places(files)).doesNotContain("/usr/lib/libcuda.so." + VERSION);
    }

    @Test
    void aMergedUsrIsReadOnceAlsoUnderTheRealRoot() throws IOException {
        // Given
        HostTree.at(root).library("/usr/lib64/libcuda.so." + VERSION, "libcuda.so.1");
        Files.createSymbolicLink(root.resolve("lib64"), Path.of("usr/lib64"));

        // When
        DriverFiles files =
                new DriverFilesFinder(new SystemHostFiles(Path.of("/")), root, List.of(), Set.of()).find(VERSION);

        // Then
        assertThat(files.libraryDirectories()).containsExactly(Path.of("/usr/lib64"));
        assertThat(places(files)).noneMatch(path -> path.startsWith("/lib64"));
    }

    @Test
    void aDriverRootIsCutOffInTheContainerAndItsLinksStayWithinIt() throws IOException {
        // Given: a program that is an absolute link, as Debian's alternatives make it
        HostTree.at(root)
                .withDriver("/run/nvidia/driver", VERSION)
                .with("/run/nvidia/driver/usr/lib/nvidia/current/nvidia-debugdump")
                .link(
                        "/run/nvidia/driver/etc/alternatives/nvidia-debugdump",
                        "/usr/lib/nvidia/current/nvidia-debugdump")
                .link("/run/nvidia/driver/usr/bin/nvidia-debugdump", "/etc/alternatives/nvidia-debugdump");

        // When
        DriverFiles files = find("/run/nvidia/driver");

        // Then
        assertThat(source(files, TRIPLET + "/libcuda.so.1"))
                .hasValue("/run/nvidia/driver" + TRIPLET + "/libcuda.so." + VERSION);
        assertThat(source(files, "/usr/bin/nvidia-debugdump"))
                .hasValue("/run/nvidia/driver/usr/lib/nvidia/current/nvidia-debugdump");
    }

    @Test
    void librariesOfAnotherVersionAreAProblemThatNamesBoth() throws IOException {
        // Given
        HostTree.at(root).withDriver("", "550.163.01");

        // When
        DriverFiles files = find("/");

        // Then
        assertThat(files.problem())
                .contains("the loaded driver is " + VERSION)
                .contains("550.163.01 (" + TRIPLET + ")")
                .contains("restart the node");
        assertThat(mounts(files)).isEmpty();
    }

    @Test
    void noLibrariesAtAllAreAProblemThatNamesTheSettings() throws IOException {
        // Given
        HostTree.at(root).with("/usr/bin/nvidia-smi");

        // When
        DriverFiles files = find("/");

        // Then
        assertThat(files.problem())
                .contains("libcuda.so." + VERSION)
                .contains("flags.nvidiaDriverRoot")
                .contains("cdi.librarySearchPaths");
    }

    @Test
    void vendorNeutralLibrariesComeWhenTheyAreAskedFor() throws IOException {
        // Given
        HostTree.at(root)
                .withDriver("", VERSION)
                .library(TRIPLET + "/libEGL.so.1.1.0", "libEGL.so.1")
                .link(TRIPLET + "/libEGL.so.1", "libEGL.so.1.1.0");
        assertThat(places(find("/"))).doesNotContain(TRIPLET + "/libEGL.so.1");

        // When
        DriverFiles files = find("/", "enable-explicit-driver-libraries");

        // Then
        assertThat(source(files, "/usr/lib64/libEGL.so.1")).hasValue(TRIPLET + "/libEGL.so.1.1.0");
    }

    @Test
    void socketsAreLeftOutForRuntimesThatCannotTakeThem() throws IOException {
        // Given
        HostTree.at(root).withDriver("", VERSION);
        assertThat(places(find("/"))).contains("/run/nvidia-persistenced/socket");

        // When
        DriverFiles files = find("/", "disable-ipc-discoverer");

        // Then
        assertThat(files.sockets()).isEmpty();
    }

    @Test
    void whatAnyUserOfTheHostCanPutThereIsNotMounted() throws IOException {
        // Given: the place where a daemon of MPS has its pipes unless it is told otherwise
        HostTree.at(root).withDriver("", VERSION).with("/tmp/nvidia-mps/control");

        // When
        DriverFiles files = find("/");

        // Then
        assertThat(places(files)).isNotEmpty().noneMatch(place -> place.startsWith("/tmp"));
    }

    @Test
    void firmwareIsTakenFromTheFirstPlaceInTheKernelsOrder() throws IOException {
        // Given
        HostTree.at(root)
                .withDriver("", VERSION)
                .write("/sys/module/firmware_class/parameters/path", "/opt/firmware\n")
                .with("/opt/firmware/nvidia/" + VERSION + "/gsp_ga10x.bin");

        // When
        DriverFiles files = find("/");

        // Then
        assertThat(source(files, "/lib/firmware/nvidia/" + VERSION + "/gsp_ga10x.bin"))
                .hasValue("/opt/firmware/nvidia/" + VERSION + "/gsp_ga10x.bin");
    }

    private static byte[] cache(String name, String path) {
        byte[] strings = (name + "\0" + path + "\0").getBytes(StandardCharsets.US_ASCII);
        ByteBuffer cache = ByteBuffer.allocate(48 + 24 + strings.length).order(ByteOrder.LITTLE_ENDIAN);
        cache.put("glibc-ld.so.cache1.1".getBytes(StandardCharsets.US_ASCII))
                .putInt(1)
                .putInt(strings.length);
        int flags = "aarch64".equals(System.getProperty("os.arch")) ? LoaderCache.ARM64 : LoaderCache.X86_64;
        cache.position(48).putInt(flags | 3).putInt(48 + 24).putInt(48 + 24 + name.length() + 1);
        cache.position(48 + 24).put(strings);
        return cache.array();
    }
}
