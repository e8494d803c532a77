package io.gpunode.agent.metrics;

import io.gpunode.agent.attribution.AttributionPicture;
import io.gpunode.agent.config.EntitySelector;
import io.gpunode.agent.metrics.DeviceSeries.PodLabel;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.NvmlState;
import io.gpunode.agent.podresources.DeviceHolders;
import io.gpunode.agent.podresources.PodUse;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * The devices that series are shown for and their labels, {@linkplain LabelSpelling spelled} as wanted, in the exporter's order: {@code gpu}, {@code UUID}, {@code pci_bus_id}, {@code device},
 * {@code modelName}, for GPU instances {@code GPU_I_PROFILE} and {@code GPU_I_ID}, {@code hostname}, the label fields by name, then
 * {@code container}, {@code namespace} and {@code pod}; of NVLinks {@code nvlink}, {@code gpu}, {@code gpu_uuid}, {@code pci_bus_id},
 * {@code device}, {@code model_name}, {@code hostname} and the rest as of their GPU. Rebuilt only when the picture's structure, the kubelet's answer or what else is known of users changes. Owned by
 * one {@link MetricsExposition}; not thread-safe.
 *
 * <p>A device has one set of series however many containers hold it, so that a sum over GPUs is always right, unless {@link OwnerLabels} is told
 * otherwise: it carries the pod labels on which all holders agree, and {@code gpu_node_agent_device_pod_info} names them all.
 */
final class DeviceLabels {
    /** {@code 1c.3g.40gb}: the compute instance's part, which the GPU instance's profile does not have. */
    private static final Pattern COMPUTE_PART = Pattern.compile("^\\d+c\\.");

    /** DCGM numbers a GPU's instances from this many times its index on. */
    private static final int INSTANCE_NUMBERS_OF_A_GPU = 8;

    private final List<ChosenField> labelFields;
    private final EntitySelector devices;
    private final String hostname;
    private final OwnerLabels owners;
    private final LabelSpelling spelling;
    private long structureVersion = -1;
    private long ownersVersion = -1;
    private Map<String, List<PodUse>> byDevice = Map.of();
    private List<DeviceSeries> series = List.of();
    private DeviceHolders attribution = new DeviceHolders(List.of(), Map.of());

    /**
     * @param fields of these the label fields count
     * @param devices which of them have series
     * @param hostname the value of label {@code hostname}
     * @param owners the labels that say who uses a device
     * @param spelling how labels are spelled
     */
    DeviceLabels(
            List<ChosenField> fields,
            EntitySelector devices,
            String hostname,
            OwnerLabels owners,
            LabelSpelling spelling) {
        this.spelling = spelling;
        this.devices = devices;
        this.owners = owners;
        this.labelFields = fields.stream()
                .filter(chosen -> chosen.field().source() instanceof Field.Label)
                .toList();
        this.hostname = hostname;
    }

    /** Brings itself up to date with what all collectors of the scrape look at. */
    void update(Scrape scrape) {
        NodeSnapshot snapshot = scrape.snapshot();
        AttributionPicture known = scrape.attribution();
        Map<String, List<PodUse>> newByDevice =
                scrape.pods() == null ? Map.of() : scrape.pods().byDevice();
        if (snapshot.structureVersion() == structureVersion
                && known.labelsVersion() == ownersVersion
                && newByDevice.equals(byDevice)) {
            return;
        }
        DeviceHolders newAttribution = new DeviceHolders(snapshot.gpus(), withOutside(newByDevice, known));
        series = build(snapshot, newAttribution, known);
        ownersVersion = known.labelsVersion();
        attribution = newAttribution;
        byDevice = newByDevice;
        structureVersion = snapshot.structureVersion();
    }

    /** How labels are spelled. */
    LabelSpelling spelling() {
        return spelling;
    }

    /** The devices, in the picture's order; GPU instances follow their GPU. */
    List<DeviceSeries> series() {
        return series;
    }

    /** Who holds what. */
    DeviceHolders attribution() {
        return attribution;
    }

    /** With containers outside of Kubernetes. */
    private static Map<String, List<PodUse>> withOutside(Map<String, List<PodUse>> pods, AttributionPicture known) {
        if (known.outside().isEmpty()) {
            return pods;
        }
        Map<String, List<PodUse>> all = new HashMap<>(pods);
        known.outside()
                .forEach((device, uses) -> all.merge(device, uses, (one, other) -> {
                    List<PodUse> both = new ArrayList<>(one);
                    both.addAll(other);
                    return both;
                }));
        return all;
    }

