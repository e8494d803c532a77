/*
 * What a GPU does right now: memory, utilisation, clocks, temperature, power, PCIe.
 */
#include <stdio.h>
#include <string.h>

#include "telemetry.h"

bool mig_enabled(const struct gpu *g)
{
    return g->number[P_MIG_MODE] == 1 && gpu_mig_table(g);
}

/* ---- memory */

static nvmlReturn_t memory_of(const struct call *call, unsigned long long *total, unsigned long long *reserved, unsigned long long *used)
{
    const struct gpu *g = call->gpu;
    long long in_use;
    if (call->mig < 0) {
        *total = (unsigned long long) g->number[P_MEMORY] * MIB;
        *reserved = (unsigned long long) g->number[P_MEMORY_RESERVED] * MIB;
        in_use = gpu_memory_used(g);
    } else {
        *total = gpu_mig_table(g)->profile[g->mig[call->mig].profile].memory_mib * MIB;
        *reserved = 0;
        in_use = 0;
        for (int m = 0; m < MAX_MIG_DEVICES; m++) /* the compute instances of a GPU instance share its memory */
            if (g->mig[m].present && g->mig[m].instance == g->mig[call->mig].instance)
                in_use += mig_memory_used(g, m);
    }
    if (in_use == UNSUPPORTED)
        return NVML_ERROR_NOT_SUPPORTED;
    *used = (unsigned long long) in_use < *total - *reserved ? (unsigned long long) in_use : *total - *reserved;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory)
{
    ENTER_DEVICE(nvmlDeviceGetMemoryInfo, device, ACCEPT_GPU | ACCEPT_MIG);
    unsigned long long total, reserved, used;
    if (!memory)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    nvmlReturn_t result = memory_of(&call, &total, &reserved, &used);
    if (result == NVML_SUCCESS) { /* this variant counts the reserved part as used */
        out_u64(&call, &memory->total, total);
        out_u64(&call, &memory->free, total - reserved - used);
        out_u64(&call, &memory->used, used + reserved);
    }
    LEAVE(result);
}

nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory)
{
    ENTER_DEVICE(nvmlDeviceGetMemoryInfo_v2, device, ACCEPT_GPU | ACCEPT_MIG);
    unsigned long long total, reserved, used;
    if (!memory)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (memory->version != NVML_VERSION_WORD(nvmlMemory_v2_t, 2))
        LEAVE(NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
    nvmlReturn_t result = memory_of(&call, &total, &reserved, &used);
    if (result == NVML_SUCCESS) {
        out_u64(&call, &memory->total, total);
        out_u64(&call, &memory->reserved, reserved);
        out_u64(&call, &memory->free, total - reserved - used);
        out_u64(&call, &memory->used, used);
    }
    LEAVE(result);
}

nvmlReturn_t nvmlDeviceGetBAR1MemoryInfo(nvmlDevice_t device, nvmlBAR1Memory_t *bar1Memory)
{
    ENTER_DEVICE(nvmlDeviceGetBAR1MemoryInfo, device, ACCEPT_GPU | ACCEPT_MIG);
    if (!bar1Memory)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    long long total = call.gpu->number[P_BAR1], used = call.gpu->number[P_BAR1_USED];
    if (total == UNSUPPORTED || used == UNSUPPORTED)
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    used = used < total ? used : total;
    out_u64(&call, &bar1Memory->bar1Total, (unsigned long long) total * MIB);
    out_u64(&call, &bar1Memory->bar1Free, (unsigned long long) (total - used) * MIB);
    out_u64(&call, &bar1Memory->bar1Used, (unsigned long long) used * MIB);
    LEAVE(NVML_SUCCESS);
}

/* ---- utilisation */

long long read_utilization(const struct gpu *g, enum property pinned, enum channel c)
{
    if (g->number[pinned] != AUTOMATIC)
        return g->number[pinned];
    return mig_enabled(g) ? UNSUPPORTED : (long long) (gpu_channel(g, c) * 100 + .5);
}

nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *utilization)
{
    ENTER_DEVICE(nvmlDeviceGetUtilizationRates, device, ACCEPT_GPU | ACCEPT_MIG);
    if (!utilization)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    long long gpu = read_utilization(call.gpu, P_UTILIZATION, CH_SM), memory = read_utilization(call.gpu, P_MEMORY_UTILIZATION, CH_MEMORY);
    if (call.mig >= 0 || gpu == UNSUPPORTED || memory == UNSUPPORTED)
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    out_u32(&call, &utilization->gpu, (unsigned) gpu);
    out_u32(&call, &utilization->memory, (unsigned) memory);
    LEAVE(NVML_SUCCESS);
}

