package io.gpunode.agent.cdi;

import io.gpunode.agent.config.AgentConfig.DeviceIdStrategy;
import io.gpunode.agent.json.JsonWriter;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.os.HostFiles;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;

/**
 * A CDI specification of the picture: one device per GPU and MIG device and one, {@code all}, with everything; the driver's files once for
 * all of them. It runs no hook. The same picture and files give the same bytes.
 *
 * @param json the specification's text
 * @param names every qualified name that it resolves
 * @param problems what a container will miss, in sentences
 */
record CdiSpec(String json, Set<String> names, List<String> problems) {
    /** The kind of the device plugin's own specification; kubelets replay names of earlier answers, so it never changes. */
    static final String KIND = "k8s.device-plugin.nvidia.com/gpu";

    private static final List<Path> CONTROL_NODES = List.of(
            Path.of("/dev/nvidia-modeset"),
            Path.of("/dev/nvidia-uvm"),
            Path.of("/dev/nvidia-uvm-tools"),
            Path.of("/dev/nvidiactl"));

    CdiSpec {
        names = Set.copyOf(names);
        problems = List.copyOf(problems);
    }

    /**
     * Builds the specification.
     *
     * @param snapshot an open picture
     * @param strategy what devices are called
     * @param devRoot root of the device nodes as the host sees it
     * @param driver the driver's files
     */
    static CdiSpec build(
            NodeSnapshot snapshot, DeviceIdStrategy strategy, Path devRoot, DriverFiles driver, HostFiles files)
            throws IOException {
        List<String> problems = new ArrayList<>(driver.problems());
        Map<String, Set<Path>> devices = new LinkedHashMap<>();
        for (Gpu gpu : snapshot.gpus()) {
            Path node = Path.of("/dev/nvidia" + gpu.minor());
            if (!files.exists(onHost(devRoot, node))) {
                problems.add(onHost(devRoot, node) + " of GPU " + gpu.id() + " does not exist: run nvidia-modprobe -c "
                        + gpu.minor());
            }
            Set<Path> nodes = new LinkedHashSet<>();
            nodes.add(node);
            nodes.addAll(drmNodes(gpu, files));
            devices.put(strategy == DeviceIdStrategy.UUID ? gpu.id().uuid() : Integer.toString(gpu.index()), nodes);
            for (MigDevice mig : gpu.migDevices()) {
                Set<Path> migNodes = migNodes(gpu, mig, devRoot, files, problems);
                // With its parent's node alone a container would see a GPU that it cannot use.
                if (!migNodes.isEmpty()) {
                    devices.put(
                            strategy == DeviceIdStrategy.UUID ? mig.id().uuid() : gpu.index() + ":" + mig.index(),
                            migNodes);
                }
            }
        }
        Set<Path> all = new LinkedHashSet<>();
        devices.values().forEach(all::addAll);
        if (!all.isEmpty()) {
            devices.put("all", all);
        }
        List<Path> control = new ArrayList<>();
        for (Path node : CONTROL_NODES) {
            if (files.exists(onHost(devRoot, node))) {
                control.add(node);
            } else {
                problems.add(onHost(devRoot, node) + " does not exist: run nvidia-modprobe -u -m -c 0");
            }
        }
        boolean hostPaths = !devRoot.equals(Path.of("/"));
        // The lowest version that can say it: hostPath of a node and names that begin with a digit came with 0.5.
        String version = hostPaths || strategy == DeviceIdStrategy.INDEX ? "0.5.0" : "0.3.0";
        JsonWriter json = JsonWriter.pretty();
        json.beginObject().member("cdiVersion", version).member("kind", KIND);
        json.name("devices").beginArray();
        devices.forEach((name, nodes) -> {
            json.beginObject().member("name", name).name("containerEdits").beginObject();
            writeNodes(json, nodes, devRoot, hostPaths);
            json.endObject().endObject();
        });
        json.endArray().name("containerEdits").beginObject();
        writeEnvironment(json, driver);
        if (!control.isEmpty()) {
            writeNodes(json, control, devRoot, hostPaths);
        }
        json.name("mounts").beginArray();
        for (DriverFiles.Mount mount : driver.mounts()) {
            writeMount(json, mount, List.of("ro", "nosuid", "nodev", "rbind", "rprivate"));
        }
        for (DriverFiles.Mount socket : driver.sockets()) {
            writeMount(json, socket, List.of("nosuid", "nodev", "rbind", "rprivate", "noexec"));
        }
        json.endArray().endObject().endObject();
        Set<String> qualified = new LinkedHashSet<>();
        for (String name : devices.keySet()) {
            qualified.add(KIND + "=" + name);
        }
        return new CdiSpec(json + "\n", qualified, problems);
    }

