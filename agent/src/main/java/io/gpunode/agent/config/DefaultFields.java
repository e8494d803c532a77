package io.gpunode.agent.config;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** The metric fields that are shown by default: the rows that are active in the default counters file of dcgm-exporter 4.8.4, in its order. */
final class DefaultFields {
    static final List<String> NAMES = List.of(
            "DCGM_FI_DEV_SM_CLOCK",
            "DCGM_FI_DEV_MEM_CLOCK",
            "DCGM_FI_DEV_MEMORY_TEMP",
            "DCGM_FI_DEV_GPU_TEMP",
            "DCGM_FI_DEV_POWER_USAGE",
            "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION",
            "DCGM_FI_DEV_PCIE_REPLAY_COUNTER",
            "DCGM_FI_DEV_GPU_UTIL",
            "DCGM_FI_DEV_MEM_COPY_UTIL",
            "DCGM_FI_DEV_ENC_UTIL",
            "DCGM_FI_DEV_DEC_UTIL",
            "DCGM_FI_DEV_XID_ERRORS",
            "DCGM_FI_DEV_FB_FREE",
            "DCGM_FI_DEV_FB_USED",
            "DCGM_FI_DEV_FB_RESERVED",
            "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS",
            "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS",
            "DCGM_FI_DEV_ROW_REMAP_FAILURE",
            "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL",
            "DCGM_FI_DEV_VGPU_LICENSE_STATUS",
            "DCGM_FI_DRIVER_VERSION",
            "DCGM_FI_PROF_GR_ENGINE_ACTIVE",
            "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE",
            "DCGM_FI_PROF_DRAM_ACTIVE",
            "DCGM_FI_PROF_PCIE_TX_BYTES",
            "DCGM_FI_PROF_PCIE_RX_BYTES");

    /**
     * The rows that are active in the exporter's file for the names that its releases 1.x had, in its order. The two rows of PCIe stand there twice.
     */
    static final List<String> NAMES_OF_1 = List.of(
            "dcgm_sm_clock",
            "dcgm_memory_clock",
            "dcgm_memory_temp",
            "dcgm_gpu_temp",
            "dcgm_power_usage",
            "dcgm_total_energy_consumption",
            "dcgm_fi_prof_pcie_tx_bytes",
            "dcgm_fi_prof_pcie_rx_bytes",
            "dcgm_pcie_replay_counter",
            "dcgm_gpu_utilization",
            "dcgm_mem_copy_utilization",
            "dcgm_enc_utilization",
            "dcgm_dec_utilization",
            "dcgm_xid_errors",
            "dcgm_fb_free",
            "dcgm_fb_used",
            "dcgm_nvlink_bandwidth_total",
            "dcgm_fi_prof_gr_engine_active",
            "dcgm_fi_prof_pipe_tensor_active",
            "dcgm_fi_prof_dram_active");

    private static final String SHIPPED = "/etc/dcgm-exporter/";

    private DefaultFields() {}

    /** {@link #NAMES}, each as it is. */
    static List<FieldChoice> choices() {
        return choices(NAMES);
    }

    /**
     * What a file says that the exporter brings along, by its path; empty for any other. Manifests name those files where the default is meant, and
     * there is none of them where this agent runs.
     */
    static Optional<List<FieldChoice>> shipped(String path) {
        return switch (path) {
            case SHIPPED + "default-counters.csv", SHIPPED + "dcp-metrics-included.csv" -> Optional.of(choices());
            case SHIPPED + "1.x-compatibility-metrics.csv" -> Optional.of(choices(NAMES_OF_1));
            default -> Optional.empty();
        };
    }

    private static List<FieldChoice> choices(List<String> names) {
        List<FieldChoice> choices = new ArrayList<>();
        for (String name : names) {
            choices.add(FieldChoice.named(name));
        }
        return List.copyOf(choices);
    }
}
