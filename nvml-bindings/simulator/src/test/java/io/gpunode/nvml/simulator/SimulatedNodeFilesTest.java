package io.gpunode.nvml.simulator;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(30)
class SimulatedNodeFilesTest {
    @TempDir
    Path root;

    @Test
    void nodeOfAProfileHasItsPciDevicesNodesAndDriverFiles() throws Exception {
        // When
        SimulatedNodeFiles files = SimulatedNodeFiles.create(root, "8xh100");
        // Then
        assertThat(root.resolve("sys/bus/pci/devices/0000:9d:00.0/numa_node")).hasContent("1");
        assertThat(root.resolve("sys/bus/pci/devices/0000:9d:00.0/device")).hasContent("0x2330");
        assertThat(Files.readAllBytes(root.resolve("sys/bus/pci/devices/0000:9d:00.0/config")))
                .hasSize(256)
                .startsWith(0xde, 0x10, 0x30, 0x23);
        assertThat(root.resolve("proc/driver/nvidia/gpus/0000:9d:00.0/information"))
                .content()
                .contains("NVIDIA H100 80GB HBM3", "Device Minor: \t 4");
        for (String node :
                new String[] {"nvidia0", "nvidia7", "nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset"}) {
            assertThat(root.resolve("dev").resolve(node)).exists();
        }
        Path libraries = SimulatedDriver.libraryDirectory(files.driverRoot());
        assertThat(libraries.resolve("libcuda.so.580.95.05")).exists();
        assertThat(Files.readSymbolicLink(libraries.resolve("libcuda.so.1"))).hasToString("libcuda.so.580.95.05");
        assertThat(root.resolve("usr/bin/nvidia-smi")).isExecutable();
    }

    @Test
    void migInstancesHaveTheirCapabilityFilesAndNodes() {
        // When
        SimulatedNodeFiles.create(root, "8xa100-80gb-mig");
        // Then
        assertThat(root.resolve("proc/driver/nvidia/capabilities/gpu0/mig/gi7/ci0/access"))
                .content()
                .startsWith("DeviceFileMinor: 67\n");
        assertThat(root.resolve("proc/driver/nvidia-caps/mig-minors"))
                .content()
                .contains("gpu0/gi7/access 66\n", "gpu6/gi0/access 813\n");
        assertThat(root.resolve("dev/nvidia-caps/nvidia-cap67")).exists();
    }

    @Test
    void migFilesAndNodesFollowTheLayout() {
        // Given
        try (NvmlSimulator nvml = NvmlSimulator.install(root, "8xa100-80gb-mig")) {
            SimulatedNodeFiles.create(root, nvml.profile());
            Path gpu = root.resolve("proc/driver/nvidia/capabilities/gpu6/mig");
            assertThat(gpu.resolve("gi0/ci0/access")).exists();
            // When
            nvml.apply("mig gpu=6 clear\nmig gpu=6 profile=3g.40gb start=4\nmig gpu=6 profile=1c.3g.40gb start=0");
            // Then
            assertThat(gpu.resolve("gi0")).doesNotExist();
            assertThat(gpu.resolve("gi1/access"))
                    .hasContent("DeviceFileMinor: 822\nDeviceFileMode: 292\nDeviceFileModify: 1");
            assertThat(gpu.resolve("gi2/ci0/access")).content().startsWith("DeviceFileMinor: 832\n");
            assertThat(root.resolve("dev/nvidia-caps/nvidia-cap832")).exists();
            assertThat(root.resolve("proc/driver/nvidia-caps/mig-minors"))
                    .content()
                    .contains("gpu6/gi2/ci0/access 832\n", "gpu31/gi14/ci7/access 4322\n");
        }
    }

    @Test
    void nodeWithoutALoadedDriverHasNoProcEntries() {
        // When
        SimulatedNodeFiles.create(root, "no-driver");
        // Then
        assertThat(root.resolve("proc/driver/nvidia")).doesNotExist();
        assertThat(root.resolve("sys/bus/pci/devices/0000:31:00.0/vendor")).hasContent("0x10de");
    }
}
