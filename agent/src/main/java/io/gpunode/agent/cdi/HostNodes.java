package io.gpunode.agent.cdi;

import io.gpunode.agent.cdi.ContainerEdits.DeviceNode;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.os.CharacterMajors;
import io.gpunode.agent.os.DeviceNodes;
import io.gpunode.agent.os.DeviceNodes.CharacterDevice;
import io.gpunode.agent.os.DriverParameters;
import io.gpunode.agent.os.HostFiles;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * The device nodes of the host that containers are given. The driver's own library makes them when it is first used by somebody who may, and not at
 * all with {@code NVreg_ModifyDeviceFiles=0}; a node that is missing, or has the number that a driver had before it was loaded anew, is made
 * here. For one writing of the specifications, by one thread; collects what it has to say.
 */
final class HostNodes {
    /** Numbers of the driver's header files; they have never changed. */
    private static final int CONTROL_MINOR = 255;

    private static final int MODESET_MINOR = 254;

    private static final String MODESET = "nvidia-modeset";
    /** Drivers that know {@code nvidia-frontend} have this module's node under that name's major. */
    private static final Path MODESET_MODULE = Path.of("/sys/module/nvidia_modeset");

    private static final Path DEVICES = Path.of("/proc/devices");
    private static final Path PARAMETERS = Path.of("/proc/driver/nvidia/params");
    private static final Path CAPABILITIES = Path.of("/proc/driver/nvidia/capabilities");
    private static final int TABLE_LIMIT = 256 << 10;
    private static final int FOR_ALL = 0666;
    private static final int FOR_ALL_TO_READ = 0444;

    private final HostFiles files;
    private final DeviceNodes nodes;
    private final Path devRoot;
    private final boolean create;
    private final CharacterMajors majors;
    private final DriverParameters parameters;
    private final List<String> problems = new ArrayList<>();
    private final List<DeviceNode> present = new ArrayList<>();

    /**
     * @param devRoot root of the device nodes as the host sees it
     * @param create whether missing nodes are made
     */
    HostNodes(HostFiles files, DeviceNodes nodes, Path devRoot, boolean create) throws IOException {
        this.files = files;
        this.nodes = nodes;
        this.devRoot = devRoot;
        this.create = create;
        this.majors = CharacterMajors.parse(files.readText(DEVICES, TABLE_LIMIT).orElse(""));
        this.parameters =
                DriverParameters.parse(files.readText(PARAMETERS, TABLE_LIMIT).orElse(""));
    }

    /** A node, or why there is none. */
    private record Answer(Optional<DeviceNode> node, String problem) {}

    /** What is missing or could not be done, in sentences. */
    List<String> problems() {
        return List.copyOf(problems);
    }

    /**
     * The nodes that every container with a GPU is given.
     *
     * @param fatal takes why no container could use a GPU
     */
    List<DeviceNode> control(List<String> fatal) throws IOException {
        List<DeviceNode> control = new ArrayList<>();
        optional("nvidia-modeset", MODESET, MODESET_MINOR).ifPresent(control::add);
        Answer uvm = node(device("nvidia-uvm"), "nvidia-uvm", 0, Optional.empty());
        uvm.node().ifPresentOrElse(control::add, () -> fatal.add(uvm.problem()));
        optional("nvidia-uvm-tools", "nvidia-uvm", 1).ifPresent(control::add);
        Answer ctl = node(device("nvidiactl"), "nvidia", CONTROL_MINOR, Optional.empty());
        ctl.node().ifPresentOrElse(control::add, () -> fatal.add(ctl.problem()));
        return control;
    }

    /** Nodes of a module that many nodes do without. */
    private Optional<DeviceNode> optional(String name, String driver, int minor) throws IOException {
        boolean wanted = majors.of(driver).isPresent()
                || files.exists(onHost(device(name)))
                || (driver.equals(MODESET) && files.exists(MODESET_MODULE));
        return wanted ? node(device(name), driver, minor, Optional.empty()).node() : Optional.empty();
    }

    /** The node of a full GPU; empty when it is to be left out, which has been said then. */
    Optional<DeviceNode> gpu(Gpu gpu) throws IOException {
        Answer answer = node(device("nvidia" + gpu.minor()), "nvidia", gpu.minor(), Optional.empty());
        if (answer.node().isEmpty()) {
            problems.add("GPU " + gpu.id() + " is left out: " + answer.problem());
        }
        return answer.node();
    }

    /**
     * The two capability nodes of a MIG device; empty when it is to be left out, which has been said then: with its parent's node alone a container
     * would see a GPU that it cannot use.
     */
    List<DeviceNode> capabilities(Gpu gpu, MigDevice mig) throws IOException {
        OptionalInt gpuInstance = mig.gpuInstanceCapability();
        OptionalInt computeInstance = mig.computeInstanceCapability();
        if (gpuInstance.isEmpty() || computeInstance.isEmpty()) {
            problems.add("MIG device " + mig.id()
                    + " is left out: it has no minors in /proc/driver/nvidia-caps/mig-minors; see whether the nvidia-caps driver is"
                    + " loaded: grep nvidia-caps /proc/devices");
            return List.of();
        }
        Path instance = CAPABILITIES.resolve("gpu" + gpu.minor()).resolve("mig").resolve("gi" + mig.gpuInstanceId());
        Answer first = capability(gpuInstance.getAsInt(), instance.resolve("access"));
        Answer second = capability(
                computeInstance.getAsInt(),
                instance.resolve("ci" + mig.computeInstanceId()).resolve("access"));
        if (first.node().isEmpty() || second.node().isEmpty()) {
            problems.add("MIG device " + mig.id() + " is left out: "
                    + (first.node().isEmpty() ? first.problem() : second.problem()));
            return List.of();
        }
        return List.of(first.node().get(), second.node().get());
    }

