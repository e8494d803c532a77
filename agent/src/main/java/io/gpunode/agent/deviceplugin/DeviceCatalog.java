package io.gpunode.agent.deviceplugin;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.model.Finding;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.GpuHealth;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.NvmlState;
import io.gpunode.agent.os.HostFiles;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Makes the lists for the kubelet, one for each resource, from the picture, the settings and the CDI specs. It remembers the last ones: while
 * NVML is not open their devices are listed as unhealthy, because a device that vanishes from the list makes the kubelet shrink the node's
 * capacity. Owned by the registration loop, but for {@link #problems()}.
 */
final class DeviceCatalog implements DevicePlugin.Catalog {
    private static final Log LOG = Log.of(DeviceCatalog.class);
    private final HostFiles files;
    private PluginSettings settings;
    private boolean settingsChanged = true;
    private Set<GpuId> beingSplit = Set.of();
    private final Map<String, AdvertisedDevices> offered = new TreeMap<>();
    private List<AdvertisedDevices> lists;
    private PairScores nodeScores = PairScores.NONE;
    /** Why there are no GPUs to offer; empty while there are. */
    private String closed;

    private long seenStructure = -1;
    private CdiCoverage seenCoverage = CdiCoverage.NONE;
    private AllocationRules rules = AllocationRules.NONE;
    /** The devices that the CDI spec has: UUID → names in the spec, for an index may be another GPU's later. */
    private Map<String, Set<String>> inSpec = Map.of();
    /** The channels that answers give. */
    private AgentConfig.Imex imex;

    private List<ResourcePlan.Problem> logged = List.of();
    private volatile List<ResourcePlan.Problem> problems = List.of();

    /** @param files where device nodes are looked for */
    DeviceCatalog(PluginSettings settings, HostFiles files) {
        this.settings = settings;
        this.imex = settings.imex();
        this.files = files;
        this.lists = List.of(AdvertisedDevices.none(settings.plugin().resourceName()));
        this.closed = lists.getFirst().notReady();
    }

    /** Takes over other settings; the next update follows them. */
    @Override
    public void configure(PluginSettings changed) {
        settingsChanged |= !changed.equals(settings);
        settings = changed;
    }

    @Override
    public void withhold(Set<GpuId> gpus) {
        settingsChanged |= !gpus.equals(beingSplit);
        beingSplit = gpus;
    }

    /**
     * The list of each resource that is offered, by name; the same objects as long as nothing changed that matters here. There is always one at
     * least.
     */
    @Override
    public List<AdvertisedDevices> update(NodeSnapshot snapshot, CdiCoverage coverage) {
        if (!settings.byCdiName()
                || coverage.structureVersion() < 0
                || coverage.channels().equals(settings.imex().channels())) {
            // Otherwise the specs with these channels are on their way, and no device is withheld for that.
            imex = settings.imex();
        }
        AllocationRules newest = AllocationRules.of(settings.with(imex), files, coverage);
        if (snapshot.structureVersion() == seenStructure
                && coverage.equals(seenCoverage)
                && newest.equals(rules)
                && !settingsChanged) {
            return lists;
        }
        seenStructure = snapshot.structureVersion();
        seenCoverage = coverage;
        rules = newest;
        settingsChanged = false;
        switch (snapshot.nvml()) {
            case NvmlState.Open _ -> open(snapshot, coverage);
            case NvmlState.Waiting(String _, String reason, String nextStep, var _) ->
                withhold(reason + "; " + nextStep);
            case NvmlState.Withdrawn(String reason, var _) -> withhold("withdrawn: " + reason);
        }
        return lists;
    }

    /** Why the kubelet should not be told of this node's devices yet; empty when it should. */
    @Override
    public String notReady() {
        if (!settings.undecided().isEmpty()) {
            return settings.undecided();
        }
        if (!closed.isEmpty()) {
            return closed;
        }
        return settings.byCdiName() && hasDevices() && seenCoverage.structureVersion() < seenStructure
                ? specProblem()
                : "";
    }

    /** What is not offered or not as configured, as of the last update. Any thread. */
    @Override
    public List<ResourcePlan.Problem> problems() {
        return problems;
    }

    private boolean hasDevices() {
        for (AdvertisedDevices list : offered.values()) {
            if (!list.devices().isEmpty()) {
                return true;
            }
        }
        return false;
    }

    private void open(NodeSnapshot snapshot, CdiCoverage coverage) {
        closed = "";
        ResourcePlan plan = ResourcePlan.of(snapshot.gpus(), settings);
        tell(plan);
        PairScores scores = PairScores.of(snapshot.gpus(), snapshot.topology());
        // Keeps what the old one has searched already.
        nodeScores = scores.sameAs(nodeScores) ? nodeScores : scores;
        // A spec of this structure has what it says, one of an older structure what it had, and no spec has nothing.
        boolean specOfThis = coverage.structureVersion() >= snapshot.structureVersion();
        if (specOfThis || coverage.structureVersion() < 0) {
            inSpec = new HashMap<>();
        }
        Map<String, AdvertisedDevices> before = new TreeMap<>(offered);
        offered.clear();
        for (ResourcePlan.Resource resource : plan.resources()) {
            AdvertisedDevices old = before.remove(resource.name());
            offered.put(resource.name(), keep(list(resource, specOfThis, old), old));
        }
        for (String name : before.keySet()) {
            LOG.info("a resource is no longer offered", "resource", name);
        }
        lists = List.copyOf(offered.values());
    }

    private void withhold(String why) {
        closed = why;
        problems = List.of();
        for (Map.Entry<String, AdvertisedDevices> entry : offered.entrySet()) {
            AdvertisedDevices old = entry.getValue();
            List<AdvertisedDevice> list = new ArrayList<>(old.devices().size());
            for (AdvertisedDevice device : old.devices()) {
                list.add(device.withheld(why));
            }
            entry.setValue(keep(new AdvertisedDevices(old.resource(), why, list, old.scores(), rules), old));
        }
        if (offered.isEmpty()) {
            lists = List.of(new AdvertisedDevices(
                    settings.plugin().resourceName(), why, List.of(), PairScores.NONE, AllocationRules.NONE));
        } else {
            lists = List.copyOf(offered.values());
        }
    }

    private static AdvertisedDevices keep(AdvertisedDevices newest, @Nullable AdvertisedDevices old) {
        return old != null && newest.sameAs(old) ? old : newest;
    }

    private AdvertisedDevices list(
            ResourcePlan.Resource resource, boolean specOfThis, @Nullable AdvertisedDevices old) {
        List<AdvertisedDevice> list = new ArrayList<>(resource.devices().size());
        int[] places = new int[resource.devices().size()];
        for (ResourcePlan.Device device : resource.devices()) {
            places[list.size()] = device.place();
            list.add(advertised(device, specOfThis));
        }
        return new AdvertisedDevices(resource.name(), "", list, scores(list, places, old), rules);
    }

    /** Only whole GPUs are chosen by how they are connected. */
    private PairScores scores(List<AdvertisedDevice> list, int[] places, @Nullable AdvertisedDevices old) {
        for (AdvertisedDevice device : list) {
            if (!device.wholeGpu()) {
                return PairScores.NONE;
            }
        }
        PairScores scores = nodeScores.among(places);
        return old != null && scores.sameAs(old.scores()) ? old.scores() : scores;
    }

    private AdvertisedDevice advertised(ResourcePlan.Device device, boolean specOfThis) {
        Gpu gpu = device.gpu();
        MigDevice mig = device.mig();
        AdvertisedDevice offer = new AdvertisedDevice(
                device.id(),
                mig == null ? gpu.id() : mig.id(),
                gpu.id(),
                mig == null ? Integer.toString(gpu.index()) : gpu.index() + ":" + mig.index(),
                gpu.minor(),
                mig == null ? List.of() : capabilities(mig),
                gpu.pci(),
                gpu.numaNode(),
                "");
        if (specOfThis) {
            inSpec.put(offer.base().uuid(), namesInSpec(offer));
        }
        String problem = problem(device, offer);
        return problem.isEmpty() ? offer : offer.withheld(problem);
    }

    private Set<String> namesInSpec(AdvertisedDevice device) {
        Set<String> names = HashSet.newHashSet(2);
        for (String name : List.of(device.base().uuid(), device.indexName())) {
            if (seenCoverage.names().contains(Allocator.CDI_KIND + "=" + name)) {
                names.add(name);
            }
        }
        return names;
    }

    private static List<Integer> capabilities(MigDevice mig) {
        List<Integer> capabilities = new ArrayList<>(2);
        for (OptionalInt capability : List.of(mig.gpuInstanceCapability(), mig.computeInstanceCapability())) {
            capability.ifPresent(capabilities::add);
        }
        return capabilities;
    }

    /** A device suffers from what its GPU suffers from; a GPU that is given as a whole, from what any part of it does. */
    private String problem(ResourcePlan.Device device, AdvertisedDevice offer) {
        MigDevice mig = device.mig();
        String problem = problem(device.gpu().health());
        if (mig != null && problem.isEmpty()) {
            problem = problem(mig.health());
        }
        if (mig == null) {
            for (MigDevice part : device.gpu().migDevices()) {
                problem = problem.isEmpty() ? problem(part.health()) : problem;
            }
        }
        if (problem.isEmpty() && beingSplit.contains(device.gpu().id())) {
            problem = "its GPU is being split anew";
        }
        if (problem.isEmpty()) {
            problem = rules.withheld();
        }
        String name = rules.nameOf(offer);
        boolean resolvable = !settings.byCdiName()
                || inSpec.getOrDefault(offer.base().uuid(), Set.of()).contains(name);
        return problem.isEmpty() && !resolvable ? unresolved(name) : problem;
    }

    /** A spec that is there may leave a device out. */
    private String unresolved(String name) {
        boolean written = seenCoverage.problem().isEmpty() && seenCoverage.structureVersion() >= seenStructure;
        return written
                ? "no CDI spec has " + Allocator.CDI_KIND + "=" + name + "; `cdi` of /state says what it lacks"
                : specProblem();
    }

    private static String problem(GpuHealth health) {
        if (health instanceof GpuHealth.Unhealthy(List<Finding> findings)) {
            Finding reason = findings.getFirst();
            for (int i = 1; i < findings.size() && !reason.severity().withholds(); i++) {
                reason = findings.get(i);
            }
            return reason.repair().isEmpty() ? reason.reason() : reason.reason() + "; repair: " + reason.repair();
        }
        return "";
    }

    private String specProblem() {
        return seenCoverage.problem().isEmpty() ? "the CDI spec is not written yet" : seenCoverage.problem();
    }

    private boolean areBeingSplit(List<String> devices) {
        for (String device : devices) {
            if (!beingSplit.contains(new GpuId(device))) {
                return false;
            }
        }
        return true;
    }

    private void tell(ResourcePlan plan) {
        List<ResourcePlan.Problem> newest = new ArrayList<>(plan.problems());
        // What a change leaves without MIG devices for a moment is no trouble.
        newest.removeIf(problem -> !problem.devices().isEmpty() && areBeingSplit(problem.devices()));
        for (String problem : rules.problems()) {
            newest.add(new ResourcePlan.Problem(List.of(), problem));
        }
        String withoutNodes = withoutNodes(plan);
        if (rules.passNodes() && !withoutNodes.isEmpty()) {
            newest.add(
                    new ResourcePlan.Problem(
                            List.of(),
                            "/proc/driver/nvidia-caps/mig-minors has no nodes for " + withoutNodes
                                    + ": containers are passed the GPU's node without them; does host.root show the host's /proc?"));
        }
        for (ResourcePlan.Problem problem : newest) {
            if (!logged.contains(problem)) {
                LOG.warn(
                        problem.devices().isEmpty()
                                ? "the configuration cannot be followed"
                                : "devices are not offered",
                        "gpu",
                        String.join(",", problem.devices()),
                        "error",
                        problem.reason());
            }
        }
        logged = List.copyOf(newest);
        problems = logged;
    }

    /** The MIG devices among those that are offered whose capability nodes are not known. */
    private static String withoutNodes(ResourcePlan plan) {
        Set<String> without = new TreeSet<>();
        for (ResourcePlan.Resource resource : plan.resources()) {
            for (ResourcePlan.Device device : resource.devices()) {
                MigDevice mig = device.mig();
                if (mig != null && capabilities(mig).size() < 2) {
                    without.add(mig.id().uuid());
                }
            }
        }
        return String.join(", ", without);
    }
}
