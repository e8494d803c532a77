/*
 * MIG: mode, profiles, instances that the profile laid out, and the devices made of them. Creating and destroying instances at run time
 * is not modelled: those calls are stubs; rules lay instances out anew.
 */
#include <stdio.h>
#include <string.h>

#include "telemetry.h"

nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned *currentMode, unsigned *pendingMode)
{
    ENTER_DEVICE(nvmlDeviceGetMigMode, device, ACCEPT_GPU);
    if (!currentMode || !pendingMode)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (!gpu_mig_table(call.gpu))
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    out_u32(&call, currentMode, (unsigned) call.gpu->number[P_MIG_MODE]);
    out_u32(&call, pendingMode, (unsigned) call.gpu->number[P_MIG_PENDING]);
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceSetMigMode(nvmlDevice_t device, unsigned mode, nvmlReturn_t *activationStatus)
{
    ENTER_DEVICE(nvmlDeviceSetMigMode, device, ACCEPT_GPU);
    if (mode > 1 || !activationStatus)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (!gpu_mig_table(call.gpu))
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    struct gpu *g = call.gpu;
    if (g->processes > 0) {
        *activationStatus = NVML_ERROR_IN_USE;
        LEAVE(NVML_SUCCESS);
    }
    g->number[P_MIG_PENDING] = mode;
    *activationStatus = NVML_SUCCESS;
    if (g->number[P_MIG_MODE] != mode) {
        g->number[P_MIG_MODE] = mode;
        for (int m = 0; m < MAX_MIG_DEVICES; m++)
            g->mig[m].present = false; /* instances do not survive */
        handles_retire_mig(gpu_slot(g));
    }
    LEAVE(NVML_SUCCESS);
}

/* ---- devices */

nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t device, unsigned *count)
{
    ENTER_DEVICE(nvmlDeviceGetMaxMigDeviceCount, device, ACCEPT_GPU);
    if (!count)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    out_u32(&call, count, mig_enabled(call.gpu) ? gpu_mig_table(call.gpu)->slices : 0);
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t device, unsigned index, nvmlDevice_t *migDevice)
{
    ENTER_DEVICE(nvmlDeviceGetMigDeviceHandleByIndex, device, ACCEPT_GPU);
    if (!migDevice || (mig_enabled(call.gpu) && index >= gpu_mig_table(call.gpu)->slices))
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (!mig_enabled(call.gpu) || !call.gpu->mig[index].present)
        LEAVE(NVML_ERROR_NOT_FOUND);
    *migDevice = handle_for(HANDLE_MIG, gpu_slot(call.gpu), index);
    LEAVE(*migDevice ? NVML_SUCCESS : NVML_ERROR_MEMORY);
}

