package io.gpunode.agent.metrics;

import static io.gpunode.agent.metrics.Field.Conversion.AS_IS;
import static io.gpunode.agent.metrics.Field.Scope.BOARD;
import static io.gpunode.agent.metrics.Field.Scope.GPU_INSTANCE;

import io.gpunode.agent.model.Quantity;
import java.util.List;

/**
 * The rows of the catalogue that profiling feeds: DCGM's, and under names of the agent's own what GPM knows and DCGM has no field for. Rates are
 * gauges, also those that a counters file may call counters.
 */
final class ProfilingFields {
    private static final boolean SHOWN = true;
    private static final boolean CHOSEN = false;
    private static final String HOPPER = "Hopper, R520";
    private static final String GRACE = "Grace Hopper, R550";
    private static final String TOTALS = "Hopper, R590";
    /** Of rows that DCGM has no number for. */
    private static final int NO_ID = 0;

    private static final List<Field> ALL = List.of(
            ratio(
                    SHOWN,
                    "DCGM_FI_PROF_GR_ENGINE_ACTIVE",
                    "DCGM_FI_PROF_GR_ENGINE_UTIL_RATIO",
                    1001,
                    Quantity.GRAPHICS_ENGINE_ACTIVE,
                    "Share of time in which the graphics or compute engine was busy, 0 to 1."),
            ratio(
                    CHOSEN,
                    "DCGM_FI_PROF_SM_ACTIVE",
                    "DCGM_FI_PROF_SM_UTIL_RATIO",
                    1002,
                    Quantity.SM_ACTIVE,
                    "Share of cycles in which a multiprocessor had a warp, averaged over all, 0 to 1."),
            ratio(
                    CHOSEN,
                    "DCGM_FI_PROF_SM_OCCUPANCY",
                    "DCGM_FI_PROF_SM_OCCUPANCY_RATIO",
                    1003,
                    Quantity.SM_OCCUPANCY,
                    "Resident warps as a share of the possible, 0 to 1."),
            ratio(
                    SHOWN,
                    "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE",
                    "DCGM_FI_PROF_TENSOR_UTIL_RATIO",
                    1004,
                    Quantity.TENSOR_ACTIVE,
                    "Share of cycles in which a tensor pipe was busy, 0 to 1."),
            ratio(
                    SHOWN,
                    "DCGM_FI_PROF_DRAM_ACTIVE",
                    "DCGM_FI_PROF_DRAM_UTIL_RATIO",
                    1005,
                    Quantity.DRAM_ACTIVE,
                    "Share of cycles in which the memory interface was busy, 0 to 1."),
            ratio(
                    CHOSEN,
                    "DCGM_FI_PROF_PIPE_FP64_ACTIVE",
                    "DCGM_FI_PROF_FP64_UTIL_RATIO",
                    1006,
                    Quantity.FP64_ACTIVE,
                    "Share of cycles in which the FP64 pipe was busy, 0 to 1."),
            ratio(
                    CHOSEN,
                    "DCGM_FI_PROF_PIPE_FP32_ACTIVE",
                    "DCGM_FI_PROF_FP32_UTIL_RATIO",
                    1007,
                    Quantity.FP32_ACTIVE,
                    "Share of cycles in which the FP32 pipe was busy, 0 to 1."),
            ratio(
                    CHOSEN,
                    "DCGM_FI_PROF_PIPE_FP16_ACTIVE",
                    "DCGM_FI_PROF_FP16_UTIL_RATIO",
                    1008,
                    Quantity.FP16_ACTIVE,
                    "Share of cycles in which the FP16 pipe was busy, 0 to 1."),
            rate(
                    SHOWN,
                    "DCGM_FI_PROF_PCIE_TX_BYTES",
                    1009,
                    Quantity.PCIE_SENT_BYTES_PER_SECOND,
                    HOPPER,
                    "Rate of bytes that the GPU sent over PCIe, headers included, in bytes per second."),
            rate(
                    SHOWN,
                    "DCGM_FI_PROF_PCIE_RX_BYTES",
                    1010,
                    Quantity.PCIE_RECEIVED_BYTES_PER_SECOND,
                    HOPPER,
                    "Rate of bytes that the GPU received over PCIe, headers included, in bytes per second."),
            rate(
                    CHOSEN,
                    "DCGM_FI_PROF_NVLINK_TX_BYTES",
                    1011,
                    Quantity.NVLINK_SENT_BYTES_PER_SECOND,
                    HOPPER,
                    "Rate of bytes that the GPU sent over all NVLinks, in bytes per second."),
            rate(
                    CHOSEN,
                    "DCGM_FI_PROF_NVLINK_RX_BYTES",
                    1012,
                    Quantity.NVLINK_RECEIVED_BYTES_PER_SECOND,
                    HOPPER,
                    "Rate of bytes that the GPU received over all NVLinks, in bytes per second."),
            ratio(
                    CHOSEN,
                    "DCGM_FI_PROF_PIPE_TENSOR_IMMA_ACTIVE",
                    "",
                    1013,
                    Quantity.IMMA_ACTIVE,
                    "Share of cycles in which a tensor pipe worked on integers, 0 to 1."),
            ratio(
                    CHOSEN,
                    "DCGM_FI_PROF_PIPE_TENSOR_HMMA_ACTIVE",
                    "",
                    1014,
                    Quantity.HMMA_ACTIVE,
                    "Share of cycles in which a tensor pipe worked on half-precision numbers, 0 to 1."),
            ratio(
                    CHOSEN,
                    "DCGM_FI_PROF_PIPE_TENSOR_DFMA_ACTIVE",
                    "",
                    1015,
                    Quantity.DFMA_ACTIVE,
                    "Share of cycles in which a tensor pipe worked on double-precision numbers, 0 to 1."),
            ratio(
                    CHOSEN,
                    "gpu_node_agent_tensor_dmma_active_ratio",
                    "",
                    NO_ID,
                    Quantity.DMMA_ACTIVE,
                    "Share of cycles in which a tensor pipe did DMMA operations, 0 to 1."),
            ratio(
                    CHOSEN,
                    "DCGM_FI_PROF_PIPE_INT_ACTIVE",
                    "",
                    1016,
                    Quantity.INTEGER_ACTIVE,
                    "Share of cycles in which the integer pipe was busy, 0 to 1."),
            ratio(
                    CHOSEN,
                    "DCGM_FI_PROF_NVDEC0_ACTIVE",
                    "",
                    1017,
                    Quantity.NVDEC_0_ACTIVE,
                    "Share of time in which video decoder 0 was busy, 0 to 1."),
            ratio(
                    CHOSEN,
                    "DCGM_FI_PROF_NVDEC1_ACTIVE",
                    "",
                    1018,
                    Quantity.NVDEC_1_ACTIVE,
                    "Share of time in which video decoder 1 was busy, 0 to 1."),
            ratio(
                    CHOSEN,
                    "DCGM_FI_PROF_NVDEC2_ACTIVE",
                    "",
                    1019,
                    Quantity.NVDEC_2_ACTIVE,
                    "Share of time in which video decoder 2 was busy, 0 to 1."),
            ratio(
                    CHOSEN,
                    "DCGM_FI_PROF_NVDEC3_ACTIVE",
                    "",
                    1020,
                    Quantity.NVDEC_3_ACTIVE,
                    "Share of time in which video decoder 3 was busy, 0 to 1."),
            ratio(
                    CHOSEN,
                    "DCGM_FI_PROF_NVDEC4_ACTIVE",
                    "",
                    1021,
                    Quantity.NVDEC_4_ACTIVE,
                    "Share of time in which video decoder 4 was busy, 0 to 1."),
            ratio(
                    CHOSEN,
                    "DCGM_FI_PROF_NVDEC5_ACTIVE",
                    "",
                    1022,
                    Quantity.NVDEC_5_ACTIVE,
                    "Share of time in which video decoder 5 was busy, 0 to 1."),
            ratio(
                    CHOSEN,
                    "DCGM_FI_PROF_NVDEC6_ACTIVE",
                    "",
                    1023,
                    Quantity.NVDEC_6_ACTIVE,
                    "Share of time in which video decoder 6 was busy, 0 to 1."),
            ratio(
                    CHOSEN,
                    "DCGM_FI_PROF_NVDEC7_ACTIVE",
                    "",
                    1024,
                    Quantity.NVDEC_7_ACTIVE,
                    "Share of time in which video decoder 7 was busy, 0 to 1."),
            ratio(
                    CHOSEN,
                    "gpu_node_agent_nvenc0_active_ratio",
                    "",
                    NO_ID,
                    Quantity.NVENC_0_ACTIVE,
                    "Share of time in which video encoder 0 was busy, 0 to 1."),
            ratio(
                    CHOSEN,
                    "gpu_node_agent_nvenc1_active_ratio",
                    "",
                    NO_ID,
                    Quantity.NVENC_1_ACTIVE,
                    "Share of time in which video encoder 1 was busy, 0 to 1."),
            ratio(
                    CHOSEN,
                    "gpu_node_agent_nvenc2_active_ratio",
                    "",
                    NO_ID,
                    Quantity.NVENC_2_ACTIVE,
                    "Share of time in which video encoder 2 was busy, 0 to 1."),
            ratio(
                    CHOSEN,
                    "gpu_node_agent_nvenc3_active_ratio",
                    "",
                    NO_ID,
                    Quantity.NVENC_3_ACTIVE,
                    "Share of time in which video encoder 3 was busy, 0 to 1."),
            ratio(
                    CHOSEN,
                    "DCGM_FI_PROF_NVJPG0_ACTIVE",
                    "",
                    1025,
                    Quantity.NVJPG_0_ACTIVE,
                    "Share of time in which JPEG engine 0 was busy, 0 to 1."),
            ratio(
                    CHOSEN,
                    "DCGM_FI_PROF_NVJPG1_ACTIVE",
                    "",
                    1026,
                    Quantity.NVJPG_1_ACTIVE,
                    "Share of time in which JPEG engine 1 was busy, 0 to 1."),
            ratio(
                    CHOSEN,
                    "DCGM_FI_PROF_NVJPG2_ACTIVE",
                    "",
                    1027,
                    Quantity.NVJPG_2_ACTIVE,
                    "Share of time in which JPEG engine 2 was busy, 0 to 1."),
            ratio(
                    CHOSEN,
                    "DCGM_FI_PROF_NVJPG3_ACTIVE",
                    "",
                    1028,
                    Quantity.NVJPG_3_ACTIVE,
                    "Share of time in which JPEG engine 3 was busy, 0 to 1."),
            ratio(
                    CHOSEN,
                    "DCGM_FI_PROF_NVJPG4_ACTIVE",
                    "",
                    1029,
                    Quantity.NVJPG_4_ACTIVE,
                    "Share of time in which JPEG engine 4 was busy, 0 to 1."),
            ratio(
                    CHOSEN,
                    "DCGM_FI_PROF_NVJPG5_ACTIVE",
                    "",
                    1030,
                    Quantity.NVJPG_5_ACTIVE,
                    "Share of time in which JPEG engine 5 was busy, 0 to 1."),
            ratio(
                    CHOSEN,
                    "DCGM_FI_PROF_NVJPG6_ACTIVE",
                    "",
                    1031,
                    Quantity.NVJPG_6_ACTIVE,
                    "Share of time in which JPEG engine 6 was busy, 0 to 1."),
            ratio(
                    CHOSEN,
                    "DCGM_FI_PROF_NVJPG7_ACTIVE",
                    "",
                    1032,
                    Quantity.NVJPG_7_ACTIVE,
                    "Share of time in which JPEG engine 7 was busy, 0 to 1."),
            ratio(
                    CHOSEN,
                    "DCGM_FI_PROF_NVOFA0_ACTIVE",
                    "",
                    1033,
                    Quantity.NVOFA_0_ACTIVE,
                    "Share of time in which optical flow engine 0 was busy, 0 to 1."),
            ratio(
                    CHOSEN,
                    "DCGM_FI_PROF_NVOFA1_ACTIVE",
                    "",
                    1034,
                    Quantity.NVOFA_1_ACTIVE,
                    "Share of time in which optical flow engine 1 was busy, 0 to 1."),
            rate(
                    CHOSEN,
                    "DCGM_FI_PROF_C2C_TX_ALL_BYTES",
                    1076,
                    Quantity.C2C_SENT_BYTES_PER_SECOND,
                    GRACE,
                    "Rate of bytes that the GPU sent to the CPU over C2C, all packets, in bytes per second."),
            rate(
                    CHOSEN,
                    "DCGM_FI_PROF_C2C_TX_DATA_BYTES",
                    1077,
                    Quantity.C2C_DATA_SENT_BYTES_PER_SECOND,
                    GRACE,
                    "Rate of bytes that the GPU sent to the CPU over C2C, payload, in bytes per second."),
            rate(
                    CHOSEN,
                    "DCGM_FI_PROF_C2C_RX_ALL_BYTES",
                    1078,
                    Quantity.C2C_RECEIVED_BYTES_PER_SECOND,
                    GRACE,
                    "Rate of bytes that the GPU received from the CPU over C2C, all packets, in bytes per second."),
            rate(
                    CHOSEN,
                    "DCGM_FI_PROF_C2C_RX_DATA_BYTES",
                    1079,
                    Quantity.C2C_DATA_RECEIVED_BYTES_PER_SECOND,
                    GRACE,
                    "Rate of bytes that the GPU received from the CPU over C2C, payload, in bytes per second."),
            asGiven(
                    "DCGM_FI_PROF_HOSTMEM_CACHE_HIT",
                    1080,
                    Quantity.HOST_MEMORY_CACHE_HIT,
                    "Hits of the cache for memory of the host, as the driver gives them."),
            asGiven(
                    "DCGM_FI_PROF_HOSTMEM_CACHE_MISS",
                    1081,
                    Quantity.HOST_MEMORY_CACHE_MISS,
                    "Misses of the cache for memory of the host, as the driver gives them."),
            asGiven(
                    "DCGM_FI_PROF_PEERMEM_CACHE_HIT",
                    1082,
                    Quantity.PEER_MEMORY_CACHE_HIT,
                    "Hits of the cache for memory of other GPUs, as the driver gives them."),
            asGiven(
                    "DCGM_FI_PROF_PEERMEM_CACHE_MISS",
                    1083,
                    Quantity.PEER_MEMORY_CACHE_MISS,
                    "Misses of the cache for memory of other GPUs, as the driver gives them."),
            asGiven(
                    "gpu_node_agent_dram_cache_hit",
                    NO_ID,
                    Quantity.DRAM_CACHE_HIT,
                    "Hits of the cache for the GPU's own memory, as the driver gives them."),
            asGiven(
                    "gpu_node_agent_dram_cache_miss",
                    NO_ID,
                    Quantity.DRAM_CACHE_MISS,
                    "Misses of the cache for the GPU's own memory, as the driver gives them."),
            total(
                    "DCGM_FI_PROF_SM_CYCLES_ELAPSED_TOTAL",
                    1084,
                    Quantity.SM_CYCLES_ELAPSED,
                    "cycles",
                    GPU_INSTANCE,
                    "Cycles of the multiprocessors since the machine was started."),
            total(
                    "DCGM_FI_PROF_SM_CYCLES_ACTIVE_TOTAL",
                    1085,
                    Quantity.SM_CYCLES_ACTIVE,
                    "cycles",
                    GPU_INSTANCE,
                    "Cycles in which a multiprocessor had a warp, since the machine was started."),
            total(
                    "DCGM_FI_PROF_MMA_CYCLES_ACTIVE_TOTAL",
                    1086,
                    Quantity.MMA_CYCLES_ACTIVE,
                    "cycles",
                    GPU_INSTANCE,
                    "Cycles in which a tensor pipe was busy, since the machine was started."),
            total(
                    "DCGM_FI_PROF_DMMA_CYCLES_ACTIVE_TOTAL",
                    1087,
                    Quantity.DMMA_CYCLES_ACTIVE,
                    "cycles",
                    GPU_INSTANCE,
                    "Cycles in which a tensor pipe did DMMA operations, since the machine was started."),
            total(
                    "DCGM_FI_PROF_HMMA_CYCLES_ACTIVE_TOTAL",
                    1088,
                    Quantity.HMMA_CYCLES_ACTIVE,
                    "cycles",
                    GPU_INSTANCE,
                    "Cycles in which a tensor pipe did HMMA operations, since the machine was started."),
            total(
                    "DCGM_FI_PROF_IMMA_CYCLES_ACTIVE_TOTAL",
                    1089,
                    Quantity.IMMA_CYCLES_ACTIVE,
                    "cycles",
                    GPU_INSTANCE,
                    "Cycles in which a tensor pipe did IMMA operations, since the machine was started."),
            total(
                    "DCGM_FI_PROF_DFMA_CYCLES_ACTIVE_TOTAL",
                    1090,
                    Quantity.DFMA_CYCLES_ACTIVE,
                    "cycles",
                    GPU_INSTANCE,
                    "Cycles in which a tensor pipe did DFMA operations, since the machine was started."),
            total(
                    "DCGM_FI_PROF_PCIE_TX_BYTES_TOTAL",
                    1091,
                    Quantity.PCIE_SENT_BYTES,
                    "bytes",
                    BOARD,
                    "Bytes that the GPU has sent over PCIe since the machine was started."),
            total(
                    "DCGM_FI_PROF_PCIE_RX_BYTES_TOTAL",
                    1092,
                    Quantity.PCIE_RECEIVED_BYTES,
                    "bytes",
                    BOARD,
                    "Bytes that the GPU has received over PCIe since the machine was started."),
            total(
                    "DCGM_FI_PROF_INT_CYCLES_ACTIVE_TOTAL",
                    1093,
                    Quantity.INTEGER_CYCLES_ACTIVE,
                    "cycles",
                    GPU_INSTANCE,
                    "Cycles in which the integer pipe was busy, since the machine was started."),
            total(
                    "DCGM_FI_PROF_FP64_CYCLES_ACTIVE_TOTAL",
                    1094,
                    Quantity.FP64_CYCLES_ACTIVE,
                    "cycles",
                    GPU_INSTANCE,
                    "Cycles in which the FP64 pipe was busy, since the machine was started."),
            total(
                    "DCGM_FI_PROF_FP32_CYCLES_ACTIVE_TOTAL",
                    1095,
                    Quantity.FP32_CYCLES_ACTIVE,
                    "cycles",
                    GPU_INSTANCE,
                    "Cycles in which the FP32 pipe was busy, since the machine was started."),
            total(
                    "DCGM_FI_PROF_FP16_CYCLES_ACTIVE_TOTAL",
                    1096,
                    Quantity.FP16_CYCLES_ACTIVE,
                    "cycles",
                    GPU_INSTANCE,
                    "Cycles in which the FP16 pipe was busy, since the machine was started."));

