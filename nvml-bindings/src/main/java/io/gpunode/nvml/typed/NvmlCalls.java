package io.gpunode.nvml.typed;

import io.gpunode.nvml.NvmlReturn;
import io.gpunode.nvml.raw.NativeBlock;
import io.gpunode.nvml.raw.NvmlApi;
import io.gpunode.nvml.raw.NvmlFunction;
import io.gpunode.nvml.raw.NvmlStructs.nvmlGpuFabricInfo_t;
import io.gpunode.nvml.raw.NvmlStructs.nvmlGpuFabricInfo_v2_t;
import io.gpunode.nvml.raw.NvmlStructs.nvmlGpuFabricInfo_v3_t;
import io.gpunode.nvml.raw.NvmlStructs.nvmlMemory_t;
import io.gpunode.nvml.raw.NvmlStructs.nvmlMemory_v2_t;
import io.gpunode.nvml.raw.NvmlStructs.nvmlTemperature_v1_t;
import io.gpunode.nvml.session.NvmlSession;

/**
 * The shapes that NVML's calls come in, and the calls whose structure has versions. A library that refuses a version
 * ({@code ARGUMENT_VERSION_MISMATCH}) is asked once; the older one is remembered for the session. Results lie in the newest layout whichever
 * version answered.
 */
final class NvmlCalls {
    /** A call about a device that writes its result to one place. */
    @FunctionalInterface
    interface DeviceCall {
        int call(NvmlApi api, long device, long out);
    }

    /** The same with a number that says what of the device. */
    @FunctionalInterface
    interface IndexedCall {
        int call(NvmlApi api, long device, int index, long out);
    }

    /** A call about a device that writes text. */
    @FunctionalInterface
    interface TextCall {
        int call(NvmlApi api, long device, long text, int length);
    }

    /** A call that fills a list whose length is not known before; {@code count} is what fits and then what there is. */
    @FunctionalInterface
    interface ListCall {
        int call(NvmlApi api, long device, long count, long entries);
    }

    /** A first version's structure is read here, behind the place of the newest one. */
    private static final int ASIDE = 128;

    private final NvmlSession session;
    private final NvmlApi api;

    private volatile boolean memoryV2;
    private volatile boolean temperatureV;
    private volatile int fabricVersion;

    NvmlCalls(NvmlSession session) {
        this.session = session;
        this.api = session.api();
        this.memoryV2 = session.has(NvmlFunction.nvmlDeviceGetMemoryInfo_v2);
        this.temperatureV = session.has(NvmlFunction.nvmlDeviceGetTemperatureV);
        this.fabricVersion = session.has(NvmlFunction.nvmlDeviceGetGpuFabricInfoV) ? 3 : 1;
    }

    private static boolean refusesVersion(int code) {
        return code == NvmlReturn.ARGUMENT_VERSION_MISMATCH.code() || code == NvmlReturn.FUNCTION_NOT_FOUND.code();
    }

    /** {@code nvmlMemory_v2_t} at the start of the block; {@code reserved} is all ones when the first version answered. */
    int memory(long device, NativeBlock block) {
        boolean hasFirst = session.has(NvmlFunction.nvmlDeviceGetMemoryInfo);
        if (memoryV2) {
            block.putInt(nvmlMemory_v2_t.version, nvmlMemory_v2_t.VERSION);
            int code = api.nvmlDeviceGetMemoryInfo_v2(device, block.address());
            if (!hasFirst || !refusesVersion(code)) {
                return code;
            }
            memoryV2 = false;
        }
        if (!hasFirst) {
            return NvmlReturn.FUNCTION_NOT_FOUND.code();
        }
        int code = api.nvmlDeviceGetMemoryInfo(device, block.address() + ASIDE);
        block.putLong(nvmlMemory_v2_t.total, block.getLong(ASIDE + nvmlMemory_t.total));
        block.putLong(nvmlMemory_v2_t.reserved, -1);
        block.putLong(nvmlMemory_v2_t.free, block.getLong(ASIDE + nvmlMemory_t.free));
        block.putLong(nvmlMemory_v2_t.used, block.getLong(ASIDE + nvmlMemory_t.used));
        return code;
    }

    /** The core's {@code nvmlTemperature_v1_t} at the start of the block. */
    int temperature(long device, NativeBlock block) {
        boolean hasFirst = session.has(NvmlFunction.nvmlDeviceGetTemperature);
        if (temperatureV) {
            block.putInt(nvmlTemperature_v1_t.version, nvmlTemperature_v1_t.VERSION);
            block.putInt(nvmlTemperature_v1_t.sensorType, 0);
            int code = api.nvmlDeviceGetTemperatureV(device, block.address());
            if (!hasFirst || !refusesVersion(code)) {
                return code;
            }
            temperatureV = false;
        }
        return hasFirst
                ? api.nvmlDeviceGetTemperature(device, 0, block.address() + nvmlTemperature_v1_t.temperature)
                : NvmlReturn.FUNCTION_NOT_FOUND.code();
    }

    /**
     * {@code nvmlGpuFabricInfo_v3_t} at the start of the block. {@link #fabricHealthMask} and {@link #fabricHealthSummary} say whether the
     * members exist that came with later versions.
     */
    int fabric(long device, NativeBlock block) {
        boolean hasFirst = session.has(NvmlFunction.nvmlDeviceGetGpuFabricInfo);
        if (fabricVersion == 3) {
            block.putInt(nvmlGpuFabricInfo_v3_t.version, nvmlGpuFabricInfo_v3_t.VERSION);
            int code = api.nvmlDeviceGetGpuFabricInfoV(device, block.address());
            if (!refusesVersion(code)) {
                return code;
            }
            fabricVersion = 2;
        }
        if (fabricVersion == 2) {
            block.putInt(nvmlGpuFabricInfo_v2_t.version, nvmlGpuFabricInfo_v2_t.VERSION);
            int code = api.nvmlDeviceGetGpuFabricInfoV(device, block.address());
            if (!hasFirst || !refusesVersion(code)) {
                return code;
            }
            fabricVersion = 1;
        }
        // The first version is the later ones without their version word.
        return hasFirst
                ? api.nvmlDeviceGetGpuFabricInfo(
                        device, block.address() + nvmlGpuFabricInfo_v3_t.clusterUuid - nvmlGpuFabricInfo_t.clusterUuid)
                : NvmlReturn.FUNCTION_NOT_FOUND.code();
    }

    /** The mask of the last {@link #fabric} answer; -1 when its version has none. */
    int fabricHealthMask(NativeBlock block) {
        return fabricVersion >= 2 ? block.getInt(nvmlGpuFabricInfo_v3_t.healthMask) : -1;
    }

    /** The summary of the last {@link #fabric} answer; -1 when its version has none. */
    int fabricHealthSummary(NativeBlock block) {
        return fabricVersion >= 3 ? block.getByte(nvmlGpuFabricInfo_v3_t.healthSummary) : -1;
    }
}
