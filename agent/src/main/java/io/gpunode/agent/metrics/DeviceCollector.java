package io.gpunode.agent.metrics;

import io.gpunode.agent.metrics.DeviceSeries.PodLabel;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.GpuSample;
import io.gpunode.agent.model.LaneState;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.XidEvent;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.function.LongFunction;
import org.jspecify.annotations.Nullable;

/**
 * The device metrics under DCGM's names: the chosen rows of the {@linkplain FieldCatalogue catalogue} for every GPU and GPU instance of the picture.
 * A value that was not read emits nothing; so does a GPU that no longer answers, whose last numbers would only look like news.
 */
final class DeviceCollector implements Collector {
    /** A row with its lines prepared. */
    private record Row(Field field, MetricFamily family) {}

    private static final String ERROR_CODE = "err_code";
    private static final byte[] LINK_NUMBER = "{nvlink=\"".getBytes(StandardCharsets.UTF_8);

    private final DeviceLabels labels;
    private final LongFunction<String> xidText;
    private final Row[] rows;
    private final boolean boardValuesOnInstances;
    private @Nullable GpuSample[] samples = new GpuSample[0];
    private @Nullable GpuSample[] boards = new GpuSample[0];

    /**
     * @param fields sorted by name
     * @param labels whose series are written
     * @param boardValuesOnInstances whether GPU instances repeat the values of their board, which the GPU then has not
     * @param xidText what an XID's number means, in a few words
     */
    DeviceCollector(
            List<ChosenField> fields,
            DeviceLabels labels,
            boolean boardValuesOnInstances,
            LongFunction<String> xidText) {
        this.labels = labels;
        this.boardValuesOnInstances = boardValuesOnInstances;
        this.xidText = xidText;
        List<Row> prepared = new ArrayList<>();
        for (ChosenField chosen : fields) {
            MetricType type = chosen.type();
            if (type != null && !(chosen.field().source() instanceof Field.Derived)) {
                prepared.add(new Row(chosen.field(), new MetricFamily(chosen.name(), type, chosen.help())));
            }
        }
        rows = prepared.toArray(Row[]::new);
    }

    @Override
    public String name() {
        return "device";
    }

    @Override
    public void collect(Scrape scrape, ExpositionWriter out) {
        labels.update(scrape);
        List<DeviceSeries> series = labels.series();
        gatherSamples(scrape.snapshot(), series);
        for (Row row : rows) {
            switch (row.field.source()) {
                case Field.Sampled sampled -> writeSampled(row, sampled, series, out);
                case Field.LastXid _ -> writeLastXid(row, scrape.snapshot(), series, out);
                case Field.PerLink perLink -> writePerLink(row, perLink, scrape.snapshot(), series, out);
                case Field.OfLink ofLink -> writeOfLink(row, ofLink, series, out);
                case Field.Label _, Field.Refused _, Field.Derived _ ->
                    throw new IllegalStateException("this is no row: " + row.field.name());
            }
        }
    }

    /** The sample of each series and that of its board, {@code null} where the GPU does not answer or the series has no such fields. */
    private void gatherSamples(NodeSnapshot snapshot, List<DeviceSeries> series) {
        if (samples.length != series.size()) {
            samples = new GpuSample[series.size()];
            boards = new GpuSample[series.size()];
        }
        for (int i = 0; i < samples.length; i++) {
            DeviceSeries device = series.get(i);
            Gpu gpu = snapshot.gpus().get(device.gpuPlace());
            samples[i] = null;
            boards[i] = null;
            if (!(gpu.lane() instanceof LaneState.Responsive)) {
                continue;
            }
            if (!device.split()) {
                samples[i] = device.migPlace() < 0
                        ? gpu.sample()
                        : gpu.migDevices().get(device.migPlace()).sample();
            }
            if (boardValuesOnInstances ? !device.split() : device.migPlace() < 0) {
                boards[i] = gpu.sample();
            }
        }
    }

    private void writeSampled(Row row, Field.Sampled source, List<DeviceSeries> series, ExpositionWriter out) {
        @Nullable GpuSample[] scope = row.field.scope() == Field.Scope.GPU_INSTANCE ? samples : boards;
        boolean begun = false;
        for (int i = 0; i < scope.length; i++) {
            DeviceSeries device = series.get(i);
            GpuSample sample = scope[i];
            if (sample == null) {
                continue;
            }
            byte status = sample.status(source.quantity());
            boolean zero = status == GpuSample.UNSUPPORTED && source.unsupportedIsZero();
            if (status != GpuSample.PRESENT && !zero) {
                continue;
            }
            if (!begun) {
                out.family(row.family);
                begun = true;
            }
            out.series(row.family).raw(device.labels());
            if (zero) {
                out.value(0);
            } else {
                writeValue(source, sample, out);
            }
        }
    }

