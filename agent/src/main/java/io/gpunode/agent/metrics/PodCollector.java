package io.gpunode.agent.metrics;

import io.gpunode.agent.podresources.PodResourcesPicture;
import io.gpunode.agent.podresources.PodUse;
import java.time.Duration;

/** Which containers hold which devices, and how well the agent knows it. */
final class PodCollector implements Collector {
    private final DeviceLabels labels;

    PodCollector(DeviceLabels labels) {
        this.labels = labels;
    }

    @Override
    public String name() {
        return "pods";
    }

    @Override
    public void collect(Scrape scrape, ExpositionWriter out) {
        labels.update(scrape);
        boolean begun = false;
        for (DeviceSeries device : labels.series()) {
            for (PodUse holder : device.holders()) {
                if (!begun) {
                    out.family(OwnMetric.DEVICE_POD_INFO);
                    begun = true;
                }
                writeHolder(device, holder, out);
            }
        }
        PodResourcesPicture pods = scrape.pods();
        out.family(OwnMetric.POD_DEVICES)
                .series(OwnMetric.POD_DEVICES)
                .value(labels.attribution().devices());
        out.family(OwnMetric.POD_DEVICES_UNMATCHED)
                .series(OwnMetric.POD_DEVICES_UNMATCHED)
                .value(labels.attribution().unmatched());
        if (pods != null) {
            Duration age = scrape.now().since(pods.readAt());
            out.family(OwnMetric.POD_PICTURE_AGE_SECONDS)
                    .series(OwnMetric.POD_PICTURE_AGE_SECONDS)
                    .thousandths(Math.max(0, age.toMillis()));
        }
        out.family(OwnMetric.POD_PICTURE_UP)
                .series(OwnMetric.POD_PICTURE_UP)
                .value(pods != null && pods.error().isEmpty() ? 1 : 0);
    }

    private static void writeHolder(DeviceSeries device, PodUse holder, ExpositionWriter out) {
        out.series(OwnMetric.DEVICE_POD_INFO).firstLabel("gpu", device.gpu()).label("UUID", device.uuid());
        if (!device.gpuInstanceId().isEmpty()) {
            out.label("GPU_I_ID", device.gpuInstanceId());
        }
        out.label("container", holder.container());
        if (!holder.pod().isEmpty()) {
            out.label("namespace", holder.namespace()).label("pod", holder.pod());
        }
        out.endLabels().value(1);
    }
}
