package io.gpunode.nvml.simulator;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;

/**
 * The files of a node with the profile's GPUs: sysfs, device nodes, procfs and the driver's user-space files, below a root that stands
 * for the host's.
 *
 * @param hostRoot what stands for {@code /}
 * @param driverRoot where the driver's libraries and programs lie; the host root itself, as after a package installation
 * @param realDeviceNodes whether device nodes are character devices of the real numbers; otherwise they are empty ordinary files
 */
public record SimulatedNodeFiles(Path hostRoot, Path driverRoot, boolean realDeviceNodes) {
    private static final int VENDOR = 0x10de;
    private static final int CONFIGURATION_SPACE = 256;
    private static final int NVIDIA_MAJOR = 195;
    private static final int UVM_MAJOR = 510;
    private static final int CAPABILITIES_MAJOR = 511;
    private static final int CONTROL_MINOR = 255;
    private static final int MODESET_MINOR = 254;
    /** GPUs that the kernel module reserves MIG capabilities for, and how many of each kind for one of them. */
    private static final int CAPABLE_GPUS = 32;

    private static final int GPU_INSTANCES = 15;
    private static final int COMPUTE_INSTANCES = 8;
    /** After {@code mig/config} and {@code mig/monitor}. */
    private static final int FIRST_GPU_CAPABILITY = 3;

    private static final int WRITABLE_NODE = 0666;
    private static final int READABLE_NODE = 0444;
    private static final int OWNERS_NODE = 0400;
    private static final long MKNOD_SECONDS = 10;

    /** Libraries that a driver of any branch from R470 brings; {@code %s} is its version. */
    private static final List<String> LIBRARIES = List.of(
            "libcuda.so.%s",
            "libcudadebugger.so.%s",
            "libEGL_nvidia.so.%s",
            "libGLESv2_nvidia.so.%s",
            "libGLX_nvidia.so.%s",
            "libnvidia-allocator.so.%s",
            "libnvidia-cfg.so.%s",
            "libnvidia-eglcore.so.%s",
            "libnvidia-encode.so.%s",
            "libnvidia-fbc.so.%s",
            "libnvidia-glcore.so.%s",
            "libnvidia-glsi.so.%s",
            "libnvidia-glvkspirv.so.%s",
            "libnvidia-gpucomp.so.%s",
            "libnvidia-ngx.so.%s",
            "libnvidia-nvvm.so.%s",
            "libnvidia-opencl.so.%s",
            "libnvidia-opticalflow.so.%s",
            "libnvidia-pkcs11-openssl3.so.%s",
            "libnvidia-ptxjitcompiler.so.%s",
            "libnvidia-rtcore.so.%s",
            "libnvidia-tls.so.%s",
            "libnvcuvid.so.%s",
            "libnvoptix.so.%s");

    private static final List<String> PROGRAMS = List.of(
            "nvidia-smi",
            "nvidia-debugdump",
            "nvidia-persistenced",
            "nvidia-cuda-mps-control",
            "nvidia-cuda-mps-server",
            "nvidia-modprobe");

    private static final List<String> FIRMWARE = List.of("gsp_ga10x.bin", "gsp_tu10x.bin");

    /**
     * Lays out everything below the host root; what is there already with the same content stays.
     *
     * @throws UncheckedIOException when the root cannot be written
     */
    public static SimulatedNodeFiles create(Path hostRoot, SimulatedProfile profile) {
        Path root = hostRoot.toAbsolutePath().normalize();
        try {
            sysfs(root, profile);
            procfs(root, profile);
            driverFiles(root, profile);
            boolean devices = deviceNodes(root, profile);
            boolean capabilities = migCapabilities(root, profile);
            return new SimulatedNodeFiles(root, root, devices && capabilities);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot lay out the simulated node below " + root, e);
        }
    }

    /** As {@link #create(Path, SimulatedProfile)}, with a profile that comes with the simulator. */
    public static SimulatedNodeFiles create(Path hostRoot, String profile) {
        return create(hostRoot, SimulatedProfile.named(profile));
    }

    private static void sysfs(Path root, SimulatedProfile profile) throws IOException {
        for (SimulatedProfile.Gpu gpu : profile.gpus()) {
            Path device = root.resolve("sys/bus/pci/devices/" + gpu.pciAddress());
            write(device.resolve("numa_node"), gpu.numaNode() + "\n");
            write(device.resolve("vendor"), String.format(Locale.ROOT, "0x%04x\n", VENDOR));
            write(device.resolve("device"), String.format(Locale.ROOT, "0x%04x\n", gpu.deviceId() >>> 16));
            write(device.resolve("class"), "0x030200\n");
            // Of its configuration space who it is; no capability, so it is no virtual GPU.
            byte[] space = new byte[CONFIGURATION_SPACE];
            ByteBuffer.wrap(space)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putShort((short) VENDOR)
                    .putShort((short) (gpu.deviceId() >>> 16));
            Files.write(device.resolve("config"), space);
        }
        write(root.resolve("sys/class/dmi/id/product_name"), "Simulated Node\n");
        if (profile.driverLoaded()) {
            write(root.resolve("sys/module/nvidia/version"), profile.driverVersion() + "\n");
            write(root.resolve("sys/module/nvidia/refcnt"), "0\n");
        }
    }

