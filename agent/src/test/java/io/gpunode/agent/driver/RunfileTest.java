package io.gpunode.agent.driver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The head and the list of NVIDIA's {@code .run} file. */
@Timeout(20)
class RunfileTest {
    @TempDir
    Path directory;

    @Test
    void theHeadTellsWhatFollowsIt() throws Exception {
        // Given
        byte[] file = Runfiles.driver()
                .decompressor("line\nline".getBytes(StandardCharsets.US_ASCII))
                .bytes();

        // When
        RunfileHeader header = RunfileHeader.parse(file);

        // Then
        assertThat(header.version().text()).isEqualTo(Runfiles.VERSION);
        assertThat(header.machine()).isEqualTo("x86_64");
        assertThat(header.system()).isEqualTo("Linux");
        assertThat(header.unpackedKilobytes()).isEqualTo(64);
        assertThat(new String(file, header.decompressor(), header.decompressorSize(), StandardCharsets.US_ASCII))
                .isEqualTo("line\nline\n");
        assertThat(file[header.payload()]).isEqualTo((byte) 0x1f);
        PosixChecksum crc = new PosixChecksum();
        crc.update(file, header.checkedFrom(), file.length - header.checkedFrom());
        assertThat((int) crc.getValue()).isEqualTo(header.crc());
    }

    @Test
    void theChecksumIsThatOfCksum() throws Exception {
        // Given
        byte[] bytes = Runfiles.driver().bytes();
        Path file = Files.write(directory.resolve("file"), bytes);
        Process process = new ProcessBuilder(List.of("cksum", file.toString())).start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
        assertThat(process.waitFor(10, TimeUnit.SECONDS)).isTrue();
        PosixChecksum crc = new PosixChecksum();

        // When
        crc.update(bytes, 0, 7);
        crc.update(bytes, 7, bytes.length - 7);

        // Then
        assertThat(said).startsWith(crc.getValue() + " " + bytes.length + " ");
    }

    @ParameterizedTest
    @CsvSource({
        "version_string=,is no driver version",
        "skip=,missing or has no number",
        "skip=99999999,missing or has no number",
        "skip=900000,its archive would begin at line 900000",
        "skip=2,its archive would begin at line 2",
        "CRCsum=,is no checksum",
        "MD5=,is no MD5"
    })
    void aHeadThatDoesNotFitIsRefused(String line, String said) throws Exception {
        // Given
        String name = line.substring(0, line.indexOf('=') + 1);
        String text = new String(Runfiles.driver().bytes(), StandardCharsets.ISO_8859_1);
        byte[] broken = text.replaceFirst("(?m)^" + name + ".*$", line).getBytes(StandardCharsets.ISO_8859_1);

        // When
        assertThatThrownBy(() -> RunfileHeader.parse(broken))
                // Then
                .isInstanceOf(DamagedArchiveException.class)
                .hasMessageContaining(said);
    }

    @Test
    void aHeadThatIsCutShortIsRefused() throws Exception {
        // Given
        byte[] cut = Arrays.copyOf(Runfiles.driver().bytes(), 400);

        // When
        assertThatThrownBy(() -> RunfileHeader.parse(cut))
                // Then
                .isInstanceOf(DamagedArchiveException.class);
    }

    @Test
    void whatIsNoScriptIsNoRunfile() {
        // When
        assertThatThrownBy(() -> RunfileHeader.parse("PK\3\4".getBytes(StandardCharsets.US_ASCII)))
                // Then
                .isInstanceOf(DamagedArchiveException.class)
                .hasMessageContaining("does not begin with a script");
    }

