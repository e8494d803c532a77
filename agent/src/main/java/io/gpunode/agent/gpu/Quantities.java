package io.gpunode.agent.gpu;

import io.gpunode.agent.model.LinkQuantity;
import io.gpunode.agent.model.Quantity;
import io.gpunode.nvml.NvmlQuery;
import io.gpunode.nvml.NvmlQuery.FabricPart;
import io.gpunode.nvml.NvmlQuery.MemoryPart;
import io.gpunode.nvml.NvmlQuery.RemapAvailability;
import java.util.EnumSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Where each {@link Quantity} and {@link LinkQuantity} comes from: the NVML call or field ({@code NVML_FI_DEV_*} number). Field numbers are those of
 * header release 13; an older driver answers those that it lacks with an error of their own. What comes from profiling is in
 * {@link ProfilingMetrics}.
 */
final class Quantities {
    /** Field scope of NVLinks: all of them. */
    private static final int ALL_LINKS = -1;
    /** Links that error counters have a field each for; those behind them have a function. */
    private static final int LINKS_WITH_ERROR_FIELDS = 12;

    /** What does not change while a GPU is attached: it is read once, and again only when that failed. */
    private static final Set<Quantity> FACTS = EnumSet.of(
            Quantity.MAX_SM_CLOCK_MHZ,
            Quantity.MAX_MEMORY_CLOCK_MHZ,
            Quantity.MAX_VIDEO_CLOCK_MHZ,
            Quantity.MEMORY_MAX_TEMPERATURE_CELSIUS,
            Quantity.GPU_MAX_TEMPERATURE_CELSIUS,
            Quantity.SLOWDOWN_TEMPERATURE_CELSIUS,
            Quantity.SHUTDOWN_TEMPERATURE_CELSIUS,
            Quantity.POWER_LIMIT_MIN_MILLIWATTS,
            Quantity.POWER_LIMIT_MAX_MILLIWATTS,
            Quantity.POWER_LIMIT_DEFAULT_MILLIWATTS,
            Quantity.PCIE_MAX_LINK_GENERATION,
            Quantity.PCIE_MAX_LINK_WIDTH,
            Quantity.CONFIDENTIAL_COMPUTE);

    /** What is below zero where it should be; all ones is no answer for any other. */
    private static final Set<Quantity> SIGNED = EnumSet.of(
            Quantity.GPU_TEMPERATURE_CELSIUS, Quantity.MEMORY_TEMPERATURE_CELSIUS, Quantity.TEMPERATURE_MARGIN_CELSIUS);

    private Quantities() {}

