package io.gpunode.agent.attribution;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.kubernetes.NodePod;
import io.gpunode.agent.lifecycle.DutyCycle;
import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.lifecycle.Service;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.Gpu.ProcessUse;
import io.gpunode.agent.model.LaneState;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.os.ContainerCgroup;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.Processes;
import io.gpunode.agent.podresources.DeviceHolders;
import io.gpunode.agent.podresources.PodResourcesPicture;
import io.gpunode.agent.podresources.PodResourcesSource;
import io.gpunode.agent.podresources.PodUse;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Finds out who uses the GPUs, after each sampling and at most once a second: reads the control groups of processes, the kubelet's log directories, job
 * files and the container runtime's API, each only where it is wanted. Nothing of it is on the way of a scrape, and nothing that fails takes anything
 * from what is known of devices.
 *
 * <p>The loop's thread owns everything but the picture.
 */
public final class Attribution implements Service, AttributionSource {
    private static final Log LOG = Log.of(Attribution.class);
    private static final Duration SPACING = Duration.ofSeconds(1);
    /** Without news of the GPUs, too: pods and jobs come and go. */
    private static final Duration LONGEST_PAUSE = Duration.ofSeconds(15);
    /** A turn is a few hundred small files and two seconds for the container runtime. */
    private static final Duration BOUND = Duration.ofSeconds(30);

    private final Supplier<NodeSnapshot> snapshots;
    private final PodResourcesSource pods;
    private final Supplier<Map<String, NodePod>> apiPods;
    private final Processes processes;
    private final MonotonicClock clock;
    private final InstantSource wall;
    private final ProcessContainers containers;
    private final KubeletLogs logs;
    private final JobFiles jobs;
    private final RuntimeContainers runtime;
    private final DutyCycle cycle;
    private volatile AgentConfig.Attribution config;
    private volatile AttributionPicture picture = AttributionPicture.EMPTY;
    private volatile double seesAll = Double.NaN;
    private volatile double runtimeUp = Double.NaN;
    private volatile double skippedJobFiles = Double.NaN;
    private volatile @Nullable Tick runtimeAnsweredAt;
    private Map<String, List<PodUse>> heldBefore = Map.of();
    private @Nullable Tick turnedAt;
    private boolean namespaceTold;

    /**
     * @param snapshots the picture of the node
     * @param apiPods pods of the node by the kubelet's UID of them; empty where the API server is not asked
     * @param own files as this process sees them
     * @param host the host's files
     */
    public Attribution(
            AgentConfig.Attribution config,
            Supplier<NodeSnapshot> snapshots,
            PodResourcesSource pods,
            Supplier<Map<String, NodePod>> apiPods,
            HostFiles own,
            HostFiles host,
            MonotonicClock clock,
            InstantSource wall,
            Heartbeats heartbeats,
            Meters meters) {
        this.config = config;
        this.snapshots = snapshots;
        this.pods = pods;
        this.apiPods = apiPods;
        this.processes = new Processes(own);
        this.clock = clock;
        this.wall = wall;
        this.containers = new ProcessContainers(processes);
        this.logs = new KubeletLogs(host, clock);
        this.jobs = new JobFiles(own);
        this.runtime = new RuntimeContainers(clock, processes::ownContainerId);
        this.cycle = new DutyCycle("attribution", BOUND, heartbeats, this::turn);
        meters.gauge(
                "gpu_node_agent_processes_all_seen",
                "1 while the agent is in the machine's PID namespace and so sees all processes on the GPUs, 0 in one of its own.",
                () -> seesAll);
        meters.gauge(
                "gpu_node_agent_job_files_skipped",
                "Files and lines of attribution.jobDirectory that were passed over the last time.",
                () -> skippedJobFiles);
        meters.gauge(
                "gpu_node_agent_container_runtime_up",
                "1 while the API of attribution.containers answers, else 0 and the last good answer is used.",
                () -> runtimeUp);
        meters.gauge(
                "gpu_node_agent_container_runtime_age_seconds",
                "How long ago that API last answered.",
                this::runtimeAge);
    }

