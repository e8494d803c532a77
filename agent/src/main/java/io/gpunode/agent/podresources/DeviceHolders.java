package io.gpunode.agent.podresources;

import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.MigDevice;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Which containers hold which GPUs and GPU instances: a pure function from the kubelet's device ids and the picture's GPUs. */
public final class DeviceHolders {
    /** A place for the holders: the GPU's place in the picture, and a GPU instance's id or -1 for the GPU as a whole. */
    private record Target(int gpuPlace, int gpuInstanceId) {}

    /**
     * A device id that a container holds.
     *
     * @param replica which share of the device it is; empty when it is none
     */
    public record Share(PodUse use, String replica) {}

    private final Map<Target, Set<Share>> shares = new HashMap<>();
    private int devices;
    private int unmatched;

    /**
     * @param gpus as in the picture
     * @param byDevice device id → its users
     */
    public DeviceHolders(List<Gpu> gpus, Map<String, List<PodUse>> byDevice) {
        if (byDevice.isEmpty()) {
            return;
        }
        DeviceNames names = new DeviceNames(gpus);
        for (Map.Entry<String, List<PodUse>> entry : byDevice.entrySet()) {
            devices++;
            DeviceNames.Device device = names.find(entry.getKey());
            if (device == null) {
                unmatched++;
            } else {
                MigDevice mig = device.mig();
                Set<Share> held = shares.computeIfAbsent(
                        new Target(device.gpuPlace(), mig == null ? -1 : mig.gpuInstanceId()),
                        _ -> new LinkedHashSet<>());
                for (PodUse use : entry.getValue()) {
                    held.add(new Share(use, device.replica()));
                }
            }
        }
    }

    /** The containers that hold a GPU, each once. */
    public List<PodUse> holders(int gpuPlace) {
        return at(new Target(gpuPlace, -1));
    }

    /** The containers that hold a device of a GPU instance, each once. */
    public List<PodUse> holders(int gpuPlace, int gpuInstanceId) {
        return at(new Target(gpuPlace, gpuInstanceId));
    }

    /**
     * Who holds which shares, in no order: a container that holds several is there as often.
     *
     * @param gpuInstanceId -1 for the GPU as a whole
     */
    public List<Share> shares(int gpuPlace, int gpuInstanceId) {
        Set<Share> found = shares.get(new Target(gpuPlace, gpuInstanceId));
        return found == null ? List.of() : new ArrayList<>(found);
    }

    /** How many device ids containers hold. */
    public int devices() {
        return devices;
    }

    /** How many of them match no GPU in the picture. */
    public int unmatched() {
        return unmatched;
    }

    private List<PodUse> at(Target target) {
        Set<Share> found = shares.get(target);
        if (found == null) {
            return List.of();
        }
        Set<PodUse> uses = new LinkedHashSet<>();
        found.forEach(share -> uses.add(share.use()));
        return new ArrayList<>(uses);
    }
}