static nvmlReturn_t engine(enum function_id function, nvmlDevice_t device, unsigned *utilization, unsigned *period, int pinned, int c)
{
    struct call call;
    if (!gate_enter_device(&call, function, device, ACCEPT_GPU | ACCEPT_MIG))
        return call.result;
    if (!utilization || !period)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (call.mig >= 0 || mig_enabled(call.gpu))
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    *period = 167000; /* microseconds */
    LEAVE(out_property(&call, utilization, pinned < 0 ? 0 : read_utilization(call.gpu, (enum property) pinned, (enum channel) c)));
}

nvmlReturn_t nvmlDeviceGetEncoderUtilization(nvmlDevice_t device, unsigned *utilization, unsigned *samplingPeriodUs)
{
    return engine(FN_nvmlDeviceGetEncoderUtilization, device, utilization, samplingPeriodUs, P_ENCODER_UTILIZATION, CH_ENCODER);
}

nvmlReturn_t nvmlDeviceGetDecoderUtilization(nvmlDevice_t device, unsigned *utilization, unsigned *samplingPeriodUs)
{
    return engine(FN_nvmlDeviceGetDecoderUtilization, device, utilization, samplingPeriodUs, P_DECODER_UTILIZATION, CH_DECODER);
}

nvmlReturn_t nvmlDeviceGetJpgUtilization(nvmlDevice_t device, unsigned *utilization, unsigned *samplingPeriodUs)
{
    return engine(FN_nvmlDeviceGetJpgUtilization, device, utilization, samplingPeriodUs, -1, 0);
}

nvmlReturn_t nvmlDeviceGetOfaUtilization(nvmlDevice_t device, unsigned *utilization, unsigned *samplingPeriodUs)
{
    return engine(FN_nvmlDeviceGetOfaUtilization, device, utilization, samplingPeriodUs, -1, 0);
}