    private Answer capability(int number, Path access) throws IOException {
        return node(device("nvidia-caps/nvidia-cap" + number), "nvidia-caps", number, Optional.of(access));
    }

    /** The node of an IMEX channel; empty when there is none, which has been said then. */
    Optional<DeviceNode> imexChannel(int channel) throws IOException {
        Answer answer = node(
                device("nvidia-caps-imex-channels/channel" + channel),
                "nvidia-caps-imex-channels",
                channel,
                Optional.empty());
        if (answer.node().isEmpty()) {
            problems.add("IMEX channel " + channel + " is left out: " + answer.problem());
        }
        return answer.node();
    }

    /** Nodes of a directory below {@code /dev} whose names begin so, as they are; in the order of their names. */
    List<DeviceNode> existing(String directory, String prefix) throws IOException {
        List<DeviceNode> existing = new ArrayList<>();
        for (String name : files.list(onHost(device(directory)))) {
            if (name.startsWith(prefix)) {
                existing(device(directory).resolve(name)).ifPresent(existing::add);
            }
        }
        return existing;
    }

    /** A node as it is; empty when it is not there. */
    Optional<DeviceNode> existing(Path path) throws IOException {
        Path host = onHost(path);
        Optional<CharacterDevice> found = nodes.find(host);
        return found.isPresent() || files.exists(host) ? Optional.of(remember(path, host, found)) : Optional.empty();
    }

    /**
     * Sees to a link {@code /dev/char/<major>:<minor>} for every node that was asked for: systemd and runc know a device by that name, and forget
     * what a running container may open at {@code systemctl daemon-reload} when there is none.
     */
    void linkByNumber() {
        Path dev = Path.of("/dev");
        String first = "";
        int failed = 0;
        for (DeviceNode node : present) {
            CharacterDevice device = node.device().orElseThrow();
            Path link = Path.of("/dev/char", device.major() + ":" + device.minor());
            try {
                if (nodes.find(link).filter(device::sameDevice).isEmpty()) {
                    nodes.link(
                            link,
                            node.hostPath().startsWith(dev)
                                    ? Path.of("..").resolve(dev.relativize(node.hostPath()))
                                    : node.hostPath());
                }
            } catch (IOException e) {
                first = first.isEmpty() ? link + " cannot be made: " + e : first;
                failed++;
            }
        }
        if (failed > 0) {
            problems.add("containers under systemd may lose their GPUs at daemon-reload: " + first
                    + (failed > 1 ? " (and " + (failed - 1) + " more)" : "")
                    + "; let the agent write to /dev, or set cdi.devCharLinks to false");
        }
    }

    /** @param access the driver's file that says the mode of a capability's node; its parameters say that of the others */
    private Answer node(Path path, String driver, int minor, Optional<Path> access) throws IOException {
        Path host = onHost(path);
        OptionalInt major = majors.ofNvidia(driver);
        Optional<CharacterDevice> found = nodes.find(host);
        if (major.isEmpty()) {
            return found.isPresent() || files.exists(host)
                    ? new Answer(Optional.of(remember(path, host, found)), "")
                    : new Answer(
                            Optional.empty(),
                            host + " does not exist, and /proc/devices does not name " + driver
                                    + ": see whether the module is loaded (lsmod), or set flags.nvidiaDevRoot");
        }
        if (found.filter(device -> device.major() == major.getAsInt() && device.minor() == minor)
                .isPresent()) {
            return new Answer(Optional.of(remember(path, host, found)), "");
        }
        int mode = access.isPresent()
                ? DriverParameters.parse(
                                files.readText(access.get(), TABLE_LIMIT).orElse(""))
                        .number("DeviceFileMode", 0, 0777, FOR_ALL_TO_READ)
                : parameters.number("DeviceFileMode", 0, 0777, FOR_ALL);
        CharacterDevice expected = new CharacterDevice(
                major.getAsInt(),
                minor,
                mode,
                parameters.number("DeviceFileUID", 0, Integer.MAX_VALUE, 0),
                parameters.number("DeviceFileGID", 0, Integer.MAX_VALUE, 0));
        // Whatever else is at that place, a runtime that knows the numbers makes the right node in the container.
        Optional<DeviceNode> node = Optional.of(new DeviceNode(path, host, Optional.of(expected)));
        if (found.isEmpty() && files.exists(host)) {
            return new Answer(node, "");
        }
        try {
            if (!create) {
                throw new IOException("cdi.createDeviceNodes is off");
            }
            nodes.create(host, expected);
            return new Answer(Optional.of(remember(path, host, Optional.of(expected))), "");
        } catch (IOException e) {
            problems.add(host
                    + (found.isPresent() ? " has the numbers of a driver that is no longer loaded" : " does not exist")
                    + " and is not made: " + e + "; containers in a user namespace cannot use it. Make it: mknod -m "
                    + Integer.toOctalString(expected.mode()) + " " + host + " c " + expected.major() + " " + minor);
            return new Answer(node, "");
        }
    }

    private DeviceNode remember(Path path, Path host, Optional<CharacterDevice> device) {
        DeviceNode node = new DeviceNode(path, host, device);
        if (device.isPresent()) {
            present.add(node);
        }
        return node;
    }

    private static Path device(String name) {
        return Path.of("/dev").resolve(name);
    }

    /** Below the device root; what is not there and is in the host's own {@code /dev} is taken from there, as with drivers in a container. */
    private Path onHost(Path node) {
        if (devRoot.getNameCount() == 0) {
            return node;
        }
        Path rooted = devRoot.resolve(node.toString().substring(1));
        return files.exists(rooted) || !files.exists(node) ? rooted : node;
    }
}
