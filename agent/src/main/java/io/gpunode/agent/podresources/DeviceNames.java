package io.gpunode.agent.podresources;

import io.gpunode.agent.model.Gpu;
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

    private final Map<String, Device> byName = new HashMap<>();
    private final Map<String, Device> byClaimName = new HashMap<>();

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
            byName.putIfAbsent(gpu.id().uuid(), whole);
            byName.putIfAbsent(Integer.toString(gpu.index()), whole);
            byName.putIfAbsent("nvidia" + gpu.index(), whole);
            byClaimName.putIfAbsent("gpu-" + gpu.minor(), whole);
            for (MigDevice mig : gpu.migDevices()) {
                Device part = new Device(place, mig, false, "");
                byName.putIfAbsent(mig.id().uuid(), part);
                byName.putIfAbsent(gpu.index() + ":" + mig.index(), part);
                byName.putIfAbsent("nvidia" + gpu.index() + "/gi" + mig.gpuInstanceId(), part);
                byName.putIfAbsent(
                        "MIG-" + gpu.id().uuid() + "/" + mig.gpuInstanceId() + "/" + mig.computeInstanceId(), part);
            }
        }
    }

    /** What a device id means; null when it names nothing in the picture. */
    public @Nullable Device find(String id) {
        if (id.startsWith(PodResourcesReader.DRA_DRIVER + "/")) {
            return byClaimName.get(id.substring(id.lastIndexOf('/') + 1));
        }
        String name = withoutKind(id);
        int share = name.indexOf(SHARE);
        int length = SHARE.length();
        if (share < 0) {
            share = name.indexOf(OTHER_SHARE);
            length = OTHER_SHARE.length();
        }
        if (share < 0) {
            return byName.get(name);
        }
        Device base = byName.get(name.substring(0, share));
        return base == null ? null : new Device(base.gpuPlace(), base.mig(), true, name.substring(share + length));
    }

    /** {@code nvidia.com/gpu=GPU-…} and {@code k8s.device-plugin.nvidia.com/gpu=GPU-…} are the device behind the equals sign. */
    private static String withoutKind(String id) {
        int equals = id.indexOf('=');
        return equals >= 0 && id.lastIndexOf(NVIDIA, equals) >= 0 ? id.substring(equals + 1) : id;
    }
}
