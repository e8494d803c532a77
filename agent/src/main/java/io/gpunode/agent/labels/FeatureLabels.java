package io.gpunode.agent.labels;

import io.gpunode.agent.config.AgentConfig.MigStrategy;
import io.gpunode.agent.config.AgentConfig.SharedResource;
import io.gpunode.agent.labels.HostFacts.Vgpu;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.Gpu.FabricState;
import io.gpunode.agent.model.MigAttributes;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.NvmlState;
import io.gpunode.agent.model.Reading;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Makes the node's labels. A pure function: the same picture, settings and facts make the same labels, in any order of anything. What cannot be
 * told costs its own label and no other. {@link Label} is the catalogue; {@link Certainty} says whether a picture is a reason to change labels.
 */
public final class FeatureLabels {
    private static final String WHOLE_GPUS = "gpu";
    private static final String SHARED_END = "-SHARED";
    private static final int MEBIBYTE_SHIFT = 20;
    private static final int VGA_CLASS = 0x030000;
    private static final int COMPUTE_CLASS = 0x030200;
    /** Of a GPU that is registered with a fabric without being in a cluster. */
    private static final String NO_CLUSTER = "00000000-0000-0000-0000-000000000000";
    /** What is left for the name of a profile or model in a key, beside {@code mig-} or {@code gpu-} and {@code .sharing-strategy}. */
    private static final int LONGEST_IN_KEY = LabelText.LONGEST - "gpu-".length() - ".sharing-strategy".length();

    private final LabelSettings settings;
    private final HostFacts facts;
    private final NodeSnapshot snapshot;
    private final List<Gpu> gpus;
    private final SharedDevices shared;
    private final SortedMap<String, String> labels = new TreeMap<>();

    private FeatureLabels(NodeSnapshot snapshot, LabelSettings settings, HostFacts facts) {
        this.snapshot = snapshot;
        this.settings = settings;
        this.facts = facts;
        this.gpus = computeDevices(snapshot.gpus());
        this.shared = SharedDevices.of(gpus, settings);
    }

    /**
     * The node's labels, by key; every key and value is one that Kubernetes takes.
     *
     * @return unmodifiable
     */
    public static SortedMap<String, String> of(NodeSnapshot snapshot, LabelSettings settings, HostFacts facts) {
        return new FeatureLabels(snapshot, settings, facts).make();
    }

    /** The part of resource names and keys that stands for a MIG profile. */
    static String migResource(String profile) {
        return "mig-" + LabelText.keyPart(profile.replace('+', '.'), LONGEST_IN_KEY);
    }

    private static List<Gpu> computeDevices(List<Gpu> all) {
        List<Gpu> found = new ArrayList<>(all.size());
        for (Gpu gpu : all) {
            if (!gpu.displayOnly()) {
                found.add(gpu);
            }
        }
        return found;
    }

    private SortedMap<String, String> make() {
        settings.timestamp().ifPresent(seconds -> put(Label.TIMESTAMP, seconds));
        vgpu();
        if (!gpus.isEmpty()) {
            put(Label.MACHINE, facts.machine());
            versions();
            migCapable();
            put(Label.MPS_CAPABLE, "false");
            put(Label.MODE, mode());
            clique();
            List<GpuModel> models = GpuModel.of(gpus);
            GpuModel model = GpuModel.ofNode(models);
            wholeGpus(WHOLE_GPUS, model);
            if (settings.perModel()) {
                for (GpuModel each : models) {
                    wholeGpus("gpu-" + LabelText.keyPart(each.name(), LONGEST_IN_KEY), each);
                }
            }
            switch (settings.migStrategy()) {
                case NONE -> {}
                case SINGLE -> migSingle(model);
                case MIXED -> migMixed(model);
            }
        }
        if (settings.operatorLabels()) {
            operator();
        }
        return Collections.unmodifiableSortedMap(labels);
    }

    // --- the node

    private void vgpu() {
        if (!(facts.vgpu() instanceof Reading.Value<Optional<Vgpu>>(Optional<Vgpu> found))) {
            return;
        }
        put(Label.VGPU_PRESENT, Boolean.toString(found.isPresent()));
        if (found.isPresent() && !found.get().hostDriverVersion().isEmpty()) {
            put(Label.VGPU_HOST_DRIVER_VERSION, found.get().hostDriverVersion());
            put(Label.VGPU_HOST_DRIVER_BRANCH, found.get().hostDriverBranch());
        }
    }

