package io.gpunode.agent.os;

import io.gpunode.agent.os.DeviceNodes.CharacterDevice;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * The device nodes that the loaded modules of the driver have, from what the kernel says of them: {@code /proc/devices}, {@code /proc/driver/nvidia*} and
 * the modules' parameters. Numbers that modules are given when they are loaded can be others after the next load. Any thread.
 */
public final class NvidiaNodes {
    /** Numbers of the driver's header files; they have never changed. */
    private static final int CONTROL_MINOR = 255;

    private static final int MODESET_MINOR = 254;
    private static final int NVSWITCH_CONTROL_MINOR = 255;
    private static final int HIGHEST_GPU_MINOR = 247;
    private static final int HIGHEST_MINOR = (1 << 20) - 1;

    private static final List<String> DIRECTORIES = List.of("nvidia-caps", "nvidia-caps-imex-channels");
    private static final Path DEV = Path.of("/dev");
    private static final Path DEVICES = Path.of("/proc/devices");
    private static final Path NVIDIA = Path.of("/proc/driver/nvidia");
    private static final Path NVLINK = Path.of("/proc/driver/nvidia-nvlink");
    private static final Path NVSWITCH = Path.of("/proc/driver/nvidia-nvswitch");
    private static final Path MODESET_MODULE = Path.of("/sys/module/nvidia_modeset");
    private static final int FILE_LIMIT = 256 << 10;
    private static final int FOR_ALL = 0666;
    private static final int FOR_ALL_TO_READ = 0444;
    /** The deepest is {@code gpu0/mig/gi1/ci0/access}. */
    private static final int CAPABILITY_DEPTH = 5;
    /** More than 32 GPUs have. */
    private static final int CAPABILITY_LIMIT = 8_192;

    private final HostFiles files;

    public NvidiaNodes(HostFiles files) {
        this.files = files;
    }

    /**
     * A node.
     *
     * @param path on the host
     * @param device its numbers, and who may open it as the driver says
     */
    public record Node(Path path, CharacterDevice device) {}

    /**
     * What there should be; nothing of a module that is not loaded.
     *
     * @throws IOException when the kernel does not tell
     */
    public List<Node> wanted() throws IOException {
        CharacterMajors majors =
                CharacterMajors.parse(files.readText(DEVICES, FILE_LIMIT).orElse(""));
        DriverParameters parameters = parameters(NVIDIA.resolve("params"));
        List<Node> nodes = new ArrayList<>();
        OptionalInt nvidia = majors.ofNvidia("nvidia");
        if (nvidia.isPresent()) {
            add(nodes, "nvidiactl", nvidia, CONTROL_MINOR, parameters);
            for (int minor : gpuMinors()) {
                add(nodes, "nvidia" + minor, nvidia, minor, parameters);
            }
        }
        if (majors.of("nvidia-modeset").isPresent() || files.exists(MODESET_MODULE)) {
            add(nodes, "nvidia-modeset", majors.ofNvidia("nvidia-modeset"), MODESET_MINOR, parameters);
        }
        OptionalInt uvm = majors.of("nvidia-uvm");
        add(nodes, "nvidia-uvm", uvm, 0, parameters);
        add(nodes, "nvidia-uvm-tools", uvm, 1, parameters);
        OptionalInt nvswitch = majors.of("nvidia-nvswitch");
        if (nvswitch.isPresent()) {
            DriverParameters permissions = parameters(NVSWITCH.resolve("permissions"));
            add(nodes, "nvidia-nvswitchctl", nvswitch, NVSWITCH_CONTROL_MINOR, permissions);
            int switches = files.list(NVSWITCH.resolve("devices")).size();
            for (int minor = 0; minor < Math.min(switches, NVSWITCH_CONTROL_MINOR); minor++) {
                add(nodes, "nvidia-nvswitch" + minor, nvswitch, minor, permissions);
            }
        }
        add(nodes, "nvidia-nvlink", majors.of("nvidia-nvlink"), 0, parameters(NVLINK.resolve("permissions")));
        OptionalInt caps = majors.of("nvidia-caps");
        if (caps.isPresent()) {
            capabilities(nodes, caps, parameters, NVIDIA.resolve("capabilities"), CAPABILITY_DEPTH);
            capabilities(nodes, caps, parameters, NVLINK.resolve("capabilities"), CAPABILITY_DEPTH);
        }
        if (parameters.number("CreateImexChannel0", 0, 1, 0) == 1) {
            add(nodes, "nvidia-caps-imex-channels/channel0", majors.of("nvidia-caps-imex-channels"), 0, parameters);
        }
        return nodes;
    }

