package io.gpunode.agent.model;

/**
 * The numbers that are sampled from a GPU or MIG device. The unit is part of the meaning; a collector converts. The order is the order of
 * {@link GpuSample}'s places and may change between versions: it is never written anywhere.
 */
public enum Quantity {
    SM_CLOCK_MHZ,
    MEMORY_CLOCK_MHZ,
    VIDEO_CLOCK_MHZ,
    GPU_TEMPERATURE_CELSIUS,
    MEMORY_TEMPERATURE_CELSIUS,
    SLOWDOWN_TEMPERATURE_CELSIUS,
    SHUTDOWN_TEMPERATURE_CELSIUS,
    POWER_MILLIWATTS,
    POWER_INSTANT_MILLIWATTS,
    POWER_LIMIT_MILLIWATTS,
    ENFORCED_POWER_LIMIT_MILLIWATTS,
    ENERGY_MILLIJOULES,
    PCIE_REPLAYS,
    PCIE_LINK_GENERATION,
    PCIE_LINK_WIDTH,
    GPU_UTILIZATION_PERCENT,
    MEMORY_COPY_UTILIZATION_PERCENT,
    ENCODER_UTILIZATION_PERCENT,
    DECODER_UTILIZATION_PERCENT,
    POWER_VIOLATION_NANOSECONDS,
    THERMAL_VIOLATION_NANOSECONDS,
    SYNC_BOOST_VIOLATION_NANOSECONDS,
    BOARD_LIMIT_VIOLATION_NANOSECONDS,
    LOW_UTILIZATION_VIOLATION_NANOSECONDS,
    RELIABILITY_VIOLATION_NANOSECONDS,
    MEMORY_TOTAL_BYTES,
    MEMORY_RESERVED_BYTES,
    MEMORY_FREE_BYTES,
    MEMORY_USED_BYTES,
    ECC_CORRECTED_VOLATILE,
    ECC_UNCORRECTED_VOLATILE,
    ECC_CORRECTED_AGGREGATE,
    ECC_UNCORRECTED_AGGREGATE,
    RETIRED_PAGES_SINGLE_BIT,
    RETIRED_PAGES_DOUBLE_BIT,
    RETIRED_PAGES_PENDING,
    REMAPPED_ROWS_CORRECTABLE,
    REMAPPED_ROWS_UNCORRECTABLE,
    ROW_REMAP_PENDING,
    ROW_REMAP_FAILED,
    NVLINK_CRC_FLIT_ERRORS,
    NVLINK_CRC_DATA_ERRORS,
    NVLINK_REPLAY_ERRORS,
    NVLINK_RECOVERY_ERRORS,
    /** Cumulative payload over all links, KiB. */
    NVLINK_SENT_KIBIBYTES,
    /** Cumulative payload over all links, KiB. */
    NVLINK_RECEIVED_KIBIBYTES,
    /** Payload rate over all links, both ways, MB/s; needs two samples. Computed, not read. */
    NVLINK_BANDWIDTH_MEGABYTES_PER_SECOND,
    CLOCKS_EVENT_REASONS,
    PERFORMANCE_STATE,
    FAN_SPEED_PERCENT,
    RECOVERY_ACTION,
    VGPU_LICENSED,
    /** Of {@link #ECC_UNCORRECTED_VOLATILE}, those in device memory; the rest are in the chip's own memories. */
    ECC_UNCORRECTED_DRAM_VOLATILE,
    /** What GPU and slot could do at most. */
    PCIE_MAX_LINK_GENERATION,
    /** What GPU and slot could do at most. */
    PCIE_MAX_LINK_WIDTH,
    /** Bit n is set while link n is active. Put together from one field for each link. */
    NVLINK_ACTIVE_LINKS,
    APPLICATION_SM_CLOCK_MHZ,
    APPLICATION_MEMORY_CLOCK_MHZ,
    MAX_SM_CLOCK_MHZ,
    MAX_MEMORY_CLOCK_MHZ,
    MAX_VIDEO_CLOCK_MHZ,
    MEMORY_MAX_TEMPERATURE_CELSIUS,
    GPU_MAX_TEMPERATURE_CELSIUS,
    /** May be below zero. */
    TEMPERATURE_MARGIN_CELSIUS,
    POWER_LIMIT_MIN_MILLIWATTS,
    POWER_LIMIT_MAX_MILLIWATTS,
    POWER_LIMIT_DEFAULT_MILLIWATTS,
    POWER_SMOOTHING_ENABLED,
    POWER_SMOOTHING_PRIVILEGE_LEVEL,
    POWER_SMOOTHING_IMMEDIATE_RAMP_DOWN,
    POWER_SMOOTHING_CEILING_WATTS,
    POWER_SMOOTHING_FLOOR_WATTS,
    POWER_SMOOTHING_MAX_FLOOR_PERCENT,
    POWER_SMOOTHING_MIN_FLOOR_PERCENT,
    POWER_SMOOTHING_LIFETIME_PERCENT,
    POWER_SMOOTHING_PRESET_PROFILES,
    POWER_SMOOTHING_PROFILE_FLOOR_PERCENT,
    /** mW/s. */
    POWER_SMOOTHING_PROFILE_RAMP_UP_RATE,
    /** mW/s. */
    POWER_SMOOTHING_PROFILE_RAMP_DOWN_RATE,
    /** Milliseconds. */
    POWER_SMOOTHING_PROFILE_RAMP_DOWN_DELAY,
    POWER_SMOOTHING_ACTIVE_PROFILE,
    POWER_SMOOTHING_OVERRIDE_FLOOR_PERCENT,
    /** mW/s. */
    POWER_SMOOTHING_OVERRIDE_RAMP_UP_RATE,
    /** mW/s. */
    POWER_SMOOTHING_OVERRIDE_RAMP_DOWN_RATE,
    /** Milliseconds. */
    POWER_SMOOTHING_OVERRIDE_RAMP_DOWN_DELAY,
    APPLICATION_CLOCKS_VIOLATION_NANOSECONDS,
    BASE_CLOCKS_VIOLATION_NANOSECONDS,
    SOFTWARE_THERMAL_SLOWDOWN_NANOSECONDS,
    HARDWARE_THERMAL_SLOWDOWN_NANOSECONDS,
    HARDWARE_POWER_BRAKE_NANOSECONDS,
    /** Used frame buffer as a share of what is not reserved, double. Computed, not read. */
    MEMORY_USED_RATIO(true),
    BAR1_TOTAL_BYTES,
    BAR1_USED_BYTES,
    BAR1_FREE_BYTES,
    PCIE_SENT_KILOBYTES_PER_SECOND,
    PCIE_RECEIVED_KILOBYTES_PER_SECOND,
    PCIE_CORRECTABLE_ERRORS,
    COMPUTE_MODE,
    PERSISTENCE_MODE,
    MIG_MODE,
    CONFIDENTIAL_COMPUTE,
    ECC_MODE,
    ECC_MODE_PENDING,
    ECC_CORRECTED_L1_VOLATILE,
    ECC_UNCORRECTED_L1_VOLATILE,
    ECC_CORRECTED_L2_VOLATILE,
    ECC_UNCORRECTED_L2_VOLATILE,
    ECC_CORRECTED_DRAM_VOLATILE,
    ECC_CORRECTED_REGISTERS_VOLATILE,
    ECC_UNCORRECTED_REGISTERS_VOLATILE,
    ECC_CORRECTED_TEXTURE_VOLATILE,
    ECC_UNCORRECTED_TEXTURE_VOLATILE,
    ECC_CORRECTED_L1_AGGREGATE,
    ECC_UNCORRECTED_L1_AGGREGATE,
    ECC_CORRECTED_L2_AGGREGATE,
    ECC_UNCORRECTED_L2_AGGREGATE,
    ECC_CORRECTED_DRAM_AGGREGATE,
    ECC_UNCORRECTED_DRAM_AGGREGATE,
    ECC_CORRECTED_REGISTERS_AGGREGATE,
    ECC_UNCORRECTED_REGISTERS_AGGREGATE,
    ECC_CORRECTED_TEXTURE_AGGREGATE,
    ECC_UNCORRECTED_TEXTURE_AGGREGATE,
    ECC_CORRECTED_SHARED_VOLATILE,
    ECC_UNCORRECTED_SHARED_VOLATILE,
    ECC_CORRECTED_CBU_VOLATILE,
    ECC_UNCORRECTED_CBU_VOLATILE,
    ECC_CORRECTED_SHARED_AGGREGATE,
    ECC_UNCORRECTED_SHARED_AGGREGATE,
    ECC_CORRECTED_CBU_AGGREGATE,
    ECC_UNCORRECTED_CBU_AGGREGATE,
    ECC_CORRECTED_SRAM_VOLATILE,
    ECC_UNCORRECTED_SRAM_VOLATILE,
    ECC_CORRECTED_SRAM_AGGREGATE,
    ECC_UNCORRECTED_SRAM_AGGREGATE,
    SRAM_THRESHOLD_EXCEEDED,
    REMAP_BANKS_MAX,
    REMAP_BANKS_HIGH,
    REMAP_BANKS_PARTIAL,
    REMAP_BANKS_LOW,
    REMAP_BANKS_NONE,
    MEMORY_UNREPAIRABLE,
    /** The sum of {@link LinkQuantity#DATA_LINK_CRC_ERRORS}. Computed, not read. */
    NVLINK_DATA_LINK_CRC_ERRORS,
    /** The sum of {@link LinkQuantity#DATA_LINK_RECOVERIES}. Computed, not read. */
    NVLINK_DATA_LINK_RECOVERIES,
    /** The sum of {@link LinkQuantity#DATA_LINK_REPLAYS}. Computed, not read. */
    NVLINK_DATA_LINK_REPLAYS,
    /** Payload rate over all links, MB/s; needs two samples. Computed, not read. */
    NVLINK_SENT_MEGABYTES_PER_SECOND,
    /** Payload rate over all links, MB/s; needs two samples. Computed, not read. */
    NVLINK_RECEIVED_MEGABYTES_PER_SECOND,
    NVLINK_SENT_PACKETS,
    NVLINK_SENT_BYTES,
    NVLINK_RECEIVED_PACKETS,
    NVLINK_RECEIVED_BYTES,
    NVLINK_MALFORMED_PACKETS,
    NVLINK_BUFFER_OVERRUNS,
    NVLINK_RECEIVE_ERRORS,
    NVLINK_RECEIVE_REMOTE_ERRORS,
    NVLINK_RECEIVE_GENERAL_ERRORS,
    NVLINK_INTEGRITY_ERRORS,
    NVLINK_SEND_DISCARDS,
    NVLINK_RECOVERIES_SUCCEEDED,
    NVLINK_RECOVERIES_FAILED,
    NVLINK_RECOVERIES,
    NVLINK_SYMBOL_ERRORS,
    /** As NVML codes it: exponent in bits 0 to 7, mantissa in bits 8 to 11. */
    NVLINK_SYMBOL_ERROR_RATIO_CODE,
    /** As NVML codes it: exponent in bits 0 to 7, mantissa in bits 8 to 11. */
    NVLINK_EFFECTIVE_ERROR_RATIO_CODE,
    NVLINK_EFFECTIVE_ERRORS,
    NVLINK_ECC_DATA_ERRORS,
    /** Blocks in which forward error correction repaired this many symbols, over all links. */
    NVLINK_FEC_HISTORY_0,
    NVLINK_FEC_HISTORY_1,
    NVLINK_FEC_HISTORY_2,
    NVLINK_FEC_HISTORY_3,
    NVLINK_FEC_HISTORY_4,
    NVLINK_FEC_HISTORY_5,
    NVLINK_FEC_HISTORY_6,
    NVLINK_FEC_HISTORY_7,
    NVLINK_FEC_HISTORY_8,
    NVLINK_FEC_HISTORY_9,
    NVLINK_FEC_HISTORY_10,
    NVLINK_FEC_HISTORY_11,
    NVLINK_FEC_HISTORY_12,
    NVLINK_FEC_HISTORY_13,
    NVLINK_FEC_HISTORY_14,
    NVLINK_FEC_HISTORY_15,
    /** Of the registration with the fabric, as DCGM numbers it: 3 when it succeeded, 4 when it failed. */
    FABRIC_STATE,
    FABRIC_STATUS,
    FABRIC_CLIQUE,
    FABRIC_HEALTH_MASK,
    FABRIC_HEALTH_SUMMARY,
    C2C_LINKS,
    C2C_STATUS,
    C2C_MAX_MEGABYTES_PER_SECOND,
    C2C_CRC_ERRORS,
    C2C_REPLAYS,
    C2C_REPLAYS_IN_A_ROW,
    C2C_POWER_STATE,