nvmlReturn_t nvmlDeviceGetEncoderStats(nvmlDevice_t device, unsigned *sessionCount, unsigned *averageFps, unsigned *averageLatency)
{
    ENTER_DEVICE(nvmlDeviceGetEncoderStats, device, ACCEPT_GPU);
    if (!sessionCount || !averageFps || !averageLatency)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    *sessionCount = *averageFps = *averageLatency = 0;
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetEncoderSessions(nvmlDevice_t device, unsigned *sessionCount, void *sessionInfos)
{
    ENTER_DEVICE(nvmlDeviceGetEncoderSessions, device, ACCEPT_GPU);
    LEAVE(sessionCount ? out_list(&call, sessionCount, 0, sessionInfos) : NVML_ERROR_INVALID_ARGUMENT);
}

nvmlReturn_t nvmlDeviceGetFBCStats(nvmlDevice_t device, nvmlFBCStats_t *fbcStats)
{
    ENTER_DEVICE(nvmlDeviceGetFBCStats, device, ACCEPT_GPU);
    if (!fbcStats)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    memset(fbcStats, 0, sizeof *fbcStats);
    LEAVE(NVML_SUCCESS);
}

/* ---- clocks */

static bool busy(const struct gpu *g)
{
    return gpu_channel(g, CH_SM) > .005 || gpu_channel(g, CH_POWER) > .005;
}

static bool too_hot(const struct gpu *g)
{
    long long limit = g->number[P_TEMPERATURE_SLOWDOWN];
    return limit != UNSUPPORTED && gpu_temperature(g) >= limit;
}

long long read_max_clock(const struct gpu *g, unsigned type)
{
    return g->number[type == NVML_CLOCK_MEM ? P_MEMORY_CLOCK_MAX : type == NVML_CLOCK_VIDEO ? P_VIDEO_CLOCK_MAX : P_SM_CLOCK_MAX];
}

long long read_clock(const struct gpu *g, unsigned type)
{
    static const enum property pinned[] = {P_SM_CLOCK, P_SM_CLOCK, P_MEMORY_CLOCK, P_VIDEO_CLOCK};
    static const enum property idle[] = {P_SM_CLOCK_IDLE, P_SM_CLOCK_IDLE, P_MEMORY_CLOCK_IDLE, P_VIDEO_CLOCK_IDLE};
    long long most = read_max_clock(g, type);
    if (g->number[pinned[type]] != AUTOMATIC)
        return g->number[pinned[type]];
    if (!busy(g) || most == UNSUPPORTED)
        return most == UNSUPPORTED ? most : g->number[idle[type]];
    if (type == NVML_CLOCK_MEM)
        return most;
    long long lowest = g->number[P_SM_CLOCK_BASE];
    if (type == NVML_CLOCK_VIDEO || lowest == UNSUPPORTED || lowest > most)
        lowest = most * 4 / 5;
    if (too_hot(g))
        return lowest / 2;
    long long clock = most - (long long) ((double) (most - lowest) * .45 * gpu_channel(g, CH_POWER)); /* more load, less boost */
    return clock - clock % 15;
}

static nvmlReturn_t clock_function(enum function_id function, nvmlDevice_t device, unsigned type, unsigned *clock,
    long long (*read)(const struct gpu *, unsigned))
{
    struct call call;
    if (!gate_enter_device(&call, function, device, ACCEPT_GPU))
        return call.result;
    LEAVE(clock && type < NVML_CLOCK_COUNT ? out_property(&call, clock, read(call.gpu, type)) : NVML_ERROR_INVALID_ARGUMENT);
}

static long long read_application_clock(const struct gpu *g, unsigned type)
{
    return type == NVML_CLOCK_MEM ? g->number[P_MEMORY_CLOCK_MAX] : type == NVML_CLOCK_VIDEO ? UNSUPPORTED : g->number[P_SM_CLOCK_BASE];
}

nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t device, unsigned type, unsigned *clock)
{
    return clock_function(FN_nvmlDeviceGetClockInfo, device, type, clock, read_clock);
}

nvmlReturn_t nvmlDeviceGetMaxClockInfo(nvmlDevice_t device, unsigned type, unsigned *clock)
{
    return clock_function(FN_nvmlDeviceGetMaxClockInfo, device, type, clock, read_max_clock);
}

nvmlReturn_t nvmlDeviceGetMaxCustomerBoostClock(nvmlDevice_t device, unsigned type, unsigned *clock)
{
    return clock_function(FN_nvmlDeviceGetMaxCustomerBoostClock, device, type, clock, read_max_clock);
}

nvmlReturn_t nvmlDeviceGetApplicationsClock(nvmlDevice_t device, unsigned type, unsigned *clock)
{
    return clock_function(FN_nvmlDeviceGetApplicationsClock, device, type, clock, read_application_clock);
}

nvmlReturn_t nvmlDeviceGetDefaultApplicationsClock(nvmlDevice_t device, unsigned type, unsigned *clock)
{
    return clock_function(FN_nvmlDeviceGetDefaultApplicationsClock, device, type, clock, read_application_clock);
}

