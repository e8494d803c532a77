package io.gpunode.nvml.typed;

import io.gpunode.nvml.NvmlQuery;
import io.gpunode.nvml.NvmlReturn;
import io.gpunode.nvml.raw.NativeBlock;
import io.gpunode.nvml.raw.NvmlApi;
import io.gpunode.nvml.raw.NvmlFunction;
import io.gpunode.nvml.raw.NvmlStructs.nvmlBAR1Memory_t;
import io.gpunode.nvml.raw.NvmlStructs.nvmlConfComputeSystemState_t;
import io.gpunode.nvml.raw.NvmlStructs.nvmlEccSramErrorStatus_v1_t;
import io.gpunode.nvml.raw.NvmlStructs.nvmlGpuFabricInfo_v3_t;
import io.gpunode.nvml.raw.NvmlStructs.nvmlGridLicensableFeature_t;
import io.gpunode.nvml.raw.NvmlStructs.nvmlGridLicensableFeatures_t;
import io.gpunode.nvml.raw.NvmlStructs.nvmlMarginTemperature_v1_t;
import io.gpunode.nvml.raw.NvmlStructs.nvmlMemory_v2_t;
import io.gpunode.nvml.raw.NvmlStructs.nvmlTemperature_v1_t;
import io.gpunode.nvml.raw.NvmlStructs.nvmlUtilization_t;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** One NVML call of a sampler and the queries that it answers. */
abstract sealed class SamplingStep {
    /** Results that lie apart, one for each pointer of a call. */
    private static final int SLOT = 8;

    private static final int MOST_LICENSABLE_FEATURES = 3;
    private static final int LICENSABLE_VGPU = 1;

    /** Where the answers go, by part. */
    private final int[] places;
    /** Where the answers lie in the call's memory, by part; negative when the call cannot tell this one. */
    private final int[] offsets;

    private SamplingStep(int[] places, int[] offsets) {
        this.places = places;
        this.offsets = offsets;
    }

    /** Makes the call; its code. */
    abstract int call(OpenNvml nvml, long device, NativeBlock memory);

    /** The number at an offset of the call's memory. */
    abstract long number(NativeBlock memory, int offset);

    final void read(OpenNvml nvml, long device, NativeBlock memory, long[] values, int[] codes) {
        int code = call(nvml, device, memory);
        for (int i = 0; i < places.length; i++) {
            int place = places[i];
            codes[place] = code;
            if (code != 0) {
                continue;
            }
            if (offsets[i] < 0) {
                codes[place] = NvmlReturn.NOT_SUPPORTED.code();
            } else {
                accept(memory, offsets[i], place, values, codes);
            }
        }
    }

    void accept(NativeBlock memory, int offset, int place, long[] values, int[] codes) {
        values[place] = number(memory, offset);
    }

    /** The first of the queries that it answers. */
    final int firstPlace() {
        return places[0];
    }

    final void fail(int code, int[] codes) {
        for (int place : places) {
            codes[place] = code;
        }
    }

