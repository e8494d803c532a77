package io.gpunode.agent.driver;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.inventory.Inventory;
import io.gpunode.agent.kubernetes.KubeletWord;
import io.gpunode.agent.kubernetes.NodeEvent;
import io.gpunode.agent.kubernetes.NodeSession;
import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.net.Download;
import io.gpunode.agent.os.CommandRunner;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.KernelModules;
import io.gpunode.agent.os.KernelValues;
import io.gpunode.agent.os.KmsgKernelLog;
import io.gpunode.agent.os.ProcOpenDevices;
import io.gpunode.agent.os.SystemCommandRunner;
import io.gpunode.agent.os.SystemDeviceNodes;
import io.gpunode.agent.os.SystemHostProcesses;
import io.gpunode.agent.os.SystemJobRunner;
import io.gpunode.agent.os.SystemKernelModules;
import io.gpunode.agent.os.SystemMounts;
import io.gpunode.agent.os.SystemctlSystemd;
import io.gpunode.agent.time.MonotonicClock;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import java.util.function.Supplier;

/** This machine's driver: everything that looks at it and changes it, put together. */
public final class DriverNode {
    private static final Log LOG = Log.of(DriverNode.class);

    private final AgentConfig config;
    private final HostFiles own;
    private final HostFiles host;
    private final MonotonicClock clock;
    private final InstantSource wall;
    private final Map<String, String> environment;
    private final String version;
    private final CommandRunner commands = new SystemCommandRunner();
    private final KernelModules modules;
    private final DriverStore store;
    private final DriverSources sources;

    /**
     * @param config the agent's
     * @param own files as this process sees them
     * @param host the host's files
     * @param environment of this process
     * @param version the agent's own
     */
    public DriverNode(
            AgentConfig config,
            HostFiles own,
            HostFiles host,
            Map<String, String> environment,
            String version,
            MonotonicClock clock,
            InstantSource wall) {
        this.config = config;
        this.own = own;
        this.host = host;
        this.environment = environment;
        this.version = version;
        this.clock = clock;
        this.wall = wall;
        this.modules = new SystemKernelModules(host, own, commands, () -> KmsgKernelLog.open(host), clock);
        this.store = new DriverStore(host, DriverStore.DIRECTORY);
        this.sources = new DriverSources(
                host, commands, new SystemJobRunner(host, clock), store, new Download(clock, environment), clock);
    }

    /** What of the driver is on the node. */
    public DriverObserver observer() {
        return new HostDriverObserver(
                host, modules, new SystemDeviceNodes(host), config.plugin().driverRoot());
    }

    /** Who holds it. */
    public HolderScan holders() {
        return new OpenDeviceScan(own, host, new ProcOpenDevices(own, clock), clock);
    }

    /** What {@link DriverSources#stage} would do for the configured driver and the running kernel, in sentences. */
    public List<String> staging() throws DriverSourceException, InterruptedException {
        ObservedDriver observed = observer().observe();
        return sources.plan(DriverChanger.wish(config.driver(), observed), KernelFacts.running(observed));
    }

    /** Whether the configured driver lies ready for the running kernel, so that loading it fetches and compiles nothing. */
    public boolean isStaged() throws DriverSourceException, InterruptedException {
        if (config.driver().source() == AgentConfig.Driver.SourceKind.HOST) {
            return true;
        }
        ObservedDriver observed = observer().observe();
        return sources.ready(DriverChanger.wish(config.driver(), observed), KernelFacts.running(observed))
                .isPresent();
    }

    /** Changes of the driver by a command, without an agent. */
    public DriverChanger changer(Consumer<String> told) {
        HostDriverOperations.Parts parts = parts(false);
        return changer(config.driver(), parts, DriverDoor.NONE, () -> new KubeletWord.Holding(Set.of()), told);
    }

    /**
     * The service that keeps the driver, of an agent.
     *
     * @param kubelet its word on who holds GPUs
     * @param events told what is worth an event
     */
    public DriverManager manager(
            Inventory inventory,
            Supplier<KubeletWord> kubelet,
            Consumer<NodeEvent> events,
            Heartbeats heartbeats,
            Meters meters) {
        HostDriverOperations.Parts parts = parts(true);
        DriverDoor door = new DriverDoor.OfInventory(inventory);
        return new DriverManager(
                config.driver(),
                door,
                settings -> changer(settings, parts, door, kubelet, line -> LOG.info("pods", "text", line)),
                reason -> inventory.beginSuspended(DriverDoor.OfInventory.OWNER, reason),
                events,
                clock,
                wall,
                new SplittableRandom(),
                heartbeats,
                meters);
    }

    /** What is written down of changes of the driver. */
    public DriverHistory history(ObservedDriver observed) {
        return DriverHistory.read(host, DriverTransaction.STATE_DIRECTORY, observed.bootId(), observed.loaded());
    }

    /** The kernel's modules. */
    public KernelModules modules() {
        return modules;
    }

    /** The driver's daemons, to look at: none that is started here is started again when it ends. */
    public Daemons daemons() {
        return daemons(new SystemHostProcesses(own, host, clock), false);
    }

    /** The driver as containers look for it. */
    public DriverRoot root() {
        return root(new SystemHostProcesses(own, host, clock));
    }

    private Daemons daemons(SystemHostProcesses processes, boolean keep) {
        return new HostDaemons(
                host,
                processes,
                new SystemctlSystemd(commands, own, host),
                commands,
                config.driver().daemons(),
                config.driver().limits().daemon(),
                keep,
                clock);
    }

    private DriverRoot root(SystemHostProcesses processes) {
        return new HostDriverRoot(
                own,
                host,
                new SystemMounts(commands, own, host),
                new SystemDeviceNodes(host),
                processes,
                config.driver().root());
    }

    HostDriverOperations.Parts parts(boolean keepDaemons) {
        SystemHostProcesses processes = new SystemHostProcesses(own, host, clock);
        KernelValues values = new KernelValues(host);
        return new HostDriverOperations.Parts(
                observer(),
                holders(),
                modules,
                values,
                new NouveauRelease(modules, values, host),
                daemons(processes, keepDaemons),
                root(processes),
                new ValidatorFiles(host),
                store);
    }

    private DriverChanger changer(
            AgentConfig.Driver settings,
            HostDriverOperations.Parts parts,
            DriverDoor door,
            Supplier<KubeletWord> kubelet,
            Consumer<String> told) {
        return new DriverChanger(
                settings,
                operations(settings, parts, door, kubelet, told),
                parts.observer(),
                sources,
                keep -> sources.prune(keep, false),
                host,
                clock);
    }

    /** What is done to the node, and asked of its cluster, by a change of the driver. */
    HostDriverOperations operations(
            AgentConfig.Driver settings,
            HostDriverOperations.Parts parts,
            DriverDoor door,
            Supplier<KubeletWord> kubelet,
            Consumer<String> told) {
        PodDrain.Opener opener = () -> NodeSession.open(
                config,
                version,
                Optional.empty(),
                environment,
                own,
                host,
                kubelet,
                told,
                clock,
                wall,
                new SplittableRandom());
        PodDrain pods = new PodDrain(opener, settings.change());
        ClusterTurn turn = new ClusterTurn(opener, settings.change());
        return new HostDriverOperations(parts, settings, door, pods, turn);
    }
}
