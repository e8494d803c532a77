/*
 * Init and shutdown, the system, and finding GPUs.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "sim.h"

/* Orders init and shutdown, which start and join the control thread; taken before sim_lock. */
static pthread_mutex_t lifecycle_lock = PTHREAD_MUTEX_INITIALIZER;

static nvmlReturn_t initialize(enum function_id function)
{
    pthread_mutex_lock(&sim_lock);
    if (!scenario_loaded())
        scenario_load();
    control_poll(); /* also before the first init, when no thread watches */
    hide_without_nodes();
    pthread_mutex_unlock(&sim_lock);
    struct call call;
    if (!gate_enter_uninitialized(&call, function))
        return call.result;
    pthread_mutex_unlock(&sim_lock); /* in the order of the two locks */
    pthread_mutex_lock(&lifecycle_lock);
    pthread_mutex_lock(&sim_lock);
    nvmlReturn_t result = scenario_failure() ? NVML_ERROR_UNKNOWN : world.driver_loaded ? NVML_SUCCESS : NVML_ERROR_DRIVER_NOT_LOADED;
    if (result == NVML_SUCCESS && init_count == 0)
        result = kernel_module_open();
    bool first = result == NVML_SUCCESS && init_count++ == 0;
    if (first) {
        generation++;
        ever_initialized = true;
        session_began();
    }
    gate_leave(&call, result);
    if (first)
        control_start();
    pthread_mutex_unlock(&lifecycle_lock);
    return result;
}

nvmlReturn_t nvmlInit(void)
{
    return initialize(FN_nvmlInit);
}

nvmlReturn_t nvmlInit_v2(void)
{
    return initialize(FN_nvmlInit_v2);
}

nvmlReturn_t nvmlInitWithFlags(unsigned int flags)
{
    (void) flags; /* no GPUs, no attach, force: all the same for a node that is always attached */
    return initialize(FN_nvmlInitWithFlags);
}

nvmlReturn_t nvmlShutdown(void)
{
    struct call call;
    if (!gate_enter_uninitialized(&call, FN_nvmlShutdown))
        return call.result;
    pthread_mutex_unlock(&sim_lock);
    pthread_mutex_lock(&lifecycle_lock);
    pthread_mutex_lock(&sim_lock);
    bool last = init_count == 1;
    nvmlReturn_t result = NVML_SUCCESS;
    if (init_count == 0) {
        violation("nvmlShutdown without a matching init");
        result = world.driver_loaded ? NVML_ERROR_UNINITIALIZED : NVML_SUCCESS; /* the real one does not mind without a driver */
    } else {
        init_count--;
    }
    if (last) {
        if (events_open_sets() > 0)
            violation("%u event sets were not freed before the last shutdown", events_open_sets());
        if (samples_open() > 0)
            violation("%u GPM samples were not freed before the last shutdown", samples_open());
        if (in_flight > 1) /* one is this call */
            violation("%u calls were running at the last shutdown", in_flight - 1);
        events_forget_all();
        samples_forget_all();
        session_ended();
        kernel_module_close();
        generation++;
    }
    gate_leave(&call, result);
    if (last)
        control_stop();
    pthread_mutex_unlock(&lifecycle_lock);
    return result;
}

const char *nvmlErrorString(nvmlReturn_t result)
{
    static const char *const texts[] = {
        "Success", "Uninitialized", "Invalid Argument", "Not Supported", "Insufficient Permissions", "Already Initialized", "Not Found",
        "Insufficient Size", "Insufficient External Power", "Driver Not Loaded", "Timeout", "Interrupt Request Issue",
        "NVML Shared Library Not Found", "Function Not Found", "Corrupted infoROM", "GPU is lost", "GPU requires reset",
        "GPU access blocked by the operating system", "Driver/library version mismatch", "In use by another client",
        "Insufficient Memory", "No data", "VGPU ECC not supported", "Insufficient resources", "Frequency not supported",
        "Argument version mismatch", "Deprecated", "Not Ready", "No supported GPUs found", "Invalid state",
    };
    struct call call;
    unsigned known = sizeof texts / sizeof texts[0];
    if (gate_enter_uninitialized(&call, FN_nvmlErrorString)) {
        known = world.branch < 550 ? NVML_ERROR_GPU_NOT_FOUND : known; /* the last two came with R550 */
        gate_leave(&call, NVML_SUCCESS);
    }
    return (unsigned) result < known ? texts[result] : "Unknown Error";
}