    /** The steps for all queries that are not fields, in the order in which each call is first needed. */
    static SamplingStep[] compile(List<NvmlQuery> queries) {
        List<SamplingStep> steps = new ArrayList<>();
        Parts utilization = new Parts();
        Parts memory = new Parts();
        Parts bar1 = new Parts();
        Parts rows = new Parts();
        Parts powerLimits = new Parts();
        Parts banks = new Parts();
        Parts fabric = new Parts();
        for (int place = 0; place < queries.size(); place++) {
            switch (queries.get(place)) {
                case NvmlQuery.Field _ -> {}
                case NvmlQuery.Utilization(boolean ofMemory) ->
                    utilization.add(place, ofMemory ? nvmlUtilization_t.memory : nvmlUtilization_t.gpu);
                case NvmlQuery.Memory(NvmlQuery.MemoryPart part) -> memory.add(place, memoryOffset(part));
                case NvmlQuery.Bar1Memory(NvmlQuery.MemoryPart part) -> bar1.add(place, bar1Offset(part));
                case NvmlQuery.RemappedRows(NvmlQuery.RemappedRowsPart part) -> rows.add(place, part.ordinal() * SLOT);
                case NvmlQuery.PowerLimitConstraint(boolean highest) -> powerLimits.add(place, highest ? SLOT : 0);
                case NvmlQuery.RemapBanks(NvmlQuery.RemapAvailability left) ->
                    banks.add(place, left.ordinal() * Integer.BYTES);
                case NvmlQuery.Fabric(NvmlQuery.FabricPart part) -> fabric.add(place, part.ordinal());
                case NvmlQuery single -> steps.add(single(single, place));
            }
        }
        if (utilization.any()) {
            steps.add(new Words(
                    utilization, NvmlFunction.nvmlDeviceGetUtilizationRates, NvmlApi::nvmlDeviceGetUtilizationRates));
        }
        if (memory.any()) {
            steps.add(new MemoryStep(memory));
        }
        if (bar1.any()) {
            steps.add(new LongWords(
                    bar1, NvmlFunction.nvmlDeviceGetBAR1MemoryInfo, NvmlApi::nvmlDeviceGetBAR1MemoryInfo));
        }
        if (rows.any()) {
            steps.add(new Words(
                    rows,
                    NvmlFunction.nvmlDeviceGetRemappedRows,
                    (api, device, out) ->
                            api.nvmlDeviceGetRemappedRows(device, out, out + SLOT, out + 2 * SLOT, out + 3 * SLOT)));
        }
        if (powerLimits.any()) {
            steps.add(new Words(
                    powerLimits,
                    NvmlFunction.nvmlDeviceGetPowerManagementLimitConstraints,
                    (api, device, out) -> api.nvmlDeviceGetPowerManagementLimitConstraints(device, out, out + SLOT)));
        }
        if (banks.any()) {
            steps.add(new Words(
                    banks, NvmlFunction.nvmlDeviceGetRowRemapperHistogram, NvmlApi::nvmlDeviceGetRowRemapperHistogram));
        }
        if (fabric.any()) {
            steps.add(new FabricStep(fabric));
        }
        return steps.toArray(SamplingStep[]::new);
    }

    private static int memoryOffset(NvmlQuery.MemoryPart part) {
        return switch (part) {
            case TOTAL -> nvmlMemory_v2_t.total;
            case RESERVED -> nvmlMemory_v2_t.reserved;
            case FREE -> nvmlMemory_v2_t.free;
            case USED -> nvmlMemory_v2_t.used;
        };
    }

    private static int bar1Offset(NvmlQuery.MemoryPart part) {
        return switch (part) {
            case TOTAL -> nvmlBAR1Memory_t.bar1Total;
            case RESERVED -> -1;
            case FREE -> nvmlBAR1Memory_t.bar1Free;
            case USED -> nvmlBAR1Memory_t.bar1Used;
        };
    }