nvmlReturn_t nvmlDeviceGetClock(nvmlDevice_t device, unsigned type, unsigned id, unsigned *clock)
{
    ENTER_DEVICE(nvmlDeviceGetClock, device, ACCEPT_GPU);
    if (!clock || type >= NVML_CLOCK_COUNT || id > 3)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    LEAVE(out_property(&call, clock, id == 0 ? read_clock(call.gpu, type) : id == 3 ? read_max_clock(call.gpu, type)
        : read_application_clock(call.gpu, type)));
}

nvmlReturn_t nvmlDeviceGetSupportedMemoryClocks(nvmlDevice_t device, unsigned *count, unsigned *clocksMHz)
{
    ENTER_DEVICE(nvmlDeviceGetSupportedMemoryClocks, device, ACCEPT_GPU);
    if (!count)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    long long most = call.gpu->number[P_MEMORY_CLOCK_MAX], least = call.gpu->number[P_MEMORY_CLOCK_IDLE];
    if (most == UNSUPPORTED)
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    nvmlReturn_t result = out_list(&call, count, most == least ? 1 : 2, clocksMHz);
    if (result == NVML_SUCCESS) {
        clocksMHz[0] = (unsigned) most;
        if (most != least)
            clocksMHz[1] = (unsigned) least;
    }
    LEAVE(result);
}

nvmlReturn_t nvmlDeviceGetSupportedGraphicsClocks(nvmlDevice_t device, unsigned memoryClockMHz, unsigned *count, unsigned *clocksMHz)
{
    ENTER_DEVICE(nvmlDeviceGetSupportedGraphicsClocks, device, ACCEPT_GPU);
    if (!count)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    long long most = call.gpu->number[P_SM_CLOCK_MAX], least = call.gpu->number[P_SM_CLOCK_IDLE];
    if (most == UNSUPPORTED || least == UNSUPPORTED || most < least)
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    if (memoryClockMHz != call.gpu->number[P_MEMORY_CLOCK_MAX] && memoryClockMHz != call.gpu->number[P_MEMORY_CLOCK_IDLE])
        LEAVE(NVML_ERROR_NOT_FOUND);
    unsigned steps = (unsigned) ((most - least) / 15) + 1;
    nvmlReturn_t result = out_list(&call, count, steps, clocksMHz);
    for (unsigned i = 0; result == NVML_SUCCESS && i < steps; i++)
        clocksMHz[i] = (unsigned) most - 15 * i;
    LEAVE(result);
}

unsigned long long read_reasons(const struct gpu *g)
{
    if (g->number[P_EVENT_REASONS] != AUTOMATIC)
        return (unsigned long long) g->number[P_EVENT_REASONS];
    unsigned long long reasons = busy(g) ? 0 : NVML_REASON_GPU_IDLE;
    if (busy(g) && g->number[P_POWER_LIMIT] != UNSUPPORTED && gpu_power_mw(g) >= (double) g->number[P_POWER_LIMIT] * 970)
        reasons |= NVML_REASON_SW_POWER_CAP;
    if (too_hot(g))
        reasons |= NVML_REASON_SW_THERMAL;
    return reasons;
}