    private static void procfs(Path root, SimulatedProfile profile) throws IOException {
        write(
                root.resolve("proc/devices"),
                "Character devices:\n  1 mem\n" + NVIDIA_MAJOR + " nvidia-frontend\n" + NVIDIA_MAJOR + " nvidia\n"
                        + UVM_MAJOR + " nvidia-uvm\n511 nvidia-caps\n\nBlock devices:\n  8 sd\n");
        if (!profile.driverLoaded()) {
            return;
        }
        Path driver = root.resolve("proc/driver/nvidia");
        write(
                driver.resolve("version"),
                "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  " + profile.driverVersion()
                        + "  Release Build  (simulated)\nGCC version:  gcc version 12.2.0\n");
        write(
                driver.resolve("params"),
                "ResmanDebugLevel: 4294967295\nModifyDeviceFiles: 1\nDeviceFileUID: 0\nDeviceFileGID: 0\nDeviceFileMode: 438\n");
        for (SimulatedProfile.Gpu gpu : profile.gpus()) {
            write(
                    driver.resolve("gpus/" + gpu.pciAddress() + "/information"),
                    "Model: \t\t " + gpu.productName() + "\nIRQ:   \t\t " + (100 + gpu.number()) + "\nGPU UUID: \t "
                            + gpu.uuid()
                            + "\nVideo BIOS: \t " + gpu.vbiosVersion() + "\nBus Type: \t PCIe\nDMA Size: \t 52 bits\n"
                            + "DMA Mask: \t 0xfffffffffffff\nBus Location: \t " + gpu.pciAddress()
                            + "\nDevice Minor: \t "
                            + gpu.minor() + "\nGPU Firmware: \t " + profile.driverVersion() + "\nGPU Excluded:\t No\n");
        }
    }

    /**
     * Capability files and nodes of the MIG instances that the profile lays out, and the table of all that there could be. A library that lies
     * below the root as well goes on from here: it keeps files and nodes to the layout that rules and calls make.
     */
    private static boolean migCapabilities(Path root, SimulatedProfile profile) throws IOException {
        if (!profile.driverLoaded()) {
            return true;
        }
        Path libraries = SimulatedDriver.libraryDirectory(root);
        write(libraries.resolve("nvmlsim.root"), libraries.relativize(root) + "\n");
        write(root.resolve("proc/driver/nvidia-caps/mig-minors"), migMinors());
        Path capabilities = root.resolve("proc/driver/nvidia/capabilities");
        writeCapability(capabilities.resolve("mig/config"), 1, OWNERS_NODE);
        writeCapability(capabilities.resolve("mig/monitor"), 2, READABLE_NODE);
        if (profile.migInstances().isEmpty()) {
            return true;
        }
        Path nodes = Files.createDirectories(root.resolve("dev/nvidia-caps"));
        boolean real = node(nodes.resolve("nvidia-cap1"), CAPABILITIES_MAJOR, 1, OWNERS_NODE);
        real &= node(nodes.resolve("nvidia-cap2"), CAPABILITIES_MAJOR, 2, READABLE_NODE);
        for (SimulatedProfile.MigInstance instance : profile.migInstances()) {
            int gpu = profile.gpus().get(instance.gpu()).minor();
            int number = capability(gpu, instance.id());
            Path directory = capabilities.resolve("gpu" + gpu + "/mig/gi" + instance.id());
            writeCapability(directory.resolve("access"), number, READABLE_NODE);
            writeCapability(directory.resolve("ci0/access"), number + 1, READABLE_NODE);
            real &= node(nodes.resolve("nvidia-cap" + number), CAPABILITIES_MAJOR, number, READABLE_NODE);
            real &= node(nodes.resolve("nvidia-cap" + (number + 1)), CAPABILITIES_MAJOR, number + 1, READABLE_NODE);
        }
        return real;
    }

    /** The number of a GPU instance's capability; those of its compute instances follow. */
    private static int capability(int gpuMinor, int gpuInstance) {
        return FIRST_GPU_CAPABILITY + (GPU_INSTANCES * gpuMinor + gpuInstance) * (1 + COMPUTE_INSTANCES);
    }

