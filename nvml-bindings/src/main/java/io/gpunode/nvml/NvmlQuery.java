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

    /** Core temperature, °C: {@code nvmlDeviceGetTemperatureV} where it exists, else {@code nvmlDeviceGetTemperature}. */
    record Temperature() implements NvmlQuery {}

    /** {@code nvmlDeviceGetTemperatureThreshold}, °C. Types: 0 shutdown, 1 slowdown, 2 memory max, 3 GPU max. */
    record TemperatureThreshold(int type) implements NvmlQuery {}

    /** {@code nvmlDeviceGetPowerUsage}, mW. */
    record Power() implements NvmlQuery {}

    /** {@code nvmlDeviceGetPowerManagementLimit}, mW. */
    record PowerLimit() implements NvmlQuery {}

    /** {@code nvmlDeviceGetEnforcedPowerLimit}, mW. */
    record EnforcedPowerLimit() implements NvmlQuery {}

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
