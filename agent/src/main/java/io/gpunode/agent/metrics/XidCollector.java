package io.gpunode.agent.metrics;

import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.XidCounts;
import java.util.List;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * XIDs by number: since the start, and within a window. Each GPU and GPU instance has a series without a number, which is always 0: as in
 * dcgm-exporter it says that there was none, and it does not go when there is one. An XID belongs to the instance that the driver named, and to
 * the GPU when it named none, or one that is not shown.
 */
final class XidCollector implements Collector {
    private final DerivedFamilies families;
    private final DeviceHistory history;
    private final @Nullable MetricFamily lately;
    private final @Nullable MetricFamily total;

    XidCollector(DerivedFamilies families, DeviceHistory history) {
        this.families = families;
        this.history = history;
        this.lately = families.of(DerivedFields.XID_ERRORS_COUNT);
        this.total = families.of(DerivedFields.XID_ERRORS_TOTAL);
    }

    @Override
    public String name() {
        return "xid";
    }

    @Override
    public void collect(Scrape scrape, ExpositionWriter out) {
        if (lately != null) {
            collect(lately, Long.toString(history.xidWindow().toMillis()), scrape, out);
        }
        if (total != null) {
            collect(total, "", scrape, out);
        }
    }

    /** @param window in ms, the value of its label; empty for the total */
    private void collect(MetricFamily family, String window, Scrape scrape, ExpositionWriter out) {
        List<DeviceSeries> series = families.series(scrape);
        out.family(family);
        for (int i = 0; i < series.size(); i++) {
            DeviceSeries device = series.get(i);
            Gpu gpu = scrape.snapshot().gpus().get(device.gpuPlace());
            begin(family, device, OptionalInt.empty(), window, out).label("xid", "");
            families.end(device, out).value(0);
            for (XidCounts.Entry entry : gpu.xidCounts().entries()) {
                if (device.isHomeOf(entry.gpuInstance(), series)) {
                    begin(family, device, entry.computeInstance(), window, out)
                            .label("xid", Long.toString(entry.xid()));
                    families.end(device, out);
                    if (window.isEmpty()) {
                        out.value(entry.count());
                    } else {
                        out.value(lately(gpu, entry, scrape));
                    }
                }
            }
        }
    }

    private long lately(Gpu gpu, XidCounts.Entry entry, Scrape scrape) {
        DevicePast past = history.of(gpu.id());
        return past == null ? 0 : past.lately(entry, scrape.now());
    }

    private static ExpositionWriter begin(
            MetricFamily family,
            DeviceSeries device,
            OptionalInt computeInstance,
            String window,
            ExpositionWriter out) {
        out.series(family).text(device.labelsOf(computeInstance));
        return window.isEmpty() ? out : out.label("window_size_in_ms", window);
    }
}