    /** Every capability that there could be, as the kernel module lists them. */
    private static String migMinors() {
        StringBuilder minors = new StringBuilder("config 1\nmonitor 2\n");
        for (int gpu = 0; gpu < CAPABLE_GPUS; gpu++) {
            for (int instance = 0; instance < GPU_INSTANCES; instance++) {
                int number = capability(gpu, instance);
                String name = "gpu" + gpu + "/gi" + instance;
                minors.append(name).append("/access ").append(number).append('\n');
                for (int compute = 0; compute < COMPUTE_INSTANCES; compute++) {
                    minors.append(name).append("/ci").append(compute).append("/access ");
                    minors.append(number + 1 + compute).append('\n');
                }
            }
        }
        return minors.toString();
    }

    private static void writeCapability(Path file, int number, int mode) throws IOException {
        write(file, "DeviceFileMinor: " + number + "\nDeviceFileMode: " + mode + "\nDeviceFileModify: 1\n");
    }

    private static void driverFiles(Path root, SimulatedProfile profile) throws IOException {
        String version = profile.driverVersion();
        Path libraries = SimulatedDriver.libraryDirectory(root);
        for (String pattern : LIBRARIES) {
            write(libraries.resolve(String.format(Locale.ROOT, pattern, version)), "simulated driver file\n");
        }
        // The one that is real; who installs the library gives it its short name.
        link(libraries.resolve("libnvidia-ml.so." + version), "libnvidia-ml.so.1");
        link(libraries.resolve("libcuda.so.1"), "libcuda.so." + version);
        link(libraries.resolve("libcuda.so"), "libcuda.so.1");
        link(libraries.resolve("libnvidia-ptxjitcompiler.so.1"), "libnvidia-ptxjitcompiler.so." + version);
        link(libraries.resolve("libnvidia-encode.so.1"), "libnvidia-encode.so." + version);
        link(libraries.resolve("libnvidia-opencl.so.1"), "libnvidia-opencl.so." + version);
        link(libraries.resolve("libnvcuvid.so.1"), "libnvcuvid.so." + version);
        for (String program : PROGRAMS) {
            Path path = root.resolve("usr/bin/" + program);
            write(path, "#!/bin/sh\necho '" + program + " of the simulated driver " + version + "'\n");
            Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("rwxr-xr-x"));
        }
        for (String image : FIRMWARE) {
            write(root.resolve("lib/firmware/nvidia/" + version + "/" + image), "simulated firmware\n");
        }
    }

    private static boolean deviceNodes(Path root, SimulatedProfile profile) throws IOException {
        Path dev = root.resolve("dev");
        Files.createDirectories(dev);
        // The kernel's log: who plays a driver appends lines to it.
        if (!Files.exists(dev.resolve("kmsg"))) {
            write(dev.resolve("kmsg"), "");
        }
        boolean real = true;
        for (SimulatedProfile.Gpu gpu : profile.gpus()) {
            real &= node(dev.resolve("nvidia" + gpu.minor()), NVIDIA_MAJOR, gpu.minor(), WRITABLE_NODE);
        }
        real &= node(dev.resolve("nvidiactl"), NVIDIA_MAJOR, CONTROL_MINOR, WRITABLE_NODE);
        real &= node(dev.resolve("nvidia-modeset"), NVIDIA_MAJOR, MODESET_MINOR, WRITABLE_NODE);
        real &= node(dev.resolve("nvidia-uvm"), UVM_MAJOR, 0, WRITABLE_NODE);
        real &= node(dev.resolve("nvidia-uvm-tools"), UVM_MAJOR, 1, WRITABLE_NODE);
        return real;
    }

    /** A character device where the system allows it, an empty file elsewhere. */
    private static boolean node(Path path, int major, int minor, int mode) throws IOException {
        if (Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            return !Files.isRegularFile(path, LinkOption.NOFOLLOW_LINKS);
        }
        // A container image may have no such program.
        if ("root".equals(System.getProperty("user.name")) && Files.exists(Path.of("/bin/mknod"))) {
            Process mknod = new ProcessBuilder(
                            "mknod",
                            "-m",
                            Integer.toOctalString(mode),
                            path.toString(),
                            "c",
                            String.valueOf(major),
                            String.valueOf(minor))
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .start();
            try {
                if (mknod.waitFor(MKNOD_SECONDS, TimeUnit.SECONDS) && mknod.exitValue() == 0) {
                    return true;
                }
                mknod.destroyForcibly();
            } catch (InterruptedException e) {
                mknod.destroyForcibly();
                Thread.currentThread().interrupt();
            }
        }
        if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            Files.createFile(path);
        }
        return false;
    }

    private static void write(Path path, String text) throws IOException {
        Files.createDirectories(path.resolveSibling(""));
        Files.writeString(path, text, StandardCharsets.UTF_8);
    }

    private static void link(Path path, String target) throws IOException {
        if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            Files.createSymbolicLink(path, Path.of(target));
        }
    }
}