    /** What is asked of a GPU for a quantity; null when it is computed or comes from profiling. */
    static @Nullable NvmlQuery ofGpu(Quantity quantity) {
        return switch (quantity) {
            case SM_CLOCK_MHZ -> new NvmlQuery.Clock(1);
            case MEMORY_CLOCK_MHZ -> new NvmlQuery.Clock(2);
            case VIDEO_CLOCK_MHZ -> new NvmlQuery.Clock(3);
            case APPLICATION_SM_CLOCK_MHZ -> new NvmlQuery.ApplicationsClock(1);
            case APPLICATION_MEMORY_CLOCK_MHZ -> new NvmlQuery.ApplicationsClock(2);
            case MAX_SM_CLOCK_MHZ -> new NvmlQuery.MaxClock(1);
            case MAX_MEMORY_CLOCK_MHZ -> new NvmlQuery.MaxClock(2);
            case MAX_VIDEO_CLOCK_MHZ -> new NvmlQuery.MaxClock(3);
            case CLOCKS_EVENT_REASONS -> new NvmlQuery.ClocksEventReasons();
            case PERFORMANCE_STATE -> new NvmlQuery.PerformanceState();
            case FAN_SPEED_PERCENT -> new NvmlQuery.FanSpeed();

            case GPU_TEMPERATURE_CELSIUS -> new NvmlQuery.Temperature();
            case MEMORY_TEMPERATURE_CELSIUS -> field(82);
            case SHUTDOWN_TEMPERATURE_CELSIUS -> new NvmlQuery.TemperatureThreshold(0);
            case SLOWDOWN_TEMPERATURE_CELSIUS -> new NvmlQuery.TemperatureThreshold(1);
            case MEMORY_MAX_TEMPERATURE_CELSIUS -> new NvmlQuery.TemperatureThreshold(2);
            case GPU_MAX_TEMPERATURE_CELSIUS -> new NvmlQuery.TemperatureThreshold(3);
            case TEMPERATURE_MARGIN_CELSIUS -> new NvmlQuery.MarginTemperature();

            case POWER_MILLIWATTS -> new NvmlQuery.Power();
            case POWER_INSTANT_MILLIWATTS -> field(186);
            case POWER_LIMIT_MILLIWATTS -> new NvmlQuery.PowerLimit();
            case ENFORCED_POWER_LIMIT_MILLIWATTS -> new NvmlQuery.EnforcedPowerLimit();
            case POWER_LIMIT_MIN_MILLIWATTS -> new NvmlQuery.PowerLimitConstraint(false);
            case POWER_LIMIT_MAX_MILLIWATTS -> new NvmlQuery.PowerLimitConstraint(true);
            case POWER_LIMIT_DEFAULT_MILLIWATTS -> new NvmlQuery.DefaultPowerLimit();
            case ENERGY_MILLIJOULES -> new NvmlQuery.Energy();
            case POWER_SMOOTHING_ENABLED -> field(251);
            case POWER_SMOOTHING_PRIVILEGE_LEVEL -> field(252);
            case POWER_SMOOTHING_IMMEDIATE_RAMP_DOWN -> field(253);
            case POWER_SMOOTHING_CEILING_WATTS -> field(254);
            case POWER_SMOOTHING_FLOOR_WATTS -> field(255);
            case POWER_SMOOTHING_MAX_FLOOR_PERCENT -> field(256);
            case POWER_SMOOTHING_MIN_FLOOR_PERCENT -> field(257);
            case POWER_SMOOTHING_LIFETIME_PERCENT -> field(258);
            case POWER_SMOOTHING_PRESET_PROFILES -> field(259);
            case POWER_SMOOTHING_PROFILE_FLOOR_PERCENT -> field(260);
            case POWER_SMOOTHING_PROFILE_RAMP_UP_RATE -> field(261);
            case POWER_SMOOTHING_PROFILE_RAMP_DOWN_RATE -> field(262);
            case POWER_SMOOTHING_PROFILE_RAMP_DOWN_DELAY -> field(263);
            case POWER_SMOOTHING_ACTIVE_PROFILE -> field(264);
            case POWER_SMOOTHING_OVERRIDE_FLOOR_PERCENT -> field(265);
            case POWER_SMOOTHING_OVERRIDE_RAMP_UP_RATE -> field(266);
            case POWER_SMOOTHING_OVERRIDE_RAMP_DOWN_RATE -> field(267);
            case POWER_SMOOTHING_OVERRIDE_RAMP_DOWN_DELAY -> field(268);

            case POWER_VIOLATION_NANOSECONDS -> field(74);
            case THERMAL_VIOLATION_NANOSECONDS -> field(75);
            case SYNC_BOOST_VIOLATION_NANOSECONDS -> field(76);
            case BOARD_LIMIT_VIOLATION_NANOSECONDS -> field(77);
            case LOW_UTILIZATION_VIOLATION_NANOSECONDS -> field(78);
            case RELIABILITY_VIOLATION_NANOSECONDS -> field(79);
            case APPLICATION_CLOCKS_VIOLATION_NANOSECONDS -> field(80);
            case BASE_CLOCKS_VIOLATION_NANOSECONDS -> field(81);
            case SOFTWARE_THERMAL_SLOWDOWN_NANOSECONDS -> field(269);
            case HARDWARE_THERMAL_SLOWDOWN_NANOSECONDS -> field(270);
            case HARDWARE_POWER_BRAKE_NANOSECONDS -> field(271);

            case GPU_UTILIZATION_PERCENT -> new NvmlQuery.Utilization(false);
            case MEMORY_COPY_UTILIZATION_PERCENT -> new NvmlQuery.Utilization(true);
            case ENCODER_UTILIZATION_PERCENT -> new NvmlQuery.EncoderUtilization();
            case DECODER_UTILIZATION_PERCENT -> new NvmlQuery.DecoderUtilization();
            case MEMORY_TOTAL_BYTES -> new NvmlQuery.Memory(MemoryPart.TOTAL);
            case MEMORY_RESERVED_BYTES -> new NvmlQuery.Memory(MemoryPart.RESERVED);
            case MEMORY_FREE_BYTES -> new NvmlQuery.Memory(MemoryPart.FREE);
            case MEMORY_USED_BYTES -> new NvmlQuery.Memory(MemoryPart.USED);
            case BAR1_TOTAL_BYTES -> new NvmlQuery.Bar1Memory(MemoryPart.TOTAL);
            case BAR1_USED_BYTES -> new NvmlQuery.Bar1Memory(MemoryPart.USED);
            case BAR1_FREE_BYTES -> new NvmlQuery.Bar1Memory(MemoryPart.FREE);

            case PCIE_REPLAYS -> new NvmlQuery.PcieReplays();
            case PCIE_LINK_GENERATION -> new NvmlQuery.PcieLinkGeneration();
            case PCIE_LINK_WIDTH -> new NvmlQuery.PcieLinkWidth();
            case PCIE_MAX_LINK_GENERATION -> new NvmlQuery.MaxPcieLinkGeneration();
            case PCIE_MAX_LINK_WIDTH -> new NvmlQuery.MaxPcieLinkWidth();
            case PCIE_SENT_KILOBYTES_PER_SECOND -> new NvmlQuery.PcieThroughput(false);
            case PCIE_RECEIVED_KILOBYTES_PER_SECOND -> new NvmlQuery.PcieThroughput(true);
            case PCIE_CORRECTABLE_ERRORS -> field(173);

            case COMPUTE_MODE -> new NvmlQuery.ComputeMode();
            case PERSISTENCE_MODE -> new NvmlQuery.PersistenceMode();
            case MIG_MODE -> new NvmlQuery.MigMode();
            case CONFIDENTIAL_COMPUTE -> new NvmlQuery.ConfidentialCompute();
            case VGPU_LICENSED -> new NvmlQuery.VgpuLicensed();
            case RECOVERY_ACTION -> field(230);

            case ECC_MODE -> field(1);
            case ECC_MODE_PENDING -> field(2);
            case ECC_CORRECTED_VOLATILE -> field(3);
            case ECC_UNCORRECTED_VOLATILE -> field(4);
            case ECC_CORRECTED_AGGREGATE -> field(5);
            case ECC_UNCORRECTED_AGGREGATE -> field(6);
            case ECC_CORRECTED_L1_VOLATILE -> field(7);
            case ECC_UNCORRECTED_L1_VOLATILE -> field(8);
            case ECC_CORRECTED_L2_VOLATILE -> field(9);
            case ECC_UNCORRECTED_L2_VOLATILE -> field(10);
            case ECC_CORRECTED_DRAM_VOLATILE -> field(11);
            case ECC_UNCORRECTED_DRAM_VOLATILE -> field(12);
            case ECC_CORRECTED_REGISTERS_VOLATILE -> field(13);
            case ECC_UNCORRECTED_REGISTERS_VOLATILE -> field(14);
            case ECC_CORRECTED_TEXTURE_VOLATILE -> field(15);
            case ECC_UNCORRECTED_TEXTURE_VOLATILE -> field(16);
            case ECC_UNCORRECTED_CBU_VOLATILE -> field(17);
            case ECC_CORRECTED_L1_AGGREGATE -> field(18);
            case ECC_UNCORRECTED_L1_AGGREGATE -> field(19);
            case ECC_CORRECTED_L2_AGGREGATE -> field(20);
            case ECC_UNCORRECTED_L2_AGGREGATE -> field(21);
            case ECC_CORRECTED_DRAM_AGGREGATE -> field(22);
            case ECC_UNCORRECTED_DRAM_AGGREGATE -> field(23);
            case ECC_CORRECTED_REGISTERS_AGGREGATE -> field(24);
            case ECC_UNCORRECTED_REGISTERS_AGGREGATE -> field(25);
            case ECC_CORRECTED_TEXTURE_AGGREGATE -> field(26);
            case ECC_UNCORRECTED_TEXTURE_AGGREGATE -> field(27);
            case ECC_UNCORRECTED_CBU_AGGREGATE -> field(28);
            case ECC_CORRECTED_SHARED_VOLATILE -> new NvmlQuery.MemoryErrors(false, false, 5);
            case ECC_UNCORRECTED_SHARED_VOLATILE -> new NvmlQuery.MemoryErrors(true, false, 5);
            case ECC_CORRECTED_SHARED_AGGREGATE -> new NvmlQuery.MemoryErrors(false, true, 5);
            case ECC_UNCORRECTED_SHARED_AGGREGATE -> new NvmlQuery.MemoryErrors(true, true, 5);
            case ECC_CORRECTED_CBU_VOLATILE -> new NvmlQuery.MemoryErrors(false, false, 6);
            case ECC_CORRECTED_CBU_AGGREGATE -> new NvmlQuery.MemoryErrors(false, true, 6);
            case ECC_CORRECTED_SRAM_VOLATILE -> new NvmlQuery.MemoryErrors(false, false, 7);
            case ECC_UNCORRECTED_SRAM_VOLATILE -> new NvmlQuery.MemoryErrors(true, false, 7);
            case ECC_CORRECTED_SRAM_AGGREGATE -> new NvmlQuery.MemoryErrors(false, true, 7);
            case ECC_UNCORRECTED_SRAM_AGGREGATE -> new NvmlQuery.MemoryErrors(true, true, 7);
            case SRAM_THRESHOLD_EXCEEDED -> new NvmlQuery.SramThresholdExceeded();
            case RETIRED_PAGES_SINGLE_BIT -> field(29);
            case RETIRED_PAGES_DOUBLE_BIT -> field(30);
            case RETIRED_PAGES_PENDING -> field(31);
            // As fields, not by nvmlDeviceGetRemappedRows: that function refuses a GPU in MIG mode.
            case REMAPPED_ROWS_CORRECTABLE -> field(142);
            case REMAPPED_ROWS_UNCORRECTABLE -> field(143);
            case ROW_REMAP_PENDING -> field(144);
            case ROW_REMAP_FAILED -> field(145);
            case REMAP_BANKS_MAX -> new NvmlQuery.RemapBanks(RemapAvailability.ALL);
            case REMAP_BANKS_HIGH -> new NvmlQuery.RemapBanks(RemapAvailability.MANY);
            case REMAP_BANKS_PARTIAL -> new NvmlQuery.RemapBanks(RemapAvailability.SOME);
            case REMAP_BANKS_LOW -> new NvmlQuery.RemapBanks(RemapAvailability.FEW);
            case REMAP_BANKS_NONE -> new NvmlQuery.RemapBanks(RemapAvailability.NONE);
            case MEMORY_UNREPAIRABLE -> new NvmlQuery.UnrepairableMemory();

            case NVLINK_CRC_FLIT_ERRORS -> field(38);
            case NVLINK_CRC_DATA_ERRORS -> field(45);
            case NVLINK_REPLAY_ERRORS -> field(52);
            case NVLINK_RECOVERY_ERRORS -> field(59);
            case NVLINK_ECC_DATA_ERRORS -> field(160);
            case NVLINK_SENT_KIBIBYTES -> ofAllLinks(138);
            case NVLINK_RECEIVED_KIBIBYTES -> ofAllLinks(139);
            case NVLINK_SENT_PACKETS -> ofAllLinks(201);
            case NVLINK_SENT_BYTES -> ofAllLinks(202);
            case NVLINK_RECEIVED_PACKETS -> ofAllLinks(203);
            case NVLINK_RECEIVED_BYTES -> ofAllLinks(204);
            case NVLINK_MALFORMED_PACKETS -> ofAllLinks(206);
            case NVLINK_BUFFER_OVERRUNS -> ofAllLinks(207);
            case NVLINK_RECEIVE_ERRORS -> ofAllLinks(208);
            case NVLINK_RECEIVE_REMOTE_ERRORS -> ofAllLinks(209);
            case NVLINK_RECEIVE_GENERAL_ERRORS -> ofAllLinks(210);
            case NVLINK_INTEGRITY_ERRORS -> ofAllLinks(211);
            case NVLINK_SEND_DISCARDS -> ofAllLinks(212);
            case NVLINK_RECOVERIES_SUCCEEDED -> ofAllLinks(213);
            case NVLINK_RECOVERIES_FAILED -> ofAllLinks(214);
            case NVLINK_RECOVERIES -> ofAllLinks(215);
            case NVLINK_EFFECTIVE_ERRORS -> ofAllLinks(219);
            case NVLINK_EFFECTIVE_ERROR_RATIO_CODE -> ofAllLinks(220);
            case NVLINK_SYMBOL_ERRORS -> ofAllLinks(221);
            case NVLINK_SYMBOL_ERROR_RATIO_CODE -> ofAllLinks(222);
            case NVLINK_FEC_HISTORY_0 -> ofAllLinks(235);
            case NVLINK_FEC_HISTORY_1 -> ofAllLinks(236);
            case NVLINK_FEC_HISTORY_2 -> ofAllLinks(237);
            case NVLINK_FEC_HISTORY_3 -> ofAllLinks(238);
            case NVLINK_FEC_HISTORY_4 -> ofAllLinks(239);
            case NVLINK_FEC_HISTORY_5 -> ofAllLinks(240);
            case NVLINK_FEC_HISTORY_6 -> ofAllLinks(241);
            case NVLINK_FEC_HISTORY_7 -> ofAllLinks(242);
            case NVLINK_FEC_HISTORY_8 -> ofAllLinks(243);
            case NVLINK_FEC_HISTORY_9 -> ofAllLinks(244);
            case NVLINK_FEC_HISTORY_10 -> ofAllLinks(245);
            case NVLINK_FEC_HISTORY_11 -> ofAllLinks(246);
            case NVLINK_FEC_HISTORY_12 -> ofAllLinks(247);
            case NVLINK_FEC_HISTORY_13 -> ofAllLinks(248);
            case NVLINK_FEC_HISTORY_14 -> ofAllLinks(249);
            case NVLINK_FEC_HISTORY_15 -> ofAllLinks(250);

            case FABRIC_STATE -> new NvmlQuery.Fabric(FabricPart.STATE);
            case FABRIC_STATUS -> new NvmlQuery.Fabric(FabricPart.STATUS);
            case FABRIC_CLIQUE -> new NvmlQuery.Fabric(FabricPart.CLIQUE);
            case FABRIC_HEALTH_MASK -> new NvmlQuery.Fabric(FabricPart.HEALTH_MASK);
            case FABRIC_HEALTH_SUMMARY -> new NvmlQuery.Fabric(FabricPart.HEALTH_SUMMARY);
            case C2C_LINKS -> field(170);
            case C2C_STATUS -> field(171);
            case C2C_MAX_MEGABYTES_PER_SECOND -> field(172);
            case C2C_CRC_ERRORS -> field(231);
            case C2C_REPLAYS -> field(232);
            case C2C_REPLAYS_IN_A_ROW -> field(233);
            case C2C_POWER_STATE -> field(234);
            default -> null;
        };
    }