    /** Links are the GPU's, split or not. */
    private static void writePerLink(
            Row row, Field.PerLink source, NodeSnapshot snapshot, List<DeviceSeries> series, ExpositionWriter out) {
        boolean begun = false;
        for (DeviceSeries device : series) {
            Gpu gpu = snapshot.gpus().get(device.gpuPlace());
            if (device.migPlace() >= 0 || !(gpu.lane() instanceof LaneState.Responsive)) {
                continue;
            }
            GpuSample sample = gpu.sample();
            for (int link = 0; link < sample.links(); link++) {
                if (!sample.has(source.quantity(), link)) {
                    continue;
                }
                if (!begun) {
                    out.family(row.family);
                    begun = true;
                }
                out.series(row.family).raw(LINK_NUMBER).number(link).raw(device.linkLabels());
                out.value(sample.value(source.quantity(), link));
            }
        }
    }

    private void writeOfLink(Row row, Field.OfLink source, List<DeviceSeries> series, ExpositionWriter out) {
        boolean begun = false;
        for (int i = 0; i < boards.length; i++) {
            DeviceSeries device = series.get(i);
            GpuSample sample = boards[i];
            if (sample == null || source.link() >= sample.links() || !sample.has(source.quantity(), source.link())) {
                continue;
            }
            if (!begun) {
                out.family(row.family);
                begun = true;
            }
            out.series(row.family).raw(device.labels()).value(sample.value(source.quantity(), source.link()));
        }
    }

    private static void writeValue(Field.Sampled source, GpuSample sample, ExpositionWriter out) {
        if (source.quantity().isFraction()) {
            out.value(sample.fraction(source.quantity()));
            return;
        }
        writeValue(source.conversion(), sample.value(source.quantity()), out);
    }

    private static void writeValue(Field.Conversion conversion, long value, ExpositionWriter out) {
        switch (conversion) {
            case AS_IS -> out.value(value);
            case THOUSANDTHS -> out.thousandths(value);
            case MEBIBYTES -> out.value(value >> 20);
            case ERROR_RATIO -> out.value(errorRatio(value));
        }
    }

    /** NVML's code: a mantissa in bits 8 to 11, and in bits 0 to 7 how many places behind the point it stands. */
    static double errorRatio(long code) {
        return (double) (code >> 8 & 0xf) / Math.pow(10, (double) (code & 0xff));
    }

    /** Each GPU and instance has the last of its own: what came later elsewhere on the board does not hide it. */
    private void writeLastXid(Row row, NodeSnapshot snapshot, List<DeviceSeries> series, ExpositionWriter out) {
        boolean begun = false;
        for (DeviceSeries device : series) {
            List<XidEvent> latest =
                    snapshot.gpus().get(device.gpuPlace()).xidCounts().latest();
            for (int i = 0; i < latest.size(); i++) {
                XidEvent event = latest.get(i);
                if (!device.isHomeOf(event.gpuInstanceId(), series) || isOutdated(device, latest, i, series)) {
                    continue;
                }
                if (!begun) {
                    out.family(row.family);
                    begun = true;
                }
                out.series(row.family).text(device.labelsOf(event.computeInstanceId()));
                labels(event, device.podLabels(), out);
                out.endLabels().value(event.xid());
            }
        }
    }

    /** Whether a later one has the same labels. */
    private static boolean isOutdated(
            DeviceSeries device, List<XidEvent> latest, int place, List<DeviceSeries> series) {
        OptionalInt shown = device.shown(latest.get(place).computeInstanceId());
        for (int i = place + 1; i < latest.size(); i++) {
            XidEvent later = latest.get(i);
            if (device.shown(later.computeInstanceId()).equals(shown)
                    && device.isHomeOf(later.gpuInstanceId(), series)) {
                return true;
            }
        }
        return false;
    }

    /** The event's own labels among those of the holder, by name. */
    private void labels(XidEvent event, List<PodLabel> ofHolder, ExpositionWriter out) {
        boolean own = false;
        for (PodLabel label : ofHolder) {
            if (!own && label.name().compareTo(ERROR_CODE) > 0) {
                ownLabels(event, out);
                own = true;
            }
            out.label(labels.spelling().ofHolder(label.name()), label.value());
        }
        if (!own) {
            ownLabels(event, out);
        }
    }

    private void ownLabels(XidEvent event, ExpositionWriter out) {
        out.label(ERROR_CODE, Long.toString(event.xid())).label("err_msg", xidText.apply(event.xid()));
    }
}