    /**
     * Those that are there and have one of the driver's names, whatever their numbers: also what an earlier load has left.
     *
     * @throws IOException when {@code /dev} cannot be listed
     */
    public List<Path> present() throws IOException {
        List<Path> present = new ArrayList<>();
        for (String name : files.list(DEV)) {
            if (isOwn(name)) {
                present.add(DEV.resolve(name));
            }
        }
        for (String directory : DIRECTORIES) {
            for (String name : files.list(DEV.resolve(directory))) {
                present.add(DEV.resolve(directory).resolve(name));
            }
        }
        return present;
    }

    /** Whether a path below {@code /dev} has one of the driver's names. */
    public static boolean isOwn(Path belowDev) {
        String first = belowDev.getName(0).toString();
        return belowDev.getNameCount() == 1
                ? isOwn(first)
                : belowDev.getNameCount() == 2 && DIRECTORIES.contains(first);
    }

    private static boolean isOwn(String name) {
        if (!name.startsWith("nvidia")) {
            return false;
        }
        String rest = name.substring("nvidia".length());
        return switch (rest) {
            case "ctl", "-modeset", "-uvm", "-uvm-tools", "-nvlink", "-nvswitchctl" -> true;
            default ->
                isNumber(rest) || (rest.startsWith("-nvswitch") && isNumber(rest.substring("-nvswitch".length())));
        };
    }

    private static boolean isNumber(String text) {
        for (int i = 0; i < text.length(); i++) {
            if (text.charAt(i) < '0' || text.charAt(i) > '9') {
                return false;
            }
        }
        return !text.isEmpty();
    }

    private List<Integer> gpuMinors() throws IOException {
        List<Integer> minors = new ArrayList<>();
        Path gpus = NVIDIA.resolve("gpus");
        for (String gpu : files.list(gpus)) {
            int minor = parameters(gpus.resolve(gpu).resolve("information"))
                    .number("Device Minor", 0, HIGHEST_GPU_MINOR, -1);
            if (minor >= 0) {
                minors.add(minor);
            }
        }
        return minors;
    }

    /** Every file of the tree that names a minor. */
    private void capabilities(List<Node> nodes, OptionalInt major, DriverParameters owner, Path directory, int depth)
            throws IOException {
        for (String name : files.list(directory)) {
            Path entry = directory.resolve(name);
            Optional<String> text = text(entry);
            if (text.isEmpty()) {
                if (depth > 1) {
                    capabilities(nodes, major, owner, entry, depth - 1);
                }
                continue;
            }
            DriverParameters capability = DriverParameters.parse(text.get());
            int minor = capability.number("DeviceFileMinor", 0, HIGHEST_MINOR, -1);
            if (minor >= 0 && nodes.size() < CAPABILITY_LIMIT) {
                nodes.add(new Node(
                        DEV.resolve("nvidia-caps/nvidia-cap" + minor),
                        new CharacterDevice(
                                major.getAsInt(),
                                minor,
                                capability.number("DeviceFileMode", 0, 0777, FOR_ALL_TO_READ),
                                owner.number("DeviceFileUID", 0, Integer.MAX_VALUE, 0),
                                owner.number("DeviceFileGID", 0, Integer.MAX_VALUE, 0))));
            }
        }
    }

    /** A file's text; empty for a directory. */
    private Optional<String> text(Path path) {
        try {
            return files.readText(path, FILE_LIMIT);
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    private DriverParameters parameters(Path path) throws IOException {
        return DriverParameters.parse(files.readText(path, FILE_LIMIT).orElse(""));
    }

    private static void add(List<Node> nodes, String name, OptionalInt major, int minor, DriverParameters parameters) {
        if (major.isPresent()) {
            nodes.add(new Node(
                    DEV.resolve(name),
                    new CharacterDevice(
                            major.getAsInt(),
                            minor,
                            parameters.number("DeviceFileMode", 0, 0777, FOR_ALL),
                            parameters.number("DeviceFileUID", 0, Integer.MAX_VALUE, 0),
                            parameters.number("DeviceFileGID", 0, Integer.MAX_VALUE, 0))));
        }
    }
}
