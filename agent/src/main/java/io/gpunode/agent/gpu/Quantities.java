package io.gpunode.agent.gpu;

import io.gpunode.agent.model.Quantity;
import io.gpunode.nvml.NvmlQuery;
import io.gpunode.nvml.NvmlQuery.MemoryPart;
import java.util.List;

/**
 * Where each {@link Quantity} comes from: the NVML call or field ({@code NVML_FI_DEV_*} number). Field numbers are those of header release 13;
 * an older driver answers those that it lacks with an error of their own. What profiling reads is in {@link ProfilingMetrics}.
 */
final class Quantities {
    /** Field scope of NVLink throughput: the sum of all links. */
    private static final int ALL_LINKS = -1;
    /** A quantity and what is asked for it. */
    record Source(Quantity quantity, NvmlQuery query) {}

    /** Of a GPU. */
    static final List<Source> OF_GPU = List.of(
            new Source(Quantity.SM_CLOCK_MHZ, new NvmlQuery.Clock(1)),
            new Source(Quantity.MEMORY_CLOCK_MHZ, new NvmlQuery.Clock(2)),
            new Source(Quantity.VIDEO_CLOCK_MHZ, new NvmlQuery.Clock(3)),
            new Source(Quantity.GPU_TEMPERATURE_CELSIUS, new NvmlQuery.Temperature()),
            new Source(Quantity.MEMORY_TEMPERATURE_CELSIUS, field(82)),
            new Source(Quantity.SLOWDOWN_TEMPERATURE_CELSIUS, new NvmlQuery.TemperatureThreshold(1)),
            new Source(Quantity.SHUTDOWN_TEMPERATURE_CELSIUS, new NvmlQuery.TemperatureThreshold(0)),
            new Source(Quantity.POWER_MILLIWATTS, new NvmlQuery.Power()),
            new Source(Quantity.POWER_INSTANT_MILLIWATTS, field(186)),
            new Source(Quantity.POWER_LIMIT_MILLIWATTS, new NvmlQuery.PowerLimit()),
            new Source(Quantity.ENFORCED_POWER_LIMIT_MILLIWATTS, new NvmlQuery.EnforcedPowerLimit()),
            new Source(Quantity.ENERGY_MILLIJOULES, new NvmlQuery.Energy()),
            new Source(Quantity.PCIE_REPLAYS, new NvmlQuery.PcieReplays()),
            new Source(Quantity.PCIE_LINK_GENERATION, new NvmlQuery.PcieLinkGeneration()),
            new Source(Quantity.PCIE_LINK_WIDTH, new NvmlQuery.PcieLinkWidth()),
            new Source(Quantity.PCIE_MAX_LINK_GENERATION, new NvmlQuery.MaxPcieLinkGeneration()),
            new Source(Quantity.PCIE_MAX_LINK_WIDTH, new NvmlQuery.MaxPcieLinkWidth()),
            new Source(Quantity.GPU_UTILIZATION_PERCENT, new NvmlQuery.Utilization(false)),
            new Source(Quantity.MEMORY_COPY_UTILIZATION_PERCENT, new NvmlQuery.Utilization(true)),
            new Source(Quantity.ENCODER_UTILIZATION_PERCENT, new NvmlQuery.EncoderUtilization()),
            new Source(Quantity.DECODER_UTILIZATION_PERCENT, new NvmlQuery.DecoderUtilization()),
            new Source(Quantity.POWER_VIOLATION_NANOSECONDS, field(74)),
            new Source(Quantity.THERMAL_VIOLATION_NANOSECONDS, field(75)),
            new Source(Quantity.SYNC_BOOST_VIOLATION_NANOSECONDS, field(76)),
            new Source(Quantity.BOARD_LIMIT_VIOLATION_NANOSECONDS, field(77)),
            new Source(Quantity.LOW_UTILIZATION_VIOLATION_NANOSECONDS, field(78)),
            new Source(Quantity.RELIABILITY_VIOLATION_NANOSECONDS, field(79)),
            new Source(Quantity.MEMORY_TOTAL_BYTES, new NvmlQuery.Memory(MemoryPart.TOTAL)),
            new Source(Quantity.MEMORY_RESERVED_BYTES, new NvmlQuery.Memory(MemoryPart.RESERVED)),
            new Source(Quantity.MEMORY_FREE_BYTES, new NvmlQuery.Memory(MemoryPart.FREE)),
            new Source(Quantity.MEMORY_USED_BYTES, new NvmlQuery.Memory(MemoryPart.USED)),
            new Source(Quantity.ECC_CORRECTED_VOLATILE, field(3)),
            new Source(Quantity.ECC_UNCORRECTED_VOLATILE, field(4)),
            new Source(Quantity.ECC_UNCORRECTED_DRAM_VOLATILE, field(12)),
            new Source(Quantity.ECC_CORRECTED_AGGREGATE, field(5)),
            new Source(Quantity.ECC_UNCORRECTED_AGGREGATE, field(6)),
            new Source(Quantity.RETIRED_PAGES_SINGLE_BIT, field(29)),
            new Source(Quantity.RETIRED_PAGES_DOUBLE_BIT, field(30)),
            new Source(Quantity.RETIRED_PAGES_PENDING, field(31)),
            // As fields, not by nvmlDeviceGetRemappedRows: that function refuses a GPU in MIG mode.
            new Source(Quantity.REMAPPED_ROWS_CORRECTABLE, field(142)),
            new Source(Quantity.REMAPPED_ROWS_UNCORRECTABLE, field(143)),
            new Source(Quantity.ROW_REMAP_PENDING, field(144)),
            new Source(Quantity.ROW_REMAP_FAILED, field(145)),
            new Source(Quantity.NVLINK_CRC_FLIT_ERRORS, field(38)),
            new Source(Quantity.NVLINK_CRC_DATA_ERRORS, field(45)),
            new Source(Quantity.NVLINK_REPLAY_ERRORS, field(52)),
            new Source(Quantity.NVLINK_RECOVERY_ERRORS, field(59)),
            new Source(Quantity.NVLINK_SENT_KIBIBYTES, new NvmlQuery.Field(138, ALL_LINKS)),
            new Source(Quantity.NVLINK_RECEIVED_KIBIBYTES, new NvmlQuery.Field(139, ALL_LINKS)),
            new Source(Quantity.CLOCKS_EVENT_REASONS, new NvmlQuery.ClocksEventReasons()),
            new Source(Quantity.PERFORMANCE_STATE, new NvmlQuery.PerformanceState()),
            new Source(Quantity.FAN_SPEED_PERCENT, new NvmlQuery.FanSpeed()),
            new Source(Quantity.RECOVERY_ACTION, field(230)),
            new Source(Quantity.VGPU_LICENSED, new NvmlQuery.VgpuLicensed()));

