package io.gpunode.agent.podresources;

import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.MigDevice;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What the device ids in the kubelet's books mean. Knows every form that device plugins for NVIDIA GPUs use: {@code GPU-…}, {@code MIG-…},
 * {@code MIG-GPU-…/gi/ci}, an index {@code N} or {@code N:M}, {@code nvidiaN} and {@code nvidiaN/giK}, each also as a share ({@code ::n} or
 * {@code /vgpuN}). Immutable.
 */
public final class DeviceNames {
    private static final String SHARE = "::";
    private static final String OTHER_SHARE = "/vgpu";

    private final Map<String, Device> byName = new HashMap<>();

    /**
     * What an id stands for.
     *
     * @param gpuPlace the GPU's place in the picture
     * @param mig the MIG device; null for the GPU as a whole
     * @param share whether it is one of several shares
     */
    public record Device(int gpuPlace, @Nullable MigDevice mig, boolean share) {}

    /** @param gpus as in the picture */
    public DeviceNames(List<Gpu> gpus) {
        for (int place = 0; place < gpus.size(); place++) {
            Gpu gpu = gpus.get(place);
            Device whole = new Device(place, null, false);
            byName.putIfAbsent(gpu.id().uuid(), whole);
            byName.putIfAbsent(Integer.toString(gpu.index()), whole);
            byName.putIfAbsent("nvidia" + gpu.index(), whole);
            for (MigDevice mig : gpu.migDevices()) {
                Device part = new Device(place, mig, false);
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
        int share = id.indexOf(SHARE);
        if (share < 0) {
            share = id.indexOf(OTHER_SHARE);
        }
        if (share < 0) {
            return byName.get(id);
        }
        Device base = byName.get(id.substring(0, share));
        return base == null ? null : new Device(base.gpuPlace(), base.mig(), true);
    }
}