    // Profiling (GPM): averages over the time between two samples of it, and what was counted since the start of the
    // machine
    /** Profiling, a ratio from 0 to 1. */
    GRAPHICS_ENGINE_ACTIVE(true),
    /** Profiling, a ratio from 0 to 1. */
    SM_ACTIVE(true),
    /** Profiling, a ratio from 0 to 1. */
    SM_OCCUPANCY(true),
    /** Profiling, a ratio from 0 to 1. */
    TENSOR_ACTIVE(true),
    /** Profiling, a ratio from 0 to 1. */
    DRAM_ACTIVE(true),
    /** Profiling, a ratio from 0 to 1. */
    FP64_ACTIVE(true),
    /** Profiling, a ratio from 0 to 1. */
    FP32_ACTIVE(true),
    /** Profiling, a ratio from 0 to 1. */
    FP16_ACTIVE(true),
    /** Profiling, a ratio from 0 to 1. */
    INTEGER_ACTIVE(true),
    /** Profiling, a ratio from 0 to 1. */
    DFMA_ACTIVE(true),
    /** Profiling, a ratio from 0 to 1. */
    HMMA_ACTIVE(true),
    /** Profiling, a ratio from 0 to 1. */
    DMMA_ACTIVE(true),
    /** Profiling, a ratio from 0 to 1. */
    IMMA_ACTIVE(true),
    /** Profiling, a ratio from 0 to 1. */
    NVDEC_0_ACTIVE(true),
    /** Profiling, a ratio from 0 to 1. */
    NVDEC_1_ACTIVE(true),
    /** Profiling, a ratio from 0 to 1. */
    NVDEC_2_ACTIVE(true),
    /** Profiling, a ratio from 0 to 1. */
    NVDEC_3_ACTIVE(true),
    /** Profiling, a ratio from 0 to 1. */
    NVDEC_4_ACTIVE(true),
    /** Profiling, a ratio from 0 to 1. */
    NVDEC_5_ACTIVE(true),
    /** Profiling, a ratio from 0 to 1. */
    NVDEC_6_ACTIVE(true),
    /** Profiling, a ratio from 0 to 1. */
    NVDEC_7_ACTIVE(true),
    /** Profiling, a ratio from 0 to 1. */
    NVENC_0_ACTIVE(true),
    /** Profiling, a ratio from 0 to 1. */
    NVENC_1_ACTIVE(true),
    /** Profiling, a ratio from 0 to 1. */
    NVENC_2_ACTIVE(true),
    /** Profiling, a ratio from 0 to 1. */
    NVENC_3_ACTIVE(true),
    /** Profiling, a ratio from 0 to 1. */
    NVJPG_0_ACTIVE(true),
    /** Profiling, a ratio from 0 to 1. */
    NVJPG_1_ACTIVE(true),
    /** Profiling, a ratio from 0 to 1. */
    NVJPG_2_ACTIVE(true),
    /** Profiling, a ratio from 0 to 1. */
    NVJPG_3_ACTIVE(true),
    /** Profiling, a ratio from 0 to 1. */
    NVJPG_4_ACTIVE(true),
    /** Profiling, a ratio from 0 to 1. */
    NVJPG_5_ACTIVE(true),
    /** Profiling, a ratio from 0 to 1. */
    NVJPG_6_ACTIVE(true),
    /** Profiling, a ratio from 0 to 1. */
    NVJPG_7_ACTIVE(true),
    /** Profiling, a ratio from 0 to 1. */
    NVOFA_0_ACTIVE(true),
    /** Profiling, a ratio from 0 to 1. */
    NVOFA_1_ACTIVE(true),
    /** Profiling, bytes per second including headers. */
    PCIE_SENT_BYTES_PER_SECOND,
    /** Profiling, bytes per second including headers. */
    PCIE_RECEIVED_BYTES_PER_SECOND,
    /** Profiling, bytes per second over all links. */
    NVLINK_SENT_BYTES_PER_SECOND,
    /** Profiling, bytes per second over all links. */
    NVLINK_RECEIVED_BYTES_PER_SECOND,
    /** Profiling, bytes per second over the link to the CPU, all packets. */
    C2C_SENT_BYTES_PER_SECOND,
    /** Profiling, bytes per second over the link to the CPU, all packets. */
    C2C_RECEIVED_BYTES_PER_SECOND,
    /** Profiling, bytes per second over the link to the CPU, payload. */
    C2C_DATA_SENT_BYTES_PER_SECOND,
    /** Profiling, bytes per second over the link to the CPU, payload. */
    C2C_DATA_RECEIVED_BYTES_PER_SECOND,
    /** Profiling, as the driver gives it. */
    HOST_MEMORY_CACHE_HIT(true),
    /** Profiling, as the driver gives it. */
    HOST_MEMORY_CACHE_MISS(true),
    /** Profiling, as the driver gives it. */
    PEER_MEMORY_CACHE_HIT(true),
    /** Profiling, as the driver gives it. */
    PEER_MEMORY_CACHE_MISS(true),
    /** Profiling, as the driver gives it. */
    DRAM_CACHE_HIT(true),
    /** Profiling, as the driver gives it. */
    DRAM_CACHE_MISS(true),
    /** Profiling, since the start of the machine. */
    SM_CYCLES_ELAPSED,
    /** Profiling, since the start of the machine. */
    SM_CYCLES_ACTIVE,
    /** Profiling, since the start of the machine. */
    MMA_CYCLES_ACTIVE,
    /** Profiling, since the start of the machine. */
    DMMA_CYCLES_ACTIVE,
    /** Profiling, since the start of the machine. */
    HMMA_CYCLES_ACTIVE,
    /** Profiling, since the start of the machine. */
    IMMA_CYCLES_ACTIVE,
    /** Profiling, since the start of the machine. */
    DFMA_CYCLES_ACTIVE,
    /** Profiling, since the start of the machine. */
    INTEGER_CYCLES_ACTIVE,
    /** Profiling, since the start of the machine. */
    FP64_CYCLES_ACTIVE,
    /** Profiling, since the start of the machine. */
    FP32_CYCLES_ACTIVE,
    /** Profiling, since the start of the machine. */
    FP16_CYCLES_ACTIVE,
    /** Profiling, since the start of the machine. */
    PCIE_SENT_BYTES,
    /** Profiling, since the start of the machine. */
    PCIE_RECEIVED_BYTES;

    private static final int COUNT = values().length;

    private final boolean fraction;

    Quantity() {
        this(false);
    }

    Quantity(boolean fraction) {
        this.fraction = fraction;
    }

    /** Whether the number is a {@code double}; all others are {@code long}. */
    public boolean isFraction() {
        return fraction;
    }

    /** How many there are. */
    public static int count() {
        return COUNT;
    }
}
