package io.gpunode.agent.driver;

import io.gpunode.agent.driver.ObservedDriver.BusGpu;
import io.gpunode.agent.driver.ObservedDriver.DriverNode;
import io.gpunode.agent.driver.ObservedDriver.NodeState;
import io.gpunode.agent.driver.ObservedDriver.RunningDriver;
import io.gpunode.agent.model.DriverVersion;
import io.gpunode.agent.os.DeviceNodes;
import io.gpunode.agent.os.DeviceNodes.CharacterDevice;
import io.gpunode.agent.os.DriverFiles;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.KernelHeadersSearch;
import io.gpunode.agent.os.KernelModules;
import io.gpunode.agent.os.LoadedModule;
import io.gpunode.agent.os.NvidiaNodes;
import io.gpunode.agent.os.SystemBootSecurity;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** {@link DriverObserver} by the host's files. */
public final class HostDriverObserver implements DriverObserver {
    private static final Path RELEASE = Path.of("/proc/sys/kernel/osrelease");
    private static final Path BOOT = Path.of("/proc/sys/kernel/random/boot_id");
    private static final int LIMIT = 4_096;

    private final HostFiles files;
    private final KernelModules modules;
    private final DeviceNodes nodes;
    private final Path driverRoot;

    /**
     * @param files the host's
     * @param driverRoot where the driver's libraries are, on the host
     */
    public HostDriverObserver(HostFiles files, KernelModules modules, DeviceNodes nodes, Path driverRoot) {
        this.files = files;
        this.modules = modules;
        this.nodes = nodes;
        this.driverRoot = driverRoot;
    }

    /** A part of the look. */
    @FunctionalInterface
    private interface Part<T> {
        T read() throws IOException;
    }

    /** Collects what could not be read. */
    private static <T> T read(String what, Part<T> part, T otherwise, List<String> unreadable) {
        try {
            return part.read();
        } catch (IOException e) {
            unreadable.add(what + " cannot be read: " + e.getMessage());
            return otherwise;
        }
    }

    @Override
    public ObservedDriver observe() {
        List<String> unreadable = new ArrayList<>();
        DriverFiles driver = new DriverFiles(files);
        String kernel = read("the kernel's release", () -> text(RELEASE), "", unreadable);
        List<LoadedModule> loaded = read("the kernel's modules", modules::loaded, List.of(), unreadable);
        ModuleGraph graph = ModuleGraph.of(loaded);
        Optional<RunningDriver> running = graph.find(ModuleGraph.CORE).isEmpty()
                ? Optional.empty()
                : read(
                                "the loaded driver's version",
                                driver::loaded,
                                Optional.<DriverFiles.KernelDriver>empty(),
                                unreadable)
                        .map(found -> new RunningDriver(
                                found.version(), found.open() ? ModuleType.OPEN : ModuleType.PROPRIETARY));
        Map<String, String> parameters = read("the driver's options", driver::parameters, Map.of(), unreadable);
        List<DriverVersion> libraries =
                read("the driver's libraries", () -> driver.libraries(driverRoot), List.of(), unreadable);
        List<BusGpu> gpus = read("the PCI bus", () -> gpus(driver), List.of(), unreadable);
        List<DriverNode> states = read("the device nodes", this::nodes, List.of(), unreadable);
        Nouveau nouveau = read(
                "what there is of nouveau",
                () -> new NouveauObserver(files).observe(loaded, gpus),
                Nouveau.ABSENT,
                unreadable);
        String machine = machine();
        return new ObservedDriver(
                kernel,
                machine,
                read("the id of this boot", () -> text(BOOT), "", unreadable),
                graph,
                running,
                parameters,
                libraries,
                gpus,
                states,
                nouveau,
                new SystemBootSecurity(files).read(),
                new KernelHeadersSearch(files, machine).find(kernel),
                unreadable);
    }

    /** As {@code uname -m} writes it. */
    private static String machine() {
        String name = System.getProperty("os.arch", "");
        return name.equals("amd64") ? "x86_64" : name;
    }

    private String text(Path path) throws IOException {
        return files.readText(path, LIMIT).orElse("").strip();
    }

    private static List<BusGpu> gpus(DriverFiles driver) throws IOException {
        List<BusGpu> gpus = new ArrayList<>();
        for (DriverFiles.BusGpu gpu : driver.gpus()) {
            gpus.add(new BusGpu(gpu.address(), gpu.device(), gpu.driver()));
        }
        return gpus;
    }

    private List<DriverNode> nodes() throws IOException {
        List<DriverNode> states = new ArrayList<>();
        for (NvidiaNodes.Node node : new NvidiaNodes(files).wanted()) {
            Optional<CharacterDevice> found = nodes.find(node.path());
            NodeState state = found.isPresent()
                    ? (found.get().sameDevice(node.device()) ? NodeState.RIGHT : NodeState.STALE)
                    : files.exists(node.path()) ? NodeState.OTHER : NodeState.MISSING;
            states.add(new DriverNode(
                    node.path(), node.device().major(), node.device().minor(), state));
        }
        return states;
    }
}