static nvmlReturn_t reasons_function(enum function_id function, nvmlDevice_t device, unsigned long long *reasons, bool supported)
{
    struct call call;
    if (!gate_enter_device(&call, function, device, ACCEPT_GPU))
        return call.result;
    if (!reasons)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (call.gpu->number[P_EVENT_REASONS] == UNSUPPORTED)
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    out_u64(&call, reasons, supported ? 0x1FF : read_reasons(call.gpu));
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetCurrentClocksEventReasons(nvmlDevice_t device, unsigned long long *reasons)
{
    return reasons_function(FN_nvmlDeviceGetCurrentClocksEventReasons, device, reasons, false);
}

nvmlReturn_t nvmlDeviceGetCurrentClocksThrottleReasons(nvmlDevice_t device, unsigned long long *reasons)
{
    return reasons_function(FN_nvmlDeviceGetCurrentClocksThrottleReasons, device, reasons, false);
}

nvmlReturn_t nvmlDeviceGetSupportedClocksEventReasons(nvmlDevice_t device, unsigned long long *reasons)
{
    return reasons_function(FN_nvmlDeviceGetSupportedClocksEventReasons, device, reasons, true);
}

nvmlReturn_t nvmlDeviceGetSupportedClocksThrottleReasons(nvmlDevice_t device, unsigned long long *reasons)
{
    return reasons_function(FN_nvmlDeviceGetSupportedClocksThrottleReasons, device, reasons, true);
}

long long read_violation_ns(const struct gpu *g, unsigned policy)
{
    static const int properties[] = {P_VIOLATION_POWER, P_VIOLATION_THERMAL, P_VIOLATION_SYNC_BOOST, P_VIOLATION_BOARD_LIMIT,
        P_VIOLATION_LOW_UTILIZATION, P_VIOLATION_RELIABILITY};
    if (policy == NVML_POLICY_TOTAL_APP_CLOCKS || policy == NVML_POLICY_TOTAL_BASE_CLOCKS)
        policy = NVML_POLICY_POWER;
    if (policy >= sizeof properties / sizeof properties[0])
        return UNSUPPORTED;
    long long counted = g->number[properties[policy]];
    if (counted == UNSUPPORTED || policy != NVML_POLICY_POWER)
        return counted;
    return counted + (long long) (gpu_integral(g, CH_THROTTLED) * 1e9);
}

nvmlReturn_t nvmlDeviceGetViolationStatus(nvmlDevice_t device, unsigned perfPolicyType, nvmlViolationTime_t *violTime)
{
    ENTER_DEVICE(nvmlDeviceGetViolationStatus, device, ACCEPT_GPU);
    if (!violTime || perfPolicyType >= NVML_POLICY_COUNT)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    long long nanoseconds = read_violation_ns(call.gpu, perfPolicyType);
    if (nanoseconds == UNSUPPORTED)
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    out_u64(&call, &violTime->referenceTime, (unsigned long long) virtual_epoch_microseconds());
    out_u64(&call, &violTime->violationTime, (unsigned long long) nanoseconds);
    LEAVE(NVML_SUCCESS);
}

/* ---- temperature, fans */

long long read_memory_temperature(const struct gpu *g)
{
    long long pinned = g->number[P_MEMORY_TEMPERATURE];
    if (pinned != AUTOMATIC)
        return pinned;
    long long core = gpu_temperature(g);
    return core == UNSUPPORTED ? core : core + 4 + (long long) (gpu_channel(g, CH_MEMORY) * 8);
}

long long read_threshold(const struct gpu *g, unsigned threshold)
{
    switch (threshold) {
    case NVML_THRESHOLD_SHUTDOWN:
        return g->number[P_TEMPERATURE_SHUTDOWN];
    case NVML_THRESHOLD_SLOWDOWN:
        return g->number[P_TEMPERATURE_SLOWDOWN];
    case NVML_THRESHOLD_MEM_MAX:
        return g->number[P_TEMPERATURE_MEMORY_MAX];
    case NVML_THRESHOLD_GPU_MAX:
        return g->number[P_TEMPERATURE_GPU_MAX];
    default:
        return UNSUPPORTED;
    }
}

nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, unsigned sensorType, unsigned *temp)
{
    ENTER_DEVICE(nvmlDeviceGetTemperature, device, ACCEPT_GPU);
    LEAVE(temp && sensorType == 0 ? out_property(&call, temp, gpu_temperature(call.gpu)) : NVML_ERROR_INVALID_ARGUMENT);
}