    private static SamplingStep single(NvmlQuery query, int place) {
        Parts one = new Parts();
        one.add(place, 0);
        return switch (query) {
            case NvmlQuery.Clock(int type) ->
                new IndexedWord(one, NvmlFunction.nvmlDeviceGetClockInfo, type, NvmlApi::nvmlDeviceGetClockInfo);
            case NvmlQuery.MaxClock(int type) ->
                new IndexedWord(one, NvmlFunction.nvmlDeviceGetMaxClockInfo, type, NvmlApi::nvmlDeviceGetMaxClockInfo);
            case NvmlQuery.ApplicationsClock(int type) ->
                new IndexedWord(
                        one,
                        NvmlFunction.nvmlDeviceGetApplicationsClock,
                        type,
                        NvmlApi::nvmlDeviceGetApplicationsClock);
            case NvmlQuery.MarginTemperature _ -> {
                Parts margin = new Parts();
                margin.add(place, nvmlMarginTemperature_v1_t.marginTemperature);
                yield new VersionedWord(
                        margin,
                        NvmlFunction.nvmlDeviceGetMarginTemperature,
                        nvmlMarginTemperature_v1_t.VERSION,
                        NvmlApi::nvmlDeviceGetMarginTemperature);
            }
            case NvmlQuery.SramThresholdExceeded _ -> {
                Parts exceeded = new Parts();
                exceeded.add(place, nvmlEccSramErrorStatus_v1_t.bThresholdExceeded);
                yield new VersionedWord(
                        exceeded,
                        NvmlFunction.nvmlDeviceGetSramEccErrorStatus,
                        nvmlEccSramErrorStatus_v1_t.VERSION,
                        NvmlApi::nvmlDeviceGetSramEccErrorStatus);
            }
            case NvmlQuery.DefaultPowerLimit _ ->
                new Words(
                        one,
                        NvmlFunction.nvmlDeviceGetPowerManagementDefaultLimit,
                        NvmlApi::nvmlDeviceGetPowerManagementDefaultLimit);
            case NvmlQuery.PcieThroughput(boolean received) ->
                new IndexedWord(
                        one,
                        NvmlFunction.nvmlDeviceGetPcieThroughput,
                        received ? 1 : 0,
                        NvmlApi::nvmlDeviceGetPcieThroughput);
            case NvmlQuery.ComputeMode _ ->
                new Words(one, NvmlFunction.nvmlDeviceGetComputeMode, NvmlApi::nvmlDeviceGetComputeMode);
            case NvmlQuery.PersistenceMode _ ->
                new Words(one, NvmlFunction.nvmlDeviceGetPersistenceMode, NvmlApi::nvmlDeviceGetPersistenceMode);
            case NvmlQuery.MigMode _ ->
                new Words(
                        one,
                        NvmlFunction.nvmlDeviceGetMigMode,
                        (api, device, out) -> api.nvmlDeviceGetMigMode(device, out, out + SLOT));
            case NvmlQuery.ConfidentialCompute _ -> {
                Parts feature = new Parts();
                feature.add(place, nvmlConfComputeSystemState_t.ccFeature);
                yield new Words(
                        feature,
                        NvmlFunction.nvmlSystemGetConfComputeState,
                        (api, _, out) -> api.nvmlSystemGetConfComputeState(out));
            }
            case NvmlQuery.MemoryErrors(boolean uncorrected, boolean aggregate, int location) ->
                new LongWords(
                        one,
                        NvmlFunction.nvmlDeviceGetMemoryErrorCounter,
                        (api, device, out) -> api.nvmlDeviceGetMemoryErrorCounter(
                                device, uncorrected ? 1 : 0, aggregate ? 1 : 0, location, out));
            case NvmlQuery.UnrepairableMemory _ ->
                new Words(
                        one,
                        NvmlFunction.nvmlDeviceGetUnrepairableMemoryFlag,
                        NvmlApi::nvmlDeviceGetUnrepairableMemoryFlag);
            case NvmlQuery.NvLinkErrors(int link, int counter) ->
                new LongWords(
                        one,
                        NvmlFunction.nvmlDeviceGetNvLinkErrorCounter,
                        (api, device, out) -> api.nvmlDeviceGetNvLinkErrorCounter(device, link, counter, out));
            case NvmlQuery.TemperatureThreshold(int type) ->
                new IndexedWord(
                        one,
                        NvmlFunction.nvmlDeviceGetTemperatureThreshold,
                        type,
                        NvmlApi::nvmlDeviceGetTemperatureThreshold);
            case NvmlQuery.Temperature _ -> {
                Parts temperature = new Parts();
                temperature.add(place, nvmlTemperature_v1_t.temperature);
                yield new TemperatureStep(temperature);
            }
            case NvmlQuery.Power _ ->
                new Words(one, NvmlFunction.nvmlDeviceGetPowerUsage, NvmlApi::nvmlDeviceGetPowerUsage);
            case NvmlQuery.PowerLimit _ ->
                new Words(
                        one,
                        NvmlFunction.nvmlDeviceGetPowerManagementLimit,
                        NvmlApi::nvmlDeviceGetPowerManagementLimit);
            case NvmlQuery.EnforcedPowerLimit _ ->
                new Words(one, NvmlFunction.nvmlDeviceGetEnforcedPowerLimit, NvmlApi::nvmlDeviceGetEnforcedPowerLimit);
            case NvmlQuery.Energy _ ->
                new LongWords(
                        one,
                        NvmlFunction.nvmlDeviceGetTotalEnergyConsumption,
                        NvmlApi::nvmlDeviceGetTotalEnergyConsumption);
            case NvmlQuery.EncoderUtilization _ ->
                new Words(
                        one,
                        NvmlFunction.nvmlDeviceGetEncoderUtilization,
                        (api, device, out) -> api.nvmlDeviceGetEncoderUtilization(device, out, out + SLOT));
            case NvmlQuery.DecoderUtilization _ ->
                new Words(
                        one,
                        NvmlFunction.nvmlDeviceGetDecoderUtilization,
                        (api, device, out) -> api.nvmlDeviceGetDecoderUtilization(device, out, out + SLOT));
            case NvmlQuery.PcieReplays _ ->
                new Words(one, NvmlFunction.nvmlDeviceGetPcieReplayCounter, NvmlApi::nvmlDeviceGetPcieReplayCounter);
            case NvmlQuery.PcieLinkGeneration _ ->
                new Words(
                        one,
                        NvmlFunction.nvmlDeviceGetCurrPcieLinkGeneration,
                        NvmlApi::nvmlDeviceGetCurrPcieLinkGeneration);
            case NvmlQuery.PcieLinkWidth _ ->
                new Words(one, NvmlFunction.nvmlDeviceGetCurrPcieLinkWidth, NvmlApi::nvmlDeviceGetCurrPcieLinkWidth);
            case NvmlQuery.MaxPcieLinkGeneration _ ->
                new Words(
                        one,
                        NvmlFunction.nvmlDeviceGetMaxPcieLinkGeneration,
                        NvmlApi::nvmlDeviceGetMaxPcieLinkGeneration);
            case NvmlQuery.MaxPcieLinkWidth _ ->
                new Words(one, NvmlFunction.nvmlDeviceGetMaxPcieLinkWidth, NvmlApi::nvmlDeviceGetMaxPcieLinkWidth);
            case NvmlQuery.ClocksEventReasons _ ->
                new LongWords(
                        one,
                        NvmlFunction.nvmlDeviceGetCurrentClocksEventReasons,
                        NvmlApi::nvmlDeviceGetCurrentClocksEventReasons);
            case NvmlQuery.PerformanceState _ ->
                new Words(one, NvmlFunction.nvmlDeviceGetPerformanceState, NvmlApi::nvmlDeviceGetPerformanceState);
            case NvmlQuery.FanSpeed _ ->
                new Words(one, NvmlFunction.nvmlDeviceGetFanSpeed, NvmlApi::nvmlDeviceGetFanSpeed);
            case NvmlQuery.VgpuLicensed _ -> new LicenseStep(one);
            case NvmlQuery.Field _,
                    NvmlQuery.Utilization _,
                    NvmlQuery.Memory _,
                    NvmlQuery.Bar1Memory _,
                    NvmlQuery.RemappedRows _,
                    NvmlQuery.PowerLimitConstraint _,
                    NvmlQuery.RemapBanks _,
                    NvmlQuery.Fabric _ -> throw new IllegalArgumentException(query + " shares its call with others");
        };
    }

