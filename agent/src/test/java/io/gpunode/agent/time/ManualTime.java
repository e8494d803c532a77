package io.gpunode.agent.time;

import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Comparator;
import java.util.PriorityQueue;

/**
 * Time that moves when a test says so: the monotonic clock, wall time and a scheduler in one. Ticks and wall time move together; wall time
 * alone can also be set, as an operator or NTP does. Thread-safe; scheduled actions run on the thread that moves the time, in the order of
 * their times, and see the clocks at their own time.
 */
public final class ManualTime implements MonotonicClock {
    private final PriorityQueue<Action> actions =
            new PriorityQueue<>(Comparator.comparingLong(Action::nanos).thenComparingLong(Action::order));
    private long nanos = 1_000_000_000L;
    private Instant wall = Instant.parse("2026-01-02T03:04:05Z");
    private long scheduled;

    @Override
    public synchronized Tick now() {
        return new Tick(nanos);
    }

    /** The wall clock of this time. */
    public InstantSource wall() {
        return this::instant;
    }

    /** Wall time now. */
    public synchronized Instant instant() {
        return wall;
    }

    /** Steps wall time without moving the monotonic clock. */
    public synchronized void setWall(Instant instant) {
        wall = instant;
    }

    /** Runs an action when time has moved by this much; the returned handle takes it back. */
    public synchronized AutoCloseable schedule(Duration delay, Runnable action) {
        Action entry = new Action(nanos + delay.toNanos(), scheduled++, action);
        actions.add(entry);
        return () -> {
            synchronized (this) {
                actions.remove(entry);
            }
        };
    }

    /** Moves both clocks forward and runs what falls due on the way. */
    public void advance(Duration by) {
        if (by.isNegative()) {
            throw new IllegalArgumentException("time moves forward, not by " + by + "; setWall() steps the wall clock");
        }
        long end = now().nanos() + by.toNanos();
        while (true) {
            Action due;
            synchronized (this) {
                due = actions.peek();
                if (due == null || due.nanos > end) {
                    moveTo(end);
                    return;
                }
                actions.remove();
                moveTo(Math.max(due.nanos, nanos));
            }
            due.run.run();
        }
    }

    private synchronized void moveTo(long to) {
        wall = wall.plusNanos(to - nanos);
        nanos = to;
    }

    private record Action(long nanos, long order, Runnable run) {}
}