    /** What is asked of a MIG device; null when NVML answers only for its GPU. */
    static @Nullable NvmlQuery ofMigDevice(Quantity quantity) {
        return switch (quantity) {
            case MEMORY_TOTAL_BYTES,
                    MEMORY_RESERVED_BYTES,
                    MEMORY_FREE_BYTES,
                    MEMORY_USED_BYTES,
                    BAR1_TOTAL_BYTES,
                    BAR1_USED_BYTES,
                    BAR1_FREE_BYTES,
                    // The one counter of errors that NVML keeps for each instance.
                    ECC_UNCORRECTED_SRAM_VOLATILE -> ofGpu(quantity);
            default -> null;
        };
    }

    /** What is asked for a quantity of one NVLink; null when it is computed, or read by profiling. */
    static @Nullable NvmlQuery ofLink(LinkQuantity quantity, int link) {
        return switch (quantity) {
            // R525 and newer
            case STATE -> new NvmlQuery.Field(165, link);
            case SENT_KIBIBYTES -> new NvmlQuery.Field(138, link);
            case RECEIVED_KIBIBYTES -> new NvmlQuery.Field(139, link);
            case CRC_FLIT_ERRORS -> linkErrors(link, 32, 96, 2);
            case CRC_DATA_ERRORS -> linkErrors(link, 39, 102, 3);
            case REPLAY_ERRORS -> linkErrors(link, 46, 108, 0);
            case RECOVERY_ERRORS -> linkErrors(link, 53, 114, 1);
            case DATA_LINK_REPLAYS -> new NvmlQuery.Field(161, link);
            case DATA_LINK_RECOVERIES -> new NvmlQuery.Field(162, link);
            case DATA_LINK_CRC_ERRORS -> new NvmlQuery.Field(163, link);
            case SENT_MEGABYTES_PER_SECOND,
                    RECEIVED_MEGABYTES_PER_SECOND,
                    MEGABYTES_PER_SECOND,
                    SENT_BYTES_PER_SECOND,
                    RECEIVED_BYTES_PER_SECOND -> null;
            case PROFILED_SENT_BYTES_PER_SECOND,
                    PROFILED_RECEIVED_BYTES_PER_SECOND,
                    PROFILED_SENT_BYTES,
                    PROFILED_RECEIVED_BYTES -> null;
        };
    }

