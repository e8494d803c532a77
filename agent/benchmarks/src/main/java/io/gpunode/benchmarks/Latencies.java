package io.gpunode.benchmarks;

import java.util.Arrays;
import java.util.Locale;

/** Durations in nanoseconds, and what is said of them. Not thread-safe. */
final class Latencies {
    private static final double[] ALL_PERCENTILES = {50, 99, 99.9};
    private static final int ENOUGH_FOR_P99 = 100;
    private static final int ENOUGH_FOR_P999 = 1_000;

    private long[] nanos;
    private int count;

    Latencies(int expected) {
        nanos = new long[Math.max(1, expected)];
    }

    void add(long duration) {
        if (count == nanos.length) {
            nanos = Arrays.copyOf(nanos, count * 2);
        }
        nanos[count++] = duration;
    }

    /** Adds those that are durations to others, and tells how many are none (negative). */
    int addAnsweredTo(Latencies others) {
        int none = 0;
        for (int i = 0; i < count; i++) {
            if (nanos[i] < 0) {
                none++;
            } else {
                others.add(nanos[i]);
            }
        }
        return none;
    }

    int count() {
        return count;
    }

    /** Nearest rank; 0 when there is nothing. */
    long percentile(double percent) {
        if (count == 0) {
            return 0;
        }
        long[] sorted = Arrays.copyOf(nanos, count);
        Arrays.sort(sorted);
        int rank = (int) Math.ceil(percent / 100 * count);
        return sorted[Math.clamp(rank - 1, 0, count - 1)];
    }

    long p50() {
        return percentile(50);
    }

    long max() {
        return percentile(100);
    }

    /** Those percentiles that so many samples can support, and the largest. */
    String describe() {
        StringBuilder text = new StringBuilder();
        for (double percent : ALL_PERCENTILES) {
            if ((percent > 99 && count < ENOUGH_FOR_P999) || (percent > 90 && count < ENOUGH_FOR_P99)) {
                continue;
            }
            text.append(percent == 50 ? "p50 " : percent == 99 ? "p99 " : "p99.9 ")
                    .append(time(percentile(percent)))
                    .append(", ");
        }
        if (count < ENOUGH_FOR_P99) {
            text.append("p90 ").append(time(percentile(90))).append(", ");
        }
        return text.append("max ").append(time(max())).toString();
    }

    /** A duration for people, three digits. */
    static String time(long nanos) {
        if (nanos < 1_000) {
            return nanos + " ns";
        }
        if (nanos < 1_000_000) {
            return digits(nanos / 1e3) + " µs";
        }
        if (nanos < 1_000_000_000) {
            return digits(nanos / 1e6) + " ms";
        }
        return digits(nanos / 1e9) + " s";
    }

    private static String digits(double value) {
        return String.format(Locale.ROOT, value < 10 ? "%.2f" : value < 100 ? "%.1f" : "%.0f", value);
    }
}
