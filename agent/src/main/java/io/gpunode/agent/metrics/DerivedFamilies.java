package io.gpunode.agent.metrics;

import io.gpunode.agent.metrics.DeviceSeries.PodLabel;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The chosen ones of the {@linkplain DerivedFields derived rows}, ready to be written, and how a series of them is. */
final class DerivedFamilies {
    private record Family(Field field, MetricFamily family) {}

    private final List<Family> chosen = new ArrayList<>();
    private final DeviceLabels labels;

    DerivedFamilies(List<ChosenField> fields, DeviceLabels labels) {
        this.labels = labels;
        for (ChosenField field : fields) {
            MetricType type = field.type();
            if (field.field().source() instanceof Field.Derived && type != null) {
                chosen.add(new Family(field.field(), new MetricFamily(field.name(), type, field.help())));
            }
        }
    }

    /** Whether none is shown. */
    boolean isEmpty() {
        return chosen.isEmpty();
    }

    boolean shows(String name) {
        return of(name) != null;
    }

    /** The devices of a page; brought up to date with what its collectors look at. */
    List<DeviceSeries> series(Scrape scrape) {
        labels.update(scrape);
        return labels.series();
    }

    /** The family of a row; null when it is not shown. */
    @Nullable MetricFamily of(String name) {
        for (Family each : chosen) {
            if (each.field.name().equals(name)) {
                return each.family;
            }
        }
        return null;
    }

    /** Begins a series; labels of its own follow, then {@link #end}. */
    static ExpositionWriter begin(MetricFamily family, DeviceSeries device, ExpositionWriter out) {
        return out.series(family).text(device.deviceLabels());
    }

    /** Ends the labels with those of the pod. */
    ExpositionWriter end(DeviceSeries device, ExpositionWriter out) {
        List<PodLabel> ofPod = device.podLabels();
        for (int i = 0; i < ofPod.size(); i++) {
            PodLabel label = ofPod.get(i);
            out.label(labels.spelling().ofHolder(label.name()), label.value());
        }
        return out.endLabels();
    }
}
