package io.gpunode.agent.deviceplugin;

import io.gpunode.agent.config.AgentConfig.DeviceListStrategy;
import io.gpunode.agent.deviceplugin.Allocation.DeviceNode;
import io.gpunode.agent.deviceplugin.Allocation.Mount;
import io.grpc.Status;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;

/**
 * Turns device IDs into what the container needs, by the rules that the list of devices carries: a pure function of list and IDs, that calls
 * no NVML and looks at no file. The answer depends on the set of IDs only, never on the order that the kubelet sends them in: devices are in
 * PCI order, and each is named once however many of its shares are asked for.
 */
final class Allocator {
    /** CDI vendor and class of GPUs and MIG devices. */
    static final String CDI_KIND = AllocationRules.CDI_VENDOR + "/gpu";

    // What NVIDIA's container runtimes read.
    private static final String VISIBLE_DEVICES = "NVIDIA_VISIBLE_DEVICES";
    private static final String IMEX_CHANNELS = "NVIDIA_IMEX_CHANNELS";
    private static final String MOUNTED_DEVICES = "/var/run/nvidia-container-devices";
    private static final String MOUNT_SOURCE = "/dev/null";

    /** With the id that follows within the 63 characters of an annotation's name. */
    private static final String ANNOTATION_NAME = "nvidia-device-plugin_";

    private static final int LONGEST_ID_SHOWN = 80;

    private Allocator() {}

    /**
     * What a container with these devices needs.
     *
     * @param ids as the kubelet sent them
     * @throws AllocationRefusedException when they cannot be given; says which and why
     */
    static Allocation allocate(AdvertisedDevices devices, List<String> ids) {
        AllocationRules rules = devices.rules();
        List<AdvertisedDevice> chosen = choose(devices, ids);
        List<String> names = new ArrayList<>(chosen.size());
        for (AdvertisedDevice device : chosen) {
            names.add(rules.nameOf(device));
        }
        Set<DeviceListStrategy> strategies = rules.strategies();
        List<String> cdiNames = List.of();
        Map<String, String> annotations = Map.of();
        if (strategies.contains(DeviceListStrategy.CDI_CRI)
                || strategies.contains(DeviceListStrategy.CDI_ANNOTATIONS)) {
            List<String> qualified =
                    new ArrayList<>(names.size() + rules.cdiNames().size());
            for (String name : names) {
                qualified.add(CDI_KIND + "=" + name);
            }
            qualified.addAll(rules.cdiNames());
            if (strategies.contains(DeviceListStrategy.CDI_ANNOTATIONS)) {
                annotations = Map.of(annotationKey(devices, names), String.join(",", qualified));
            }
            if (strategies.contains(DeviceListStrategy.CDI_CRI)) {
                cdiNames = qualified;
            }
        }
        return new Allocation(
                environment(rules, names),
                strategies.contains(DeviceListStrategy.VOLUME_MOUNTS) ? mounts(rules, names) : List.of(),
                annotations,
                cdiNames,
                rules.passNodes() ? nodes(rules, chosen) : List.of());
    }

    private static List<AdvertisedDevice> choose(AdvertisedDevices devices, List<String> ids) {
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
        AdvertisedDevice last = null;
        for (int place = places.nextSetBit(0); place >= 0; place = places.nextSetBit(place + 1)) {
            AdvertisedDevice device = devices.devices().get(place);
            if (!device.healthy()) {
                throw new AllocationRefusedException(
                        Status.Code.FAILED_PRECONDITION,
                        "device " + device.id() + " (" + device.pci() + ") of " + resource + " is unhealthy: "
                                + device.problem());
            }
            if (device.share() && ids.size() > 1 && devices.rules().oneShareOnly()) {
                throw new AllocationRefusedException(
                        Status.Code.INVALID_ARGUMENT,
                        "a container asks for " + ids.size() + " of " + resource
                                + ", which are shares of devices: several"
                                + " shares give no more of a GPU than one, so failRequestsGreaterThanOne refuses them;"
                                + " ask for 1");
            }
            // The shares of a device follow each other in the list.
            if (last == null || !last.base().equals(device.base())) {
                chosen.add(device);
            }
            last = device;
        }
        return chosen;
    }

    private static Map<String, String> environment(AllocationRules rules, List<String> names) {
        boolean byMounts = rules.strategies().contains(DeviceListStrategy.VOLUME_MOUNTS);
        boolean byVariable = rules.strategies().contains(DeviceListStrategy.ENVVAR);
        if (!byMounts && !byVariable) {
            return rules.environment();
        }
        Map<String, String> environment = new LinkedHashMap<>(rules.environment());
        // With both, the mounts say it: the runtime looks there when it reads the path.
        environment.put(VISIBLE_DEVICES, byMounts ? MOUNTED_DEVICES : String.join(",", names));
        if (byVariable && !rules.channels().isEmpty()) {
            StringBuilder channels = new StringBuilder();
            for (int channel : rules.channels()) {
                channels.append(channels.isEmpty() ? "" : ",").append(channel);
            }
            environment.put(IMEX_CHANNELS, channels.toString());
        }
        return environment;
    }

    private static List<Mount> mounts(AllocationRules rules, List<String> names) {
        List<Mount> mounts = new ArrayList<>(names.size() + rules.channels().size());
        for (String name : names) {
            mounts.add(new Mount(MOUNTED_DEVICES + "/" + name, MOUNT_SOURCE));
        }
        for (int channel : rules.channels()) {
            mounts.add(new Mount(MOUNTED_DEVICES + "/imex/" + channel, MOUNT_SOURCE));
        }
        return mounts;
    }

    /** Differs between resources of one container, because the kubelet keeps only one annotation of a key. */
    private static String annotationKey(AdvertisedDevices devices, List<String> names) {
        return devices.rules().annotationPrefix()
                + ANNOTATION_NAME
                + UUID.nameUUIDFromBytes(
                        (devices.resource() + '=' + String.join(",", names)).getBytes(StandardCharsets.UTF_8));
    }

    private static List<DeviceNode> nodes(AllocationRules rules, List<AdvertisedDevice> devices) {
        List<DeviceNode> nodes = new ArrayList<>(rules.controlNodes());
        int lastMinor = -1;
        for (AdvertisedDevice device : devices) {
            // MIG devices of one GPU follow each other; its node is passed once.
            if (device.minor() != lastMinor) {
                nodes.add(node(rules, "/dev/nvidia" + device.minor()));
                lastMinor = device.minor();
            }
            for (int i = 0; i < device.capabilities().size(); i++) {
                DeviceNode node = node(
                        rules,
                        "/dev/nvidia-caps/nvidia-cap" + device.capabilities().get(i));
                // Compute instances of one GPU instance have its node in common.
                if (!nodes.contains(node)) {
                    nodes.add(node);
                }
            }
        }
        nodes.addAll(rules.channelNodes());
        return nodes;
    }

    private static DeviceNode node(AllocationRules rules, String path) {
        return new DeviceNode(path, rules.nodeRoot() + path);
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
