package io.gpunode.agent.lifecycle;

import java.time.Duration;
import java.util.random.RandomGenerator;

/**
 * How long to wait before the next try: doubles from a first wait up to a limit, each wait shortened at random by up to a quarter so that
 * a fleet which lost the same thing at the same time does not come back in step. One owner; not thread-safe.
 */
public final class Backoff {
    private final long firstNanos;
    private final long limitNanos;
    private final RandomGenerator random;
    private long nextNanos;
    private int failures;

    /**
     * @param first the longest first wait, more than zero
     * @param limit no wait is longer, at least {@code first}
     * @param random the source of the jitter; a seeded one makes the waits repeatable
     */
    public Backoff(Duration first, Duration limit, RandomGenerator random) {
        if (first.isZero() || first.isNegative() || first.compareTo(limit) > 0) {
            throw new IllegalArgumentException(
                    "a back-off needs 0 < first <= limit, not first " + first + " and limit " + limit);
        }
        this.firstNanos = first.toNanos();
        this.limitNanos = limit.toNanos();
        this.random = random;
        this.nextNanos = firstNanos;
    }

    /** Counts a failure and says how long to wait: more than zero, at most the limit. */
    public Duration next() {
        long longest = nextNanos;
        nextNanos = longest > limitNanos / 2 ? limitNanos : longest * 2;
        failures++;
        return Duration.ofNanos(longest - random.nextLong(longest / 4 + 1));
    }

    /** Something worked: the next wait is a first one again. */
    public void reset() {
        nextNanos = firstNanos;
        failures = 0;
    }

    /** Failures since the last {@link #reset()}. */
    public int failures() {
        return failures;
    }
}
