package io.gpunode.agent.deviceplugin;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.inventory.SnapshotSource;
import io.gpunode.agent.lifecycle.DutyCycle;
import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.lifecycle.Service;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.net.UnixSockets;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.podresources.PodResourcesSource;
import io.gpunode.agent.time.MonotonicClock;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * The device plugin of every resource of the node: for each one a server on a socket of its own, kept registered with the kubelet, its list
 * kept level with the picture. A resource that appears is served from the next turn on, one that is gone retires, and neither touches the
 * others' streams.
 *
 * <p>Two threads besides the event loop, however many resources there are: the registration loop, which owns everything that changes, and the
 * reader of inotify, which wakes it.
 */
public final class DevicePlugin implements Service {
    static final String DIRECTORY_SETTING = "kubelet.devicePluginDirectory";

    private static final Log LOG = Log.of(DevicePlugin.class);
    /** The longest that one turn may take: a warm-up, a bind, some looks at files. */
    private static final Duration TURN_BOUND = Duration.ofSeconds(10);
    /** Resources that have series of their own: those of a node and what reloads rename. */
    static final int MOST_COUNTED = 64;

    /** Of other agents' sockets that are remembered from one turn to the next; one is enough to act on. */
    private static final int MOST_PASSING = 256;

    /** Where the lists come from: one for each resource. Asked on the registration loop alone. */
    interface Catalog {
        /** Follows other settings from the next update on. */
        void configure(PluginSettings settings);

        /** Which GPUs are not to be given to containers from the next update on, since they are being split anew. */
        void withhold(Set<GpuId> gpus);

        /** The lists for a picture, each resource once; the same objects as long as nothing changed that matters. */
        List<AdvertisedDevices> update(NodeSnapshot snapshot, CdiCoverage coverage);

        /** Why the kubelet should not be told of this node's devices yet; empty when it should. */
        String notReady();

        /** What is not offered or not as configured, as of the last update. Any thread. */
        List<ResourcePlan.Problem> problems();
    }

    private final Path directory;
    private final Path kubelet;
    private final SocketNames names;
    private final EventLoops loops;
    private final SnapshotSource source;
    private final HostFiles files;
    private final Catalog catalog;
    private final Meters meters;
    private final AllocationTroubles troubles;
    private final MonotonicClock clock;
    private final KubeletRegistration.Surroundings surroundings;
    private final KubeletWatch watch;
    private final DutyCycle duty;
    private final Map<String, KubeletRegistration> served = new LinkedHashMap<>();
    private final List<KubeletRegistration> retiring = new ArrayList<>();
    /** Of the resources that were served first, for the registry keeps series: one that goes and comes back goes on counting. */
    private final Map<String, PluginCounts> counts = new HashMap<>();

    /** What is left out and was told. */
    private List<ResourcePlan.Problem> toldProblems = List.of();

    private int registrationNumber;
    private boolean prepared;
    /** Other agents' sockets that came or went; filled by the watch's thread, emptied by the loop. */
    private final Set<String> passing = ConcurrentHashMap.newKeySet();
    /** Those that this one removed itself, until the watch has told of them. */
    private Set<String> removedDead = Set.of();

    private volatile PluginSettings settings;
    private volatile CdiCoverage coverage = CdiCoverage.NONE;
    private volatile Set<GpuId> beingSplit = Set.of();
    private volatile long wokenForStructure = -1;
    private volatile List<KubeletRegistration> offered = List.of();
    private volatile String notReady = "the agent is starting";
    private SnapshotSource.@Nullable Subscription subscription;

    /**
     * @param pods what containers hold, for placing shares and MIG devices
     * @param files where device nodes are looked for
     * @param troubles hears why pods get no devices
     * @param random makes the sockets' names unique, so that the agent of an upgrade does not take the place of the one that it follows
     */
    public DevicePlugin(
            PluginSettings settings,
            AgentConfig.Kubelet kubelet,
            SnapshotSource source,
            PodResourcesSource pods,
            HostFiles files,
            EventLoops loops,
            Heartbeats heartbeats,
            Meters meters,
            AllocationTroubles troubles,
            MonotonicClock clock,
            InstantSource wall,
            RandomGenerator random) {
        this(
                settings,
                new DeviceCatalog(settings, files),
                kubelet,
                source,
                pods,
                files,
                loops,
                heartbeats,
                meters,
                troubles,
                clock,
                wall,
                random,
                FileSystems.getDefault()::newWatchService);
    }

