package io.gpunode.agent.deviceplugin;

import io.gpunode.deviceplugin.v1beta1.Device;
import io.gpunode.deviceplugin.v1beta1.ListAndWatchResponse;
import io.gpunode.deviceplugin.v1beta1.NUMANode;
import io.gpunode.deviceplugin.v1beta1.TopologyInfo;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What one resource offers at one moment: immutable, made once per change of structure, read by every call and stream. Holds the message for
 * the kubelet ready-made, so that a stream compares and sends without building anything.
 */
final class AdvertisedDevices {
    private static final String NOT_READ = "the GPUs have not been read yet";

    // The kubelet compares with exactly these words (deviceplugin v1beta1).
    private static final String HEALTHY = "Healthy";
    private static final String UNHEALTHY = "Unhealthy";

    private final String resource;
    private final String notReady;
    private final List<AdvertisedDevice> devices;
    private final Map<String, Integer> places;
    private final PairScores scores;
    private final AllocationRules rules;
    private final ListAndWatchResponse message;
    private volatile @Nullable DeviceTree tree;

    /** Nothing was ever seen. */
    static AdvertisedDevices none(String resource) {
        return new AdvertisedDevices(resource, NOT_READ, List.of(), PairScores.NONE, AllocationRules.NONE);
    }

    /**
     * @param resource the extended resource
     * @param notReady why no device can be given to containers now; empty when they can
     * @param devices in PCI order
     * @param scores in the same order; {@link PairScores#NONE} when not all are whole GPUs
     * @param rules what the answers to Allocate have in common
     */
    AdvertisedDevices(
            String resource,
            String notReady,
            List<AdvertisedDevice> devices,
            PairScores scores,
            AllocationRules rules) {
        this.resource = resource;
        this.notReady = notReady;
        this.devices = List.copyOf(devices);
        this.scores = scores;
        this.rules = rules;
        this.places = HashMap.newHashMap(devices.size());
        for (int i = 0; i < devices.size(); i++) {
            places.put(devices.get(i).id(), i);
        }
        this.message = message(devices);
    }

    /** The extended resource, {@code nvidia.com/gpu}. */
    String resource() {
        return resource;
    }

    /** Why no device can be given to containers now; empty when they can. */
    String notReady() {
        return notReady;
    }

    /** In PCI order. */
    List<AdvertisedDevice> devices() {
        return devices;
    }

    /** The place of a device in {@link #devices()}; -1 when the id is unknown. */
    int placeOf(String id) {
        Integer place = places.get(id);
        return place == null ? -1 : place;
    }

    /** How the devices are connected, in the order of {@link #devices()}. */
    PairScores scores() {
        return scores;
    }

    /** What the devices are part of. Any thread. */
    DeviceTree tree() {
        DeviceTree made = tree;
        if (made == null) {
            made = new DeviceTree(this);
            tree = made;
        }
        return made;
    }

    /** What the answers to Allocate have in common. */
    AllocationRules rules() {
        return rules;
    }

    /** Whether the other says the same, so that it need not be told anew. */
    boolean sameAs(AdvertisedDevices other) {
        return resource.equals(other.resource)
                && notReady.equals(other.notReady)
                && scores == other.scores
                && rules.equals(other.rules)
                && devices.equals(other.devices);
    }

    /** The complete list for the kubelet. */
    ListAndWatchResponse message() {
        return message;
    }

    int healthyCount() {
        int healthy = 0;
        for (AdvertisedDevice device : devices) {
            healthy += device.healthy() ? 1 : 0;
        }
        return healthy;
    }

    private static ListAndWatchResponse message(List<AdvertisedDevice> devices) {
        ListAndWatchResponse.Builder message = ListAndWatchResponse.newBuilder();
        Map<Integer, TopologyInfo> nodes = new HashMap<>();
        for (AdvertisedDevice device : devices) {
            Device.Builder entry =
                    Device.newBuilder().setID(device.id()).setHealth(device.healthy() ? HEALTHY : UNHEALTHY);
            // Thousands of shares are on a handful of NUMA nodes.
            device.numaNode()
                    .ifPresent(node -> entry.setTopology(nodes.computeIfAbsent(node, AdvertisedDevices::topology)));
            message.addDevices(entry);
        }
        return message.build();
    }

    private static TopologyInfo topology(int node) {
        return TopologyInfo.newBuilder()
                .addNodes(NUMANode.newBuilder().setID(node))
                .build();
    }
}
