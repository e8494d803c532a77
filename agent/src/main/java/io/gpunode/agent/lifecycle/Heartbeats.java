package io.gpunode.agent.lifecycle;

import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * The loops of the process and when each last turned: what {@code /healthz} and the systemd watchdog ask. A loop owns its {@link Beat};
 * reading is for any thread.
 */
public final class Heartbeats {
    private final MonotonicClock clock;
    private final List<Beat> beats = new CopyOnWriteArrayList<>();

    public Heartbeats(MonotonicClock clock) {
        this.clock = clock;
    }

    /**
     * Adds a loop; it counts as having turned just now.
     *
     * @param name fixed, unique
     * @param bound the loop is well while it last turned no longer ago than this
     */
    public Beat register(String name, Duration bound) {
        if (bound.isZero() || bound.isNegative()) {
            throw new IllegalArgumentException("the bound of loop " + name + " is more than zero, not " + bound);
        }
        Beat beat = new Beat(name, bound);
        beats.add(beat);
        return beat;
    }

    /** How every loop is doing now, in the order of registration. */
    public List<Pulse> read() {
        Tick now = clock.now();
        List<Pulse> pulses = new ArrayList<>(beats.size());
        for (Beat beat : beats) {
            Duration age = now.since(new Tick(beat.lastTurnNanos));
            pulses.add(new Pulse(beat.name, age, beat.bound, age.compareTo(beat.bound) <= 0));
        }
        return pulses;
    }

    /** Whether every loop turns within its bound. */
    public boolean ok() {
        long now = clock.now().nanos();
        for (Beat beat : beats) {
            if (now - beat.lastTurnNanos > beat.boundNanos) {
                return false;
            }
        }
        return true;
    }

    /**
     * How a loop is doing.
     *
     * @param age since its last turn
     * @param ok whether the age is within the bound
     */
    public record Pulse(String name, Duration age, Duration bound, boolean ok) {}

    /** One loop's own end. */
    public final class Beat implements AutoCloseable {
        private final String name;
        private final Duration bound;
        private final long boundNanos;
        private volatile long lastTurnNanos;

        private Beat(String name, Duration bound) {
            this.name = name;
            this.bound = bound;
            this.boundNanos = bound.toNanos();
            this.lastTurnNanos = clock.now().nanos();
        }

        /** The loop turned. */
        public void turned() {
            lastTurnNanos = clock.now().nanos();
        }

        /** When it last turned. */
        public Tick lastTurn() {
            return new Tick(lastTurnNanos);
        }

        /** The longest that it may go without turning. */
        public Duration bound() {
            return bound;
        }

        /** The loop has ended on purpose and is no longer asked about; idempotent. */
        @Override
        public void close() {
            beats.remove(this);
        }
    }
}