    DevicePlugin(
            PluginSettings settings,
            Catalog catalog,
            AgentConfig.Kubelet kubelet,
            SnapshotSource source,
            PodResourcesSource pods,
            HostFiles files,
            EventLoops loops,
            Heartbeats heartbeats,
            Meters meters,
            AllocationTroubles troubles,
            MonotonicClock clock,
            InstantSource wall,
            RandomGenerator random,
            KubeletWatch.Opener watches) {
        boolean byRegistry = kubelet.registration() == AgentConfig.RegistrationWay.PLUGINS_REGISTRY;
        this.directory = kubelet.socketDirectory();
        this.kubelet = byRegistry ? directory : kubelet.socket();
        this.names = SocketNames.of(directory, clock.now(), random);
        this.loops = loops;
        this.source = source;
        this.settings = settings;
        this.files = files;
        this.catalog = catalog;
        this.meters = meters;
        this.troubles = troubles;
        this.clock = clock;
        this.duty = new DutyCycle("device-plugin", TURN_BOUND, heartbeats, this::turn);
        this.surroundings = new KubeletRegistration.Surroundings(
                this.kubelet,
                byRegistry,
                names,
                new HeldDevicesReader(pods, source, clock),
                () -> ++registrationNumber,
                loops,
                clock,
                wall,
                duty::wake);
        meters.gauge(
                "gpu_node_agent_device_plugin_unoffered_devices",
                "GPUs and MIG devices that no resource offers, because the strategy has no place for them; `status` says why.",
                this::unoffered);
        String kubeletName = this.kubelet.getFileName().toString();
        this.watch = new KubeletWatch(directory, name -> noted(name) || name.equals(kubeletName), duty::wake, watches);
    }

    /** Whether this is an agent's socket; one of another agent is remembered for the next turn. On the watch's thread. */
    private boolean noted(String name) {
        if (!SocketNames.isAgents(name)) {
            return false;
        }
        if (passing.size() < MOST_PASSING && !names.servedByOther(name).isEmpty()) {
            passing.add(name);
        }
        return true;
    }

    /** Other agents' sockets that came or went since the last turn, for each resource that has some; by its name as in {@link SocketNames#others}. */
    private Map<String, Set<String>> passed() {
        if (passing.isEmpty()) {
            return Map.of();
        }
        Map<String, Set<String>> passed = new HashMap<>();
        for (Iterator<String> newest = passing.iterator(); newest.hasNext(); ) {
            String name = newest.next();
            newest.remove();
            if (removedDead.isEmpty() || !removedDead.remove(name)) {
                passed.computeIfAbsent(names.servedByOther(name), _ -> new HashSet<>())
                        .add(name);
            }
        }
        return passed;
    }

    @Override
    public String name() {
        return "device-plugin";
    }

    /** @throws IllegalArgumentException when a socket's path is too long */
    @Override
    public void start() {
        UnixSockets.checkPath(names.socket(settings.plugin().resourceName(), 1), DIRECTORY_SETTING);
        UnixSockets.checkPath(kubelet, DIRECTORY_SETTING);
        subscription = source.subscribe(name(), this::changed);
        duty.start();
    }

    @Override
    public void stop(Duration limit) throws Exception {
        if (subscription != null) {
            subscription.close();
        }
        try {
            // A loop that does not end still owns the registrations; the end of the process ends them.
            duty.stop(limit);
            retiring.addAll(served.values());
            retiring.forEach(KubeletRegistration::shutDown);
            retiring.forEach(KubeletRegistration::close);
        } finally {
            watch.close();
        }
    }

    /**
     * Follows other settings from the next turn on: lists and answers change together, and no stream ends because of it. Never blocks, any
     * thread.
     */
    public void configure(PluginSettings changed) {
        settings = changed;
        duty.wake();
    }

    /** What container runtimes can resolve from now on; only matters when devices are handed out by CDI name. Never blocks, any thread. */
    public void cdiWritten(CdiCoverage written) {
        coverage = written;
        duty.wake();
    }

    /** Which GPUs and MIG devices on them no container is to be given from now on; empty for none. Never blocks, any thread. */
    public void withhold(Set<GpuId> gpus) {
        beingSplit = Set.copyOf(gpus);
        duty.wake();
    }

    /** How each resource stands that is offered now, in the order in which they appeared. Never blocks, any thread. */
    public List<DevicePluginStatus> status() {
        List<KubeletRegistration> now = offered;
        List<DevicePluginStatus> status = new ArrayList<>(now.size());
        for (KubeletRegistration registration : now) {
            status.add(status(registration));
        }
        return status;
    }

    /** Why the kubelet is not told of this node's devices yet; empty when it is. Never blocks, any thread. */
    public String notReady() {
        return notReady;
    }

    /** Why changes of the kubelet's directory are found by looking, not told by inotify; empty when they are told. Never blocks, any thread. */
    public String watchProblem() {
        return watch.problem();
    }

    /** Where plugins register: the kubelet's socket, or the directory in which it finds theirs. */
    public Path kubelet() {
        return kubelet;
    }

    private static DevicePluginStatus status(KubeletRegistration registration) {
        KubeletRegistration.Told told = registration.told();
        PluginCounts counts = registration.counts();
        AdvertisedDevices devices = told.devices();
        return new DevicePluginStatus(
                registration.resource(),
                told.socket(),
                told.state().word(),
                told.state().reason(),
                told.since(),
                told.lastError(),
                told.lastErrorAt(),
                told.streams(),
                devices.devices().size(),
                devices.healthyCount(),
                counts.registrations(),
                counts.failedRegistrations(),
                counts.listsSent(),
                counts.allocations(),
                counts.refusedAllocations());
    }

