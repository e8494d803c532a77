package io.gpunode.agent.podresources;

import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.MigDevice;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What the device ids in the kubelet's books mean. Knows every form that device plugins and DRA drivers for NVIDIA GPUs use: {@code GPU-…},
 * {@code MIG-…}, {@code MIG-GPU-…/gi/ci} of drivers before 470, an index {@code N} or {@code N:M}, GKE's {@code nvidiaN} and
 * {@code nvidiaN/giK}, each also as a share ({@code ::n} or {@code /vgpuN}) and as a CDI name ({@code nvidia.com/gpu=…}); of DRA
 * {@code driver/pool/gpu-MINOR}. Immutable.
 */
public final class DeviceNames {
    private static final String SHARE = "::";
    private static final String OTHER_SHARE = "/vgpu";
    private static final String NVIDIA = "nvidia.com/";
    private static final String OF_CLAIM = PodResourcesReader.DRA_DRIVER + "/";

    private final Map<String, Device> byName = new HashMap<>();

    /**
     * What an id stands for.
     *
     * @param gpuPlace the GPU's place in the picture
     * @param mig the MIG device; null for the GPU as a whole
     * @param share whether it is one of several shares
     * @param replica which of them, as the id says; empty when it is none
     */
    public record Device(int gpuPlace, @Nullable MigDevice mig, boolean share, String replica) {}

    /** @param gpus as in the picture */
    public DeviceNames(List<Gpu> gpus) {
        for (int place = 0; place < gpus.size(); place++) {
            Gpu gpu = gpus.get(place);
            Device whole = new Device(place, null, false, "");
            of(gpu.id(), gpu.index(), gpu.minor()).forEach(name -> byName.putIfAbsent(name, whole));
            for (MigDevice mig : gpu.migDevices()) {
                Device part = new Device(place, mig, false, "");
                ofMigDevice(gpu.id(), gpu.index(), mig.id(), mig.index(), mig.gpuInstanceId(), mig.computeInstanceId())
                        .forEach(name -> byName.putIfAbsent(name, part));
            }
        }
    }

    /** The {@link #key keys} of a GPU as a whole. */
    public static List<String> of(GpuId gpu, int index, int minor) {
        return List.of(gpu.uuid(), Integer.toString(index), "nvidia" + index, OF_CLAIM + "gpu-" + minor);
    }

    /** The {@link #key keys} of a MIG device. */
    public static List<String> ofMigDevice(
            GpuId gpu, int gpuIndex, GpuId migDevice, int migIndex, int gpuInstance, int computeInstance) {
        return List.of(
                migDevice.uuid(),
                gpuIndex + ":" + migIndex,
                "nvidia" + gpuIndex + "/gi" + gpuInstance,
                "MIG-" + gpu.uuid() + "/" + gpuInstance + "/" + computeInstance);
    }

    /** What a device id is looked up by: without kind, pool and share. */
    public static String key(String id) {
        if (id.startsWith(OF_CLAIM)) {
            return OF_CLAIM + id.substring(id.lastIndexOf('/') + 1);
        }
        String name = withoutKind(id);
        int share = share(name);
        return share < 0 ? name : name.substring(0, share);
    }

    /** What a device id means; null when it names nothing in the picture. */
    public @Nullable Device find(String id) {
        Device base = byName.get(key(id));
        String name = withoutKind(id);
        int share = id.startsWith(OF_CLAIM) ? -1 : share(name);
        if (base == null || share < 0) {
            return base;
        }
        int length = name.startsWith(SHARE, share) ? SHARE.length() : OTHER_SHARE.length();
        return new Device(base.gpuPlace(), base.mig(), true, name.substring(share + length));
    }

    /** Where a share begins in a name; -1 when it names none. */
    private static int share(String name) {
        int share = name.indexOf(SHARE);
        return share < 0 ? name.indexOf(OTHER_SHARE) : share;
    }

    /** {@code nvidia.com/gpu=GPU-…} and {@code k8s.device-plugin.nvidia.com/gpu=GPU-…} are the device behind the equals sign. */
    private static String withoutKind(String id) {
        int equals = id.indexOf('=');
        return equals >= 0 && id.lastIndexOf(NVIDIA, equals) >= 0 ? id.substring(equals + 1) : id;
    }
}