    @Test
    void eachKindOfFileHasItsPlace() throws Exception {
        // Given
        String manifest = Runfiles.driver()
                .file("libnvidia-tls.so.1", "0755", "TLS_LIB NATIVE CLASSIC / MODULE:opengl", "x")
                .file("tls/libnvidia-tls.so.1", "0755", "TLS_LIB NATIVE NEW tls/ MODULE:opengl", "x")
                .file("libGL.so.1.7.0", "0755", "GLX_CLIENT_LIB NATIVE GLVND MODULE:opengl", "x")
                .link("libGL.so.1", "GLX_CLIENT_SYMLINK NATIVE libGL.so.old NON_GLVND MODULE:opengl")
                .link("libGL.so.1", "GLX_CLIENT_SYMLINK NATIVE libGL.so.1.7.0 GLVND MODULE:opengl")
                .link("nvidia-drm_gbm.so", "GBM_BACKEND_LIB_SYMLINK NATIVE libnvidia-allocator.so.1 MODULE:opengl")
                .file("libvdpau_nvidia.so.1", "0755", "VDPAU_LIB NATIVE vdpau/ MODULE:vdpau", "x")
                .file("nvidia.icd", "0644", "CUDA_ICD MODULE:gpgpu", "x")
                .file("nvidia_icd.json", "0644", "VULKAN_ICD_JSON icd.d/ MODULE:opengl", "x")
                .file("new.thing", "0644", "QUANTUM_LIB NATIVE / MODULE:future", "x")
                .manifestText();

        // When
        RunfileManifest read = RunfileManifest.parse(manifest, "x86_64");

        // Then
        String libraries = "usr/lib/x86_64-linux-gnu/";
        assertThat(read.places())
                .containsEntry("libnvidia-tls.so.1", libraries + "libnvidia-tls.so.1")
                .doesNotContainKey("tls/libnvidia-tls.so.1")
                .containsEntry("libvdpau_nvidia.so.1", libraries + "vdpau/libvdpau_nvidia.so.1")
                .containsEntry("nvidia.icd", "etc/OpenCL/vendors/nvidia.icd")
                .containsEntry("nvidia_icd.json", "etc/vulkan/icd.d/nvidia_icd.json")
                .containsEntry("firmware/gsp_ga10x.bin", "lib/firmware/nvidia/" + Runfiles.VERSION + "/gsp_ga10x.bin");
        assertThat(read.links())
                .containsEntry(libraries + "libGL.so.1", "libGL.so.1.7.0")
                .containsEntry(libraries + "gbm/nvidia-drm_gbm.so", "../libnvidia-allocator.so.1");
        assertThat(read.leftOut()).containsEntry("DOCUMENTATION", 1);
        assertThat(read.unknown()).isEqualTo(Map.of("QUANTUM_LIB", 1));
    }

    @ParameterizedTest
    @CsvSource({
        "libx.so,has fewer than three words",
        "libx.so 0755 CUDA_LIB,too few words",
        "libx.so 0755 CUDA_LIB BOTH / MODULE:x,where NATIVE or COMPAT32 belongs",
        "/etc/libx.so 0755 UTILITY_LIB NATIVE MODULE:x,is absolute",
        "../libx.so 0755 UTILITY_LIB NATIVE MODULE:x,has \"..\"",
        "libx.so 0755 CUDA_LIB NATIVE ../../../.. MODULE:x,has \"..\"",
        "libx.so 0000 UTILITY_LIB_SYMLINK NATIVE /etc/shadow MODULE:x,is absolute",
        "libx.so 0000 UTILITY_LIB_SYMLINK NATIVE ../../../../x MODULE:x,leads out",
        "x.bin 0644 FIRMWARE INHERIT_PATH_DEPTH:3 MODULE:x,greater depth",
        "x.bin 0644 FIRMWARE INHERIT_PATH_DEPTH:x MODULE:x,has the depth",
        "x.bin 0644 FIRMWARE MODULE:x,is firmware without"
    })
    void aLineThatLeadsOutOrIsNoneIsRefused(String line, String said) {
        // Given
        String manifest = Runfiles.driver().line(line).manifestText();

        // When
        assertThatThrownBy(() -> RunfileManifest.parse(manifest, "x86_64"))
                // Then
                .isInstanceOf(DamagedArchiveException.class)
                .hasMessageContaining("of its .manifest")
                .hasMessageContaining(said);
    }
}