    /** The queries that one call answers, while they are being gathered. */
    private static final class Parts {
        private final List<Integer> places = new ArrayList<>();
        private final List<Integer> offsets = new ArrayList<>();

        void add(int place, int offset) {
            places.add(place);
            offsets.add(offset);
        }

        boolean any() {
            return !places.isEmpty();
        }

        int[] places() {
            return places.stream().mapToInt(Integer::intValue).toArray();
        }

        int[] offsets() {
            return offsets.stream().mapToInt(Integer::intValue).toArray();
        }
    }

    private static int missing() {
        return NvmlReturn.FUNCTION_NOT_FOUND.code();
    }

    /** A call that gives {@code unsigned int}s. */
    private static final class Words extends SamplingStep {
        private final NvmlFunction function;
        private final NvmlCalls.DeviceCall call;

        Words(Parts parts, NvmlFunction function, NvmlCalls.DeviceCall call) {
            super(parts.places(), parts.offsets());
            this.function = function;
            this.call = call;
        }

        @Override
        int call(OpenNvml nvml, long device, NativeBlock memory) {
            return nvml.session().has(function) ? call.call(nvml.session().api(), device, memory.address()) : missing();
        }

        @Override
        long number(NativeBlock memory, int offset) {
            return Integer.toUnsignedLong(memory.getInt(offset));
        }
    }

