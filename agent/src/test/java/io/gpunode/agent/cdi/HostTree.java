package io.gpunode.agent.cdi;

import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.SystemHostFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** A host's file tree in a temporary folder, seen through the real {@link SystemHostFiles}. */
record HostTree(Path root, HostFiles files) {
    static HostTree at(Path root) {
        return new HostTree(root, new SystemHostFiles(root));
    }

    HostTree with(String... hostPaths) throws IOException {
        for (String hostPath : hostPaths) {
            write(hostPath, "");
        }
        return this;
    }

    void write(String hostPath, String text) throws IOException {
        Path file = root.resolve(hostPath.substring(1));
        Files.createDirectories(file.getParent());
        Files.writeString(file, text);
    }

    HostTree withDriver(String prefix, String version) throws IOException {
        return with(
                prefix + "/usr/lib/x86_64-linux-gnu/libcuda.so." + version,
                prefix + "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so." + version,
                prefix + "/usr/lib/x86_64-linux-gnu/libnvidia-glcore.so." + version,
                prefix + "/usr/lib/x86_64-linux-gnu/libnvidia-somethingnew.so." + version,
                prefix + "/usr/lib/x86_64-linux-gnu/libnvidia-somethingnew.so.7",
                prefix + "/usr/lib/x86_64-linux-gnu/libother.so.1",
                prefix + "/usr/lib/x86_64-linux-gnu/vdpau/libvdpau_nvidia.so." + version,
                prefix + "/usr/bin/nvidia-smi",
                prefix + "/lib/firmware/nvidia/" + version + "/gsp_ga10x.bin",
                prefix + "/usr/share/glvnd/egl_vendor.d/10_nvidia.json",
                prefix + "/etc/vulkan/icd.d/nvidia_icd.json",
                prefix + "/run/nvidia-persistenced/socket");
    }

    HostTree withNodes(int gpus) throws IOException {
        with("/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools", "/dev/nvidia-modeset");
        for (int i = 0; i < gpus; i++) {
            with("/dev/nvidia" + i);
        }
        return this;
    }
}
