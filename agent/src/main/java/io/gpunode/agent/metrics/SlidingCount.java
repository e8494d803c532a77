package io.gpunode.agent.metrics;

import io.gpunode.agent.time.Tick;
import java.time.Duration;
import java.util.Arrays;

/**
 * How often something happened within the last while. The while is cut into {@value #SLOTS} slots, and what leaves it leaves slot by slot: bounded
 * memory, however much happens. One thread at a time.
 */
final class SlidingCount {
    static final int SLOTS = 100;

    private final long slotNanos;
    private final long[] counts = new long[SLOTS];
    private long newest = Long.MIN_VALUE;

    SlidingCount(Duration window) {
        slotNanos = Math.max(1, window.toNanos() / SLOTS);
    }

    void add(Tick now, long count) {
        advance(now);
        counts[place(newest)] += count;
    }

    /** How often within the window that ends now. */
    long sum(Tick now) {
        advance(now);
        long sum = 0;
        for (long count : counts) {
            sum += count;
        }
        return sum;
    }

    private void advance(Tick now) {
        long slot = Math.floorDiv(now.nanos(), slotNanos);
        if (newest == Long.MIN_VALUE || slot - newest >= SLOTS) {
            Arrays.fill(counts, 0);
        } else {
            for (long passed = newest + 1; passed <= slot; passed++) {
                counts[place(passed)] = 0;
            }
        }
        newest = Math.max(newest, slot);
    }

    private static int place(long slot) {
        return Math.floorMod(slot, SLOTS);
    }
}