    /** A call that gives {@code unsigned long long}s. */
    private static final class LongWords extends SamplingStep {
        private final NvmlFunction function;
        private final NvmlCalls.DeviceCall call;

        LongWords(Parts parts, NvmlFunction function, NvmlCalls.DeviceCall call) {
            super(parts.places(), parts.offsets());
            this.function = function;
            this.call = call;
        }

        @Override
        int call(OpenNvml nvml, long device, NativeBlock memory) {
            return nvml.session().has(function) ? call.call(nvml.session().api(), device, memory.address()) : missing();
        }

        @Override
        long number(NativeBlock memory, int offset) {
            return memory.getLong(offset);
        }
    }

    /** A call that is told which of several it shall give, one {@code unsigned int}. */
    private static final class IndexedWord extends SamplingStep {
        private final NvmlFunction function;
        private final int index;
        private final NvmlCalls.IndexedCall call;

        IndexedWord(Parts parts, NvmlFunction function, int index, NvmlCalls.IndexedCall call) {
            super(parts.places(), parts.offsets());
            this.function = function;
            this.index = index;
            this.call = call;
        }

        @Override
        int call(OpenNvml nvml, long device, NativeBlock memory) {
            return nvml.session().has(function)
                    ? call.call(nvml.session().api(), device, index, memory.address())
                    : missing();
        }

        @Override
        long number(NativeBlock memory, int offset) {
            return Integer.toUnsignedLong(memory.getInt(offset));
        }
    }

    /** A call with a structure that says its own version, which gives an {@code int}. */
    private static final class VersionedWord extends SamplingStep {
        private final NvmlFunction function;
        private final int version;
        private final NvmlCalls.DeviceCall call;

        VersionedWord(Parts parts, NvmlFunction function, int version, NvmlCalls.DeviceCall call) {
            super(parts.places(), parts.offsets());
            this.function = function;
            this.version = version;
            this.call = call;
        }

        @Override
        int call(OpenNvml nvml, long device, NativeBlock memory) {
            if (!nvml.session().has(function)) {
                return missing();
            }
            memory.putInt(0, version);
            return call.call(nvml.session().api(), device, memory.address());
        }

        @Override
        long number(NativeBlock memory, int offset) {
            return memory.getInt(offset);
        }
    }

    /** The fabric, whose earlier versions cannot tell its health. */
    private static final class FabricStep extends SamplingStep {
        private static final NvmlQuery.FabricPart[] PARTS = NvmlQuery.FabricPart.values();

        private @Nullable OpenNvml answered;

        FabricStep(Parts parts) {
            super(parts.places(), parts.offsets());
        }