    private static void writeEnvironment(JsonWriter json, DriverFiles driver) {
        // "void" keeps NVIDIA's container runtime from injecting the same GPUs a second time.
        List<String> environment = new ArrayList<>(List.of("NVIDIA_VISIBLE_DEVICES=void"));
        if (!driver.libraryDirectories().isEmpty()) {
            StringBuilder directories = new StringBuilder("NVIDIA_CTK_LIBCUDA_DIR=");
            for (int i = 0; i < driver.libraryDirectories().size(); i++) {
                directories
                        .append(i == 0 ? "" : ":")
                        .append(driver.libraryDirectories().get(i));
            }
            environment.add(directories.toString());
        }
        json.member("env", environment);
    }

    private static void writeNodes(JsonWriter json, Iterable<Path> nodes, Path devRoot, boolean hostPaths) {
        json.name("deviceNodes").beginArray();
        for (Path node : nodes) {
            json.beginObject().member("path", node.toString());
            if (hostPaths) {
                json.member("hostPath", onHost(devRoot, node).toString());
            }
            json.endObject();
        }
        json.endArray();
    }

    private static void writeMount(JsonWriter json, DriverFiles.Mount mount, List<String> options) {
        json.beginObject()
                .member("hostPath", mount.hostPath().toString())
                .member("containerPath", mount.containerPath().toString())
                .member("options", options)
                .endObject();
    }

    private static Set<Path> drmNodes(Gpu gpu, HostFiles files) throws IOException {
        Set<Path> nodes = new LinkedHashSet<>();
        for (String name : files.list(Path.of("/sys/bus/pci/devices", gpu.pci().sysfsName(), "drm"))) {
            if (name.startsWith("card") || name.startsWith("renderD")) {
                nodes.add(Path.of("/dev/dri", name));
            }
        }
        return nodes;
    }

    private static Set<Path> migNodes(Gpu gpu, MigDevice mig, Path devRoot, HostFiles files, List<String> problems) {
        OptionalInt gpuInstance = mig.gpuInstanceCapability();
        OptionalInt computeInstance = mig.computeInstanceCapability();
        if (gpuInstance.isEmpty() || computeInstance.isEmpty()) {
            problems.add(
                    "MIG device " + mig.id() + " is left out: it has no minors in /proc/driver/nvidia-caps/mig-minors;"
                            + " see whether the nvidia-caps driver is loaded: grep nvidia-caps /proc/devices");
            return Set.of();
        }
        Set<Path> nodes = new LinkedHashSet<>();
        nodes.add(Path.of("/dev/nvidia" + gpu.minor()));
        for (int minor : new int[] {gpuInstance.getAsInt(), computeInstance.getAsInt()}) {
            Path node = Path.of("/dev/nvidia-caps/nvidia-cap" + minor);
            if (!files.exists(onHost(devRoot, node))) {
                problems.add(
                        "MIG device " + mig.id() + " is left out: " + onHost(devRoot, node)
                                + " does not exist; run nvidia-modprobe -f /proc/driver/nvidia/capabilities/mig/monitor, or nvidia-smi -L");
                return Set.of();
            }
            nodes.add(node);
        }
        return nodes;
    }

    private static Path onHost(Path devRoot, Path node) {
        return devRoot.resolve(node.toString().substring(1));
    }
}
