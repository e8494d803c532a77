package io.gpunode.agent.gpu;

import java.util.Arrays;

/**
 * How fast the payload counters of NVLinks grow from one sampling to the next. A counter that went back was reset and has no rate this time; one of
 * 32 bits that went back by more than half of its range has begun again. Owned by the GPU's lane.
 */
final class LinkRates {
    /** No rate is known. */
    static final long UNKNOWN = -1;

    private static final long NARROW_RANGE = 1L << 32;

    private final long[] before;
    private final long[] grown;
    private final boolean[] told;
    private long beforeNanos;
    private long elapsedNanos;

    /** @param counters how many there are */
    LinkRates(int counters) {
        before = new long[counters];
        grown = new long[counters];
        told = new boolean[counters];
        Arrays.fill(before, UNKNOWN);
        Arrays.fill(grown, UNKNOWN);
    }

    /** A sampling begins. A counter that the last one did not tell begins anew. */
    void begin(long nowNanos) {
        for (int counter = 0; counter < told.length; counter++) {
            if (!told[counter]) {
                before[counter] = UNKNOWN;
            }
            told[counter] = false;
            grown[counter] = UNKNOWN;
        }
        elapsedNanos = nowNanos - beforeNanos;
        beforeNanos = nowNanos;
    }

    /** What a counter says now. */
    void take(int counter, long value, boolean narrow) {
        grown[counter] = growth(before[counter], value, narrow);
        before[counter] = value;
        told[counter] = true;
    }

    /** The rate of a counter in KiB as DCGM's "MB/s", or {@link #UNKNOWN}. */
    long megabytesPerSecond(int counter) {
        return rate(grown[counter]);
    }

    /** The rate of two counters together. */
    long megabytesPerSecond(int one, int other) {
        return grown[one] == UNKNOWN || grown[other] == UNKNOWN ? UNKNOWN : rate(grown[one] + grown[other]);
    }

    /** The rate of a counter of KiB in bytes, or {@link #UNKNOWN}. */
    long bytesPerSecond(int counter) {
        return grown[counter] == UNKNOWN || elapsedNanos <= 0
                ? UNKNOWN
                : (long) (grown[counter] * 1024.0 / (elapsedNanos / 1e9));
    }

    private long rate(long kibibytes) {
        return kibibytes == UNKNOWN || elapsedNanos <= 0 ? UNKNOWN : rate(kibibytes, elapsedNanos);
    }

    /** KiB per nanosecond as DCGM's "MB/s": thousands of KiB per second, without the fraction. */
    static long rate(long kibibytes, long nanos) {
        return (long) (kibibytes / (nanos / 1e9) / 1000);
    }

    static long growth(long before, long now, boolean narrow) {
        if (before == UNKNOWN) {
            return UNKNOWN;
        }
        if (now >= before) {
            return now - before;
        }
        return narrow && before - now > NARROW_RANGE / 2 ? now - before + NARROW_RANGE : UNKNOWN;
    }
}