    private void versions() {
        if (!(snapshot.nvml() instanceof NvmlState.Open open)) {
            return;
        }
        String driver = open.driverVersion();
        put(Label.DRIVER_FULL, driver);
        String[] parts = driver.split("\\.", -1);
        if (parts.length == 2 || parts.length == 3) {
            String revision = parts.length == 3 ? parts[2] : "";
            put(Label.DRIVER_MAJOR, parts[0]);
            put(Label.DRIVER_MINOR, parts[1]);
            put(Label.DRIVER_REVISION, revision);
            put(Label.DEPRECATED_DRIVER_MAJOR, parts[0]);
            put(Label.DEPRECATED_DRIVER_MINOR, parts[1]);
            put(Label.DEPRECATED_DRIVER_REVISION, revision);
        }
        int cuda = open.cudaDriverVersion();
        if (cuda > 0) {
            int major = cuda / 1000;
            int minor = cuda % 1000 / 10;
            put(Label.RUNTIME_MAJOR, major);
            put(Label.RUNTIME_MINOR, minor);
            put(Label.RUNTIME_FULL, major + "." + minor);
            put(Label.DEPRECATED_RUNTIME_MAJOR, major);
            put(Label.DEPRECATED_RUNTIME_MINOR, minor);
        }
    }

    private void migCapable() {
        boolean capable = false;
        boolean told = true;
        for (Gpu gpu : gpus) {
            switch (gpu.migMode()) {
                case Reading.Value<Boolean> _ -> capable = true;
                case Reading.Unsupported<Boolean> _ -> {}
                case Reading.Failed<Boolean> _, Reading.NotRead<Boolean> _ -> told = false;
            }
        }
        if (capable || told) {
            put(Label.MIG_CAPABLE, Boolean.toString(capable));
        }
        if (settings.migStrategy() != MigStrategy.NONE) {
            put(Label.MIG_STRATEGY, settings.migStrategy() == MigStrategy.SINGLE ? "single" : "mixed");
        }
    }

    private String mode() {
        OptionalInt first = gpus.getFirst().pciClass();
        for (Gpu gpu : gpus) {
            if (!gpu.pciClass().equals(first)) {
                return "unknown";
            }
        }
        return switch (first.orElse(-1)) {
            case VGA_CLASS -> "graphics";
            case COMPUTE_CLASS -> "compute";
            default -> "unknown";
        };
    }

    private void clique() {
        Set<String> cliques = new HashSet<>();
        for (Gpu gpu : gpus) {
            if (gpu.fabric() instanceof Reading.Value<FabricState>(FabricState fabric)
                    && fabric.state().equals(FabricState.COMPLETED)
                    && !fabric.clusterUuid().equals(NO_CLUSTER)) {
                cliques.add(fabric.clusterUuid() + "." + Integer.toUnsignedString(fabric.cliqueId()));
            }
        }
        if (cliques.size() == 1) {
            put(Label.CLIQUE, cliques.iterator().next());
        }
    }

    private void operator() {
        boolean onBus = facts.gpu().asOptional().orElse(false) || !gpus.isEmpty();
        if (!onBus) {
            return;
        }
        put(Label.PRESENT, "true");
        boolean capable = "true".equals(labels.get(Label.MIG_CAPABLE.key()));
        boolean virtual = labels.containsKey(Label.VGPU_HOST_DRIVER_VERSION.key());
        for (Label label : Label.values()) {
            if (label.scope() == Label.Scope.DEPLOY) {
                switch (label) {
                    case DEPLOY_DRIVER -> {
                        if (snapshot.open()) {
                            put(label, "pre-installed");
                        }
                    }
                    case DEPLOY_MIG_MANAGER -> {
                        if (capable && !virtual) {
                            put(label, "true");
                        }
                    }
                    default -> put(label, "true");
                }
            }
        }
    }

    // --- resources

    /** The GPUs of a model; those in MIG mode are counted, and the others speak for the model. */
    private void wholeGpus(String resource, GpuModel model) {
        List<Gpu> normal = new ArrayList<>(model.gpus().size());
        for (Gpu gpu : model.gpus()) {
            if (!gpu.migEnabled()) {
                normal.add(gpu);
            }
        }
        SharedResource sharing = null;
        for (Gpu gpu : normal) {
            sharing = sharing == null ? shared.of(gpu.id()) : sharing;
        }
        base(resource, model.name(), "", model.gpus().size(), sharing);
        if (normal.isEmpty()) {
            put(Label.REPLICAS, resource, 0);
        }
        List<Gpu> speakers = normal.isEmpty() ? model.gpus() : normal;
        memory(resource, speakers);
        capability(resource, speakers);
    }

    private void memory(String resource, List<Gpu> speakers) {
        for (Gpu gpu : speakers) {
            long bytes = gpu.memoryBytes().orElse(0);
            if (bytes > 0) {
                put(Label.MEMORY, resource, bytes >> MEBIBYTE_SHIFT);
                return;
            }
        }
    }

