package io.gpunode.agent.health;

import io.gpunode.agent.model.GpuSample;
import io.gpunode.agent.model.Quantity;
import io.gpunode.agent.time.Tick;
import java.util.Arrays;
import java.util.List;

/**
 * How much the error counters of one GPU have grown: since the last reading, and within the last minute or two. A counter that goes back was
 * reset, by a driver reload or by an operator, and starts anew. Owned by the {@link HealthKeeper}; checks read it. Taking in a reading
 * allocates nothing.
 */
final class CounterGrowth {
    /** The counters that checks look at. */
    static final List<Quantity> COUNTERS = List.of(
            Quantity.ECC_UNCORRECTED_VOLATILE,
            Quantity.ECC_UNCORRECTED_DRAM_VOLATILE,
            Quantity.PCIE_REPLAYS,
            Quantity.NVLINK_CRC_FLIT_ERRORS,
            Quantity.NVLINK_CRC_DATA_ERRORS,
            Quantity.NVLINK_REPLAY_ERRORS,
            Quantity.NVLINK_RECOVERY_ERRORS);

    private static final long WINDOW_NANOS = 60_000_000_000L;
    private static final long UNKNOWN = -1;

    private final long[] last = new long[COUNTERS.size()];
    private final long[] grown = new long[COUNTERS.size()];
    /** Growth in the window that is running, and in the one before it. */
    private final long[] inWindow = new long[COUNTERS.size()];

    private final long[] inWindowBefore = new long[COUNTERS.size()];
    private long ofInstances;
    private long linksEverActive;
    private long windowBegan;
    private boolean begun;

    CounterGrowth() {
        Arrays.fill(last, UNKNOWN);
    }

    /** Takes in a reading. */
    void take(GpuSample sample, Tick now) {
        if (!begun || now.nanos() - windowBegan >= WINDOW_NANOS) {
            boolean adjacent = begun && now.nanos() - windowBegan < 2 * WINDOW_NANOS;
            for (int i = 0; i < inWindow.length; i++) {
                inWindowBefore[i] = adjacent ? inWindow[i] : 0;
                inWindow[i] = 0;
            }
            windowBegan = now.nanos();
            begun = true;
        }
        if (sample.has(Quantity.NVLINK_ACTIVE_LINKS)) {
            linksEverActive |= sample.value(Quantity.NVLINK_ACTIVE_LINKS);
        }
        for (int i = 0; i < last.length; i++) {
            Quantity counter = COUNTERS.get(i);
            grown[i] = 0;
            if (sample.has(counter)) {
                long value = sample.value(counter);
                if (last[i] != UNKNOWN && value > last[i]) {
                    grown[i] = value - last[i];
                    inWindow[i] += grown[i];
                }
                last[i] = value;
            }
        }
    }

    /** How much of the growth of uncorrectable errors since the last reading its MIG devices have told of as theirs. */
    void ofInstances(long errors) {
        ofInstances = errors;
    }

    /** Uncorrectable errors since the reading before the last that are no MIG device's; 0 when it is not known. */
    long uncorrectableOfNoInstance() {
        return Math.max(0, sinceLast(Quantity.ECC_UNCORRECTED_VOLATILE) - ofInstances);
    }

    /** Bit n is set when link n was active in any reading: what can be missed. */
    long linksEverActive() {
        return linksEverActive;
    }

    /** Growth since the reading before the last; 0 when it is not known. */
    long sinceLast(Quantity counter) {
        return grown[COUNTERS.indexOf(counter)];
    }

    /** The most that it has grown within a minute, in this one or the last; 0 when it is not known. */
    long inAMinute(Quantity counter) {
        int place = COUNTERS.indexOf(counter);
        return Math.max(inWindow[place], inWindowBefore[place]);
    }
}
