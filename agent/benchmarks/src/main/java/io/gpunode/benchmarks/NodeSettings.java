package io.gpunode.benchmarks;

import io.gpunode.nvml.simulator.SimulatedProfile;
import java.time.Duration;
import java.util.List;

/**
 * What a simulated node and its agent's configuration are like.
 *
 * @param fields of {@code metrics.fields}; empty for the default ones
 * @param shares of each GPU; 0 when GPUs are not shared
 */
record NodeSettings(
        SimulatedProfile profile,
        Duration samplingInterval,
        Duration callDeadline,
        Duration recoveryInterval,
        List<String> fields,
        int shares) {
    private static final String EIGHT_GPUS = "8xh100";

    /** 40 fields that a data centre GPU without MIG has values for. */
    static final List<String> FORTY_FIELDS = List.of(
            "DCGM_FI_DEV_SM_CLOCK",
            "DCGM_FI_DEV_MEM_CLOCK",
            "DCGM_FI_DEV_VIDEO_CLOCK",
            "DCGM_FI_DEV_CLOCKS_EVENT_REASONS",
            "DCGM_FI_DEV_MEMORY_TEMP",
            "DCGM_FI_DEV_GPU_TEMP",
            "DCGM_FI_DEV_SLOWDOWN_TEMP",
            "DCGM_FI_DEV_SHUTDOWN_TEMP",
            "DCGM_FI_DEV_POWER_USAGE",
            "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION",
            "DCGM_FI_DEV_POWER_USAGE_INSTANT",
            "DCGM_FI_DEV_POWER_MGMT_LIMIT",
            "DCGM_FI_DEV_ENFORCED_POWER_LIMIT",
            "DCGM_FI_DEV_PSTATE",
            "DCGM_FI_DEV_PCIE_REPLAY_COUNTER",
            "DCGM_FI_DEV_PCIE_LINK_GEN",
            "DCGM_FI_DEV_PCIE_LINK_WIDTH",
            "DCGM_FI_DEV_GPU_UTIL",
            "DCGM_FI_DEV_MEM_COPY_UTIL",
            "DCGM_FI_DEV_ENC_UTIL",
            "DCGM_FI_DEV_DEC_UTIL",
            "DCGM_FI_DEV_XID_ERRORS",
            "DCGM_FI_DEV_POWER_VIOLATION",
            "DCGM_FI_DEV_THERMAL_VIOLATION",
            "DCGM_FI_DEV_FB_TOTAL",
            "DCGM_FI_DEV_FB_FREE",
            "DCGM_FI_DEV_FB_USED",
            "DCGM_FI_DEV_FB_RESERVED",
            "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL",
            "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL",
            "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS",
            "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS",
            "DCGM_FI_DEV_ROW_REMAP_FAILURE",
            "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL",
            "DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL",
            "DCGM_FI_PROF_GR_ENGINE_ACTIVE",
            "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE",
            "DCGM_FI_PROF_DRAM_ACTIVE",
            "DCGM_FI_PROF_PCIE_TX_BYTES",
            "DCGM_FI_PROF_PCIE_RX_BYTES");

    /** Eight H100, the agent's defaults. */
    static NodeSettings eightGpus() {
        return new NodeSettings(
                SimulatedProfile.named(EIGHT_GPUS),
                Duration.ofSeconds(5),
                Duration.ofSeconds(5),
                Duration.ofMinutes(5),
                List.of(),
                0);
    }

    /** Eight A100 with MIG in several profiles: five resources. */
    static NodeSettings fiveResources() {
        NodeSettings eight = eightGpus();
        return new NodeSettings(
                SimulatedProfile.named("8xa100-80gb-mig"),
                eight.samplingInterval,
                eight.callDeadline,
                eight.recoveryInterval,
                eight.fields,
                eight.shares);
    }

    /** The same with sixteen GPUs: the eight once more, in a second PCI domain. */
    NodeSettings withSixteenGpus() {
        return new NodeSettings(
                Profiles.doubled(profile), samplingInterval, callDeadline, recoveryInterval, fields, shares);
    }

    /** The same with each GPU as seven slices. */
    NodeSettings withSevenSlices(String slice) {
        return new NodeSettings(
                Profiles.sevenfold(profile, slice), samplingInterval, callDeadline, recoveryInterval, fields, shares);
    }

    /** Each GPU in so many shares. */
    NodeSettings withShares(int changed) {
        return new NodeSettings(profile, samplingInterval, callDeadline, recoveryInterval, fields, changed);
    }

    NodeSettings withFields(List<String> changed) {
        return new NodeSettings(profile, samplingInterval, callDeadline, recoveryInterval, changed, shares);
    }

    NodeSettings withIntervals(Duration sampling, Duration deadline, Duration recovery) {
        return new NodeSettings(profile, sampling, deadline, recovery, fields, shares);
    }
}