    /**
     * @param first the field of link 0; links 0 to 5 follow each other
     * @param sixth the field of link 6; links 6 to 11 follow each other
     * @param counter of the function
     */
    private static NvmlQuery linkErrors(int link, int first, int sixth, int counter) {
        if (link >= LINKS_WITH_ERROR_FIELDS) {
            return new NvmlQuery.NvLinkErrors(link, counter);
        }
        return field(link < 6 ? first + link : sixth + link - 6);
    }

    /** Whether it does not change while a GPU is attached. */
    static boolean isFact(Quantity quantity) {
        return FACTS.contains(quantity);
    }

    /** Whether it may be below zero; NVML says "not available" with all ones for any other. */
    static boolean isSigned(Quantity quantity) {
        return SIGNED.contains(quantity);
    }

    /** The NVML function that a query is answered by. */
    static String functionOf(NvmlQuery query) {
        return switch (query) {
            case NvmlQuery.Field _ -> "nvmlDeviceGetFieldValues";
            case NvmlQuery.Clock _ -> "nvmlDeviceGetClockInfo";
            case NvmlQuery.MaxClock _ -> "nvmlDeviceGetMaxClockInfo";
            case NvmlQuery.ApplicationsClock _ -> "nvmlDeviceGetApplicationsClock";
            case NvmlQuery.Temperature _ -> "nvmlDeviceGetTemperature";
            case NvmlQuery.TemperatureThreshold _ -> "nvmlDeviceGetTemperatureThreshold";
            case NvmlQuery.MarginTemperature _ -> "nvmlDeviceGetMarginTemperature";
            case NvmlQuery.Power _ -> "nvmlDeviceGetPowerUsage";
            case NvmlQuery.PowerLimit _ -> "nvmlDeviceGetPowerManagementLimit";
            case NvmlQuery.EnforcedPowerLimit _ -> "nvmlDeviceGetEnforcedPowerLimit";
            case NvmlQuery.PowerLimitConstraint _ -> "nvmlDeviceGetPowerManagementLimitConstraints";
            case NvmlQuery.DefaultPowerLimit _ -> "nvmlDeviceGetPowerManagementDefaultLimit";
            case NvmlQuery.Energy _ -> "nvmlDeviceGetTotalEnergyConsumption";
            case NvmlQuery.Utilization _ -> "nvmlDeviceGetUtilizationRates";
            case NvmlQuery.EncoderUtilization _ -> "nvmlDeviceGetEncoderUtilization";
            case NvmlQuery.DecoderUtilization _ -> "nvmlDeviceGetDecoderUtilization";
            case NvmlQuery.Memory _ -> "nvmlDeviceGetMemoryInfo";
            case NvmlQuery.Bar1Memory _ -> "nvmlDeviceGetBAR1MemoryInfo";
            case NvmlQuery.PcieReplays _ -> "nvmlDeviceGetPcieReplayCounter";
            case NvmlQuery.PcieThroughput _ -> "nvmlDeviceGetPcieThroughput";
            case NvmlQuery.PcieLinkGeneration _ -> "nvmlDeviceGetCurrPcieLinkGeneration";
            case NvmlQuery.PcieLinkWidth _ -> "nvmlDeviceGetCurrPcieLinkWidth";
            case NvmlQuery.MaxPcieLinkGeneration _ -> "nvmlDeviceGetMaxPcieLinkGeneration";
            case NvmlQuery.MaxPcieLinkWidth _ -> "nvmlDeviceGetMaxPcieLinkWidth";
            case NvmlQuery.ComputeMode _ -> "nvmlDeviceGetComputeMode";
            case NvmlQuery.PersistenceMode _ -> "nvmlDeviceGetPersistenceMode";
            case NvmlQuery.MigMode _ -> "nvmlDeviceGetMigMode";
            case NvmlQuery.ConfidentialCompute _ -> "nvmlSystemGetConfComputeState";
            case NvmlQuery.MemoryErrors _ -> "nvmlDeviceGetMemoryErrorCounter";
            case NvmlQuery.SramThresholdExceeded _ -> "nvmlDeviceGetSramEccErrorStatus";
            case NvmlQuery.RemapBanks _ -> "nvmlDeviceGetRowRemapperHistogram";
            case NvmlQuery.UnrepairableMemory _ -> "nvmlDeviceGetUnrepairableMemoryFlag";
            case NvmlQuery.Fabric _ -> "nvmlDeviceGetGpuFabricInfo";
            case NvmlQuery.NvLinkErrors _ -> "nvmlDeviceGetNvLinkErrorCounter";
            case NvmlQuery.RemappedRows _ -> "nvmlDeviceGetRemappedRows";
            case NvmlQuery.ClocksEventReasons _ -> "nvmlDeviceGetCurrentClocksEventReasons";
            case NvmlQuery.VgpuLicensed _ -> "nvmlDeviceGetGridLicensableFeatures";
            case NvmlQuery.PerformanceState _ -> "nvmlDeviceGetPerformanceState";
            case NvmlQuery.FanSpeed _ -> "nvmlDeviceGetFanSpeed";
        };
    }

    private static NvmlQuery.Field field(int id) {
        return new NvmlQuery.Field(id, 0);
    }

    private static NvmlQuery.Field ofAllLinks(int id) {
        return new NvmlQuery.Field(id, ALL_LINKS);
    }
}
