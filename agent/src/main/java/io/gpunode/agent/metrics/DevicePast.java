package io.gpunode.agent.metrics;

import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.GpuSample;
import io.gpunode.agent.model.Quantity;
import io.gpunode.agent.model.XidCounts;
import io.gpunode.agent.time.Tick;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.stream.Stream;

/** What one GPU's pictures have shown until now, as far as metrics ask for it. Filled by its {@link DeviceHistory}; any thread reads. */
final class DevicePast {
    /** Counters whose growth within a minute is asked for. */
    private static final List<Quantity> COUNTERS = Stream.concat(
                    Stream.of(
                            Quantity.PCIE_REPLAYS,
                            Quantity.NVLINK_CRC_FLIT_ERRORS,
                            Quantity.NVLINK_CRC_DATA_ERRORS,
                            Quantity.THERMAL_VIOLATION_NANOSECONDS,
                            Quantity.POWER_VIOLATION_NANOSECONDS),
                    HealthStatus.CRITICAL_LINK_ERRORS.stream())
            .toList();

    private static final Duration MINUTE = Duration.ofMinutes(1);
    private static final Duration WEEK = Duration.ofDays(7);
    private static final long UNKNOWN = -1;

    /** An XID's number and place. */
    private record Key(long xid, OptionalInt gpuInstance, OptionalInt computeInstance) {
        static Key of(XidCounts.Entry entry) {
            return new Key(entry.xid(), entry.gpuInstance(), entry.computeInstance());
        }
    }

    /** How often it has come, and how often lately. */
    private static final class Xids {
        private long seen;
        private final SlidingCount lately;

        Xids(Duration window) {
            lately = new SlidingCount(window);
        }
    }

    private final Duration xidWindow;
    private final Map<Key, Xids> xids = new HashMap<>();
    private final SlidingCount[] samplesWithEvent = new SlidingCount[ClockEvent.ALL.size()];
    private final long[] eventsBegun = new long[ClockEvent.ALL.size()];
    private final long[] last = new long[COUNTERS.size()];
    private final SlidingCount[] grown = new SlidingCount[COUNTERS.size()];
    private final SlidingCount retiredInAWeek = new SlidingCount(WEEK);
    private long retired = UNKNOWN;
    private long reasons = UNKNOWN;
    private long linksEverActive;
    private long sampledAt;
    private boolean begun;

    DevicePast(Duration xidWindow, Duration clockEventsWindow) {
        this.xidWindow = xidWindow;
        for (int i = 0; i < samplesWithEvent.length; i++) {
            samplesWithEvent[i] = new SlidingCount(clockEventsWindow);
        }
        for (int i = 0; i < grown.length; i++) {
            grown[i] = new SlidingCount(MINUTE);
        }
        Arrays.fill(last, UNKNOWN);
    }

    /** Takes in what a picture shows of the GPU. */
    synchronized void take(Gpu gpu, Tick now) {
        if (!gpu.xidCounts().entries().isEmpty() || !xids.isEmpty()) {
            takeXids(gpu.xidCounts(), now);
        }
        begun = true;
        GpuSample sample = gpu.sample();
        if (sample.sampledAtEpochMillis() == sampledAt) {
            return;
        }
        sampledAt = sample.sampledAtEpochMillis();
        takeReasons(sample, now);
        for (int i = 0; i < last.length; i++) {
            if (sample.has(COUNTERS.get(i))) {
                long value = sample.value(COUNTERS.get(i));
                // One that goes back was reset.
                if (last[i] != UNKNOWN && value > last[i]) {
                    grown[i].add(now, value - last[i]);
                }
                last[i] = value;
            }
        }
        if (sample.has(Quantity.RETIRED_PAGES_DOUBLE_BIT)) {
            long value = sample.value(Quantity.RETIRED_PAGES_DOUBLE_BIT);
            if (retired != UNKNOWN && value > retired) {
                retiredInAWeek.add(now, value - retired);
            }
            retired = value;
        }
        if (sample.has(Quantity.NVLINK_ACTIVE_LINKS)) {
            linksEverActive |= sample.value(Quantity.NVLINK_ACTIVE_LINKS);
        }
    }

    private void takeXids(XidCounts counts, Tick now) {
        Map<Key, Xids> before = Map.copyOf(xids);
        xids.clear();
        for (XidCounts.Entry entry : counts.entries()) {
            Key key = Key.of(entry);
            Xids known = before.getOrDefault(key, new Xids(xidWindow));
            long added = entry.count() < known.seen ? entry.count() : entry.count() - known.seen;
            // Those of the first picture came before anybody looked, nobody knows when.
            if (added > 0 && begun) {
                known.lately.add(now, added);
            }
            known.seen = entry.count();
            xids.put(key, known);
        }
    }

    /** What is there when it is looked at first has not begun since. */
    private void takeReasons(GpuSample sample, Tick now) {
        if (!sample.has(Quantity.CLOCKS_EVENT_REASONS)) {
            return;
        }
        long mask = sample.value(Quantity.CLOCKS_EVENT_REASONS);
        for (int i = 0; i < eventsBegun.length; i++) {
            ClockEvent event = ClockEvent.ALL.get(i);
            if (!event.isIn(mask)) {
                continue;
            }
            samplesWithEvent[i].add(now, 1);
            if (reasons != UNKNOWN && !event.isIn(reasons)) {
                eventsBegun[i]++;
            }
        }
        reasons = mask;
    }

    /** Whether the reasons of its clocks were ever read. */
    synchronized boolean knowsClockEvents() {
        return reasons != UNKNOWN;
    }

    /** How often an event was in force within the window, sampling by sampling. */
    synchronized long samplesWith(ClockEvent event, Tick now) {
        return samplesWithEvent[event.ordinal()].sum(now);
    }

    /** How often an event has come into force since the first sampling. */
    synchronized long begun(ClockEvent event) {
        return eventsBegun[event.ordinal()];
    }

    /** How often an XID came within the window. */
    synchronized long lately(XidCounts.Entry entry, Tick now) {
        Xids known = xids.get(Key.of(entry));
        return known == null ? 0 : known.lately.sum(now);
    }

    /** How much a counter has grown within the last minute. */
    synchronized long grownInAMinute(Quantity counter, Tick now) {
        return grown[COUNTERS.indexOf(counter)].sum(now);
    }

    /** How many memory pages were retired for double-bit errors within the last week, as far as it was watched. */
    synchronized long retiredInAWeek(Tick now) {
        return retiredInAWeek.sum(now);
    }

    /** Bit n is set when link n was active in any sampling. */
    synchronized long linksEverActive() {
        return linksEverActive;
    }
}
