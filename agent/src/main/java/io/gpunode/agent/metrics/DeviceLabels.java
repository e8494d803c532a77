package io.gpunode.agent.metrics;

import io.gpunode.agent.config.EntitySelector;
import io.gpunode.agent.metrics.DeviceSeries.PodLabel;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.NvmlState;
import io.gpunode.agent.podresources.DeviceHolders;
import io.gpunode.agent.podresources.PodResourcesPicture;
import io.gpunode.agent.podresources.PodUse;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The devices that series are shown for and their labels, in the exporter's order: {@code gpu}, {@code UUID}, {@code pci_bus_id}, {@code device},
 * {@code modelName}, for GPU instances {@code GPU_I_PROFILE} and {@code GPU_I_ID}, {@code hostname}, the label fields by name, then
 * {@code container}, {@code namespace} and {@code pod}; of NVLinks {@code nvlink}, {@code gpu}, {@code gpu_uuid}, {@code pci_bus_id},
 * {@code device}, {@code model_name}, {@code hostname} and the rest as of their GPU. Rebuilt only when the picture's structure or the kubelet's answer changes. Owned by one
 * {@link MetricsExposition}; not thread-safe.
 *
 * <p>A device has one set of series however many containers hold it, so that a sum over GPUs is always right: it carries the pod labels on which
 * all holders agree, and {@code gpu_node_agent_device_pod_info} names them all.
 */
final class DeviceLabels {
    /** {@code 1c.3g.40gb}: the compute instance's part, which the GPU instance's profile does not have. */
    private static final Pattern COMPUTE_PART = Pattern.compile("^\\d+c\\.");

    /** DCGM numbers a GPU's instances from this many times its index on. */
    private static final int INSTANCE_NUMBERS_OF_A_GPU = 8;

    private final List<ChosenField> labelFields;
    private final EntitySelector devices;
    private final String hostname;
    private long structureVersion = -1;
    private Map<String, List<PodUse>> byDevice = Map.of();
    private List<DeviceSeries> series = List.of();
    private DeviceHolders attribution = new DeviceHolders(List.of(), Map.of());

    /**
     * @param fields of these the label fields count
     * @param devices which of them have series
     * @param hostname the value of label {@code hostname}
     */
    DeviceLabels(List<ChosenField> fields, EntitySelector devices, String hostname) {
        this.devices = devices;
        this.labelFields = fields.stream()
                .filter(chosen -> chosen.field().source() instanceof Field.Label)
                .toList();
        this.hostname = hostname;
    }

    /** Brings itself up to date with the picture and the kubelet's answer, when there is one. */
    void update(NodeSnapshot snapshot, @Nullable PodResourcesPicture pods) {
        Map<String, List<PodUse>> newByDevice = pods == null ? Map.of() : pods.byDevice();
        if (snapshot.structureVersion() == structureVersion && newByDevice.equals(byDevice)) {
            return;
        }
        DeviceHolders newAttribution = new DeviceHolders(snapshot.gpus(), newByDevice);
        series = build(snapshot, newAttribution);
        attribution = newAttribution;
        byDevice = newByDevice;
        structureVersion = snapshot.structureVersion();
    }

    /** The devices, in the picture's order; GPU instances follow their GPU. */
    List<DeviceSeries> series() {
        return series;
    }

    /** Who holds what. */
    DeviceHolders attribution() {
        return attribution;
    }

    private List<DeviceSeries> build(NodeSnapshot snapshot, DeviceHolders pods) {
        List<DeviceSeries> built = new ArrayList<>();
        for (int place = 0; place < snapshot.gpus().size(); place++) {
            Gpu gpu = snapshot.gpus().get(place);
            List<DeviceSeries> ofInstances = new ArrayList<>();
            Set<Integer> instances = new HashSet<>();
            for (int mig = 0; mig < gpu.migDevices().size(); mig++) {
                int instance = gpu.migDevices().get(mig).gpuInstanceId();
                int number = gpu.index() * INSTANCE_NUMBERS_OF_A_GPU + instances.size();
                if (instances.add(instance)
                        && (devices.flexible() || devices.minor().has(number))) {
                    ofInstances.add(series(snapshot, gpu, place, mig, false, pods.holders(place, instance)));
                }
            }
            if (devices.flexible() || devices.major().has(gpu.index())) {
                built.add(series(snapshot, gpu, place, -1, !ofInstances.isEmpty(), pods.holders(place)));
            }
            built.addAll(ofInstances);
        }
        return List.copyOf(built);
    }

