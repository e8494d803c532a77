package io.gpunode.agent.metrics;

import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.XidCounts;
import java.util.ArrayList;
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
            List<XidCounts.Entry> own = ownEntries(gpu, device, series);
            for (int place = 0; place < own.size(); place++) {
                XidCounts.Entry entry = own.get(place);
                if (firstLike(entry, own, device) == place) {
                    begin(family, device, entry.computeInstance(), window, out)
                            .label("xid", Long.toString(entry.xid()));
                    families.end(device, out).value(sum(entry, own, device, gpu, window.isEmpty() ? null : scrape));
                }
            }
        }
    }

    private static List<XidCounts.Entry> ownEntries(Gpu gpu, DeviceSeries device, List<DeviceSeries> series) {
        List<XidCounts.Entry> all = gpu.xidCounts().entries();
        if (all.isEmpty()) {
            return all;
        }
        List<XidCounts.Entry> own = new ArrayList<>(all.size());
        for (XidCounts.Entry entry : all) {
            if (device.isHomeOf(entry.gpuInstance(), series)) {
                own.add(entry);
            }
        }
        return own;
    }

    /** Where the first one with the same labels is. */
    private static int firstLike(XidCounts.Entry entry, List<XidCounts.Entry> own, DeviceSeries device) {
        int place = 0;
        while (!isLike(own.get(place), entry, device)) {
            place++;
        }
        return place;
    }

    /** Whether both have the same labels on the page, be they of instances that it does not tell apart. */
    private static boolean isLike(XidCounts.Entry one, XidCounts.Entry other, DeviceSeries device) {
        return one.xid() == other.xid()
                && device.shown(one.computeInstance()).equals(device.shown(other.computeInstance()));
    }

    /** @param within whose window counts; null for all */
    private long sum(
            XidCounts.Entry entry, List<XidCounts.Entry> own, DeviceSeries device, Gpu gpu, @Nullable Scrape within) {
        long sum = 0;
        for (XidCounts.Entry each : own) {
            if (isLike(each, entry, device)) {
                sum += within == null ? each.count() : lately(gpu, each, within);
            }
        }
        return sum;
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
