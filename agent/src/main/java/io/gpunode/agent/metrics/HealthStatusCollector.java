package io.gpunode.agent.metrics;

import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.Quantity;
import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What DCGM's health rules say, as dcgm-exporter shows it: eleven series for each GPU. It is DCGM's judgement; whether the agent offers a GPU is
 * told by {@code gpu_node_agent_gpu_healthy}.
 */
final class HealthStatusCollector implements Collector {
    /** What the rules look at. */
    static final Set<Quantity> READS = reads();

    private final DerivedFamilies families;
    private final DeviceHistory history;
    private final HealthStatus status = new HealthStatus();
    private final @Nullable MetricFamily family;

    HealthStatusCollector(DerivedFamilies families, DeviceHistory history) {
        this.families = families;
        this.history = history;
        this.family = families.of(DerivedFields.GPU_HEALTH_STATUS);
    }

    @Override
    public String name() {
        return "health_status";
    }

    @Override
    public void collect(Scrape scrape, ExpositionWriter out) {
        if (family == null) {
            return;
        }
        out.family(family);
        List<DeviceSeries> series = families.series(scrape);
        for (int i = 0; i < series.size(); i++) {
            DeviceSeries device = series.get(i);
            Gpu gpu = scrape.snapshot().gpus().get(device.gpuPlace());
            DevicePast past = device.migPlace() >= 0 ? null : history.of(gpu.id());
            if (past != null) {
                status.judge(gpu, past, scrape.now());
                write(family, device, out);
            }
        }
    }

    private static Set<Quantity> reads() {
        EnumSet<Quantity> reads = EnumSet.copyOf(HealthStatus.CRITICAL_LINK_ERRORS);
        reads.addAll(List.of(
                Quantity.PCIE_REPLAYS,
                Quantity.PCIE_LINK_GENERATION,
                Quantity.PCIE_LINK_WIDTH,
                Quantity.NVLINK_ACTIVE_LINKS,
                Quantity.NVLINK_CRC_FLIT_ERRORS,
                Quantity.NVLINK_CRC_DATA_ERRORS,
                Quantity.ECC_UNCORRECTED_VOLATILE,
                Quantity.ROW_REMAP_FAILED,
                Quantity.MEMORY_UNREPAIRABLE,
                Quantity.RETIRED_PAGES_SINGLE_BIT,
                Quantity.RETIRED_PAGES_DOUBLE_BIT,
                Quantity.RETIRED_PAGES_PENDING,
                Quantity.REMAPPED_ROWS_UNCORRECTABLE,
                Quantity.THERMAL_VIOLATION_NANOSECONDS,
                Quantity.POWER_VIOLATION_NANOSECONDS,
                Quantity.POWER_MILLIWATTS,
                Quantity.RECOVERY_ACTION));
        return Collections.unmodifiableSet(reads);
    }

    private void write(MetricFamily shown, DeviceSeries device, ExpositionWriter out) {
        for (int i = 0; i < HealthWatch.EVERY.size(); i++) {
            HealthWatch watch = HealthWatch.EVERY.get(i);
            DerivedFamilies.begin(shown, device, out)
                    .label("health_error_code", status.code(watch))
                    .label("health_watch", watch.name());
            families.end(device, out).value(status.status(watch));
        }
    }
}