    private List<DeviceSeries> build(NodeSnapshot snapshot, DeviceHolders pods, AttributionPicture known) {
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
                    addSeries(ofInstances, snapshot, place, mig, false, pods.shares(place, instance), known);
                }
            }
            if (devices.flexible() || devices.major().has(gpu.index())) {
                addSeries(built, snapshot, place, -1, !ofInstances.isEmpty(), pods.shares(place, -1), known);
            }
            built.addAll(ofInstances);
        }
        return List.copyOf(built);
    }

    private void addSeries(
            List<DeviceSeries> built,
            NodeSnapshot snapshot,
            int place,
            int migPlace,
            boolean split,
            List<DeviceHolders.Share> shares,
            AttributionPicture known) {
        Gpu gpu = snapshot.gpus().get(place);
        MigDevice mig = migPlace < 0 ? null : gpu.migDevices().get(migPlace);
        String device = mig == null ? String.valueOf(gpu.index()) : gpu.index() + "." + mig.gpuInstanceId();
        List<PodUse> holders = OwnerLabels.holders(shares, known);
        for (List<PodLabel> labels : owners.of(shares, device, mig, known)) {
            built.add(series(snapshot, gpu, place, migPlace, split, labels, holders));
            // The first of them tells who holds the device.
            holders = List.of();
        }
    }

    private DeviceSeries series(
            NodeSnapshot snapshot,
            Gpu gpu,
            int place,
            int migPlace,
            boolean split,
            List<PodLabel> podLabels,
            List<PodUse> holders) {
        String index = String.valueOf(gpu.index());
        StringBuilder text = new StringBuilder(320);
        text.append('{');
        append(text, "gpu", index);
        append(text, spelling.uuid(), gpu.id().uuid());
        append(text, "pci_bus_id", gpu.pci().nvmlName());
        append(text, "device", "nvidia" + index);
        append(text, "modelName", spelling.modelName(gpu.name()));
        String instance = "";
        if (migPlace >= 0) {
            MigDevice mig = gpu.migDevices().get(migPlace);
            instance = String.valueOf(mig.gpuInstanceId());
            append(text, "GPU_I_PROFILE", COMPUTE_PART.matcher(mig.profile()).replaceFirst(""));
            append(text, "GPU_I_ID", instance);
        }
        spelling.hostnames().forEach(name -> append(text, name, hostname));
        // dcgm-exporter spells two labels of links otherwise than those of GPUs.
        StringBuilder link = new StringBuilder(320);
        link.append("\"");
        append(link, "gpu", index);
        append(link, "gpu_uuid", gpu.id().uuid());
        append(link, "pci_bus_id", gpu.pci().nvmlName());
        append(link, "device", "nvidia" + index);
        append(link, "model_name", spelling.modelName(gpu.name()));
        spelling.hostnames().forEach(name -> append(link, name, hostname));
        for (ChosenField chosen : labelFields) {
            if (chosen.field().source() instanceof Field.Label(Field.LabelText label)) {
                labelText(snapshot, gpu, label).ifPresent(value -> {
                    append(text, chosen.name(), value);
                    append(link, chosen.name(), value);
                });
            }
        }
        String deviceLabels = text.toString();
        for (PodLabel label : podLabels) {
            append(text, spelling.ofHolder(label.name()), label.value());
            append(link, spelling.ofHolder(label.name()), label.value());
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
                holders);
    }

    private static Optional<String> labelText(NodeSnapshot snapshot, Gpu gpu, Field.LabelText text) {
        return switch (text) {
            case DRIVER_VERSION -> snapshot.driverVersion();
            case NVML_VERSION ->
                snapshot.nvml() instanceof NvmlState.Open open ? Optional.of(open.nvmlVersion()) : Optional.empty();
            case CUDA_DRIVER_VERSION ->
                snapshot.nvml() instanceof NvmlState.Open open
                        ? Optional.of(cudaVersion(open.cudaDriverVersion()))
                        : Optional.empty();
            case NAME -> Optional.of(gpu.name());
            case INDEX -> Optional.of(Integer.toString(gpu.index()));
            case SERIAL -> gpu.serial().asOptional();
            case UUID -> Optional.of(gpu.id().uuid());
            case MINOR_NUMBER -> Optional.of(Integer.toString(gpu.minor()));
            case PCI_BUS_ID -> Optional.of(gpu.pci().nvmlName());
            case COMPUTE_CAPABILITY -> gpu.computeCapability().asOptional();
            case VBIOS_VERSION -> gpu.vbiosVersion().asOptional();
            case FABRIC_CLUSTER -> gpu.fabric().asOptional().map(Gpu.FabricState::clusterUuid);
            case BRAND, INFOROM_IMAGE_VERSION, INFOROM_OEM_VERSION, INFOROM_ECC_VERSION, INFOROM_POWER_VERSION ->
                Optional.ofNullable(gpu.texts().get(text.boardText()));
        };
    }

    /** {@code 12040} is 12.4. */
    private static String cudaVersion(int number) {
        return number / 1000 + "." + number % 1000 / 10;
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
