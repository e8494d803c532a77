package io.gpunode.agent.cdi;

import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.testing.ElfFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;

/** A host's file tree in a temporary folder, seen through the real {@link SystemHostFiles}, with device nodes of a fake. */
record HostTree(Path root, HostFiles files, FakeDeviceNodes nodes) {
    static final String TRIPLET = String.valueOf(DriverFilesFinder.DEBIAN);

    static HostTree at(Path root) {
        return new HostTree(root, new SystemHostFiles(root), new FakeDeviceNodes());
    }

    HostTree with(String... hostPaths) throws IOException {
        for (String hostPath : hostPaths) {
            write(hostPath, "");
        }
        return this;
    }

    HostTree write(String hostPath, String text) throws IOException {
        return write(hostPath, text.getBytes(StandardCharsets.UTF_8));
    }

    HostTree write(String hostPath, byte[] content) throws IOException {
        Path file = root.resolve(hostPath.substring(1));
        Files.createDirectories(file.getParent());
        Files.write(file, content);
        return this;
    }

    /** A shared object; its name is that of the file when none is given. */
    HostTree library(String hostPath, String soname) throws IOException {
        return write(hostPath, ElfFile.named(soname));
    }

    HostTree link(String hostPath, String target) throws IOException {
        Path link = root.resolve(hostPath.substring(1));
        Files.createDirectories(link.getParent());
        if (!Files.exists(link, LinkOption.NOFOLLOW_LINKS)) {
            Files.createSymbolicLink(link, Path.of(target));
        }
        return this;
    }

    /** A part of an installed driver, with the layout of Debian-like distributions. */
    HostTree withDriver(String prefix, String version) throws IOException {
        String libraries = prefix + TRIPLET + "/";
        library(libraries + "libcuda.so." + version, "libcuda.so.1");
        library(libraries + "libnvidia-ml.so." + version, "libnvidia-ml.so.1");
        library(libraries + "libnvidia-glcore.so." + version, "libnvidia-glcore.so." + version);
        library(libraries + "libnvidia-somethingnew.so." + version, "libnvidia-somethingnew.so.7");
        library(libraries + "libnvidia-encode.so." + version, "libnvidia-encode.so.1");
        library(libraries + "libGLX_nvidia.so." + version, "libGLX_nvidia.so.0");
        library(libraries + "vdpau/libvdpau_nvidia.so." + version, "libvdpau_nvidia.so.1");
        link(libraries + "libnvidia-encode.so.1", "libnvidia-encode.so." + version);
        link(libraries + "libnvidia-encode.so", "libnvidia-encode.so.1");
        return with(
                libraries + "libother.so.1",
                prefix + "/usr/bin/nvidia-smi",
                prefix + "/lib/firmware/nvidia/" + version + "/gsp_ga10x.bin",
                prefix + "/usr/share/glvnd/egl_vendor.d/10_nvidia.json",
                prefix + "/etc/vulkan/icd.d/nvidia_icd.json",
                prefix + "/run/nvidia-persistenced/socket");
    }

    /** The nodes of so many GPUs, as the driver's library makes them. */
    HostTree withNodes(int gpus) throws IOException {
        node("/dev/nvidiactl", 195, 255);
        node("/dev/nvidia-modeset", 195, 254);
        node("/dev/nvidia-uvm", 510, 0);
        node("/dev/nvidia-uvm-tools", 510, 1);
        for (int i = 0; i < gpus; i++) {
            node("/dev/nvidia" + i, 195, i);
        }
        return this;
    }

    /** A device node that anybody may open. */
    HostTree node(String hostPath, int major, int minor) throws IOException {
        nodes.with(hostPath, major, minor);
        return with(hostPath);
    }

    /** What the kernel says of the drivers that are loaded. */
    HostTree withMajors() throws IOException {
        return write("/proc/devices", """
                Character devices:
                  1 mem
                195 nvidia
                195 nvidia-modeset
                510 nvidia-uvm
                511 nvidia-caps
                512 nvidia-caps-imex-channels

                Block devices:
                  8 sd
                """);
    }
}
