package io.gpunode.agent.driver;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** A folder as a host's root: a node with two H100, on which driver 580.65.06 is loaded and all is well; and a knob for what may be otherwise. */
public final class DriverHost {
    private static final String KERNEL = "6.1.0-18-amd64";

    private final Path root;

    public DriverHost(Path root) throws IOException {
        this.root = root;
        write("/proc/sys/kernel/osrelease", KERNEL);
        write("/proc/sys/kernel/random/boot_id", "0f3c1b2e-7a55-4a6e-9f0e-3f3d5c1c2b1a");
        write("/proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/vda1 modprobe.blacklist=nouveau");
        gpu("0000:18:00.0", "nvidia");
        gpu("0000:3b:00.0", "nvidia");
        write("/proc/devices", """
                Character devices:
                195 nvidia
                195 nvidia-modeset
                195 nvidiactl
                236 nvidia-caps
                510 nvidia-uvm
                """);
        modules("""
                nvidia_uvm 4874240 2 - Live 0x0000000000000000 (OE)
                nvidia_drm 122880 0 - Live 0x0000000000000000 (OE)
                nvidia_modeset 1605632 1 nvidia_drm, Live 0x0000000000000000 (OE)
                nvidia 60710912 9 nvidia_uvm,nvidia_modeset,nvidia_drm, Live 0x0000000000000000 (OE)
                drm 700000 2 nvidia_drm, Live 0x0000000000000000
                """);
        for (String module : new String[] {"nvidia", "nvidia_uvm", "nvidia_modeset", "nvidia_drm"}) {
            write("/sys/module/" + module + "/version", "580.65.06");
            write("/sys/module/" + module + "/srcversion", "0123456789ABCDEF0123456");
        }
        version("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build  (dvs-builder@U22)");
        write("/proc/driver/nvidia/params", "EnableMSI: 1\nDeviceFileMode: 438\nRegistryDwords: \"\"\n");
        write("/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.580.65.06", "");
        String build = "/lib/modules/" + KERNEL + "/build/";
        write(build + "Makefile", "");
        write(build + "Module.symvers", "");
        write(build + "include/config/auto.conf", "\nCONFIG_CC_VERSION_TEXT=\"gcc-12 (Debian 12.2.0-14) 12.2.0\"\n");
        write(build + "include/config/kernel.release", KERNEL);
        write(build + "scripts/basic/fixdep", "");
        write(build + "scripts/mod/modpost", "");
    }

    /** Where it lies. */
    public Path root() {
        return root;
    }

    /** A GPU on the bus, bound to a driver; none for the empty text. */
    public void gpu(String address, String driver) throws IOException {
        String device = "/sys/bus/pci/devices/" + address;
        write(device + "/vendor", "0x10de");
        write(device + "/class", "0x030200");
        write(device + "/device", "0x2330");
        Path link = at(device + "/driver");
        Files.deleteIfExists(link);
        if (!driver.isEmpty()) {
            Files.createDirectories(at("/sys/bus/pci/drivers/" + driver));
            Files.createSymbolicLink(link, Path.of("/sys/bus/pci/drivers/" + driver));
        }
    }

    /** The lines of {@code /proc/modules}. */
    public void modules(String lines) throws IOException {
        write("/proc/modules", lines);
    }

    /** The first line of the driver's version file. */
    public void version(String line) throws IOException {
        write("/proc/driver/nvidia/version", line + "\nGCC version:  gcc version 12.2.0 (Debian 12.2.0-14)\n");
    }

    /** A file. */
    public void write(String file, String text) throws IOException {
        Path path = at(file);
        Files.createDirectories(path.getParent());
        Files.writeString(path, text.endsWith("\n") ? text : text + "\n");
    }

    /** Nothing is there any more. */
    public void remove(String file) throws IOException {
        Files.deleteIfExists(at(file));
    }

    private Path at(String file) {
        return root.resolve(file.substring(1));
    }
}
