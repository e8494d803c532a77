package io.gpunode.agent.metrics;

import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.Topology;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Which GPU reaches which over NVLink: one series for each ordered pair of which NVML says something. */
final class PeerStatusCollector implements Collector {
    /** By NVML's number ({@code nvmlGpuP2PStatus_t}), as dcgm-exporter spells them. */
    private static final List<String> TEXTS = List.of(
            "OK",
            "ChipsetNotSupported",
            "GPUNotSupported",
            "TopologyNotSupported",
            "DisabledByRegKey",
            "NotSupported",
            "Unknown");

    private final DerivedFamilies families;
    private final @Nullable MetricFamily family;

    PeerStatusCollector(DerivedFamilies families) {
        this.families = families;
        this.family = families.of(DerivedFields.P2P_STATUS);
    }

    @Override
    public String name() {
        return "p2p";
    }

    @Override
    public void collect(Scrape scrape, ExpositionWriter out) {
        if (family == null) {
            return;
        }
        out.family(family);
        Topology topology = scrape.snapshot().topology();
        List<Gpu> gpus = scrape.snapshot().gpus();
        List<DeviceSeries> series = families.series(scrape);
        for (int i = 0; i < series.size(); i++) {
            DeviceSeries device = series.get(i);
            int row = topology.gpus().indexOf(gpus.get(device.gpuPlace()).id());
            if (device.migPlace() < 0 && row >= 0) {
                write(family, device, topology, row, gpus, out);
            }
        }
    }

    private void write(
            MetricFamily shown, DeviceSeries device, Topology topology, int row, List<Gpu> gpus, ExpositionWriter out) {
        for (int i = 0; i < gpus.size(); i++) {
            int column = topology.gpus().indexOf(gpus.get(i).id());
            int status = column < 0 || column == row ? -1 : topology.peerStatus()[row][column];
            if (status >= 0) {
                DerivedFamilies.begin(shown, device, out)
                        .label("link_status", status < TEXTS.size() ? TEXTS.get(status) : TEXTS.getLast())
                        .text(",peer_gpu=\"")
                        .number(gpus.get(i).index())
                        .character('"');
                families.end(device, out).value(status);
            }
        }
    }
}