/* ---- system */

nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned length)
{
    ENTER(nvmlSystemGetDriverVersion);
    if (!version)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    LEAVE(out_text(&call, version, length, world.driver_version, strlen(world.driver_version)));
}

nvmlReturn_t nvmlSystemGetNVMLVersion(char *version, unsigned length)
{
    struct call call;
    if (!gate_enter_uninitialized(&call, FN_nvmlSystemGetNVMLVersion))
        return call.result;
    if (!version)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    LEAVE(out_text(&call, version, length, world.nvml_version, strlen(world.nvml_version)));
}

static nvmlReturn_t cuda_version(enum function_id function, int *version)
{
    struct call call;
    if (!gate_enter_uninitialized(&call, function))
        return call.result;
    if (!version)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (!world.driver_loaded)
        LEAVE(function == FN_nvmlSystemGetCudaDriverVersion_v2 ? NVML_ERROR_LIBRARY_NOT_FOUND : NVML_ERROR_DRIVER_NOT_LOADED);
    *version = world.cuda_version;
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlSystemGetCudaDriverVersion(int *cudaDriverVersion)
{
    return cuda_version(FN_nvmlSystemGetCudaDriverVersion, cudaDriverVersion);
}

nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int *cudaDriverVersion)
{
    return cuda_version(FN_nvmlSystemGetCudaDriverVersion_v2, cudaDriverVersion);
}