    private DeviceSeries series(
            NodeSnapshot snapshot, Gpu gpu, int place, int migPlace, boolean split, List<PodUse> holders) {
        String index = String.valueOf(gpu.index());
        StringBuilder text = new StringBuilder(320);
        text.append('{');
        append(text, "gpu", index);
        append(text, "UUID", gpu.id().uuid());
        append(text, "pci_bus_id", gpu.pci().nvmlName());
        append(text, "device", "nvidia" + index);
        append(text, "modelName", gpu.name());
        String instance = "";
        if (migPlace >= 0) {
            MigDevice mig = gpu.migDevices().get(migPlace);
            instance = String.valueOf(mig.gpuInstanceId());
            append(text, "GPU_I_PROFILE", COMPUTE_PART.matcher(mig.profile()).replaceFirst(""));
            append(text, "GPU_I_ID", instance);
        }
        append(text, "hostname", hostname);
        // dcgm-exporter spells two labels of links otherwise than those of GPUs.
        StringBuilder link = new StringBuilder(320);
        link.append("\"");
        append(link, "gpu", index);
        append(link, "gpu_uuid", gpu.id().uuid());
        append(link, "pci_bus_id", gpu.pci().nvmlName());
        append(link, "device", "nvidia" + index);
        append(link, "model_name", gpu.name());
        append(link, "hostname", hostname);
        for (ChosenField chosen : labelFields) {
            if (chosen.field().source() instanceof Field.Label(Field.LabelText label)) {
                labelText(snapshot, gpu, label).ifPresent(value -> {
                    append(text, chosen.name(), value);
                    append(link, chosen.name(), value);
                });
            }
        }
        String deviceLabels = text.toString();
        List<PodLabel> podLabels = agreed(holders);
        for (PodLabel label : podLabels) {
            append(text, label.name(), label.value());
            append(link, label.name(), label.value());
        }
        return new DeviceSeries(
                place,
                migPlace,
                split,
                index,
                gpu.id().uuid(),
                instance,
                text.append('}').toString().getBytes(StandardCharsets.UTF_8),
                link.append('}').toString().getBytes(StandardCharsets.UTF_8),
                deviceLabels,
                podLabels,
                List.copyOf(holders));
    }

    private static Optional<String> labelText(NodeSnapshot snapshot, Gpu gpu, Field.LabelText text) {
        return switch (text) {
            case DRIVER_VERSION -> snapshot.driverVersion();
            case NVML_VERSION ->
                snapshot.nvml() instanceof NvmlState.Open open ? Optional.of(open.nvmlVersion()) : Optional.empty();
            case SERIAL -> gpu.serial().asOptional();
            case VBIOS_VERSION -> gpu.vbiosVersion().asOptional();
        };
    }

    /** The labels on which all holders agree: a pod only in the same namespace, a container only in the same pod. */
    private static List<PodLabel> agreed(List<PodUse> holders) {
        if (holders.isEmpty()) {
            return List.of();
        }
        PodUse first = holders.getFirst();
        boolean sameNamespace = true;
        boolean samePod = true;
        for (PodUse holder : holders) {
            sameNamespace &= holder.namespace().equals(first.namespace());
            samePod &= sameNamespace && holder.pod().equals(first.pod());
        }
        List<PodLabel> labels = new ArrayList<>(3);
        if (holders.size() == 1) {
            labels.add(new PodLabel("container", first.container()));
        }
        if (sameNamespace) {
            labels.add(new PodLabel("namespace", first.namespace()));
        }
        if (samePod) {
            labels.add(new PodLabel("pod", first.pod()));
        }
        return labels;
    }

    private static void append(StringBuilder text, String name, String value) {
        if (text.charAt(text.length() - 1) != '{') {
            text.append(',');
        }
        text.append(name)
                .append("=\"")
                .append(ExpositionWriter.escapeLabelValue(value))
                .append('"');
    }
}