    private void capability(String resource, List<Gpu> speakers) {
        for (Gpu gpu : speakers) {
            if (gpu.computeCapability() instanceof Reading.Value<String>(String version)) {
                int dot = version.indexOf('.');
                int major = number(version.substring(0, Math.max(dot, 0)));
                int minor = number(version.substring(dot + 1));
                if (major > 0 && minor >= 0) {
                    put(Label.FAMILY, resource, GpuModel.family(major, minor));
                    put(Label.COMPUTE_MAJOR, resource, major);
                    put(Label.COMPUTE_MINOR, resource, minor);
                    return;
                }
            }
        }
    }

    /** -1 when it is none. */
    private static int number(String digits) {
        try {
            return Integer.parseInt(digits);
        } catch (NumberFormatException e) {
            return -1;
        }
    }

    /** What all resources have. */
    private void base(String resource, String model, String end, int count, @Nullable SharedResource sharing) {
        boolean suffix = sharing != null && !renamed(sharing);
        put(Label.PRODUCT, resource, LabelText.value(model, end + (suffix ? SHARED_END : "")));
        put(Label.COUNT, resource, count);
        put(Label.REPLICAS, resource, sharing == null ? 1 : sharing.replicas());
        put(Label.SHARING_STRATEGY, resource, sharing == null ? "none" : "time-slicing");
    }

    private boolean renamed(SharedResource sharing) {
        return settings.sharing().timeSlicing().renameByDefault()
                || (!sharing.rename().isEmpty() && !sharing.rename().equals(sharing.name()));
    }

    // --- MIG

    /** A MIG device with its GPU. */
    private record Part(Gpu gpu, MigDevice device) {}

    /** MIG devices of all GPUs by profile, in PCI order. */
    private Map<String, List<Part>> parts() {
        Map<String, List<Part>> parts = new LinkedHashMap<>();
        for (Gpu gpu : gpus) {
            for (MigDevice device : gpu.migDevices()) {
                parts.computeIfAbsent(device.profile(), _ -> new ArrayList<>()).add(new Part(gpu, device));
            }
        }
        return parts;
    }

    private void migSingle(GpuModel model) {
        Gpu split = null;
        boolean valid = true;
        for (Gpu gpu : gpus) {
            if (gpu.migEnabled()) {
                boolean better = split != null
                        && gpu.name().equals(model.name())
                        && !split.name().equals(model.name());
                split = split == null || better ? gpu : split;
                valid &= !gpu.migDevices().isEmpty();
            } else {
                valid = false;
            }
        }
        if (split == null) {
            return;
        }
        Map<String, List<Part>> parts = parts();
        if (valid && parts.size() == 1) {
            migDevices(WHOLE_GPUS, parts.values().iterator().next(), model);
            return;
        }
        put(Label.PRODUCT, WHOLE_GPUS, LabelText.value(split.name(), "-MIG-INVALID"));
        put(Label.COUNT, WHOLE_GPUS, 0);
        put(Label.REPLICAS, WHOLE_GPUS, 0);
        put(Label.SHARING_STRATEGY, WHOLE_GPUS, "");
        put(Label.MEMORY, WHOLE_GPUS, 0);
    }

    private void migMixed(GpuModel model) {
        parts().forEach((profile, parts) -> migDevices(migResource(profile), parts, model));
    }

    /** The MIG devices of a profile; one of the node's model speaks for them, or the first. */
    private void migDevices(String resource, List<Part> parts, GpuModel model) {
        Part speaker = parts.getFirst();
        SharedResource sharing = null;
        for (Part part : parts) {
            boolean better = part.gpu().name().equals(model.name());
            speaker = better && !speaker.gpu().name().equals(model.name()) ? part : speaker;
            sharing = sharing == null ? shared.of(part.device().id()) : sharing;
        }
        MigDevice device = speaker.device();
        String profile = LabelText.keyPart(device.profile().replace('+', '.'), LONGEST_IN_KEY);
        base(resource, speaker.gpu().name(), "-MIG-" + profile, parts.size(), sharing);
        put(Label.MEMORY, resource, device.memoryMebibytes());
        MigAttributes attributes = device.attributes();
        put(Label.MULTIPROCESSORS, resource, attributes.multiprocessors());
        put(Label.SLICES_GI, resource, device.gpuSlices());
        put(Label.SLICES_CI, resource, device.computeSlices());
        put(Label.ENGINES_COPY, resource, attributes.copyEngines());
        put(Label.ENGINES_DECODER, resource, attributes.decoders());
        put(Label.ENGINES_ENCODER, resource, attributes.encoders());
        put(Label.ENGINES_JPEG, resource, attributes.jpegEngines());
        put(Label.ENGINES_OFA, resource, attributes.opticalFlowEngines());
    }

    private void put(Label label, String text) {
        labels.put(label.key(), LabelText.value(text));
    }

    private void put(Label label, long number) {
        labels.put(label.key(), Long.toString(number));
    }

    private void put(Label label, String resource, String value) {
        labels.put(label.key(resource), value);
    }

    private void put(Label label, String resource, long number) {
        labels.put(label.key(resource), Long.toString(number));
    }
}
