package io.gpunode.agent.driver;

import io.gpunode.agent.os.CharacterMajors;
import io.gpunode.agent.os.HostFiles;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * Which module of the driver and which device stand behind a device number, from {@code /proc/devices} and, for the kernel's graphics nodes,
 * {@code /sys/class/drm}. Majors are those of this load of the modules.
 */
final class DriverDevices {
    /**
     * A device of the driver.
     *
     * @param module whose reference an open one holds
     * @param path its usual name
     */
    record Device(String module, String path) {}

    private static final Path DEVICES = Path.of("/proc/devices");
    private static final Path DRM = Path.of("/sys/class/drm");
    private static final int LIMIT = 256 << 10;
    /** Numbers of the driver's header files; they have never changed. */
    private static final int MODESET_MINOR = 254;

    private static final int CONTROL_MINOR = 255;

    private final Map<Integer, String> drivers = new HashMap<>();
    private final Map<Long, String> graphics = new HashMap<>();

    /** @throws IOException when {@code /proc/devices} cannot be read */
    DriverDevices(HostFiles files) throws IOException {
        CharacterMajors majors =
                CharacterMajors.parse(files.readText(DEVICES, LIMIT).orElse(""));
        for (String driver : new String[] {
            "nvidia-uvm",
            "nvidia-caps",
            "nvidia-caps-imex-channels",
            "nvidia-nvlink",
            "nvidia-nvswitch",
            "nvidia-vgpu-vfio",
            "nvidia-fs",
            "gdrdrv",
            "nvidia"
        }) {
            OptionalInt major = majors.ofNvidia(driver);
            major.ifPresent(number -> drivers.putIfAbsent(number, driver));
        }
        for (String name : files.list(DRM)) {
            graphics(files, name);
        }
    }

    private void graphics(HostFiles files, String name) throws IOException {
        if (!(name.startsWith("card") || name.startsWith("renderD")) || name.indexOf('-') >= 0) {
            return;
        }
        boolean ours = files.realPath(DRM.resolve(name).resolve("device/driver"))
                .map(path -> path.endsWith("nvidia"))
                .orElse(false);
        String[] number = files.readText(DRM.resolve(name).resolve("dev"), LIMIT)
                .orElse("")
                .strip()
                .split(":", -1);
        if (ours && number.length == 2) {
            try {
                graphics.put(key(Integer.parseInt(number[0]), Integer.parseInt(number[1])), "/dev/dri/" + name);
            } catch (NumberFormatException e) {
                // As if it had no node.
            }
        }
    }

    /** Whether a device is one of the driver's. */
    boolean has(int major, int minor) {
        return drivers.containsKey(major) || graphics.containsKey(key(major, minor));
    }

    /** A device by its numbers; empty when it is not the driver's. */
    Optional<Device> find(int major, int minor) {
        String node = graphics.get(key(major, minor));
        if (node != null) {
            return Optional.of(new Device("nvidia_drm", node));
        }
        String driver = drivers.get(major);
        if (driver == null) {
            return Optional.empty();
        }
        return Optional.of(
                switch (driver) {
                    case "nvidia-uvm" ->
                        new Device("nvidia_uvm", minor == 0 ? "/dev/nvidia-uvm" : "/dev/nvidia-uvm-tools");
                    case "nvidia-caps" -> new Device("nvidia", "/dev/nvidia-caps/nvidia-cap" + minor);
                    case "nvidia-caps-imex-channels" ->
                        new Device("nvidia", "/dev/nvidia-caps-imex-channels/channel" + minor);
                    case "nvidia-nvlink" -> new Device("nvidia", "/dev/nvidia-nvlink");
                    case "nvidia-nvswitch" ->
                        new Device(
                                "nvidia",
                                minor == CONTROL_MINOR ? "/dev/nvidia-nvswitchctl" : "/dev/nvidia-nvswitch" + minor);
                    case "nvidia-vgpu-vfio" -> new Device("nvidia_vgpu_vfio", "/dev/nvidia-vgpu" + minor);
                    case "nvidia-fs" -> new Device("nvidia_fs", "/dev/nvidia-fs" + minor);
                    case "gdrdrv" -> new Device("gdrdrv", "/dev/gdrdrv");
                    default ->
                        switch (minor) {
                            case CONTROL_MINOR -> new Device("nvidia", "/dev/nvidiactl");
                            case MODESET_MINOR -> new Device("nvidia_modeset", "/dev/nvidia-modeset");
                            default -> new Device("nvidia", "/dev/nvidia" + minor);
                        };
                });
    }

    private static long key(int major, int minor) {
        return ((long) major << 32) | minor;
    }
}
