/*
 * Processes that use a GPU.
 */
#include <string.h>

#include "telemetry.h"

static bool matches(const struct call *call, const struct process *process, unsigned types)
{
    return (process->types & types) && (call->mig < 0 || process->mig == call->mig);
}

static nvmlReturn_t list_processes(enum function_id function, nvmlDevice_t device, unsigned *count, void *infos, unsigned types, int version)
{
    struct call call;
    if (!gate_enter_device(&call, function, device, ACCEPT_GPU | ACCEPT_MIG))
        return call.result;
    if (!count)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    const struct gpu *g = call.gpu;
    unsigned available = 0, at = 0;
    for (unsigned p = 0; p < g->processes; p++)
        available += matches(&call, &g->process[p], types);
    nvmlReturn_t result = out_list(&call, count, available, infos);
    for (unsigned p = 0; result == NVML_SUCCESS && p < g->processes; p++) {
        const struct process *process = &g->process[p];
        if (!matches(&call, process, types))
            continue;
        unsigned long long memory;
        out_u64(&call, &memory, (unsigned long long) process->memory_bytes);
        if (version == 1) {
            nvmlProcessInfo_v1_t *info = (nvmlProcessInfo_v1_t *) infos + at++;
            info->pid = process->pid;
            info->usedGpuMemory = memory;
            continue;
        }
        nvmlProcessInfo_t *info = (nvmlProcessInfo_t *) infos + at++;
        info->pid = process->pid;
        info->usedGpuMemory = memory;
        info->gpuInstanceId = process->mig < 0 ? NVML_VALUE_NOT_AVAILABLE_U32 : g->mig[process->mig].gpu_instance;
        info->computeInstanceId = process->mig < 0 ? NVML_VALUE_NOT_AVAILABLE_U32 : g->mig[process->mig].compute_instance;
    }
    LEAVE(result);
}

#define PROCESS_FUNCTION(name, types, version, type) \
    nvmlReturn_t name(nvmlDevice_t device, unsigned *infoCount, type *infos) \
    { \
        return list_processes(FN_##name, device, infoCount, infos, types, version); \
    }

PROCESS_FUNCTION(nvmlDeviceGetComputeRunningProcesses, PROCESS_COMPUTE, 1, nvmlProcessInfo_v1_t)
PROCESS_FUNCTION(nvmlDeviceGetComputeRunningProcesses_v2, PROCESS_COMPUTE, 2, nvmlProcessInfo_t)
PROCESS_FUNCTION(nvmlDeviceGetComputeRunningProcesses_v3, PROCESS_COMPUTE, 3, nvmlProcessInfo_t)
PROCESS_FUNCTION(nvmlDeviceGetGraphicsRunningProcesses, PROCESS_GRAPHICS, 1, nvmlProcessInfo_v1_t)
PROCESS_FUNCTION(nvmlDeviceGetGraphicsRunningProcesses_v2, PROCESS_GRAPHICS, 2, nvmlProcessInfo_t)
PROCESS_FUNCTION(nvmlDeviceGetGraphicsRunningProcesses_v3, PROCESS_GRAPHICS, 3, nvmlProcessInfo_t)
PROCESS_FUNCTION(nvmlDeviceGetMPSComputeRunningProcesses, PROCESS_MPS, 1, nvmlProcessInfo_v1_t)
PROCESS_FUNCTION(nvmlDeviceGetMPSComputeRunningProcesses_v2, PROCESS_MPS, 2, nvmlProcessInfo_t)
PROCESS_FUNCTION(nvmlDeviceGetMPSComputeRunningProcesses_v3, PROCESS_MPS, 3, nvmlProcessInfo_t)

/* The processes of the workload share what the GPU does. */
static unsigned share_of(const struct gpu *g, enum channel c)
{
    unsigned active = 0;
    for (unsigned p = 0; p < g->processes; p++)
        active += g->process[p].of_workload;
    return active == 0 ? 0 : (unsigned) (gpu_channel(g, c) * 100 / active + .5);
}

nvmlReturn_t nvmlDeviceGetProcessUtilization(nvmlDevice_t device, nvmlProcessUtilizationSample_t *utilization,
    unsigned *processSamplesCount, unsigned long long lastSeenTimeStamp)
{
    ENTER_DEVICE(nvmlDeviceGetProcessUtilization, device, ACCEPT_GPU);
    if (!processSamplesCount)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    const struct gpu *g = call.gpu;
    unsigned long long now = (unsigned long long) virtual_epoch_microseconds();
    if (mig_enabled(g))
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    if (g->processes == 0 || lastSeenTimeStamp >= now)
        LEAVE(NVML_ERROR_NOT_FOUND);
    nvmlReturn_t result = out_list(&call, processSamplesCount, g->processes, utilization);
    for (unsigned p = 0; result == NVML_SUCCESS && p < g->processes; p++) {
        bool active = g->process[p].of_workload;
        utilization[p] = (nvmlProcessUtilizationSample_t){.pid = g->process[p].pid, .timeStamp = now,
            .smUtil = active ? share_of(g, CH_SM) : 0, .memUtil = active ? share_of(g, CH_MEMORY) : 0,
            .encUtil = active ? share_of(g, CH_ENCODER) : 0, .decUtil = active ? share_of(g, CH_DECODER) : 0};
    }
    LEAVE(result);
}

nvmlReturn_t nvmlDeviceGetProcessesUtilizationInfo(nvmlDevice_t device, nvmlProcessesUtilizationInfo_v1_t *info)
{
    ENTER_DEVICE(nvmlDeviceGetProcessesUtilizationInfo, device, ACCEPT_GPU);
    if (!info)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (info->version != NVML_VERSION_WORD(nvmlProcessesUtilizationInfo_v1_t, 1))
        LEAVE(NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
    const struct gpu *g = call.gpu;
    unsigned long long now = (unsigned long long) virtual_epoch_microseconds();
    if (mig_enabled(g))
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    if (g->processes == 0 || info->lastSeenTimeStamp >= now)
        LEAVE(NVML_ERROR_NOT_FOUND);
    nvmlReturn_t result = out_list(&call, &info->processSamplesCount, g->processes, info->procUtilArray);
    for (unsigned p = 0; result == NVML_SUCCESS && p < g->processes; p++) {
        bool active = g->process[p].of_workload;
        info->procUtilArray[p] = (nvmlProcessUtilizationInfo_v1_t){.timeStamp = now, .pid = g->process[p].pid,
            .smUtil = active ? share_of(g, CH_SM) : 0, .memUtil = active ? share_of(g, CH_MEMORY) : 0,
            .encUtil = active ? share_of(g, CH_ENCODER) : 0, .decUtil = active ? share_of(g, CH_DECODER) : 0};
    }
    if (result == NVML_SUCCESS)
        info->lastSeenTimeStamp = now;
    LEAVE(result);
}