nvmlReturn_t nvmlDeviceGetTemperatureV(nvmlDevice_t device, nvmlTemperature_v1_t *temperature)
{
    ENTER_DEVICE(nvmlDeviceGetTemperatureV, device, ACCEPT_GPU);
    if (!temperature || temperature->sensorType != 0)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (temperature->version != NVML_VERSION_WORD(nvmlTemperature_v1_t, 1))
        LEAVE(NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
    LEAVE(out_property(&call, (unsigned *) &temperature->temperature, gpu_temperature(call.gpu)));
}

nvmlReturn_t nvmlDeviceGetTemperatureThreshold(nvmlDevice_t device, unsigned thresholdType, unsigned *temp)
{
    ENTER_DEVICE(nvmlDeviceGetTemperatureThreshold, device, ACCEPT_GPU);
    if (!temp || thresholdType >= NVML_THRESHOLD_COUNT)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    LEAVE(out_property(&call, temp, read_threshold(call.gpu, thresholdType)));
}

nvmlReturn_t nvmlDeviceGetMarginTemperature(nvmlDevice_t device, nvmlMarginTemperature_v1_t *margin)
{
    ENTER_DEVICE(nvmlDeviceGetMarginTemperature, device, ACCEPT_GPU);
    if (!margin)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (margin->version != NVML_VERSION_WORD(nvmlMarginTemperature_v1_t, 1))
        LEAVE(NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
    long long most = call.gpu->number[P_TEMPERATURE_GPU_MAX], now = gpu_temperature(call.gpu);
    if (most == UNSUPPORTED || now == UNSUPPORTED)
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    margin->marginTemperature = (int) (most - now);
    LEAVE(NVML_SUCCESS);
}

static nvmlReturn_t fan(enum function_id function, nvmlDevice_t device, unsigned number, unsigned *speed)
{
    struct call call;
    if (!gate_enter_device(&call, function, device, ACCEPT_GPU))
        return call.result;
    if (!speed)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (call.gpu->number[P_FANS] <= 0)
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    if (number >= call.gpu->number[P_FANS])
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    long long pinned = call.gpu->number[P_FAN_SPEED], degrees = gpu_temperature(call.gpu);
    LEAVE(out_property(&call, speed, pinned != AUTOMATIC ? pinned : degrees < 40 ? 30 : degrees > 90 ? 100 : 30 + (degrees - 40) * 7 / 5));
}

nvmlReturn_t nvmlDeviceGetFanSpeed(nvmlDevice_t device, unsigned *speed)
{
    return fan(FN_nvmlDeviceGetFanSpeed, device, 0, speed);
}

nvmlReturn_t nvmlDeviceGetFanSpeed_v2(nvmlDevice_t device, unsigned number, unsigned *speed)
{
    return fan(FN_nvmlDeviceGetFanSpeed_v2, device, number, speed);
}

nvmlReturn_t nvmlDeviceGetNumFans(nvmlDevice_t device, unsigned *numFans)
{
    ENTER_DEVICE(nvmlDeviceGetNumFans, device, ACCEPT_GPU);
    LEAVE(numFans ? out_property(&call, numFans, call.gpu->number[P_FANS]) : NVML_ERROR_INVALID_ARGUMENT);
}

/* ---- power */

long long read_power_limit(const struct gpu *g, enum property limit)
{
    return g->number[limit] == UNSUPPORTED ? UNSUPPORTED : g->number[limit] * 1000;
}

#define LIMIT_FUNCTION(name, property) \
    nvmlReturn_t name(nvmlDevice_t device, unsigned *limit) \
    { \
        ENTER_DEVICE(name, device, ACCEPT_GPU); \
        LEAVE(limit ? out_property(&call, limit, read_power_limit(call.gpu, property)) : NVML_ERROR_INVALID_ARGUMENT); \
    }

LIMIT_FUNCTION(nvmlDeviceGetPowerManagementLimit, P_POWER_LIMIT)
LIMIT_FUNCTION(nvmlDeviceGetEnforcedPowerLimit, P_POWER_LIMIT)
LIMIT_FUNCTION(nvmlDeviceGetPowerManagementDefaultLimit, P_POWER_LIMIT_DEFAULT)

nvmlReturn_t nvmlDeviceGetPowerManagementLimitConstraints(nvmlDevice_t device, unsigned *minLimit, unsigned *maxLimit)
{
    ENTER_DEVICE(nvmlDeviceGetPowerManagementLimitConstraints, device, ACCEPT_GPU);
    if (!minLimit || !maxLimit)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    nvmlReturn_t result = out_property(&call, minLimit, read_power_limit(call.gpu, P_POWER_LIMIT_MIN));
    LEAVE(result == NVML_SUCCESS ? out_property(&call, maxLimit, read_power_limit(call.gpu, P_POWER_LIMIT_MAX)) : result);
}

nvmlReturn_t nvmlDeviceSetPowerManagementLimit(nvmlDevice_t device, unsigned limit)
{
    ENTER_DEVICE(nvmlDeviceSetPowerManagementLimit, device, ACCEPT_GPU);
    if (call.gpu->number[P_POWER_LIMIT] == UNSUPPORTED)
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    if (limit < read_power_limit(call.gpu, P_POWER_LIMIT_MIN) || limit > read_power_limit(call.gpu, P_POWER_LIMIT_MAX))
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    gpu_change_power_limit(call.gpu, limit / 1000, virtual_seconds());
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetPowerManagementMode(nvmlDevice_t device, nvmlEnableState_t *mode)
{
    ENTER_DEVICE(nvmlDeviceGetPowerManagementMode, device, ACCEPT_GPU);
    if (!mode)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    out_u32(&call, mode, call.gpu->number[P_POWER_LIMIT] != UNSUPPORTED);
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned *power)
{
    ENTER_DEVICE(nvmlDeviceGetPowerUsage, device, ACCEPT_GPU);
    if (!power)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    LEAVE(call.gpu->number[P_POWER] == UNSUPPORTED ? NVML_ERROR_NOT_SUPPORTED : out_property(&call, power, (long long) gpu_power_mw(call.gpu)));
}

nvmlReturn_t nvmlDeviceGetTotalEnergyConsumption(nvmlDevice_t device, unsigned long long *energy)
{
    ENTER_DEVICE(nvmlDeviceGetTotalEnergyConsumption, device, ACCEPT_GPU);
    if (!energy)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (call.gpu->number[P_ENERGY] == UNSUPPORTED)
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    out_u64(&call, energy, (unsigned long long) gpu_energy_mj(call.gpu, virtual_seconds()));
    LEAVE(NVML_SUCCESS);
}

static nvmlReturn_t performance_state(enum function_id function, nvmlDevice_t device, unsigned *state)
{
    struct call call;
    if (!gate_enter_device(&call, function, device, ACCEPT_GPU))
        return call.result;
    if (!state)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    long long pinned = call.gpu->number[P_PERFORMANCE_STATE];
    bool one_state = call.gpu->number[P_MEMORY_CLOCK_IDLE] == call.gpu->number[P_MEMORY_CLOCK_MAX]; /* HBM boards stay in P0 */
    LEAVE(out_property(&call, state, pinned != AUTOMATIC ? pinned : busy(call.gpu) || one_state ? 0 : 8));
}

nvmlReturn_t nvmlDeviceGetPerformanceState(nvmlDevice_t device, unsigned *pState)
{
    return performance_state(FN_nvmlDeviceGetPerformanceState, device, pState);
}

nvmlReturn_t nvmlDeviceGetPowerState(nvmlDevice_t device, unsigned *pState)
{
    return performance_state(FN_nvmlDeviceGetPowerState, device, pState);
}

nvmlReturn_t nvmlDeviceGetPowerSource(nvmlDevice_t device, unsigned *powerSource)
{
    ENTER_DEVICE(nvmlDeviceGetPowerSource, device, ACCEPT_GPU);
    if (!powerSource)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    out_u32(&call, powerSource, 0); /* mains */
    LEAVE(NVML_SUCCESS);
}

/* ---- PCIe */

static long long current_pcie(const struct gpu *g, enum property pinned, enum property most)
{
    if (g->number[pinned] != AUTOMATIC)
        return g->number[pinned];
    /* boards that save power when idle let the link go to generation 1 */
    bool saves = g->number[P_MEMORY_CLOCK_IDLE] != g->number[P_MEMORY_CLOCK_MAX];
    return pinned == P_PCIE_GENERATION_CURRENT && saves && !busy(g) ? 1 : g->number[most];
}

#define PCIE_FUNCTION(name, expression) \
    nvmlReturn_t name(nvmlDevice_t device, unsigned *value) \
    { \
        ENTER_DEVICE(name, device, ACCEPT_GPU); \
        const struct gpu *g = call.gpu; \
        LEAVE(value ? out_property(&call, value, expression) : NVML_ERROR_INVALID_ARGUMENT); \
    }

static long long lane_megatransfers(long long pcie_generation)
{
    static const long long speeds[] = {UNSUPPORTED, 2500, 5000, 8000, 16000, 32000, 64000};
    return pcie_generation >= 1 && pcie_generation <= 6 ? speeds[pcie_generation] : UNSUPPORTED;
}

PCIE_FUNCTION(nvmlDeviceGetMaxPcieLinkGeneration, g->number[P_PCIE_GENERATION])
PCIE_FUNCTION(nvmlDeviceGetGpuMaxPcieLinkGeneration, g->number[P_PCIE_GENERATION])
PCIE_FUNCTION(nvmlDeviceGetMaxPcieLinkWidth, g->number[P_PCIE_WIDTH])
PCIE_FUNCTION(nvmlDeviceGetCurrPcieLinkGeneration, current_pcie(g, P_PCIE_GENERATION_CURRENT, P_PCIE_GENERATION))
PCIE_FUNCTION(nvmlDeviceGetCurrPcieLinkWidth, current_pcie(g, P_PCIE_WIDTH_CURRENT, P_PCIE_WIDTH))
PCIE_FUNCTION(nvmlDeviceGetPcieReplayCounter, g->number[P_PCIE_REPLAYS])
PCIE_FUNCTION(nvmlDeviceGetPcieSpeed, lane_megatransfers(current_pcie(g, P_PCIE_GENERATION_CURRENT, P_PCIE_GENERATION)))
PCIE_FUNCTION(nvmlDeviceGetPcieLinkMaxSpeed, g->number[P_PCIE_GENERATION])

long long read_pcie_kilobytes(const struct gpu *g, bool received)
{
    long long pinned = g->number[received ? P_PCIE_RX : P_PCIE_TX];
    return pinned != AUTOMATIC ? pinned : (long long) (gpu_channel(g, received ? CH_PCIE_RX : CH_PCIE_TX) * pcie_bytes_per_second(g) / 1000);
}

long long read_pcie_bytes_counted(const struct gpu *g, bool received)
{
    if (g->number[received ? P_PCIE_RX : P_PCIE_TX] == UNSUPPORTED)
        return UNSUPPORTED;
    return (long long) (gpu_integral(g, received ? CH_PCIE_RX : CH_PCIE_TX) * pcie_bytes_per_second(g));
}

nvmlReturn_t nvmlDeviceGetPcieThroughput(nvmlDevice_t device, unsigned counter, unsigned *value)
{
    ENTER_DEVICE(nvmlDeviceGetPcieThroughput, device, ACCEPT_GPU);
    if (!value || counter > 1)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    LEAVE(out_property(&call, value, read_pcie_kilobytes(call.gpu, counter == 1)));
}
