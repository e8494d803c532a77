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
    /** GPM, a ratio from 0 to 1, double. */
    GRAPHICS_ENGINE_ACTIVE(true),
    /** GPM, a ratio from 0 to 1, double. */
    SM_ACTIVE(true),
    /** GPM, a ratio from 0 to 1, double. */
    SM_OCCUPANCY(true),
    /** GPM, a ratio from 0 to 1, double. */
    TENSOR_ACTIVE(true),
    /** GPM, a ratio from 0 to 1, double. */
    DRAM_ACTIVE(true),
    /** GPM, a ratio from 0 to 1, double. */
    FP64_ACTIVE(true),
    /** GPM, a ratio from 0 to 1, double. */
    FP32_ACTIVE(true),
    /** GPM, a ratio from 0 to 1, double. */
    FP16_ACTIVE(true),
    /** GPM, bytes per second including headers. */
    PCIE_SENT_BYTES_PER_SECOND,
    /** GPM, bytes per second including headers. */
    PCIE_RECEIVED_BYTES_PER_SECOND,
    /** Of {@link #ECC_UNCORRECTED_VOLATILE}, those in device memory; the rest are in the chip's own memories. */
    ECC_UNCORRECTED_DRAM_VOLATILE,
    /** What GPU and slot could do at most. */
    PCIE_MAX_LINK_GENERATION,
    /** What GPU and slot could do at most. */
    PCIE_MAX_LINK_WIDTH,
    /** Bit n is set while link n is active. Put together from one field for each link. */
    NVLINK_ACTIVE_LINKS;

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