    /** Goes by another configuration from the next turn on. Any thread. */
    public void configure(AgentConfig.Attribution changed) {
        config = changed;
        cycle.wake();
    }

    /** Something has changed. Any thread, never blocks. */
    public void wake() {
        cycle.wake();
    }

    @Override
    public AttributionPicture current() {
        return picture;
    }

    @Override
    public String name() {
        return "attribution";
    }

    @Override
    public void start() {
        cycle.start();
    }

    @Override
    public void stop(Duration limit) throws Exception {
        cycle.stop(limit);
    }

    /** Only the loop's thread, or a test's before {@link #start}. */
    Duration turn() {
        Tick now = clock.now();
        Tick before = turnedAt;
        if (before != null && now.since(before).compareTo(SPACING) < 0) {
            return SPACING.minus(now.since(before));
        }
        turnedAt = now;
        AgentConfig.Attribution wanted = config;
        NodeSnapshot snapshot = snapshots.get();
        Map<String, List<PodUse>> held =
                pods.current().map(PodResourcesPicture::byDevice).orElse(Map.of());
        if (!held.equals(heldBefore)) {
            heldBefore = held;
            logs.outdated();
        }
        Map<String, NodePod> ofApi = apiPods.get();
        Map<String, PodFacts> facts = facts(held, ofApi, wanted.podUid() || wanted.virtualGpus());
        Map<String, List<String>> jobsNow = jobs(wanted);
        Map<String, List<PodUse>> outside = outside(wanted, snapshot.gpus());
        AttributionPicture last = picture;
        boolean same = facts.equals(last.pods()) && jobsNow.equals(last.jobs()) && outside.equals(last.outside());
        picture = new AttributionPicture(
                same ? last.labelsVersion() : last.labelsVersion() + 1,
                wanted.processes() ? shares(snapshot, held, facts, ofApi) : List.of(),
                same ? last.pods() : facts,
                same ? last.jobs() : jobsNow,
                same ? last.outside() : outside);
        return LONGEST_PAUSE;
    }

    private Map<String, PodFacts> facts(Map<String, List<PodUse>> held, Map<String, NodePod> ofApi, boolean uidWanted) {
        if (!uidWanted && ofApi.isEmpty()) {
            return Map.of();
        }
        Map<String, NodePod> byName = HashMap.newHashMap(ofApi.size());
        for (NodePod pod : ofApi.values()) {
            byName.put(AttributionPicture.key(pod.namespace(), pod.name()), pod);
        }
        Map<String, PodFacts> facts = new HashMap<>();
        for (List<PodUse> uses : held.values()) {
            for (PodUse use : uses) {
                facts.computeIfAbsent(AttributionPicture.key(use.namespace(), use.pod()), key -> {
                    NodePod pod = byName.get(key);
                    if (pod != null) {
                        return new PodFacts(pod.uid(), pod.labels(), pod.ended());
                    }
                    return new PodFacts(
                            uidWanted ? logs.uid(use.namespace(), use.pod()).orElse("") : "", Map.of(), false);
                });
            }
        }
        return facts;
    }

    private Map<String, List<String>> jobs(AgentConfig.Attribution wanted) {
        if (wanted.jobDirectory().isEmpty()) {
            skippedJobFiles = Double.NaN;
            return Map.of();
        }
        Map<String, List<String>> read = jobs.read(Path.of(wanted.jobDirectory()));
        skippedJobFiles = jobs.skipped();
        return read;
    }

    private Map<String, List<PodUse>> outside(AgentConfig.Attribution wanted, List<Gpu> gpus) {
        if (!wanted.containers()) {
            runtimeUp = Double.NaN;
            runtimeAnsweredAt = null;
            return Map.of();
        }
        runtime.refresh(wanted.containerSocket());
        boolean answers = runtime.problem().isEmpty();
        runtimeUp = answers ? 1 : 0;
        if (answers) {
            runtimeAnsweredAt = clock.now();
        }
        return runtime.byDevice(gpus);
    }

    private double runtimeAge() {
        Tick answered = runtimeAnsweredAt;
        return answered == null ? Double.NaN : clock.now().since(answered).toMillis() / 1000.0;
    }