        @Override
        int call(OpenNvml nvml, long device, NativeBlock memory) {
            answered = nvml;
            return nvml.calls().fabric(device, memory);
        }

        /** Offsets are parts here: where a part lies depends on the version that answered. */
        @Override
        long number(NativeBlock memory, int part) {
            return switch (PARTS[part]) {
                case STATE -> memory.getByte(nvmlGpuFabricInfo_v3_t.state);
                case STATUS -> Integer.toUnsignedLong(memory.getInt(nvmlGpuFabricInfo_v3_t.status));
                case CLIQUE -> Integer.toUnsignedLong(memory.getInt(nvmlGpuFabricInfo_v3_t.cliqueId));
                case HEALTH_MASK -> Objects.requireNonNull(answered).calls().fabricHealthMask(memory);
                case HEALTH_SUMMARY -> Objects.requireNonNull(answered).calls().fabricHealthSummary(memory);
            };
        }

        @Override
        void accept(NativeBlock memory, int part, int place, long[] values, int[] codes) {
            long value = number(memory, part);
            if (value < 0 && PARTS[part].compareTo(NvmlQuery.FabricPart.HEALTH_MASK) >= 0) {
                codes[place] = NvmlReturn.NOT_SUPPORTED.code();
            } else {
                values[place] = value;
            }
        }
    }

    /** Memory, of which the first version of the call cannot tell the reserved part. */
    private static final class MemoryStep extends SamplingStep {
        MemoryStep(Parts parts) {
            super(parts.places(), parts.offsets());
        }

        @Override
        int call(OpenNvml nvml, long device, NativeBlock memory) {
            return nvml.calls().memory(device, memory);
        }

        @Override
        long number(NativeBlock memory, int offset) {
            return memory.getLong(offset);
        }

        @Override
        void accept(NativeBlock memory, int offset, int place, long[] values, int[] codes) {
            if (offset == nvmlMemory_v2_t.reserved && number(memory, offset) == -1) {
                codes[place] = NvmlReturn.NOT_SUPPORTED.code();
            } else {
                super.accept(memory, offset, place, values, codes);
            }
        }
    }

    /** The core's temperature, which may be below zero. */
    private static final class TemperatureStep extends SamplingStep {
        TemperatureStep(Parts parts) {
            super(parts.places(), parts.offsets());
        }

        @Override
        int call(OpenNvml nvml, long device, NativeBlock memory) {
            return nvml.calls().temperature(device, memory);
        }

        @Override
        long number(NativeBlock memory, int offset) {
            return memory.getInt(offset);
        }
    }

    /** Whether the vGPU feature is licensed, from the list of licensable features. */
    private static final class LicenseStep extends SamplingStep {
        LicenseStep(Parts parts) {
            super(parts.places(), parts.offsets());
        }

        @Override
        int call(OpenNvml nvml, long device, NativeBlock memory) {
            if (!nvml.session().has(NvmlFunction.nvmlDeviceGetGridLicensableFeatures)) {
                return missing();
            }
            memory.putInt(nvmlGridLicensableFeatures_t.licensableFeaturesCount, 0);
            return nvml.session().api().nvmlDeviceGetGridLicensableFeatures(device, memory.address());
        }

        @Override
        long number(NativeBlock memory, int offset) {
            int count = Math.clamp(
                    memory.getInt(nvmlGridLicensableFeatures_t.licensableFeaturesCount), 0, MOST_LICENSABLE_FEATURES);
            for (int i = 0; i < count; i++) {
                int at = nvmlGridLicensableFeatures_t.gridLicensableFeatures + i * nvmlGridLicensableFeature_t.sizeof;
                if (memory.getInt(at + nvmlGridLicensableFeature_t.featureCode) == LICENSABLE_VGPU) {
                    return memory.getInt(at + nvmlGridLicensableFeature_t.featureState) > 0 ? 1 : 0;
                }
            }
            return 0;
        }
    }
}
