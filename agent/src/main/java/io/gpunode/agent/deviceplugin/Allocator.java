package io.gpunode.agent.deviceplugin;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.AgentConfig.DeviceIdStrategy;
import io.gpunode.agent.config.AgentConfig.DeviceListStrategy;
import io.gpunode.agent.deviceplugin.Allocation.DeviceNode;
import io.gpunode.agent.os.HostFiles;
import io.grpc.Status;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;

/**
 * Turns device IDs into what the container needs, by the configured strategies. The answer depends on the set of IDs only, never on the order
 * that the kubelet sends them in: devices are in PCI order. No NVML; looks for device nodes only where they are passed.
 */
final class Allocator {
    /** CDI vendor and class of the specs that the agent writes for the kubelet; fixed, the kubelet replays old answers. */
    static final String CDI_KIND = "k8s.device-plugin.nvidia.com/gpu";

    /** What NVIDIA's container runtimes read. */
    private static final String VISIBLE_DEVICES = "NVIDIA_VISIBLE_DEVICES";
    /** With the id that follows within the 63 characters of an annotation's name. */
    private static final String ANNOTATION_NAME = "nvidia-device-plugin_";

    private static final List<String> CONTROL_NODES =
            List.of("/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools", "/dev/nvidia-modeset");
    private static final int LONGEST_ID_SHOWN = 80;

    private final Set<DeviceListStrategy> strategies;
    private final DeviceIdStrategy idStrategy;
    private final boolean passDeviceSpecs;
    private final Path devRoot;
    private final String annotationPrefix;
    private final HostFiles files;

    Allocator(AgentConfig.Plugin config, HostFiles files) {
        this.strategies = Set.copyOf(config.deviceListStrategies());
        this.idStrategy = config.deviceIdStrategy();
        // Nodes come with the CDI specs; only the old ways of telling the runtime need them from here.
        this.passDeviceSpecs = config.passDeviceSpecs() && strategies.contains(DeviceListStrategy.ENVVAR);
        this.devRoot = config.devRoot();
        this.annotationPrefix = config.cdiAnnotationPrefix();
        this.files = files;
    }

    /**
     * What a container with these devices needs.
     *
     * @param ids as the kubelet sent them
     * @throws AllocationRefusedException when they cannot be given; says which and why
     */
    Allocation allocate(AdvertisedDevices devices, List<String> ids) {
        List<AdvertisedDevice> chosen = choose(devices, ids);
        String names = names(chosen);
        Map<String, String> environment =
                strategies.contains(DeviceListStrategy.ENVVAR) ? Map.of(VISIBLE_DEVICES, names) : Map.of();
        List<String> cdiNames = List.of();
        Map<String, String> annotations = Map.of();
        if (strategies.contains(DeviceListStrategy.CDI_CRI)
                || strategies.contains(DeviceListStrategy.CDI_ANNOTATIONS)) {
            List<String> qualified = new ArrayList<>(chosen.size());
            for (AdvertisedDevice device : chosen) {
                qualified.add(CDI_KIND + "=" + name(device));
            }
            if (strategies.contains(DeviceListStrategy.CDI_ANNOTATIONS)) {
                annotations = Map.of(annotationKey(devices.resource(), names), String.join(",", qualified));
            }
            if (strategies.contains(DeviceListStrategy.CDI_CRI)) {
                cdiNames = qualified;
            }
        }
        return new Allocation(environment, annotations, cdiNames, passDeviceSpecs ? nodes(chosen) : List.of());
    }

    private List<AdvertisedDevice> choose(AdvertisedDevices devices, List<String> ids) {
        String resource = devices.resource();
        if (ids.isEmpty()) {
            throw new AllocationRefusedException(
                    Status.Code.INVALID_ARGUMENT,
                    "Allocate for a container without device IDs: the kubelet asks only for containers that want "
                            + resource);
        }
        int most = devices.devices().size();
        if (most > 0 && ids.size() > most) {
            throw new AllocationRefusedException(
                    Status.Code.INVALID_ARGUMENT,
                    "Allocate for " + ids.size() + " device IDs: this node advertises " + most + " of " + resource
                            + "; first ID " + show(ids.getFirst()));
        }
        if (!devices.notReady().isEmpty()) {
            throw new AllocationRefusedException(
                    Status.Code.UNAVAILABLE, resource + " cannot be given now: " + devices.notReady());
        }
        BitSet places = new BitSet();
        for (String id : ids) {
            int place = devices.placeOf(id);
            if (place < 0) {
                throw new AllocationRefusedException(
                        Status.Code.INVALID_ARGUMENT,
                        "unknown device ID " + show(id) + " of " + resource + ": this node advertises " + most
                                + " devices and it is none of them; see `gpu-node-agent gpus`, and restart the kubelet if it still lists it");
            }
            places.set(place);
        }
        List<AdvertisedDevice> chosen = new ArrayList<>(ids.size());
        for (int place = places.nextSetBit(0); place >= 0; place = places.nextSetBit(place + 1)) {
            AdvertisedDevice device = devices.devices().get(place);
            if (!device.healthy()) {
                throw new AllocationRefusedException(
                        Status.Code.FAILED_PRECONDITION,
                        "device " + device.id() + " (" + device.pci() + ") of " + resource + " is unhealthy: "
                                + device.problem());
            }
            chosen.add(device);
        }
        return chosen;
    }

    private String name(AdvertisedDevice device) {
        return switch (idStrategy) {
            case UUID -> device.base().uuid();
            case INDEX -> device.indexName();
        };
    }

    private String names(List<AdvertisedDevice> devices) {
        StringBuilder names = new StringBuilder(devices.size() * 41);
        for (AdvertisedDevice device : devices) {
            if (!names.isEmpty()) {
                names.append(',');
            }
            names.append(name(device));
        }
        return names.toString();
    }

    /** Differs between resources of one container, because the kubelet keeps only one annotation of a key. */
    private String annotationKey(String resource, String names) {
        return annotationPrefix
                + ANNOTATION_NAME
                + UUID.nameUUIDFromBytes((resource + '=' + names).getBytes(StandardCharsets.UTF_8));
    }

    private List<DeviceNode> nodes(List<AdvertisedDevice> devices) {
        List<DeviceNode> nodes = new ArrayList<>(CONTROL_NODES.size() + devices.size());
        for (String path : CONTROL_NODES) {
            DeviceNode node = node(path);
            if (files.exists(Path.of(node.hostPath()))) {
                nodes.add(node);
            }
        }
        for (AdvertisedDevice device : devices) {
            nodes.add(node("/dev/nvidia" + device.minor()));
        }
        return nodes;
    }

    private DeviceNode node(String path) {
        return new DeviceNode(path, devRoot.resolve(path.substring(1)).toString());
    }

    /** An ID from outside as it may stand in a message. */
    private static String show(String id) {
        StringBuilder shown = new StringBuilder("\"");
        for (int i = 0; i < Math.min(id.length(), LONGEST_ID_SHOWN); i++) {
            char c = id.charAt(i);
            shown.append(c < ' ' || c > '~' || c == '"' ? '?' : c);
        }
        return shown.append(id.length() > LONGEST_ID_SHOWN ? "…\"" : "\"").toString();
    }
}
