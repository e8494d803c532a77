package io.gpunode.agent.metrics;

import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What the metrics under {@code DCGM_EXP_} need of the past: counts within a window, and what has begun. It is told of every picture by the
 * inventory's thread, and asked by scrapes; while none of these metrics is shown it keeps nothing. Bounded: a few windows of fixed size for each
 * GPU, and one for each XID of the picture.
 */
final class DeviceHistory {
    /** What is shown when nothing is set, and what dcgm-exporter shows. */
    static final Duration DEFAULT_WINDOW = Duration.ofMinutes(5);
    /** GPUs come and go; those that went are kept while there is room. */
    private static final int LIMIT = 64;

    private final MonotonicClock clock;
    private final Map<GpuId, DevicePast> gpus = new HashMap<>();
    private Duration xidWindow = DEFAULT_WINDOW;
    private Duration clockEventsWindow = DEFAULT_WINDOW;
    private boolean wanted;

    DeviceHistory(MonotonicClock clock) {
        this.clock = clock;
    }

    /** Whether anybody asks for the past; what was kept is forgotten when nobody does. */
    synchronized void want(boolean now) {
        wanted = now;
        if (!now) {
            gpus.clear();
        }
    }

    /** Counts within other windows; counts within the old ones are forgotten. */
    synchronized void windows(Duration xids, Duration clockEvents) {
        if (!xids.equals(xidWindow) || !clockEvents.equals(clockEventsWindow)) {
            xidWindow = xids;
            clockEventsWindow = clockEvents;
            gpus.clear();
        }
    }

    synchronized Duration xidWindow() {
        return xidWindow;
    }

    synchronized Duration clockEventsWindow() {
        return clockEventsWindow;
    }

    /** Takes in a picture. */
    synchronized void picture(NodeSnapshot snapshot) {
        if (!wanted) {
            return;
        }
        Tick now = clock.now();
        if (gpus.size() > LIMIT) {
            gpus.keySet()
                    .removeIf(id ->
                            snapshot.gpus().stream().noneMatch(gpu -> gpu.id().equals(id)));
        }
        for (Gpu gpu : snapshot.gpus()) {
            gpus.computeIfAbsent(gpu.id(), _ -> new DevicePast(xidWindow, clockEventsWindow))
                    .take(gpu, now);
        }
    }

    /** The past of a GPU; null when there is none. */
    synchronized @Nullable DevicePast of(GpuId gpu) {
        return gpus.get(gpu);
    }
}
