package io.gpunode.agent.os;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NvidiaNodesTest {
    @TempDir
    Path root;

    private void write(String hostPath, String text) throws IOException {
        Path file = root.resolve(hostPath.substring(1));
        Files.createDirectories(file.getParent());
        Files.writeString(file, text);
    }

    private void gpu(String address, int minor) throws IOException {
        write(
                "/proc/driver/nvidia/gpus/" + address + "/information",
                "Model: \t\t NVIDIA H100 80GB HBM3\nDevice Minor: \t " + minor + "\nGPU Excluded:\t No\n");
    }

    private void capability(String path, int minor, int mode) throws IOException {
        write(path, "DeviceFileMinor: " + minor + "\nDeviceFileMode: " + mode + "\nDeviceFileModify: 1\n");
    }

    /** {@code /dev/x 195:0 666}. */
    private List<String> wanted() throws IOException {
        return new NvidiaNodes(new SystemHostFiles(root))
                .wanted().stream()
                        .map(node -> String.format(
                                Locale.ROOT,
                                "%s %d:%d %o",
                                node.path(),
                                node.device().major(),
                                node.device().minor(),
                                node.device().mode()))
                        .toList();
    }

    @Test
    void everyLoadedModuleHasItsNodes() throws IOException {
        // Given
        write("/proc/devices", """
                Character devices:
                195 nvidia
                195 nvidia-modeset
                195 nvidiactl
                234 nvidia-nvswitch
                235 nvidia-nvlink
                236 nvidia-caps
                237 nvidia-caps-imex-channels
                510 nvidia-uvm
                """);
        write(
                "/proc/driver/nvidia/params",
                "DeviceFileUID: 0\nDeviceFileGID: 0\nDeviceFileMode: 438\nCreateImexChannel0: 1\n");
        gpu("0000:18:00.0", 0);
        gpu("0000:2a:00.0", 1);
        write("/proc/driver/nvidia-nvswitch/permissions", "DeviceFileMode: 438\n");
        write("/proc/driver/nvidia-nvswitch/devices/0000:07:00.0/information", "BIOS Version: N/A\n");
        write("/proc/driver/nvidia-nvswitch/devices/0000:08:00.0/information", "BIOS Version: N/A\n");
        capability("/proc/driver/nvidia/capabilities/mig/config", 1, 256);
        capability("/proc/driver/nvidia/capabilities/mig/monitor", 2, 292);
        capability("/proc/driver/nvidia/capabilities/gpu0/mig/gi1/access", 12, 292);
        capability("/proc/driver/nvidia/capabilities/gpu0/mig/gi1/ci0/access", 13, 292);
        capability("/proc/driver/nvidia-nvlink/capabilities/fabric-mgmt", 0, 256);

        // When
        List<String> wanted = wanted();

        // Then
        assertThat(wanted)
                .containsExactlyInAnyOrder(
                        "/dev/nvidiactl 195:255 666",
                        "/dev/nvidia0 195:0 666",
                        "/dev/nvidia1 195:1 666",
                        "/dev/nvidia-modeset 195:254 666",
                        "/dev/nvidia-uvm 510:0 666",
                        "/dev/nvidia-uvm-tools 510:1 666",
                        "/dev/nvidia-nvswitchctl 234:255 666",
                        "/dev/nvidia-nvswitch0 234:0 666",
                        "/dev/nvidia-nvswitch1 234:1 666",
                        "/dev/nvidia-nvlink 235:0 666",
                        "/dev/nvidia-caps/nvidia-cap0 236:0 400",
                        "/dev/nvidia-caps/nvidia-cap1 236:1 400",
                        "/dev/nvidia-caps/nvidia-cap2 236:2 444",
                        "/dev/nvidia-caps/nvidia-cap12 236:12 444",
                        "/dev/nvidia-caps/nvidia-cap13 236:13 444",
                        "/dev/nvidia-caps-imex-channels/channel0 237:0 666");
    }

    @Test
    void anOlderBranchHasOneMajorForItsModules() throws IOException {
        // Given
        write("/proc/devices", "Character devices:\n195 nvidia-frontend\n");
        Files.createDirectories(root.resolve("sys/module/nvidia_modeset"));
        gpu("0000:18:00.0", 0);

        // When
        List<String> wanted = wanted();

        // Then
        assertThat(wanted)
                .containsExactly(
                        "/dev/nvidiactl 195:255 666", "/dev/nvidia0 195:0 666", "/dev/nvidia-modeset 195:254 666");
    }

    @Test
    void nothingIsWantedOfADriverThatIsNotLoaded() throws IOException {
        // Given
        write("/proc/devices", "Character devices:\n  1 mem\n\nBlock devices:\n195 nvidia\n");

        // When
        List<String> wanted = wanted();

        // Then
        assertThat(wanted).isEmpty();
    }

    @Test
    void whatHasANameOfTheDriversIsItsOwnAndNothingElse() throws IOException {
        // Given
        for (String name : List.of(
                "nvidia0",
                "nvidiactl",
                "nvidia-uvm",
                "nvidia-nvswitch3",
                "nvidia-caps/nvidia-cap1",
                "nvidia-vgpu1",
                "nvidia0.bak",
                "nvme0")) {
            write("/dev/" + name, "");
        }

        // When
        List<Path> present = new NvidiaNodes(new SystemHostFiles(root)).present();

        // Then
        assertThat(present)
                .containsExactly(
                        Path.of("/dev/nvidia-nvswitch3"),
                        Path.of("/dev/nvidia-uvm"),
                        Path.of("/dev/nvidia0"),
                        Path.of("/dev/nvidiactl"),
                        Path.of("/dev/nvidia-caps/nvidia-cap1"));
    }
}
