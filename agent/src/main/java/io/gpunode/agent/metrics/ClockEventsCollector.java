package io.gpunode.agent.metrics;

import io.gpunode.agent.time.Tick;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Why clocks were held down: in how many samplings within a window, and how often it has begun. Every reason always has a series, so none
 * appears out of nothing. Clocks are the board's: a GPU that is split has these series once.
 */
final class ClockEventsCollector implements Collector {
    private final DerivedFamilies families;
    private final DeviceHistory history;
    private final @Nullable MetricFamily lately;
    private final @Nullable MetricFamily total;

    ClockEventsCollector(DerivedFamilies families, DeviceHistory history) {
        this.families = families;
        this.history = history;
        this.lately = families.of(DerivedFields.CLOCK_EVENTS_COUNT);
        this.total = families.of(DerivedFields.CLOCK_EVENTS_TOTAL);
    }

    @Override
    public String name() {
        return "clock_events";
    }

    @Override
    public void collect(Scrape scrape, ExpositionWriter out) {
        if (lately != null) {
            collect(lately, Long.toString(history.clockEventsWindow().toMillis()), scrape, out);
        }
        if (total != null) {
            collect(total, "", scrape, out);
        }
    }

    /** @param window in ms, the value of its label; empty for the total */
    private void collect(MetricFamily family, String window, Scrape scrape, ExpositionWriter out) {
        out.family(family);
        List<DeviceSeries> series = families.series(scrape);
        for (int i = 0; i < series.size(); i++) {
            DeviceSeries device = series.get(i);
            DevicePast past = device.migPlace() >= 0
                    ? null
                    : history.of(scrape.snapshot().gpus().get(device.gpuPlace()).id());
            if (past != null && past.knowsClockEvents()) {
                write(family, device, past, window, scrape.now(), out);
            }
        }
    }

    private void write(
            MetricFamily family, DeviceSeries device, DevicePast past, String window, Tick now, ExpositionWriter out) {
        for (int i = 0; i < ClockEvent.ALL.size(); i++) {
            ClockEvent event = ClockEvent.ALL.get(i);
            DerivedFamilies.begin(family, device, out).label("clock_event", event.text());
            if (window.isEmpty()) {
                families.end(device, out).value(past.begun(event));
            } else {
                out.label("window_size_in_ms", window);
                families.end(device, out).value(past.samplesWith(event, now));
            }
        }
    }
}