    /** Of a MIG device: what NVML answers for its handle. */
    static final List<Source> OF_MIG_DEVICE = List.of(
            new Source(Quantity.MEMORY_TOTAL_BYTES, new NvmlQuery.Memory(MemoryPart.TOTAL)),
            new Source(Quantity.MEMORY_RESERVED_BYTES, new NvmlQuery.Memory(MemoryPart.RESERVED)),
            new Source(Quantity.MEMORY_FREE_BYTES, new NvmlQuery.Memory(MemoryPart.FREE)),
            new Source(Quantity.MEMORY_USED_BYTES, new NvmlQuery.Memory(MemoryPart.USED)));

    private Quantities() {}

    /** The state of one NVLink: 0 inactive, 1 active, 2 asleep; R525 and newer. */
    static NvmlQuery linkState(int link) {
        return new NvmlQuery.Field(165, link);
    }

    /** The NVML function that a query is answered by. */
    static String functionOf(NvmlQuery query) {
        return switch (query) {
            case NvmlQuery.Field _ -> "nvmlDeviceGetFieldValues";
            case NvmlQuery.Clock _ -> "nvmlDeviceGetClockInfo";
            case NvmlQuery.MaxClock _ -> "nvmlDeviceGetMaxClockInfo";
            case NvmlQuery.Temperature _ -> "nvmlDeviceGetTemperature";
            case NvmlQuery.TemperatureThreshold _ -> "nvmlDeviceGetTemperatureThreshold";
            case NvmlQuery.Power _ -> "nvmlDeviceGetPowerUsage";
            case NvmlQuery.PowerLimit _ -> "nvmlDeviceGetPowerManagementLimit";
            case NvmlQuery.EnforcedPowerLimit _ -> "nvmlDeviceGetEnforcedPowerLimit";
            case NvmlQuery.Energy _ -> "nvmlDeviceGetTotalEnergyConsumption";
            case NvmlQuery.Utilization _ -> "nvmlDeviceGetUtilizationRates";
            case NvmlQuery.EncoderUtilization _ -> "nvmlDeviceGetEncoderUtilization";
            case NvmlQuery.DecoderUtilization _ -> "nvmlDeviceGetDecoderUtilization";
            case NvmlQuery.Memory _ -> "nvmlDeviceGetMemoryInfo";
            case NvmlQuery.Bar1Memory _ -> "nvmlDeviceGetBAR1MemoryInfo";
            case NvmlQuery.PcieReplays _ -> "nvmlDeviceGetPcieReplayCounter";
            case NvmlQuery.PcieLinkGeneration _ -> "nvmlDeviceGetCurrPcieLinkGeneration";
            case NvmlQuery.PcieLinkWidth _ -> "nvmlDeviceGetCurrPcieLinkWidth";
            case NvmlQuery.MaxPcieLinkGeneration _ -> "nvmlDeviceGetMaxPcieLinkGeneration";
            case NvmlQuery.MaxPcieLinkWidth _ -> "nvmlDeviceGetMaxPcieLinkWidth";
            case NvmlQuery.RemappedRows _ -> "nvmlDeviceGetRemappedRows";
            case NvmlQuery.ClocksEventReasons _ -> "nvmlDeviceGetCurrentClocksEventReasons";
            case NvmlQuery.PerformanceState _ -> "nvmlDeviceGetPerformanceState";
            case NvmlQuery.FanSpeed _ -> "nvmlDeviceGetFanSpeed";
            case NvmlQuery.VgpuLicensed _ -> "nvmlDeviceGetGridLicensableFeatures";
        };
    }

    private static NvmlQuery.Field field(int id) {
        return new NvmlQuery.Field(id, 0);
    }
}