    private List<GpuShare> shares(
            NodeSnapshot snapshot,
            Map<String, List<PodUse>> held,
            Map<String, PodFacts> facts,
            Map<String, NodePod> ofApi) {
        Optional<Boolean> all = processes.seesAll();
        seesAll = all.isEmpty() ? Double.NaN : all.get() ? 1 : 0;
        if (!all.orElse(true) && !namespaceTold) {
            namespaceTold = true;
            LOG.warn(
                    "the agent is in a PID namespace of its own: the driver tells it of no process outside, so no container's"
                            + " share of a GPU is known; run it with hostPID, or on the host");
        }
        DeviceHolders holders = new DeviceHolders(snapshot.gpus(), held);
        containers.begin();
        List<GpuShare> shares = new ArrayList<>();
        for (int place = 0; place < snapshot.gpus().size(); place++) {
            Gpu gpu = snapshot.gpus().get(place);
            if (!(gpu.lane() instanceof LaneState.Responsive)) {
                // Its last processes would only look like news.
                continue;
            }
            int at = place;
            long listedMillisAgo = Math.max(0, wall.millis() - gpu.sample().sampledAtEpochMillis());
            shares.addAll(ProcessSplit.of(
                    List.of(gpu),
                    process -> user(process, listedMillisAgo, ofApi),
                    (_, instance) -> all.orElse(false) ? idle(holders, at, instance, facts) : List.of()));
        }
        containers.end();
        return List.copyOf(shares);
    }

    private static List<GpuUser> idle(DeviceHolders holders, int place, int instance, Map<String, PodFacts> facts) {
        Set<GpuUser> users = new LinkedHashSet<>();
        for (DeviceHolders.Share share : holders.shares(place, instance)) {
            PodUse use = share.use();
            PodFacts known = facts.getOrDefault(AttributionPicture.key(use.namespace(), use.pod()), PodFacts.NONE);
            if (!known.ended()) {
                users.add(new GpuUser(GpuUser.Kind.POD, use.namespace(), use.pod(), use.container(), known.uid()));
            }
        }
        return List.copyOf(users);
    }

    private GpuUser user(ProcessUse process, long listedMillisAgo, Map<String, NodePod> ofApi) {
        Optional<ContainerCgroup> found = containers.of(process.pid(), listedMillisAgo);
        if (found.isEmpty()) {
            return GpuUser.UNKNOWN;
        }
        ContainerCgroup cgroup = found.get();
        if (!cgroup.isContainer()) {
            return GpuUser.HOST;
        }
        String id = cgroup.containerId();
        String shortId = id.isEmpty() ? "" : id.substring(0, 12);
        NodePod pod = ofApi.get(cgroup.podUid());
        if (pod != null) {
            String name = pod.containers().get(id);
            return new GpuUser(
                    GpuUser.Kind.POD,
                    pod.namespace(),
                    pod.name(),
                    name != null
                            ? name
                            : logs.container(id)
                                    .map(KubeletLogs.Container::name)
                                    .orElse(shortId),
                    pod.uid());
        }
        String outside = cgroup.podUid().isEmpty() ? runtime.name(id) : "";
        if (!outside.isEmpty()) {
            return new GpuUser(GpuUser.Kind.CONTAINER, "", "", outside, "");
        }
        Optional<KubeletLogs.Container> logged = id.isEmpty() ? Optional.empty() : logs.container(id);
        if (logged.isPresent()) {
            KubeletLogs.Container names = logged.get();
            return new GpuUser(GpuUser.Kind.POD, names.namespace(), names.pod(), names.name(), cgroup.podUid());
        }
        if (cgroup.podUid().isEmpty()) {
            return new GpuUser(GpuUser.Kind.CONTAINER, "", "", shortId, "");
        }
        Optional<KubeletLogs.Pod> named = logs.pod(cgroup.podUid());
        return new GpuUser(
                GpuUser.Kind.POD,
                named.map(KubeletLogs.Pod::namespace).orElse(""),
                named.map(KubeletLogs.Pod::name).orElse(""),
                shortId,
                cgroup.podUid());
    }
}