/* Off: what a simulated machine computes is nobody's secret. */
nvmlReturn_t nvmlSystemGetConfComputeState(nvmlConfComputeSystemState_t *state)
{
    ENTER(nvmlSystemGetConfComputeState);
    if (!state)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (world.gpus == 0 || world.gpu[0].number[P_ARCHITECTURE] < NVML_ARCH_HOPPER)
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    state->environment = 0;
    state->ccFeature = 0;
    state->devToolsMode = 0;
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlSystemGetDriverBranch(nvmlSystemDriverBranchInfo_v1_t *branchInfo, unsigned length)
{
    ENTER(nvmlSystemGetDriverBranch);
    if (!branchInfo)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (branchInfo->version != NVML_VERSION_WORD(nvmlSystemDriverBranchInfo_v1_t, 1))
        LEAVE(NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
    char text[16];
    int used = snprintf(text, sizeof text, "r%u_00", world.branch);
    LEAVE(out_text(&call, branchInfo->branch, length < sizeof branchInfo->branch ? length : sizeof branchInfo->branch, text, (size_t) used));
}

nvmlReturn_t nvmlSystemGetProcessName(unsigned pid, char *name, unsigned length)
{
    ENTER(nvmlSystemGetProcessName);
    if (!name || length == 0)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    char text[256] = "", path[40];
    for (unsigned n = 0; n < world.gpus && !*text; n++)
        for (unsigned p = 0; p < world.gpu[n].processes; p++)
            if (world.gpu[n].process[p].pid == pid && *world.gpu[n].process[p].name)
                snprintf(text, sizeof text, "%s", world.gpu[n].process[p].name);
    if (!*text) {
        snprintf(path, sizeof path, "/proc/%u/cmdline", pid);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
        if (fd >= 0)
            close(fd);
        if (got <= 0)
            LEAVE(NVML_ERROR_NOT_FOUND);
        text[got] = '\0'; /* the first argument ends in a zero byte */
    }
    size_t used = strlen(text);
    LEAVE(out_text(&call, name, length, text, used < length ? used : length - 1)); /* cut to fit, as the real one does */
}

nvmlReturn_t nvmlSystemGetHicVersion(unsigned *hwbcCount, void *hwbcEntries)
{
    ENTER(nvmlSystemGetHicVersion);
    if (!hwbcCount)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    LEAVE(out_list(&call, hwbcCount, 0, hwbcEntries));
}

nvmlReturn_t nvmlUnitGetCount(unsigned *unitCount)
{
    ENTER(nvmlUnitGetCount);
    if (!unitCount)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    out_u32(&call, unitCount, 0);
    LEAVE(NVML_SUCCESS);
}

static nvmlReturn_t excluded_count(enum function_id function, unsigned *count)
{
    struct call call;
    if (!gate_enter(&call, function))
        return call.result;
    if (!count)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    out_u32(&call, count, 0);
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlGetExcludedDeviceCount(unsigned *deviceCount)
{
    return excluded_count(FN_nvmlGetExcludedDeviceCount, deviceCount);
}

nvmlReturn_t nvmlGetBlacklistDeviceCount(unsigned *deviceCount)
{
    return excluded_count(FN_nvmlGetBlacklistDeviceCount, deviceCount);
}

nvmlReturn_t nvmlGetExcludedDeviceInfoByIndex(unsigned index, nvmlExcludedDeviceInfo_t *info)
{
    ENTER(nvmlGetExcludedDeviceInfoByIndex);
    (void) index, (void) info;
    LEAVE(NVML_ERROR_INVALID_ARGUMENT);
}

nvmlReturn_t nvmlGetBlacklistDeviceInfoByIndex(unsigned index, nvmlExcludedDeviceInfo_t *info)
{
    ENTER(nvmlGetBlacklistDeviceInfoByIndex);
    (void) index, (void) info;
    LEAVE(NVML_ERROR_INVALID_ARGUMENT);
}

/* ---- finding GPUs */

static nvmlReturn_t device_count(enum function_id function, unsigned *count)
{
    struct call call;
    if (!gate_enter(&call, function))
        return call.result;
    if (!count)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    long long forced = call.fault ? call.fault->count : UNSUPPORTED;
    out_u32(&call, count, forced == UNSUPPORTED ? present_gpus() : (unsigned long long) forced);
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetCount(unsigned *deviceCount)
{
    return device_count(FN_nvmlDeviceGetCount, deviceCount);
}

nvmlReturn_t nvmlDeviceGetCount_v2(unsigned *deviceCount)
{
    return device_count(FN_nvmlDeviceGetCount_v2, deviceCount);
}

static nvmlReturn_t give(nvmlDevice_t *device, enum handle_kind kind, unsigned gpu, unsigned slot)
{
    *device = handle_for(kind, gpu, slot);
    return *device ? NVML_SUCCESS : NVML_ERROR_MEMORY;
}

static nvmlReturn_t by_index(enum function_id function, unsigned index, nvmlDevice_t *device)
{
    struct call call;
    if (!gate_enter(&call, function))
        return call.result;
    if (!device)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    unsigned at = 0;
    for (unsigned i = 0; i < world.gpus; i++) {
        const struct gpu *g = &world.gpu[world.order[i]];
        if (!g->removed && at++ == index)
            LEAVE(g->lost ? NVML_ERROR_GPU_IS_LOST : give(device, HANDLE_GPU, world.order[i], 0));
    }
    LEAVE(NVML_ERROR_INVALID_ARGUMENT);
}

nvmlReturn_t nvmlDeviceGetHandleByIndex(unsigned index, nvmlDevice_t *device)
{
    return by_index(FN_nvmlDeviceGetHandleByIndex, index, device);
}

nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned index, nvmlDevice_t *device)
{
    return by_index(FN_nvmlDeviceGetHandleByIndex_v2, index, device);
}

static nvmlReturn_t by_uuid(const char *uuid, nvmlDevice_t *device)
{
    for (unsigned n = 0; n < world.gpus; n++) {
        const struct gpu *g = &world.gpu[n];
        if (g->removed)
            continue;
        if (strcmp(g->text[T_UUID].bytes, uuid) == 0)
            return g->lost ? NVML_ERROR_GPU_IS_LOST : give(device, HANDLE_GPU, n, 0);
        for (unsigned m = 0; m < MAX_MIG_DEVICES; m++)
            if (g->mig[m].present && g->number[P_MIG_MODE] == 1 && strcmp(g->mig[m].uuid, uuid) == 0)
                return g->lost ? NVML_ERROR_GPU_IS_LOST : give(device, HANDLE_MIG, n, m);
    }
    return NVML_ERROR_NOT_FOUND;
}

nvmlReturn_t nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *device)
{
    ENTER(nvmlDeviceGetHandleByUUID);
    if (!uuid || !device)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    LEAVE(by_uuid(uuid, device));
}

nvmlReturn_t nvmlDeviceGetHandleByUUIDV(const nvmlUUID_v1_t *uuid, nvmlDevice_t *device)
{
    ENTER(nvmlDeviceGetHandleByUUIDV);
    if (!uuid || !device)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (uuid->version != NVML_VERSION_WORD(nvmlUUID_v1_t, 1))
        LEAVE(NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
    char text[42];
    const unsigned char *b = uuid->value.bytes;
    if (uuid->type == 1)
        snprintf(text, sizeof text, "%.41s", uuid->value.str);
    else if (uuid->type == 2)
        snprintf(text, sizeof text, "GPU-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3], b[4],
            b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
    else
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    LEAVE(by_uuid(text, device));
}

nvmlReturn_t nvmlDeviceGetHandleBySerial(const char *serial, nvmlDevice_t *device)
{
    ENTER(nvmlDeviceGetHandleBySerial);
    if (!serial || !device)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    for (unsigned n = 0; n < world.gpus; n++) {
        const struct gpu *g = &world.gpu[n];
        if (!g->removed && g->text[T_SERIAL].supported && strcmp(g->text[T_SERIAL].bytes, serial) == 0)
            LEAVE(g->lost ? NVML_ERROR_GPU_IS_LOST : give(device, HANDLE_GPU, n, 0));
    }
    LEAVE(NVML_ERROR_NOT_FOUND);
}

static nvmlReturn_t by_pci(enum function_id function, const char *address, nvmlDevice_t *device)
{
    struct call call;
    if (!gate_enter(&call, function))
        return call.result;
    unsigned domain, bus, slot, unit;
    if (!address || !device)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (sscanf(address, "%x:%x:%x.%x", &domain, &bus, &slot, &unit) < 3) {
        domain = 0; /* the domain may be left out */
        if (sscanf(address, "%x:%x.%x", &bus, &slot, &unit) < 2)
            LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    }
    for (unsigned n = 0; n < world.gpus; n++) {
        const struct gpu *g = &world.gpu[n];
        if (!g->removed && g->domain == domain && g->bus == bus && g->device == slot)
            LEAVE(g->lost ? NVML_ERROR_GPU_IS_LOST : give(device, HANDLE_GPU, n, 0));
    }
    LEAVE(NVML_ERROR_NOT_FOUND);
}

nvmlReturn_t nvmlDeviceGetHandleByPciBusId(const char *pciBusId, nvmlDevice_t *device)
{
    return by_pci(FN_nvmlDeviceGetHandleByPciBusId, pciBusId, device);
}

nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char *pciBusId, nvmlDevice_t *device)
{
    return by_pci(FN_nvmlDeviceGetHandleByPciBusId_v2, pciBusId, device);
}

nvmlReturn_t nvmlSystemGetTopologyGpuSet(unsigned cpuNumber, unsigned *count, nvmlDevice_t *deviceArray)
{
    ENTER(nvmlSystemGetTopologyGpuSet);
    if (!count || cpuNumber >= world.processors)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    unsigned per_node = world.processors / world.numa_nodes, near[MAX_GPUS], found = 0;
    for (unsigned i = 0; i < world.gpus; i++) {
        const struct gpu *g = &world.gpu[world.order[i]];
        if (!g->removed && per_node > 0 && g->number[P_NUMA] == (long long) (cpuNumber / per_node))
            near[found++] = world.order[i];
    }
    nvmlReturn_t result = out_list(&call, count, found, deviceArray);
    for (unsigned i = 0; result == NVML_SUCCESS && i < found; i++)
        deviceArray[i] = handle_for(HANDLE_GPU, near[i], 0);
    LEAVE(result);
}
