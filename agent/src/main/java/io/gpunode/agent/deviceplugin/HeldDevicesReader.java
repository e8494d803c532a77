package io.gpunode.agent.deviceplugin;

import io.gpunode.agent.inventory.SnapshotSource;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.podresources.PodResourcesPicture;
import io.gpunode.agent.podresources.PodResourcesSource;
import io.gpunode.agent.podresources.PodUse;
import io.gpunode.agent.time.MonotonicClock;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Puts the kubelet's books and the picture of the node together, once for each change of either. Never blocks; any thread. */
final class HeldDevicesReader implements Supplier<HeldDevices> {
    /** Containers come and go; a picture that is older says more about the past, unless the next one is not due. */
    private static final Duration TRUSTED = Duration.ofMinutes(1);

    private final PodResourcesSource pods;
    private final SnapshotSource source;
    private final MonotonicClock clock;
    private volatile Made made = new Made(-1, null, HeldDevices.UNKNOWN);

    HeldDevicesReader(PodResourcesSource pods, SnapshotSource source, MonotonicClock clock) {
        this.pods = pods;
        this.source = source;
        this.clock = clock;
    }

    @Override
    @SuppressWarnings("ReferenceEquality") // Comparing two large maps on each call is what this is here to avoid.
    public HeldDevices get() {
        NodeSnapshot snapshot = source.current();
        PodResourcesPicture picture = pods.current().orElse(null);
        Map<String, List<PodUse>> byDevice = picture != null && isFresh(picture) ? picture.byDevice() : null;
        Made last = made;
        // The client keeps the same map as long as nothing moved.
        if (last.structureVersion != snapshot.structureVersion() || last.byDevice != byDevice) {
            last = new Made(snapshot.structureVersion(), byDevice, HeldDevices.of(snapshot.gpus(), byDevice));
            made = last;
        }
        return last.held;
    }

    private boolean isFresh(PodResourcesPicture picture) {
        Duration twice = pods.interval().multipliedBy(2);
        Duration trusted = twice.compareTo(TRUSTED) > 0 ? twice : TRUSTED;
        return clock.now().since(picture.readAt()).compareTo(trusted) <= 0;
    }

    private record Made(long structureVersion, @Nullable Map<String, List<PodUse>> byDevice, HeldDevices held) {}
}