nvmlReturn_t nvmlDeviceIsMigDeviceHandle(nvmlDevice_t device, unsigned *isMigDevice)
{
    ENTER_DEVICE(nvmlDeviceIsMigDeviceHandle, device, ACCEPT_GPU | ACCEPT_MIG);
    if (!isMigDevice)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    *isMigDevice = call.mig >= 0;
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetDeviceHandleFromMigDeviceHandle(nvmlDevice_t migDevice, nvmlDevice_t *device)
{
    ENTER_DEVICE(nvmlDeviceGetDeviceHandleFromMigDeviceHandle, migDevice, ACCEPT_MIG);
    if (!device)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    *device = handle_for(HANDLE_GPU, gpu_slot(call.gpu), 0);
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetGpuInstanceId(nvmlDevice_t device, unsigned *id)
{
    ENTER_DEVICE(nvmlDeviceGetGpuInstanceId, device, ACCEPT_MIG);
    LEAVE(id ? out_property(&call, id, call.gpu->mig[call.mig].gpu_instance) : NVML_ERROR_INVALID_ARGUMENT);
}

nvmlReturn_t nvmlDeviceGetComputeInstanceId(nvmlDevice_t device, unsigned *id)
{
    ENTER_DEVICE(nvmlDeviceGetComputeInstanceId, device, ACCEPT_MIG);
    LEAVE(id ? out_property(&call, id, call.gpu->mig[call.mig].compute_instance) : NVML_ERROR_INVALID_ARGUMENT);
}

static nvmlReturn_t attributes(enum function_id function, nvmlDevice_t device, nvmlDeviceAttributes_t *to)
{
    struct call call;
    if (!gate_enter_device(&call, function, device, ACCEPT_GPU | ACCEPT_MIG))
        return call.result;
    if (!to)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (call.mig < 0)
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    const struct mig_profile *profile = &gpu_mig_table(call.gpu)->profile[call.gpu->mig[call.mig].profile];
    *to = (nvmlDeviceAttributes_t){profile->multiprocessors, profile->copy, profile->decoders, profile->encoders, profile->jpeg, profile->ofa,
        profile->slices, profile->slices, profile->memory_mib};
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetAttributes(nvmlDevice_t device, nvmlDeviceAttributes_t *to)
{
    return attributes(FN_nvmlDeviceGetAttributes, device, to);
}

nvmlReturn_t nvmlDeviceGetAttributes_v2(nvmlDevice_t device, nvmlDeviceAttributes_t *to)
{
    return attributes(FN_nvmlDeviceGetAttributes_v2, device, to);
}

/* ---- GPU instance profiles */

static const struct mig_profile *profile_by(const struct gpu *g, unsigned number, bool by_id)
{
    const struct mig_table *table = gpu_mig_table(g);
    for (unsigned i = 0; table && i < table->profiles; i++)
        if ((by_id ? table->profile[i].id : table->profile[i].constant) == number)
            return &table->profile[i];
    return NULL;
}

static unsigned p2p_supported(const struct gpu *g)
{
    return g->number[P_ARCHITECTURE] >= NVML_ARCH_HOPPER;
}

nvmlReturn_t nvmlDeviceGetGpuInstanceProfileInfo(nvmlDevice_t device, unsigned profile, nvmlGpuInstanceProfileInfo_t *info)
{
    ENTER_DEVICE(nvmlDeviceGetGpuInstanceProfileInfo, device, ACCEPT_GPU);
    if (!info || profile >= NVML_GPU_INSTANCE_PROFILE_COUNT)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    const struct mig_profile *p = profile_by(call.gpu, profile, false);
    if (!p)
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    *info = (nvmlGpuInstanceProfileInfo_t){p->id, p2p_supported(call.gpu), p->slices, p->instances, p->multiprocessors, p->copy, p->decoders,
        p->encoders, p->jpeg, p->ofa, p->memory_mib};
    LEAVE(NVML_SUCCESS);
}

static nvmlReturn_t profile_v(enum function_id function, nvmlDevice_t device, unsigned number, void *info, bool by_id)
{
    struct call call;
    if (!gate_enter_device(&call, function, device, ACCEPT_GPU))
        return call.result;
    if (!info || (!by_id && number >= NVML_GPU_INSTANCE_PROFILE_COUNT))
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    unsigned version = *(unsigned *) info;
    bool v3 = version == NVML_VERSION_WORD(nvmlGpuInstanceProfileInfo_v3_t, 3);
    if (version != NVML_VERSION_WORD(nvmlGpuInstanceProfileInfo_v2_t, 2) && !(v3 && world.branch >= 530))
        LEAVE(NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
    const struct mig_profile *p = profile_by(call.gpu, number, by_id);
    if (!p || !mig_enabled(call.gpu))
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    if (v3) {
        nvmlGpuInstanceProfileInfo_v3_t *to = info;
        *to = (nvmlGpuInstanceProfileInfo_v3_t){.version = version, .id = p->id, .sliceCount = p->slices, .instanceCount = p->instances,
            .multiprocessorCount = p->multiprocessors, .copyEngineCount = p->copy, .decoderCount = p->decoders, .encoderCount = p->encoders,
            .jpegCount = p->jpeg, .ofaCount = p->ofa, .memorySizeMB = p->memory_mib, .capabilities = p2p_supported(call.gpu)};
        snprintf(to->name, sizeof to->name, "MIG %s", p->name);
    } else {
        nvmlGpuInstanceProfileInfo_v2_t *to = info;
        *to = (nvmlGpuInstanceProfileInfo_v2_t){.version = version, .id = p->id, .isP2pSupported = p2p_supported(call.gpu),
            .sliceCount = p->slices, .instanceCount = p->instances, .multiprocessorCount = p->multiprocessors, .copyEngineCount = p->copy,
            .decoderCount = p->decoders, .encoderCount = p->encoders, .jpegCount = p->jpeg, .ofaCount = p->ofa, .memorySizeMB = p->memory_mib};
        snprintf(to->name, sizeof to->name, "MIG %s", p->name);
    }
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetGpuInstanceProfileInfoV(nvmlDevice_t device, unsigned profile, void *info)
{
    return profile_v(FN_nvmlDeviceGetGpuInstanceProfileInfoV, device, profile, info, false);
}

nvmlReturn_t nvmlDeviceGetGpuInstanceProfileInfoByIdV(nvmlDevice_t device, unsigned profileId, void *info)
{
    return profile_v(FN_nvmlDeviceGetGpuInstanceProfileInfoByIdV, device, profileId, info, true);
}

static nvmlReturn_t placements(enum function_id function, nvmlDevice_t device, unsigned profile_id, nvmlGpuInstancePlacement_t *to,
    unsigned *count, bool sized)
{
    struct call call;
    if (!gate_enter_device(&call, function, device, ACCEPT_GPU))
        return call.result;
    if (!count)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    const struct mig_profile *p = profile_by(call.gpu, profile_id, true);
    if (!p)
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    unsigned places = p->last_start / p->start_step + 1;
    nvmlReturn_t result = NVML_SUCCESS;
    if (sized && to)
        result = out_list(&call, count, places, to); /* the first variant trusts the caller's array */
    else
        *count = places;
    for (unsigned i = 0; result == NVML_SUCCESS && to && i < places; i++)
        to[i] = (nvmlGpuInstancePlacement_t){i * p->start_step, p->size};
    LEAVE(result);
}

nvmlReturn_t nvmlDeviceGetGpuInstancePossiblePlacements(nvmlDevice_t device, unsigned profileId, nvmlGpuInstancePlacement_t *to, unsigned *count)
{
    return placements(FN_nvmlDeviceGetGpuInstancePossiblePlacements, device, profileId, to, count, false);
}

nvmlReturn_t nvmlDeviceGetGpuInstancePossiblePlacements_v2(nvmlDevice_t device, unsigned profileId, nvmlGpuInstancePlacement_t *to,
    unsigned *count)
{
    return placements(FN_nvmlDeviceGetGpuInstancePossiblePlacements_v2, device, profileId, to, count, true);
}

nvmlReturn_t nvmlDeviceGetGpuInstanceRemainingCapacity(nvmlDevice_t device, unsigned profileId, unsigned *count)
{
    ENTER_DEVICE(nvmlDeviceGetGpuInstanceRemainingCapacity, device, ACCEPT_GPU);
    const struct mig_profile *p = profile_by(call.gpu, profileId, true);
    if (!count)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (!p || !mig_enabled(call.gpu))
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    unsigned used = 0, existing = 0, room = 0;
    const struct mig_table *table = gpu_mig_table(call.gpu);
    for (int m = 0; m < MAX_MIG_DEVICES; m++)
        if (call.gpu->mig[m].present) {
            const struct mig_profile *there = &table->profile[call.gpu->mig[m].profile];
            used |= ((1u << there->size) - 1) << call.gpu->mig[m].start;
            existing += there == p;
        }
    for (unsigned place = 0; place <= p->last_start; place += p->start_step) {
        unsigned mask = ((1u << p->size) - 1) << place;
        if (!(used & mask)) {
            room++;
            used |= mask;
        }
    }
    out_u32(&call, count, room + existing > p->instances ? p->instances - existing : room);
    LEAVE(NVML_SUCCESS);
}

/* ---- instances */

/* Enters with the handle of a GPU or compute instance; the slot is that of the MIG device. */
static bool enter_instance(struct call *call, enum function_id function, const void *instance, enum handle_kind kind)
{
    if (!gate_enter(call, function))
        return false;
    const struct handle *handle = handle_lookup(instance, function);
    if (!handle || handle->kind != kind || !world.gpu[handle->gpu].mig[handle->slot].present) {
        call->result = gate_leave(call, NVML_ERROR_INVALID_ARGUMENT);
        return false;
    }
    call->gpu = &world.gpu[handle->gpu];
    call->mig = (int) handle->slot;
    if (call->gpu->removed || call->gpu->lost) {
        call->result = gate_leave(call, NVML_ERROR_GPU_IS_LOST);
        return false;
    }
    return true;
}

nvmlReturn_t nvmlDeviceGetGpuInstances(nvmlDevice_t device, unsigned profileId, nvmlGpuInstance_t *gpuInstances, unsigned *count)
{
    ENTER_DEVICE(nvmlDeviceGetGpuInstances, device, ACCEPT_GPU);
    const struct mig_profile *p = profile_by(call.gpu, profileId, true);
    if (!count || !gpuInstances)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (!p || !mig_enabled(call.gpu))
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    *count = 0; /* the caller's array has room for the profile's instance count */
    for (unsigned m = 0; m < MAX_MIG_DEVICES; m++)
        if (call.gpu->mig[m].present && &gpu_mig_table(call.gpu)->profile[call.gpu->mig[m].profile] == p)
            gpuInstances[(*count)++] = handle_for(HANDLE_GPU_INSTANCE, gpu_slot(call.gpu), m);
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetGpuInstanceById(nvmlDevice_t device, unsigned id, nvmlGpuInstance_t *gpuInstance)
{
    ENTER_DEVICE(nvmlDeviceGetGpuInstanceById, device, ACCEPT_GPU);
    if (!gpuInstance)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (!mig_enabled(call.gpu))
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    for (unsigned m = 0; m < MAX_MIG_DEVICES; m++)
        if (call.gpu->mig[m].present && call.gpu->mig[m].gpu_instance == id) {
            *gpuInstance = handle_for(HANDLE_GPU_INSTANCE, gpu_slot(call.gpu), m);
            LEAVE(NVML_SUCCESS);
        }
    LEAVE(NVML_ERROR_NOT_FOUND);
}

nvmlReturn_t nvmlGpuInstanceGetInfo(nvmlGpuInstance_t gpuInstance, nvmlGpuInstanceInfo_t *info)
{
    struct call call;
    if (!enter_instance(&call, FN_nvmlGpuInstanceGetInfo, gpuInstance, HANDLE_GPU_INSTANCE))
        return call.result;
    if (!info)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    const struct mig_device *device = &call.gpu->mig[call.mig];
    const struct mig_profile *p = &gpu_mig_table(call.gpu)->profile[device->profile];
    info->device = handle_for(HANDLE_GPU, gpu_slot(call.gpu), 0);
    info->id = device->gpu_instance;
    info->profileId = p->id;
    info->placement = (nvmlGpuInstancePlacement_t){device->start, p->size};
    LEAVE(NVML_SUCCESS);
}

/* The only compute instance modelled is the one that fills its GPU instance; its profile's id is slices - 1, as its constant mostly is. */
static unsigned compute_constant(unsigned slices)
{
    return slices == 7 ? 4 : slices - 1;
}

static const struct mig_profile *profile_of(const struct call *call)
{
    return &gpu_mig_table(call->gpu)->profile[call->gpu->mig[call->mig].profile];
}

nvmlReturn_t nvmlGpuInstanceGetComputeInstanceProfileInfo(nvmlGpuInstance_t gpuInstance, unsigned profile, unsigned engProfile,
    nvmlComputeInstanceProfileInfo_t *info)
{
    struct call call;
    if (!enter_instance(&call, FN_nvmlGpuInstanceGetComputeInstanceProfileInfo, gpuInstance, HANDLE_GPU_INSTANCE))
        return call.result;
    if (!info || profile >= NVML_COMPUTE_INSTANCE_PROFILE_COUNT || engProfile != 0)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    const struct mig_profile *p = profile_of(&call);
    if (profile != compute_constant(p->slices))
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    *info = (nvmlComputeInstanceProfileInfo_t){compute_constant(p->slices), p->slices, 1, p->multiprocessors, p->copy, p->decoders,
        p->encoders, p->jpeg, p->ofa};
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlGpuInstanceGetComputeInstanceProfileInfoV(nvmlGpuInstance_t gpuInstance, unsigned profile, unsigned engProfile,
    nvmlComputeInstanceProfileInfo_v3_t *info)
{
    struct call call;
    if (!enter_instance(&call, FN_nvmlGpuInstanceGetComputeInstanceProfileInfoV, gpuInstance, HANDLE_GPU_INSTANCE))
        return call.result;
    if (!info || profile >= NVML_COMPUTE_INSTANCE_PROFILE_COUNT || engProfile != 0)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    bool v3 = info->version == NVML_VERSION_WORD(nvmlComputeInstanceProfileInfo_v3_t, 3);
    if (!v3 && info->version != NVML_VERSION_WORD(nvmlComputeInstanceProfileInfo_v2_t, 2))
        LEAVE(NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
    const struct mig_profile *p = profile_of(&call);
    if (profile != compute_constant(p->slices))
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    info->id = compute_constant(p->slices);
    info->sliceCount = p->slices;
    info->instanceCount = 1;
    info->multiprocessorCount = p->multiprocessors;
    info->sharedCopyEngineCount = p->copy;
    info->sharedDecoderCount = p->decoders;
    info->sharedEncoderCount = p->encoders;
    info->sharedJpegCount = p->jpeg;
    info->sharedOfaCount = p->ofa;
    snprintf(info->name, sizeof info->name, "MIG %s", p->name);
    if (v3)
        info->capabilities = 0;
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlGpuInstanceGetComputeInstances(nvmlGpuInstance_t gpuInstance, unsigned profileId, nvmlComputeInstance_t *computeInstances,
    unsigned *count)
{
    struct call call;
    if (!enter_instance(&call, FN_nvmlGpuInstanceGetComputeInstances, gpuInstance, HANDLE_GPU_INSTANCE))
        return call.result;
    if (!count || !computeInstances)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    *count = 0;
    if (profileId == compute_constant(profile_of(&call)->slices)) {
        computeInstances[0] = handle_for(HANDLE_COMPUTE_INSTANCE, gpu_slot(call.gpu), (unsigned) call.mig);
        *count = 1;
    }
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlGpuInstanceGetComputeInstanceById(nvmlGpuInstance_t gpuInstance, unsigned id, nvmlComputeInstance_t *computeInstance)
{
    struct call call;
    if (!enter_instance(&call, FN_nvmlGpuInstanceGetComputeInstanceById, gpuInstance, HANDLE_GPU_INSTANCE))
        return call.result;
    if (!computeInstance)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (id != call.gpu->mig[call.mig].compute_instance)
        LEAVE(NVML_ERROR_NOT_FOUND);
    *computeInstance = handle_for(HANDLE_COMPUTE_INSTANCE, gpu_slot(call.gpu), (unsigned) call.mig);
    LEAVE(NVML_SUCCESS);
}

/* The first variant's structure ends before the placement. */
static nvmlReturn_t compute_info(enum function_id function, nvmlComputeInstance_t instance, nvmlComputeInstanceInfo_t *info, bool with_placement)
{
    struct call call;
    if (!enter_instance(&call, function, instance, HANDLE_COMPUTE_INSTANCE))
        return call.result;
    if (!info)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    const struct mig_profile *p = profile_of(&call);
    info->device = handle_for(HANDLE_GPU, gpu_slot(call.gpu), 0);
    info->gpuInstance = handle_for(HANDLE_GPU_INSTANCE, gpu_slot(call.gpu), (unsigned) call.mig);
    info->id = call.gpu->mig[call.mig].compute_instance;
    info->profileId = compute_constant(p->slices);
    if (with_placement)
        info->placement = (nvmlGpuInstancePlacement_t){0, p->slices};
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlComputeInstanceGetInfo(nvmlComputeInstance_t computeInstance, nvmlComputeInstanceInfo_t *info)
{
    return compute_info(FN_nvmlComputeInstanceGetInfo, computeInstance, info, false);
}

nvmlReturn_t nvmlComputeInstanceGetInfo_v2(nvmlComputeInstance_t computeInstance, nvmlComputeInstanceInfo_t *info)
{
    return compute_info(FN_nvmlComputeInstanceGetInfo_v2, computeInstance, info, true);
}
