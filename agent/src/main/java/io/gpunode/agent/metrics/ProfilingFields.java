package io.gpunode.agent.metrics;

/**
 * The rows of the catalogue that profiling feeds: DCGM's, and under names of the agent's own what GPM knows and DCGM has no field for. Rates are
 * gauges, also those that a counters file may call counters. Those of single NVLinks are the growth of NVML's counters, which chips without
 * profiling have, too. Columns as in {@link FieldTable}; the id 0 is of rows that DCGM has no number for.
 */
final class ProfilingFields {
    static final String ROWS = """
            + DCGM_FI_PROF_GR_ENGINE_ACTIVE DCGM_FI_PROF_GR_ENGINE_UTIL_RATIO | 1001 | gauge | instance | GRAPHICS_ENGINE_ACTIVE | ratio | R520 Hopper | Share of time in which the graphics or compute engine was busy, 0 to 1.
              DCGM_FI_PROF_SM_ACTIVE DCGM_FI_PROF_SM_UTIL_RATIO | 1002 | gauge | instance | SM_ACTIVE | ratio | R520 Hopper | Share of cycles in which a multiprocessor had a warp, averaged over all, 0 to 1.
              DCGM_FI_PROF_SM_OCCUPANCY DCGM_FI_PROF_SM_OCCUPANCY_RATIO | 1003 | gauge | instance | SM_OCCUPANCY | ratio | R520 Hopper | Resident warps as a share of the possible, 0 to 1.
            + DCGM_FI_PROF_PIPE_TENSOR_ACTIVE DCGM_FI_PROF_TENSOR_UTIL_RATIO | 1004 | gauge | instance | TENSOR_ACTIVE | ratio | R520 Hopper | Share of cycles in which a tensor pipe was busy, 0 to 1.
            + DCGM_FI_PROF_DRAM_ACTIVE DCGM_FI_PROF_DRAM_UTIL_RATIO | 1005 | gauge | instance | DRAM_ACTIVE | ratio | R520 Hopper | Share of cycles in which the memory interface was busy, 0 to 1.
              DCGM_FI_PROF_PIPE_FP64_ACTIVE DCGM_FI_PROF_FP64_UTIL_RATIO | 1006 | gauge | instance | FP64_ACTIVE | ratio | R520 Hopper | Share of cycles in which the FP64 pipe was busy, 0 to 1.
              DCGM_FI_PROF_PIPE_FP32_ACTIVE DCGM_FI_PROF_FP32_UTIL_RATIO | 1007 | gauge | instance | FP32_ACTIVE | ratio | R520 Hopper | Share of cycles in which the FP32 pipe was busy, 0 to 1.
              DCGM_FI_PROF_PIPE_FP16_ACTIVE DCGM_FI_PROF_FP16_UTIL_RATIO | 1008 | gauge | instance | FP16_ACTIVE | ratio | R520 Hopper | Share of cycles in which the FP16 pipe was busy, 0 to 1.
            + DCGM_FI_PROF_PCIE_TX_BYTES | 1009 | gauge | board | PCIE_SENT_BYTES_PER_SECOND | bytes/s | R520 Hopper | Rate of bytes that the GPU sent over PCIe, headers included, in bytes per second.
            + DCGM_FI_PROF_PCIE_RX_BYTES | 1010 | gauge | board | PCIE_RECEIVED_BYTES_PER_SECOND | bytes/s | R520 Hopper | Rate of bytes that the GPU received over PCIe, headers included, in bytes per second.
              DCGM_FI_PROF_NVLINK_TX_BYTES | 1011 | gauge | board | NVLINK_SENT_BYTES_PER_SECOND | bytes/s | R520 Hopper | Rate of bytes that the GPU sent over all NVLinks, in bytes per second.
              DCGM_FI_PROF_NVLINK_RX_BYTES | 1012 | gauge | board | NVLINK_RECEIVED_BYTES_PER_SECOND | bytes/s | R520 Hopper | Rate of bytes that the GPU received over all NVLinks, in bytes per second.
              DCGM_FI_PROF_NVLINK_L*_TX_BYTES | 1040,1042,1044,1046,1048,1050,1052,1054,1056,1058,1060,1062,1064,1066,1068,1070,1072,1074 | gauge | board | link * PROFILED_SENT_BYTES_PER_SECOND | bytes/s | R520 Hopper | Rate of bytes that the GPU sent over NVLink *, in bytes per second.
              DCGM_FI_PROF_NVLINK_L*_RX_BYTES | 1041,1043,1045,1047,1049,1051,1053,1055,1057,1059,1061,1063,1065,1067,1069,1071,1073,1075 | gauge | board | link * PROFILED_RECEIVED_BYTES_PER_SECOND | bytes/s | R520 Hopper | Rate of bytes that the GPU received over NVLink *, in bytes per second.
              DCGM_FI_PROF_NVLINK_TX_BYTES_PER_LINK | 1532 | gauge | link | PROFILED_SENT_BYTES_PER_SECOND | bytes/s | R520 Hopper | Rate of bytes that one NVLink sent, in bytes per second.
              DCGM_FI_PROF_NVLINK_RX_BYTES_PER_LINK | 1533 | gauge | link | PROFILED_RECEIVED_BYTES_PER_SECOND | bytes/s | R520 Hopper | Rate of bytes that one NVLink received, in bytes per second.
              gpu_node_agent_nvlink_sent_bytes_total | 0 | counter | link | PROFILED_SENT_BYTES | bytes | R590 Hopper | Bytes that one NVLink has sent since the machine was started.
              gpu_node_agent_nvlink_received_bytes_total | 0 | counter | link | PROFILED_RECEIVED_BYTES | bytes | R590 Hopper | Bytes that one NVLink has received since the machine was started.
              DCGM_FI_PROF_PIPE_TENSOR_IMMA_ACTIVE DCGM_FI_PROF_IMMA_UTIL_RATIO | 1013 | gauge | instance | IMMA_ACTIVE | ratio | R520 Hopper | Share of cycles in which a tensor pipe worked on integers, 0 to 1.
              DCGM_FI_PROF_PIPE_TENSOR_HMMA_ACTIVE DCGM_FI_PROF_HMMA_UTIL_RATIO | 1014 | gauge | instance | HMMA_ACTIVE | ratio | R520 Hopper | Share of cycles in which a tensor pipe worked on half-precision numbers, 0 to 1.
              DCGM_FI_PROF_PIPE_TENSOR_DFMA_ACTIVE DCGM_FI_PROF_DFMA_UTIL_RATIO | 1015 | gauge | instance | DFMA_ACTIVE | ratio | R520 Hopper | Share of cycles in which a tensor pipe worked on double-precision numbers, 0 to 1.
              gpu_node_agent_tensor_dmma_active_ratio | 0 | gauge | instance | DMMA_ACTIVE | ratio | R520 Hopper | Share of cycles in which a tensor pipe did DMMA operations, 0 to 1.
              DCGM_FI_PROF_PIPE_INT_ACTIVE DCGM_FI_PROF_INT_UTIL_RATIO | 1016 | gauge | instance | INTEGER_ACTIVE | ratio | R520 Hopper | Share of cycles in which the integer pipe was busy, 0 to 1.
              DCGM_FI_PROF_NVDEC*_ACTIVE DCGM_FI_PROF_NVDEC_UTIL_*_RATIO | 1017-1024 | gauge | instance | NVDEC_*_ACTIVE | ratio | R520 Hopper | Share of time in which video decoder * was busy, 0 to 1.
              gpu_node_agent_nvenc*_active_ratio | 0,0,0,0 | gauge | instance | NVENC_*_ACTIVE | ratio | R520 Hopper | Share of time in which video encoder * was busy, 0 to 1.
              DCGM_FI_PROF_NVJPG*_ACTIVE DCGM_FI_PROF_NVJPG_UTIL_*_RATIO | 1025-1032 | gauge | instance | NVJPG_*_ACTIVE | ratio | R520 Hopper | Share of time in which JPEG engine * was busy, 0 to 1.
              DCGM_FI_PROF_NVOFA*_ACTIVE DCGM_FI_PROF_NVOFA_UTIL_*_RATIO | 1033-1034 | gauge | instance | NVOFA_*_ACTIVE | ratio | R520 Hopper | Share of time in which optical flow engine * was busy, 0 to 1.
              DCGM_FI_PROF_C2C_TX_ALL_BYTES | 1076 | gauge | board | C2C_SENT_BYTES_PER_SECOND | bytes/s | R550 Grace Hopper | Rate of bytes that the GPU sent to the CPU over C2C, all packets, in bytes per second.
              DCGM_FI_PROF_C2C_TX_DATA_BYTES | 1077 | gauge | board | C2C_DATA_SENT_BYTES_PER_SECOND | bytes/s | R550 Grace Hopper | Rate of bytes that the GPU sent to the CPU over C2C, payload, in bytes per second.
              DCGM_FI_PROF_C2C_RX_ALL_BYTES | 1078 | gauge | board | C2C_RECEIVED_BYTES_PER_SECOND | bytes/s | R550 Grace Hopper | Rate of bytes that the GPU received from the CPU over C2C, all packets, in bytes per second.
              DCGM_FI_PROF_C2C_RX_DATA_BYTES | 1079 | gauge | board | C2C_DATA_RECEIVED_BYTES_PER_SECOND | bytes/s | R550 Grace Hopper | Rate of bytes that the GPU received from the CPU over C2C, payload, in bytes per second.
              DCGM_FI_PROF_HOSTMEM_CACHE_HIT | 1080 | gauge | instance | HOST_MEMORY_CACHE_HIT | | R520 Hopper | Hits of the cache for memory of the host, as the driver gives them.
              DCGM_FI_PROF_HOSTMEM_CACHE_MISS | 1081 | gauge | instance | HOST_MEMORY_CACHE_MISS | | R520 Hopper | Misses of the cache for memory of the host, as the driver gives them.
              DCGM_FI_PROF_PEERMEM_CACHE_HIT | 1082 | gauge | instance | PEER_MEMORY_CACHE_HIT | | R520 Hopper | Hits of the cache for memory of other GPUs, as the driver gives them.
              DCGM_FI_PROF_PEERMEM_CACHE_MISS | 1083 | gauge | instance | PEER_MEMORY_CACHE_MISS | | R520 Hopper | Misses of the cache for memory of other GPUs, as the driver gives them.
              gpu_node_agent_dram_cache_hit | 0 | gauge | instance | DRAM_CACHE_HIT | | R520 Hopper | Hits of the cache for the GPU's own memory, as the driver gives them.
              gpu_node_agent_dram_cache_miss | 0 | gauge | instance | DRAM_CACHE_MISS | | R520 Hopper | Misses of the cache for the GPU's own memory, as the driver gives them.
              DCGM_FI_PROF_SM_CYCLES_ELAPSED_TOTAL | 1084 | counter | instance | SM_CYCLES_ELAPSED | cycles | R590 Hopper | Cycles of the multiprocessors since the machine was started.
              DCGM_FI_PROF_SM_CYCLES_ACTIVE_TOTAL | 1085 | counter | instance | SM_CYCLES_ACTIVE | cycles | R590 Hopper | Cycles in which a multiprocessor had a warp, since the machine was started.
              DCGM_FI_PROF_MMA_CYCLES_ACTIVE_TOTAL | 1086 | counter | instance | MMA_CYCLES_ACTIVE | cycles | R590 Hopper | Cycles in which a tensor pipe was busy, since the machine was started.
              DCGM_FI_PROF_DMMA_CYCLES_ACTIVE_TOTAL | 1087 | counter | instance | DMMA_CYCLES_ACTIVE | cycles | R590 Hopper | Cycles in which a tensor pipe did DMMA operations, since the machine was started.
              DCGM_FI_PROF_HMMA_CYCLES_ACTIVE_TOTAL | 1088 | counter | instance | HMMA_CYCLES_ACTIVE | cycles | R590 Hopper | Cycles in which a tensor pipe did HMMA operations, since the machine was started.
              DCGM_FI_PROF_IMMA_CYCLES_ACTIVE_TOTAL | 1089 | counter | instance | IMMA_CYCLES_ACTIVE | cycles | R590 Hopper | Cycles in which a tensor pipe did IMMA operations, since the machine was started.
              DCGM_FI_PROF_DFMA_CYCLES_ACTIVE_TOTAL | 1090 | counter | instance | DFMA_CYCLES_ACTIVE | cycles | R590 Hopper | Cycles in which a tensor pipe did DFMA operations, since the machine was started.
              DCGM_FI_PROF_PCIE_TX_BYTES_TOTAL | 1091 | counter | board | PCIE_SENT_BYTES | bytes | R590 Hopper | Bytes that the GPU has sent over PCIe since the machine was started.
              DCGM_FI_PROF_PCIE_RX_BYTES_TOTAL | 1092 | counter | board | PCIE_RECEIVED_BYTES | bytes | R590 Hopper | Bytes that the GPU has received over PCIe since the machine was started.
              DCGM_FI_PROF_INT_CYCLES_ACTIVE_TOTAL | 1093 | counter | instance | INTEGER_CYCLES_ACTIVE | cycles | R590 Hopper | Cycles in which the integer pipe was busy, since the machine was started.
              DCGM_FI_PROF_FP64_CYCLES_ACTIVE_TOTAL | 1094 | counter | instance | FP64_CYCLES_ACTIVE | cycles | R590 Hopper | Cycles in which the FP64 pipe was busy, since the machine was started.
              DCGM_FI_PROF_FP32_CYCLES_ACTIVE_TOTAL | 1095 | counter | instance | FP32_CYCLES_ACTIVE | cycles | R590 Hopper | Cycles in which the FP32 pipe was busy, since the machine was started.
              DCGM_FI_PROF_FP16_CYCLES_ACTIVE_TOTAL | 1096 | counter | instance | FP16_CYCLES_ACTIVE | cycles | R590 Hopper | Cycles in which the FP16 pipe was busy, since the machine was started.
              gpu_node_agent_nvlink_payload_sent_bytes_per_second | 0 | gauge | link | SENT_BYTES_PER_SECOND | bytes/s | R450 | Payload rate that one NVLink sends, in bytes per second.
              gpu_node_agent_nvlink_payload_received_bytes_per_second | 0 | gauge | link | RECEIVED_BYTES_PER_SECOND | bytes/s | R450 | Payload rate that one NVLink receives, in bytes per second.
            """;

    private ProfilingFields() {}
}