    /** What is not offered or not as configured, in sentences with the next step. Never blocks, any thread. */
    public List<String> problems() {
        return catalog.problems().stream().map(ResourcePlan.Problem::text).toList();
    }

    private double unoffered() {
        int devices = 0;
        for (ResourcePlan.Problem problem : catalog.problems()) {
            devices += problem.devices().size();
        }
        return devices;
    }

    private void changed(NodeSnapshot snapshot) {
        // Samples come every few seconds and change nothing here.
        if (snapshot.structureVersion() != wokenForStructure) {
            wokenForStructure = snapshot.structureVersion();
            duty.wake();
        }
    }

    private Duration turn() throws InterruptedException {
        watch.ensureWatching();
        PluginSettings inForce = settings;
        catalog.configure(inForce);
        if (!prepared && Files.isDirectory(directory)) {
            prepared = true;
            removedDead = names.removeDead();
            WarmUp.run(names.hidden("warm-up"), loops, AllocationRules.of(inForce, files, coverage), clock);
        }
        catalog.withhold(beingSplit);
        List<AdvertisedDevices> lists = catalog.update(source.current(), coverage);
        notReady = catalog.notReady();
        tellLeftOut(catalog.problems());
        retireAllBut(lists);
        // First: what goes between the two is missing below.
        Map<String, Set<String>> passed = passed();
        Map<String, SocketNames.Others> others = names.others();
        Duration pause = watch.problem().isEmpty() ? RegistrationState.SETTLED_POLL : RegistrationState.POLL;
        for (AdvertisedDevices list : lists) {
            KubeletRegistration registration = registration(list.resource());
            pause = shorter(
                    pause,
                    registration.turn(
                            list,
                            notReady,
                            others.getOrDefault(SocketNames.shortened(list.resource()), SocketNames.Others.NONE),
                            passed.getOrDefault(SocketNames.shortened(list.resource()), Set.of())));
        }
        return shorter(pause, finishRetiring());
    }

    private void tellLeftOut(List<ResourcePlan.Problem> problems) {
        if (problems.equals(toldProblems)) {
            return;
        }
        Set<String> before = new HashSet<>();
        for (ResourcePlan.Problem problem : toldProblems) {
            before.add(problem.reason());
        }
        for (ResourcePlan.Problem problem : problems) {
            if (!problem.devices().isEmpty() && !before.contains(problem.reason())) {
                troubles.leftOut(problem.devices(), problem.reason());
            }
        }
        toldProblems = problems;
    }

    /** The registration of a resource, made when there is none. */
    private KubeletRegistration registration(String resource) {
        KubeletRegistration known = served.get(resource);
        if (known != null) {
            return known;
        }
        PluginCounts counted = counts.get(resource);
        if (counted == null) {
            counted = count(resource);
        }
        KubeletRegistration made = new KubeletRegistration(resource, surroundings, counted);
        served.put(resource, made);
        offered = List.copyOf(served.values());
        return made;
    }

    private PluginCounts count(String resource) {
        if (counts.size() >= MOST_COUNTED) {
            LOG.warn(
                    "so many resources have been served since the start that this one has no series in /metrics; a restart gives it some",
                    "resource",
                    resource,
                    "limit",
                    MOST_COUNTED);
            return new PluginCounts(Meters.NONE, resource, troubles);
        }
        meters.gauge(
                "gpu_node_agent_device_plugin_registered",
                "Whether the kubelet has taken the registration of the resource: 1 or 0.",
                () -> registered(resource),
                "resource",
                resource);
        PluginCounts counted = new PluginCounts(meters, resource, troubles);
        counts.put(resource, counted);
        return counted;
    }

    /** 1 or 0, and no number for a resource that is not offered now. Any thread. */
    private double registered(String resource) {
        for (KubeletRegistration registration : offered) {
            if (registration.resource().equals(resource)) {
                return status(registration).registered() ? 1 : 0;
            }
        }
        return Double.NaN;
    }

    /** A resource that is not among these retires. */
    private void retireAllBut(List<AdvertisedDevices> lists) {
        Set<String> wanted = HashSet.newHashSet(lists.size());
        for (AdvertisedDevices list : lists) {
            wanted.add(list.resource());
        }
        boolean changed = served.entrySet().removeIf(entry -> {
            if (wanted.contains(entry.getKey())) {
                return false;
            }
            entry.getValue().retire();
            retiring.add(entry.getValue());
            return true;
        });
        if (changed) {
            offered = List.copyOf(served.values());
        }
    }

    private Duration finishRetiring() {
        Duration pause = RegistrationState.SETTLED_POLL;
        for (int i = retiring.size() - 1; i >= 0; i--) {
            Duration left = retiring.get(i).retiring();
            if (left.isZero()) {
                retiring.remove(i);
            } else {
                pause = shorter(pause, left);
            }
        }
        return pause;
    }

    private static Duration shorter(Duration a, Duration b) {
        return a.compareTo(b) <= 0 ? a : b;
    }
}
