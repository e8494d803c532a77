package io.gpunode.agent.gpu;

import io.gpunode.agent.model.Quantity;
import java.util.List;

/** Where each quantity of profiling comes from: the GPM metric ({@code nvmlGpmMetricId_t}) and its factor. */
final class ProfilingMetrics {
    /** GPM's unit of PCIe traffic is MiB/s. */
    private static final double MEBIBYTE = 1_048_576;

    private static final double PERCENT = 0.01;

    /**
     * One quantity.
     *
     * @param metricId GPM's number of it
     * @param factor what GPM's number is multiplied with
     * @param ofBoard whether it is of the GPU as a whole, and a GPU instance has none
     */
    record Source(Quantity quantity, int metricId, double factor, boolean ofBoard) {}

    private static final List<Source> ALL = List.of(
            share(Quantity.GRAPHICS_ENGINE_ACTIVE, 1),
            share(Quantity.SM_ACTIVE, 2),
            share(Quantity.SM_OCCUPANCY, 3),
            share(Quantity.TENSOR_ACTIVE, 5),
            share(Quantity.DRAM_ACTIVE, 10),
            share(Quantity.FP64_ACTIVE, 11),
            share(Quantity.FP32_ACTIVE, 12),
            share(Quantity.FP16_ACTIVE, 13),
            ofBoard(Quantity.PCIE_SENT_BYTES_PER_SECOND, 20, MEBIBYTE),
            ofBoard(Quantity.PCIE_RECEIVED_BYTES_PER_SECOND, 21, MEBIBYTE));

    private ProfilingMetrics() {}

    /** All of them. */
    static List<Source> all() {
        return ALL;
    }

    private static Source share(Quantity quantity, int metricId) {
        return new Source(quantity, metricId, PERCENT, false);
    }

    private static Source ofBoard(Quantity quantity, int metricId, double factor) {
        return new Source(quantity, metricId, factor, true);
    }
}
