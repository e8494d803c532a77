package io.gpunode.agent.podresources;

import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.MigDevice;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Which containers hold which GPUs and GPU instances: a pure function from the kubelet's device ids and the picture's GPUs. Understands every form
 * of device id that device plugins for NVIDIA GPUs use: {@code GPU-…}, {@code MIG-…}, {@code MIG-GPU-…/gi/ci}, an index {@code N} or {@code N:M},
 * {@code nvidiaN} and {@code nvidiaN/giK}, each also as a share ({@code ::n} or {@code /vgpuN}).
 */
public final class DeviceHolders {
    /** A place for the holders: the GPU's place in the picture, and a GPU instance's id or -1 for the GPU as a whole. */
    private record Target(int gpuPlace, int gpuInstanceId) {}

    private final Map<Target, Set<PodUse>> holders = new HashMap<>();
    private int devices;
    private int unmatched;

    /**
     * @param gpus as in the picture
     * @param byDevice device id → its users
     */
    public DeviceHolders(List<Gpu> gpus, Map<String, List<PodUse>> byDevice) {
        for (Map.Entry<String, List<PodUse>> entry : byDevice.entrySet()) {
            devices++;
            Target target = resolve(gpus, withoutShare(entry.getKey()));
            if (target == null) {
                unmatched++;
            } else {
                holders.computeIfAbsent(target, _ -> new LinkedHashSet<>()).addAll(entry.getValue());
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

    /** How many device ids containers hold. */
    public int devices() {
        return devices;
    }

    /** How many of them match no GPU in the picture. */
    public int unmatched() {
        return unmatched;
    }

    private List<PodUse> at(Target target) {
        Set<PodUse> found = holders.get(target);
        return found == null ? List.of() : new ArrayList<>(found);
    }

    private static String withoutShare(String device) {
        int share = device.indexOf("::");
        if (share < 0) {
            share = device.indexOf("/vgpu");
        }
        return share < 0 ? device : device.substring(0, share);
    }

    private static @Nullable Target resolve(List<Gpu> gpus, String device) {
        for (int place = 0; place < gpus.size(); place++) {
            Gpu gpu = gpus.get(place);
            if (matchesGpu(gpu, device)) {
                return new Target(place, -1);
            }
            for (MigDevice mig : gpu.migDevices()) {
                if (matchesMig(gpu, mig, device)) {
                    return new Target(place, mig.gpuInstanceId());
                }
            }
        }
        return null;
    }

    private static boolean matchesGpu(Gpu gpu, String device) {
        return device.equals(gpu.id().uuid())
                || device.equals(String.valueOf(gpu.index()))
                || device.equals("nvidia" + gpu.index());
    }

    private static boolean matchesMig(Gpu gpu, MigDevice mig, String device) {
        return device.equals(mig.id().uuid())
                || device.equals(gpu.index() + ":" + mig.index())
                || device.equals("nvidia" + gpu.index() + "/gi" + mig.gpuInstanceId())
                || device.equals("MIG-" + gpu.id().uuid() + "/" + mig.gpuInstanceId() + "/" + mig.computeInstanceId());
    }
}
