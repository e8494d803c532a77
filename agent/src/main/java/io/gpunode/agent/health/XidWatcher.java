package io.gpunode.agent.health;

import io.gpunode.agent.gpu.EventChannelException;
import io.gpunode.agent.gpu.GpuAccess;
import io.gpunode.agent.gpu.GpuEvents;
import io.gpunode.agent.gpu.GpuSession;
import io.gpunode.agent.inventory.SnapshotSource;
import io.gpunode.agent.lifecycle.Backoff;
import io.gpunode.agent.lifecycle.DutyCycle;
import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.lifecycle.Service;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.XidEvent;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.time.Duration;
import java.time.InstantSource;
import java.util.SplittableRandom;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * Waits for the driver's events on a thread of its own, the loop {@code xid-watcher}: XIDs go to the {@link HealthKeeper}, every other event
 * asks the inventory to look again. One turn is one wait, short enough that a session can be closed promptly. A channel that answers errors is
 * backed off from and after some of them opened anew; a new session, or a changed set of GPUs, gets a new channel, opened before the old one
 * is emptied and closed, so nothing that happens in between is lost.
 */
public final class XidWatcher implements Service {
    private static final Log LOG = Log.of(XidWatcher.class);
    /** How long one wait takes at most, and with it how long closing a session may have to wait for this loop. */
    private static final Duration WAIT = Duration.ofMillis(500);

    private static final Duration STUCK = Duration.ofSeconds(30);
    private static final Duration UNTIL_WOKEN = Duration.ofHours(1);
    private static final Duration REOPEN_SPACING = Duration.ofSeconds(5);
    private static final int ERRORS_UNTIL_REOPENED = 3;
    /** Events taken without waiting before the loop shows that it is alive. */
    private static final int BURST_LIMIT = 256;

    private final GpuAccess access;
    private final SnapshotSource pictures;
    private final HealthKeeper keeper;
    private final Runnable lookAgain;
    private final MonotonicClock clock;
    private final InstantSource wall;
    private final DutyCycle cycle;
    private final Backoff backoff = new Backoff(Duration.ofMillis(100), Duration.ofSeconds(10), new SplittableRandom());
    private SnapshotSource.@Nullable Subscription subscription;

    // Owned by the loop.
    private @Nullable GpuEvents events;
    private @Nullable Tick openedAt;

    // Owned by the inventory's thread.
    private long structureSeen = -1;

    /** @param lookAgain asks the inventory to read the GPUs' identities again; any thread */
    public XidWatcher(
            GpuAccess access,
            SnapshotSource pictures,
            HealthKeeper keeper,
            Runnable lookAgain,
            MonotonicClock clock,
            InstantSource wall,
            Heartbeats heartbeats) {
        this.access = access;
        this.pictures = pictures;
        this.keeper = keeper;
        this.lookAgain = lookAgain;
        this.clock = clock;
        this.wall = wall;
        this.cycle = new DutyCycle("xid-watcher", STUCK, heartbeats, this::turn);
    }

    @Override
    public String name() {
        return cycle.name();
    }

    @Override
    public void start() {
        subscription = pictures.subscribe("health", this::picture);
        // The picture without GPUs comes before the session begins to close: woken by that alone, a pause could outlast
        // the close.
        access.whenClosing(cycle::wake);
        // A picture from before the subscription is told to nobody.
        keeper.picture(pictures.current());
        cycle.start();
    }

    @Override
    public void stop(Duration limit) throws TimeoutException, InterruptedException {
        if (subscription != null) {
            subscription.close();
        }
        cycle.stop(limit);
        // The loop has ended: what it owned is this thread's now.
        close();
    }

    /** On the inventory's thread. */
    private void picture(NodeSnapshot snapshot) {
        keeper.picture(snapshot);
        if (snapshot.structureVersion() != structureSeen) {
            structureSeen = snapshot.structureVersion();
            cycle.wake();
        }
    }

    private Duration turn() throws InterruptedException {
        GpuSession session = access.current();
        if (events != null && events.ending()) {
            close();
        }
        if (session == null || !session.hasIdentified()) {
            return UNTIL_WOKEN;
        }
        try {
            GpuEvents open = opened(session);
            if (open.watchedCount() == 0) {
                // Registrations that are late say so to nobody.
                return WAIT;
            }
            take(open);
            backoff.reset();
            return Duration.ZERO;
        } catch (EventChannelException e) {
            return failed(e);
        }
    }

    private GpuEvents opened(GpuSession session) throws EventChannelException, InterruptedException {
        GpuEvents before = events;
        Tick now = clock.now();
        if (before != null
                && !(before.stale()
                        && (before.outdated()
                                || openedAt == null
                                || now.since(openedAt).compareTo(REOPEN_SPACING) >= 0))) {
            return before;
        }
        GpuEvents next = session.openEvents();
        events = next;
        openedAt = now;
        LOG.debug("watching for events", "gpus", next.watchedCount());
        if (before != null) {
            try (before) {
                drain(before, BURST_LIMIT);
            }
        }
        return next;
    }

    private void take(GpuEvents open) throws EventChannelException {
        GpuEvents.GpuEvent event = open.await(WAIT);
        if (event != null) {
            handle(event);
            drain(open, BURST_LIMIT);
        }
    }

    private void drain(GpuEvents open, int limit) throws EventChannelException {
        for (int i = 0; i < limit; i++) {
            GpuEvents.GpuEvent event = open.await(Duration.ZERO);
            if (event == null) {
                return;
            }
            handle(event);
        }
    }

    private void handle(GpuEvents.GpuEvent event) {
        switch (event.kind()) {
            case XID ->
                keeper.xid(new XidEvent(
                        event.gpu(), event.data(), wall.instant(), event.gpuInstanceId(), event.computeInstanceId()));
            case SINGLE_BIT_ECC_STORM,
                    MEMORY_RETIRED,
                    MEMORY_RETIREMENT_FAILED,
                    POISON,
                    FATAL_POISON,
                    UNAVAILABLE,
                    CHIP_MEMORY_ERROR -> {
                keeper.event(event.gpu(), event.kind(), event.gpuInstanceId(), event.computeInstanceId());
                lookAgain.run();
            }
            case RECOVERY_ACTION_CHANGED, LAYOUT_CHANGED -> lookAgain.run();
        }
    }

    private Duration failed(EventChannelException failure) {
        if (events != null && events.ending()) {
            close();
            return UNTIL_WOKEN;
        }
        Duration pause = backoff.next();
        // The first says it; a channel that stays broken is counted.
        if (backoff.failures() == 1) {
            LOG.warn("waiting for events failed", "error", failure, "pause", pause);
            lookAgain.run();
        }
        if (backoff.failures() % ERRORS_UNTIL_REOPENED == 0) {
            close();
        }
        return pause;
    }

    private void close() {
        GpuEvents open = events;
        events = null;
        if (open == null) {
            return;
        }
        try {
            open.close();
        } catch (EventChannelException e) {
            LOG.warn("an event set could not be freed", "error", e);
        }
    }
}
