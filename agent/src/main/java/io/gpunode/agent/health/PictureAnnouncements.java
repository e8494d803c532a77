package io.gpunode.agent.health;

import io.gpunode.agent.inventory.SnapshotSource;
import io.gpunode.agent.kubernetes.NodeEvent;
import io.gpunode.agent.lifecycle.Service;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.NvmlState;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Consumer;

/**
 * Tells the cluster how the driver comes and goes and how GPUs are split anew. Compares each picture with what it told last, under its own lock, on the
 * thread that publishes; sending is another's and never waited for.
 *
 * <p>A driver that works when the agent starts, and the layouts that it shows, are no news. A driver that is not there is told once more, as findings
 * are.
 */
public final class PictureAnnouncements implements Service {
    /** A new layout is made in steps, and a picture may be taken after each. */
    static final Duration SETTLED = Duration.ofSeconds(3);

    /** GPUs whose layout is remembered while they are away. */
    private static final int MOST_REMEMBERED = 128;

    private final SnapshotSource snapshots;
    private final Optional<Consumer<NodeEvent>> events;
    private final MonotonicClock clock;
    private final Map<GpuId, Layout> layouts = new LinkedHashMap<>(16, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<GpuId, Layout> eldest) {
            return size() > MOST_REMEMBERED;
        }
    };
    private Access access = Access.UNKNOWN;
    private String toldWord = "";
    private String driverVersion = "";
    private long structureVersion = -1;
    private boolean unsettled;
    private SnapshotSource.Subscription subscription = () -> {};

    private enum Access {
        UNKNOWN,
        OPEN,
        WAITING,
        WITHDRAWN
    }

    /**
     * How a GPU is split.
     *
     * @param told as the cluster knows it
     * @param seen as it was last seen
     * @param since when that was seen first
     */
    private record Layout(String told, String seen, Tick since) {
        boolean settled() {
            return told.equals(seen);
        }
    }

    /** @param events where they go; empty when they are switched off */
    public PictureAnnouncements(SnapshotSource snapshots, Optional<Consumer<NodeEvent>> events, MonotonicClock clock) {
        this.snapshots = snapshots;
        this.events = events;
        this.clock = clock;
    }

    @Override
    public String name() {
        return "picture-announcements";
    }

    @Override
    public void start() {
        if (events.isPresent()) {
            subscription = snapshots.subscribe(name(), this::picture);
            currentPicture();
        }
    }

    @Override
    public void stop(Duration limit) {
        subscription.close();
    }

    /** The next one may be long in coming: without a driver nothing changes. Read under the lock, so that no later one was told before. */
    private synchronized void currentPicture() {
        NodeSnapshot snapshot = snapshots.current();
        // Before the first look nothing is known.
        if (snapshot.version() > 0) {
            picture(snapshot);
        }
    }

    private synchronized void picture(NodeSnapshot snapshot) {
        boolean changed = snapshot.structureVersion() != structureVersion;
        if (!changed && !unsettled) {
            return;
        }
        structureVersion = snapshot.structureVersion();
        if (changed) {
            switch (snapshot.nvml()) {
                case NvmlState.Waiting waiting -> waiting(waiting);
                case NvmlState.Withdrawn withdrawn -> withdrawn(withdrawn);
                case NvmlState.Open open -> open(open, snapshot);
            }
        }
        // While GPUs are away nothing is known of how they are split.
        if (snapshot.open()) {
            layouts(snapshot);
        }
    }

    private void waiting(NvmlState.Waiting waiting) {
        if (waiting.kind().equals(NvmlState.Waiting.STARTING)
                || (access == Access.WAITING && toldWord.equals(waiting.kind()))) {
            return;
        }
        String reason = waiting.reason();
        String message = switch (access) {
            case OPEN -> "the NVIDIA driver " + driverVersion + " went away, no GPU can be used: " + reason;
            case WITHDRAWN -> "the GPUs did not come back: " + reason;
            case UNKNOWN, WAITING -> "no GPU can be used: " + reason;
        };
        String step = waiting.nextStep();
        tell(true, "DriverNotReady", waiting.kind(), step.isEmpty() ? message : message + ". Next step: " + step);
        access = Access.WAITING;
        toldWord = waiting.kind();
    }

    private void withdrawn(NvmlState.Withdrawn withdrawn) {
        if (access == Access.WITHDRAWN && toldWord.equals(withdrawn.reason())) {
            return;
        }
        tell(
                false,
                "GpusWithdrawn",
                withdrawn.reason(),
                "the agent let go of the GPUs (" + withdrawn.reason() + "); no pod gets one until they are back");
        access = Access.WITHDRAWN;
        toldWord = withdrawn.reason();
    }

    private void open(NvmlState.Open open, NodeSnapshot snapshot) {
        String version = open.driverVersion();
        String what = "NVIDIA driver " + version + ", " + count(snapshot.gpus().size());
        if (!driverVersion.isEmpty() && !driverVersion.equals(version)) {
            tell(
                    false,
                    "DriverVersionChanged",
                    driverVersion + " " + version,
                    "the NVIDIA driver changed from " + driverVersion + " to " + version + "; "
                            + count(snapshot.gpus().size()));
        } else if (access == Access.WITHDRAWN) {
            tell(false, "GpusBack", version, "the GPUs are back: " + what);
        } else if (access == Access.WAITING) {
            tell(false, "DriverReady", version, "the GPUs can be used: " + what);
        }
        access = Access.OPEN;
        driverVersion = version;
        toldWord = "";
    }

    private static String count(int gpus) {
        return switch (gpus) {
            case 0 -> "no GPU";
            case 1 -> "1 GPU";
            default -> gpus + " GPUs";
        };
    }

    private void layouts(NodeSnapshot snapshot) {
        Tick now = clock.now();
        unsettled = false;
        for (Gpu gpu : snapshot.gpus()) {
            String seen = layout(gpu);
            Layout before = layouts.get(gpu.id());
            Layout after = before == null
                    ? new Layout(seen, seen, now)
                    : before.seen.equals(seen) ? before : new Layout(before.told, seen, now);
            if (!after.settled() && now.reached(after.since.plus(SETTLED))) {
                tell(
                        false,
                        "MigLayoutChanged",
                        gpu.id().uuid() + " " + after.told + " > " + seen,
                        "GPU " + gpu.id().uuid() + " (index " + gpu.index() + ", PCI " + gpu.pci()
                                + ") was split anew: from " + after.told + " to " + seen);
                after = new Layout(seen, seen, now);
            }
            unsettled |= !after.settled();
            if (!after.equals(before)) {
                layouts.put(gpu.id(), after);
            }
        }
    }

    /** For example {@code 3x 1g.10gb + 1x 4g.40gb}. */
    private static String layout(Gpu gpu) {
        if (!gpu.migEnabled()) {
            return "MIG off";
        }
        Map<String, Integer> counts = new TreeMap<>();
        for (MigDevice mig : gpu.migDevices()) {
            counts.merge(mig.profile(), 1, Integer::sum);
        }
        if (counts.isEmpty()) {
            return "MIG on without devices";
        }
        StringBuilder text = new StringBuilder();
        counts.forEach((profile, count) -> text.append(text.isEmpty() ? "" : " + ")
                .append(count)
                .append("x ")
                .append(profile));
        return text.toString();
    }

    private void tell(boolean warning, String reason, String subject, String message) {
        events.ifPresent(target -> target.accept(new NodeEvent(warning, reason, subject, message)));
    }
}
