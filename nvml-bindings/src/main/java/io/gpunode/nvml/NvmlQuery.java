package io.gpunode.nvml;

/**
 * One number that can be sampled from a GPU or MIG device. A list of these is compiled once into an {@link NvmlSampler}, which makes as
 * few NVML calls as it can: all {@link Field}s of a device go into one {@code nvmlDeviceGetFieldValues}, both utilisation rates come from
 * one call, all {@link Memory} parts from one call.
 */
public sealed interface NvmlQuery {
    /** A field of {@code nvmlDeviceGetFieldValues}; ids as in header release 13. {@code scopeId} is a link number, or -1 (all) or 0 (none). */
    record Field(int fieldId, int scopeId) implements NvmlQuery {}

    /** {@code nvmlDeviceGetClockInfo}, MHz. Types: 0 graphics, 1 SM, 2 memory, 3 video. */
    record Clock(int type) implements NvmlQuery {}

    /** {@code nvmlDeviceGetMaxClockInfo}, MHz; types as {@link Clock}. */
    record MaxClock(int type) implements NvmlQuery {}

    /** {@code nvmlDeviceGetApplicationsClock}, MHz; types as {@link Clock}. */
    record ApplicationsClock(int type) implements NvmlQuery {}

    /** Core temperature, °C: {@code nvmlDeviceGetTemperatureV} where it exists, else {@code nvmlDeviceGetTemperature}. */
    record Temperature() implements NvmlQuery {}

    /** {@code nvmlDeviceGetTemperatureThreshold}, °C. Types: 0 shutdown, 1 slowdown, 2 memory max, 3 GPU max. */
    record TemperatureThreshold(int type) implements NvmlQuery {}

    /** {@code nvmlDeviceGetMarginTemperature}, °C up to the nearest limit; below zero beyond it. */
    record MarginTemperature() implements NvmlQuery {}

    /** {@code nvmlDeviceGetPowerUsage}, mW. */
    record Power() implements NvmlQuery {}

    /** {@code nvmlDeviceGetPowerManagementLimit}, mW. */
    record PowerLimit() implements NvmlQuery {}

    /** {@code nvmlDeviceGetEnforcedPowerLimit}, mW. */
    record EnforcedPowerLimit() implements NvmlQuery {}

    /** {@code nvmlDeviceGetPowerManagementLimitConstraints}, mW: the lowest or the highest limit that can be set. */
    record PowerLimitConstraint(boolean highest) implements NvmlQuery {}

    /** {@code nvmlDeviceGetPowerManagementDefaultLimit}, mW. */
    record DefaultPowerLimit() implements NvmlQuery {}

    /** {@code nvmlDeviceGetTotalEnergyConsumption}, mJ since the driver was loaded. */
    record Energy() implements NvmlQuery {}

    /** {@code nvmlDeviceGetUtilizationRates}, %: the GPU's or the memory's share. */
    record Utilization(boolean memory) implements NvmlQuery {}

    /** {@code nvmlDeviceGetEncoderUtilization}, %. */
    record EncoderUtilization() implements NvmlQuery {}

    /** {@code nvmlDeviceGetDecoderUtilization}, %. */
    record DecoderUtilization() implements NvmlQuery {}

    /** {@code nvmlDeviceGetMemoryInfo_v2} (or the first version, which has no {@code RESERVED}), bytes. */
    record Memory(MemoryPart part) implements NvmlQuery {}

    /** The parts of a memory reading. */
    enum MemoryPart {
        TOTAL,
        RESERVED,
        FREE,
        USED
    }

    /** {@code nvmlDeviceGetBAR1MemoryInfo}, bytes; {@code RESERVED} is not supported. */
    record Bar1Memory(MemoryPart part) implements NvmlQuery {}

    /** {@code nvmlDeviceGetPcieReplayCounter}. */
    record PcieReplays() implements NvmlQuery {}

    /** {@code nvmlDeviceGetCurrPcieLinkGeneration}. */
    record PcieLinkGeneration() implements NvmlQuery {}

