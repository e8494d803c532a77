package io.gpunode.agent.gpu;

import io.gpunode.agent.model.LinkQuantity;
import io.gpunode.agent.model.Quantity;
import java.util.List;

/**
 * Where each quantity of profiling comes from: the GPM metric and its factor. Numbers are those of {@code nvmlGpmMetricId_t} in header release
 * 13; a driver that does not know one says so of that one.
 */
final class ProfilingMetrics {
    /** GPM's unit of traffic is MiB/s. */
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

    /**
     * One quantity of each NVLink. Received comes before sent in GPM, so that the metrics of a link are every other one.
     *
     * @param first GPM's number of it for link 0
     * @param later GPM's number of it for link 18: links from there on came with a later header
     * @param factor what GPM's number is multiplied with
     */
    record LinkSource(LinkQuantity quantity, int first, int later, double factor) {
        int metricId(int link) {
            return link < FIRST_LATER_LINK ? first + 2 * link : later + 2 * (link - FIRST_LATER_LINK);
        }
    }

    private static final int FIRST_LATER_LINK = 18;

    private static final List<LinkSource> OF_LINKS = List.of(
            new LinkSource(LinkQuantity.PROFILED_RECEIVED_BYTES_PER_SECOND, 62, 212, MEBIBYTE),
            new LinkSource(LinkQuantity.PROFILED_SENT_BYTES_PER_SECOND, 63, 213, MEBIBYTE),
            new LinkSource(LinkQuantity.PROFILED_RECEIVED_BYTES, 261, 297, 1),
            new LinkSource(LinkQuantity.PROFILED_SENT_BYTES, 262, 298, 1));

    private static final List<Source> ALL = List.of(
            share(Quantity.GRAPHICS_ENGINE_ACTIVE, 1),
            share(Quantity.SM_ACTIVE, 2),
            share(Quantity.SM_OCCUPANCY, 3),
            share(Quantity.INTEGER_ACTIVE, 4),
            share(Quantity.TENSOR_ACTIVE, 5),
            share(Quantity.DFMA_ACTIVE, 6),
            share(Quantity.HMMA_ACTIVE, 7),
            share(Quantity.DMMA_ACTIVE, 8),
            share(Quantity.IMMA_ACTIVE, 9),
            share(Quantity.DRAM_ACTIVE, 10),
            share(Quantity.FP64_ACTIVE, 11),
            share(Quantity.FP32_ACTIVE, 12),
            share(Quantity.FP16_ACTIVE, 13),
            traffic(Quantity.PCIE_SENT_BYTES_PER_SECOND, 20),
            traffic(Quantity.PCIE_RECEIVED_BYTES_PER_SECOND, 21),
            share(Quantity.NVDEC_0_ACTIVE, 30),
            share(Quantity.NVDEC_1_ACTIVE, 31),
            share(Quantity.NVDEC_2_ACTIVE, 32),
            share(Quantity.NVDEC_3_ACTIVE, 33),
            share(Quantity.NVDEC_4_ACTIVE, 34),
            share(Quantity.NVDEC_5_ACTIVE, 35),
            share(Quantity.NVDEC_6_ACTIVE, 36),
            share(Quantity.NVDEC_7_ACTIVE, 37),
            share(Quantity.NVJPG_0_ACTIVE, 40),
            share(Quantity.NVJPG_1_ACTIVE, 41),
            share(Quantity.NVJPG_2_ACTIVE, 42),
            share(Quantity.NVJPG_3_ACTIVE, 43),
            share(Quantity.NVJPG_4_ACTIVE, 44),
            share(Quantity.NVJPG_5_ACTIVE, 45),
            share(Quantity.NVJPG_6_ACTIVE, 46),
            share(Quantity.NVJPG_7_ACTIVE, 47),
            share(Quantity.NVOFA_0_ACTIVE, 50),
            share(Quantity.NVOFA_1_ACTIVE, 51),
            traffic(Quantity.NVLINK_RECEIVED_BYTES_PER_SECOND, 60),
            traffic(Quantity.NVLINK_SENT_BYTES_PER_SECOND, 61),
            traffic(Quantity.C2C_SENT_BYTES_PER_SECOND, 100),
            traffic(Quantity.C2C_RECEIVED_BYTES_PER_SECOND, 101),
            traffic(Quantity.C2C_DATA_SENT_BYTES_PER_SECOND, 102),
            traffic(Quantity.C2C_DATA_RECEIVED_BYTES_PER_SECOND, 103),
            asGiven(Quantity.HOST_MEMORY_CACHE_HIT, 160),
            asGiven(Quantity.HOST_MEMORY_CACHE_MISS, 161),
            asGiven(Quantity.PEER_MEMORY_CACHE_HIT, 162),
            asGiven(Quantity.PEER_MEMORY_CACHE_MISS, 163),
            asGiven(Quantity.DRAM_CACHE_HIT, 164),
            asGiven(Quantity.DRAM_CACHE_MISS, 165),
            share(Quantity.NVENC_0_ACTIVE, 166),
            share(Quantity.NVENC_1_ACTIVE, 167),
            share(Quantity.NVENC_2_ACTIVE, 168),
            share(Quantity.NVENC_3_ACTIVE, 169),
            asGiven(Quantity.SM_CYCLES_ELAPSED, 248),
            asGiven(Quantity.SM_CYCLES_ACTIVE, 249),
            asGiven(Quantity.MMA_CYCLES_ACTIVE, 250),
            asGiven(Quantity.DMMA_CYCLES_ACTIVE, 251),
            asGiven(Quantity.HMMA_CYCLES_ACTIVE, 252),
            asGiven(Quantity.IMMA_CYCLES_ACTIVE, 253),
            asGiven(Quantity.DFMA_CYCLES_ACTIVE, 254),
            new Source(Quantity.PCIE_SENT_BYTES, 255, 1, true),
            new Source(Quantity.PCIE_RECEIVED_BYTES, 256, 1, true),
            asGiven(Quantity.INTEGER_CYCLES_ACTIVE, 257),
            asGiven(Quantity.FP64_CYCLES_ACTIVE, 258),
            asGiven(Quantity.FP32_CYCLES_ACTIVE, 259),
            asGiven(Quantity.FP16_CYCLES_ACTIVE, 260));

    private ProfilingMetrics() {}

    /** All of them. */
    static List<Source> all() {
        return ALL;
    }

    /** Those of each NVLink. */
    static List<LinkSource> ofLinks() {
        return OF_LINKS;
    }

    private static Source share(Quantity quantity, int metricId) {
        return new Source(quantity, metricId, PERCENT, false);
    }

    private static Source asGiven(Quantity quantity, int metricId) {
        return new Source(quantity, metricId, 1, false);
    }

    /** Links belong to the board. */
    private static Source traffic(Quantity quantity, int metricId) {
        return new Source(quantity, metricId, MEBIBYTE, true);
    }
}