    private ProfilingFields() {}

    /** All of them, in the order of DCGM's numbers. */
    static List<Field> all() {
        return ALL;
    }

    private static Field ratio(boolean shown, String name, String alias, int id, Quantity quantity, String help) {
        return field(name, alias, id, help, "ratio", MetricType.GAUGE, quantity, GPU_INSTANCE, HOPPER, shown);
    }

    private static Field rate(boolean shown, String name, int id, Quantity quantity, String since, String help) {
        return field(name, "", id, help, "bytes/s", MetricType.GAUGE, quantity, BOARD, since, shown);
    }

    private static Field asGiven(String name, int id, Quantity quantity, String help) {
        return field(name, "", id, help, "", MetricType.GAUGE, quantity, GPU_INSTANCE, HOPPER, CHOSEN);
    }

    private static Field total(String name, int id, Quantity quantity, String unit, Field.Scope scope, String help) {
        return field(name, "", id, help, unit, MetricType.COUNTER, quantity, scope, TOTALS, CHOSEN);
    }

    private static Field field(
            String name,
            String alias,
            int id,
            String help,
            String unit,
            MetricType type,
            Quantity quantity,
            Field.Scope scope,
            String since,
            boolean shown) {
        List<String> aliases = alias.isEmpty() ? List.of() : List.of(alias);
        Field.Source source = new Field.Sampled(type, quantity, AS_IS, false);
        return new Field(name, aliases, id, help, unit, source, scope, since, shown);
    }
}