    /** {@code nvmlDeviceGetCurrPcieLinkWidth}, lanes. */
    record PcieLinkWidth() implements NvmlQuery {}

    /** {@code nvmlDeviceGetMaxPcieLinkGeneration}: what GPU and slot can do together. */
    record MaxPcieLinkGeneration() implements NvmlQuery {}

    /** {@code nvmlDeviceGetMaxPcieLinkWidth}, lanes: what GPU and slot can do together. */
    record MaxPcieLinkWidth() implements NvmlQuery {}

    /** {@code nvmlDeviceGetPcieThroughput}, KB/s of what the GPU sends or receives. Measures for 20 ms, in which it does not return. */
    record PcieThroughput(boolean received) implements NvmlQuery {}

    /** {@code nvmlDeviceGetComputeMode}, the number of {@code nvmlComputeMode_t}. */
    record ComputeMode() implements NvmlQuery {}

    /** {@code nvmlDeviceGetPersistenceMode}, 0 or 1. */
    record PersistenceMode() implements NvmlQuery {}

    /** {@code nvmlDeviceGetMigMode}, the current one: 0 or 1. */
    record MigMode() implements NvmlQuery {}

    /** {@code nvmlSystemGetConfComputeState}: 1 while confidential computing is on, which is so for the whole machine. */
    record ConfidentialCompute() implements NvmlQuery {}

    /**
     * {@code nvmlDeviceGetMemoryErrorCounter}. Locations: 0 L1 cache, 1 L2 cache, 2 device memory, 3 registers, 4 texture memory, 5 shared memory,
     * 6 CBU, 7 SRAM.
     */
    record MemoryErrors(boolean uncorrected, boolean aggregate, int location) implements NvmlQuery {}

    /** {@code nvmlDeviceGetSramEccErrorStatus}: 1 when the SRAM had more errors than its threshold allows. */
    record SramThresholdExceeded() implements NvmlQuery {}

    /** {@code nvmlDeviceGetRowRemapperHistogram}: banks by how many of their spare rows are left. */
    record RemapBanks(RemapAvailability left) implements NvmlQuery {}

    /** The classes of a row remapper histogram, in NVML's order. */
    enum RemapAvailability {
        ALL,
        MANY,
        SOME,
        FEW,
        NONE
    }

    /** {@code nvmlDeviceGetUnrepairableMemoryFlag_v1}, 0 or 1. */
    record UnrepairableMemory() implements NvmlQuery {}

    /** {@code nvmlDeviceGetGpuFabricInfoV} (or its first version, which has no health). */
    record Fabric(FabricPart part) implements NvmlQuery {}

    /** The parts of a fabric reading. {@code STATUS} is an {@code nvmlReturn_t}. */
    enum FabricPart {
        STATE,
        STATUS,
        CLIQUE,
        HEALTH_MASK,
        HEALTH_SUMMARY
    }

    /** {@code nvmlDeviceGetNvLinkErrorCounter}. Counters: 0 replay, 1 recovery, 2 flow-control CRC, 3 data CRC. */
    record NvLinkErrors(int link, int counter) implements NvmlQuery {}

    /** {@code nvmlDeviceGetRemappedRows}. */
    record RemappedRows(RemappedRowsPart part) implements NvmlQuery {}

    /** The parts of a row-remap reading; the last two are 0 or 1. */
    enum RemappedRowsPart {
        CORRECTABLE,
        UNCORRECTABLE,
        PENDING,
        FAILED
    }

    /** {@code nvmlDeviceGetCurrentClocksEventReasons} (or its older name), a bit mask. */
    record ClocksEventReasons() implements NvmlQuery {}

    /** {@code nvmlDeviceGetPerformanceState}, 0 to 15. */
    record PerformanceState() implements NvmlQuery {}

    /** {@code nvmlDeviceGetFanSpeed}, %. */
    record FanSpeed() implements NvmlQuery {}

    /** {@code nvmlDeviceGetGridLicensableFeatures_v4}: 1 when the vGPU feature is licensed, else 0. */
    record VgpuLicensed() implements NvmlQuery {}
}
