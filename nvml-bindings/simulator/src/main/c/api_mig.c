/*
 * MIG as NVML's calls show and change it: mode, profiles, instances and the devices made of them. What is possible is decided in mig.c.
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

/* Ends what driver_state_begin began: handles of what is gone become stale, and the driver keeps the rest. */
static void changed(const struct call *call, const struct gpu *before)
{
    unsigned slot = gpu_slot(call->gpu);
    handles_retire_gone(before, call->gpu, slot, false);
    driver_state_end(1u << slot, 0);
}

nvmlReturn_t nvmlDeviceSetMigMode(nvmlDevice_t device, unsigned mode, nvmlReturn_t *activationStatus)
{
    ENTER_DEVICE(nvmlDeviceSetMigMode, device, ACCEPT_GPU);
    if (mode > 1 || !activationStatus)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (!gpu_mig_table(call.gpu))
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    driver_state_begin();
    struct gpu before = *call.gpu;
    *activationStatus = mig_set_mode(call.gpu, mode == 1);
    changed(&call, &before);
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
    if (index < MAX_MIG_DEVICES)
        handle_looked(HANDLE_MIG, gpu_slot(call.gpu), (int) index);
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

static unsigned multiprocessors_of(const struct gpu *g, const struct mig_profile *whole, unsigned slices)
{
    const struct mig_table *table = gpu_mig_table(g);
    for (unsigned row = 0; row < table->profiles && slices != whole->slices; row++)
        if (table->profile[row].slices == slices)
            return table->profile[row].multiprocessors;
    return whole->multiprocessors;
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
    const struct mig_device *mig = &call.gpu->mig[call.mig];
    const struct mig_profile *profile = &gpu_mig_table(call.gpu)->profile[mig->profile];
    *to = (nvmlDeviceAttributes_t){multiprocessors_of(call.gpu, profile, mig->slices), profile->copy, profile->decoders, profile->encoders,
        profile->jpeg, profile->ofa, profile->slices, mig->slices, profile->memory_mib};
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

static unsigned capabilities_of(const struct gpu *g, const struct mig_profile *p)
{
    return (p2p_supported(g) ? NVML_GPU_INSTANCE_PROFILE_CAPS_P2P : 0) | (strstr(p->name, "+gfx") ? NVML_GPU_INSTANCE_PROFILE_CAPS_GFX : 0);
}

nvmlReturn_t nvmlDeviceGetGpuInstanceProfileInfo(nvmlDevice_t device, unsigned profile, nvmlGpuInstanceProfileInfo_t *info)
{
    ENTER_DEVICE(nvmlDeviceGetGpuInstanceProfileInfo, device, ACCEPT_GPU);
    if (!info || profile >= NVML_GPU_INSTANCE_PROFILE_COUNT)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    const struct mig_profile *p = profile_by(call.gpu, profile, false);
    if (!p || (call.gpu->number[P_MIG_SILENT] == 1 && !mig_enabled(call.gpu)))
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
            .jpegCount = p->jpeg, .ofaCount = p->ofa, .memorySizeMB = p->memory_mib, .capabilities = capabilities_of(call.gpu, p)};
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
    out_u32(&call, count, mig_room(call.gpu, (unsigned) (p - gpu_mig_table(call.gpu)->profile)));
    LEAVE(NVML_SUCCESS);
}

/* ---- instances */

/* Enters with the handle of a GPU instance (the slot is its own) or of a compute instance (the slot is that of its MIG device). */
static bool enter_instance(struct call *call, enum function_id function, const void *instance, enum handle_kind kind, unsigned *slot)
{
    if (!gate_enter(call, function))
        return false;
    const struct handle *handle = handle_lookup(instance, function);
    if (!handle || handle->kind != kind) {
        call->result = gate_leave(call, NVML_ERROR_INVALID_ARGUMENT);
        return false;
    }
    call->gpu = &world.gpu[handle->gpu];
    *slot = handle->slot;
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
    handle_looked(HANDLE_GPU_INSTANCE, gpu_slot(call.gpu), -1);
    *count = 0; /* the caller's array has room for the profile's instance count */
    for (unsigned i = 0; i < MAX_GPU_INSTANCES; i++)
        if (call.gpu->instance[i].present && &gpu_mig_table(call.gpu)->profile[call.gpu->instance[i].profile] == p)
            gpuInstances[(*count)++] = handle_for(HANDLE_GPU_INSTANCE, gpu_slot(call.gpu), i);
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetGpuInstanceById(nvmlDevice_t device, unsigned id, nvmlGpuInstance_t *gpuInstance)
{
    ENTER_DEVICE(nvmlDeviceGetGpuInstanceById, device, ACCEPT_GPU);
    if (!gpuInstance)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (!mig_enabled(call.gpu))
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    handle_looked(HANDLE_GPU_INSTANCE, gpu_slot(call.gpu), -1);
    for (unsigned i = 0; i < MAX_GPU_INSTANCES; i++)
        if (call.gpu->instance[i].present && call.gpu->instance[i].id == id) {
            *gpuInstance = handle_for(HANDLE_GPU_INSTANCE, gpu_slot(call.gpu), i);
            LEAVE(NVML_SUCCESS);
        }
    LEAVE(NVML_ERROR_NOT_FOUND);
}

static nvmlReturn_t create_instance(enum function_id function, nvmlDevice_t device, unsigned profile_id,
    const nvmlGpuInstancePlacement_t *placement, bool placed, nvmlGpuInstance_t *made)
{
    struct call call;
    if (!gate_enter_device(&call, function, device, ACCEPT_GPU))
        return call.result;
    if (!made || (placed && !placement))
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (!mig_enabled(call.gpu))
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    const struct mig_profile *p = profile_by(call.gpu, profile_id, true);
    if (!p || (placed && (placement->size != p->size || placement->start > p->last_start)))
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    driver_state_begin();
    struct gpu before = *call.gpu;
    unsigned slot;
    nvmlReturn_t result = mig_create_instance(call.gpu, (unsigned) (p - gpu_mig_table(call.gpu)->profile),
        placed ? (int) placement->start : -1, &slot);
    changed(&call, &before);
    if (result == NVML_SUCCESS)
        *made = handle_for(HANDLE_GPU_INSTANCE, gpu_slot(call.gpu), slot);
    LEAVE(result);
}

nvmlReturn_t nvmlDeviceCreateGpuInstance(nvmlDevice_t device, unsigned profileId, nvmlGpuInstance_t *gpuInstance)
{
    return create_instance(FN_nvmlDeviceCreateGpuInstance, device, profileId, NULL, false, gpuInstance);
}

nvmlReturn_t nvmlDeviceCreateGpuInstanceWithPlacement(nvmlDevice_t device, unsigned profileId, const nvmlGpuInstancePlacement_t *placement,
    nvmlGpuInstance_t *gpuInstance)
{
    return create_instance(FN_nvmlDeviceCreateGpuInstanceWithPlacement, device, profileId, placement, true, gpuInstance);
}

nvmlReturn_t nvmlGpuInstanceDestroy(nvmlGpuInstance_t gpuInstance)
{
    struct call call;
    unsigned slot;
    if (!enter_instance(&call, FN_nvmlGpuInstanceDestroy, gpuInstance, HANDLE_GPU_INSTANCE, &slot))
        return call.result;
    driver_state_begin();
    struct gpu before = *call.gpu;
    nvmlReturn_t result = call.gpu->instance[slot].present ? mig_destroy_instance(call.gpu, slot) : NVML_ERROR_INVALID_ARGUMENT;
    changed(&call, &before);
    LEAVE(result);
}

nvmlReturn_t nvmlGpuInstanceGetInfo(nvmlGpuInstance_t gpuInstance, nvmlGpuInstanceInfo_t *info)
{
    struct call call;
    unsigned slot;
    if (!enter_instance(&call, FN_nvmlGpuInstanceGetInfo, gpuInstance, HANDLE_GPU_INSTANCE, &slot))
        return call.result;
    if (!info)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    const struct gpu_instance *instance = &call.gpu->instance[slot];
    const struct mig_profile *p = &gpu_mig_table(call.gpu)->profile[instance->profile];
    info->device = handle_for(HANDLE_GPU, gpu_slot(call.gpu), 0);
    info->id = instance->id;
    info->profileId = p->id;
    info->placement = (nvmlGpuInstancePlacement_t){instance->start, p->size};
    LEAVE(NVML_SUCCESS);
}

/* ---- compute instances; the id of a profile is its constant */

static const unsigned slices_of_constant[NVML_COMPUTE_INSTANCE_PROFILE_COUNT] = {1, 2, 3, 4, 7, 8, 6};

/* Slices of the compute profile where the GPU instance has it, else zero. */
static unsigned compute_slices(const struct gpu *g, unsigned slot, unsigned constant)
{
    unsigned slices = constant < NVML_COMPUTE_INSTANCE_PROFILE_COUNT ? slices_of_constant[constant] : 0;
    return compute_slices_allowed(slices, gpu_mig_table(g)->profile[g->instance[slot].profile].slices) ? slices : 0;
}

static unsigned compute_constant(unsigned slices)
{
    unsigned constant = 0;
    while (slices_of_constant[constant] != slices)
        constant++;
    return constant;
}

/* In the layout of the first version; false when the GPU instance has no such profile. */
static bool compute_profile(const struct gpu *g, unsigned slot, unsigned constant, nvmlComputeInstanceProfileInfo_t *info)
{
    const struct mig_profile *p = &gpu_mig_table(g)->profile[g->instance[slot].profile];
    unsigned slices = compute_slices(g, slot, constant);
    if (slices == 0)
        return false;
    *info = (nvmlComputeInstanceProfileInfo_t){constant, slices, compute_places(slices, p->slices), multiprocessors_of(g, p, slices), p->copy,
        p->decoders, p->encoders, p->jpeg, p->ofa};
    return true;
}

nvmlReturn_t nvmlGpuInstanceGetComputeInstanceProfileInfo(nvmlGpuInstance_t gpuInstance, unsigned profile, unsigned engProfile,
    nvmlComputeInstanceProfileInfo_t *info)
{
    struct call call;
    unsigned slot;
    if (!enter_instance(&call, FN_nvmlGpuInstanceGetComputeInstanceProfileInfo, gpuInstance, HANDLE_GPU_INSTANCE, &slot))
        return call.result;
    if (!info || profile >= NVML_COMPUTE_INSTANCE_PROFILE_COUNT || engProfile != 0)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    LEAVE(compute_profile(call.gpu, slot, profile, info) ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED);
}

nvmlReturn_t nvmlGpuInstanceGetComputeInstanceProfileInfoV(nvmlGpuInstance_t gpuInstance, unsigned profile, unsigned engProfile,
    nvmlComputeInstanceProfileInfo_v3_t *info)
{
    struct call call;
    unsigned slot;
    if (!enter_instance(&call, FN_nvmlGpuInstanceGetComputeInstanceProfileInfoV, gpuInstance, HANDLE_GPU_INSTANCE, &slot))
        return call.result;
    if (!info || profile >= NVML_COMPUTE_INSTANCE_PROFILE_COUNT || engProfile != 0)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    bool v3 = info->version == NVML_VERSION_WORD(nvmlComputeInstanceProfileInfo_v3_t, 3);
    if (!v3 && info->version != NVML_VERSION_WORD(nvmlComputeInstanceProfileInfo_v2_t, 2))
        LEAVE(NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
    nvmlComputeInstanceProfileInfo_t plain;
    if (!compute_profile(call.gpu, slot, profile, &plain))
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    const struct mig_profile *p = &gpu_mig_table(call.gpu)->profile[call.gpu->instance[slot].profile];
    _Static_assert(offsetof(nvmlComputeInstanceProfileInfo_v3_t, name) == sizeof(unsigned) + sizeof plain, "a version word before the first layout");
    memcpy(&info->id, &plain, sizeof plain);
    if (plain.sliceCount == p->slices)
        snprintf(info->name, sizeof info->name, "MIG %s", p->name);
    else
        snprintf(info->name, sizeof info->name, "MIG %uc.%s", plain.sliceCount, p->name);
    if (v3)
        info->capabilities = strstr(p->name, "+gfx") ? NVML_COMPUTE_INSTANCE_PROFILE_CAPS_GFX : 0;
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlGpuInstanceGetComputeInstanceRemainingCapacity(nvmlGpuInstance_t gpuInstance, unsigned profileId, unsigned *count)
{
    struct call call;
    unsigned slot;
    if (!enter_instance(&call, FN_nvmlGpuInstanceGetComputeInstanceRemainingCapacity, gpuInstance, HANDLE_GPU_INSTANCE, &slot))
        return call.result;
    unsigned slices = compute_slices(call.gpu, slot, profileId);
    if (!count)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (slices == 0)
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    out_u32(&call, count, compute_room(call.gpu, slot, slices));
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlGpuInstanceGetComputeInstancePossiblePlacements(nvmlGpuInstance_t gpuInstance, unsigned profileId,
    nvmlComputeInstancePlacement_t *to, unsigned *count)
{
    struct call call;
    unsigned slot;
    if (!enter_instance(&call, FN_nvmlGpuInstanceGetComputeInstancePossiblePlacements, gpuInstance, HANDLE_GPU_INSTANCE, &slot))
        return call.result;
    unsigned slices = compute_slices(call.gpu, slot, profileId);
    if (!count)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (slices == 0)
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    unsigned places = compute_places(slices, gpu_mig_table(call.gpu)->profile[call.gpu->instance[slot].profile].slices);
    nvmlReturn_t result = NVML_SUCCESS;
    if (to)
        result = out_list(&call, count, places, to);
    else
        *count = places;
    for (unsigned i = 0; result == NVML_SUCCESS && to && i < places; i++)
        to[i] = (nvmlComputeInstancePlacement_t){i * compute_step(slices), slices};
    LEAVE(result);
}

nvmlReturn_t nvmlGpuInstanceGetComputeInstances(nvmlGpuInstance_t gpuInstance, unsigned profileId, nvmlComputeInstance_t *computeInstances,
    unsigned *count)
{
    struct call call;
    unsigned slot;
    if (!enter_instance(&call, FN_nvmlGpuInstanceGetComputeInstances, gpuInstance, HANDLE_GPU_INSTANCE, &slot))
        return call.result;
    unsigned slices = compute_slices(call.gpu, slot, profileId);
    if (!count || !computeInstances)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (slices == 0)
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    handle_looked(HANDLE_COMPUTE_INSTANCE, gpu_slot(call.gpu), -1);
    *count = 0;
    for (unsigned m = 0; m < MAX_MIG_DEVICES; m++)
        if (call.gpu->mig[m].present && call.gpu->mig[m].instance == slot && call.gpu->mig[m].slices == slices)
            computeInstances[(*count)++] = handle_for(HANDLE_COMPUTE_INSTANCE, gpu_slot(call.gpu), m);
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlGpuInstanceGetComputeInstanceById(nvmlGpuInstance_t gpuInstance, unsigned id, nvmlComputeInstance_t *computeInstance)
{
    struct call call;
    unsigned slot;
    if (!enter_instance(&call, FN_nvmlGpuInstanceGetComputeInstanceById, gpuInstance, HANDLE_GPU_INSTANCE, &slot))
        return call.result;
    if (!computeInstance)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    handle_looked(HANDLE_COMPUTE_INSTANCE, gpu_slot(call.gpu), -1);
    for (unsigned m = 0; m < MAX_MIG_DEVICES; m++)
        if (call.gpu->mig[m].present && call.gpu->mig[m].instance == slot && call.gpu->mig[m].compute_instance == id) {
            *computeInstance = handle_for(HANDLE_COMPUTE_INSTANCE, gpu_slot(call.gpu), m);
            LEAVE(NVML_SUCCESS);
        }
    LEAVE(NVML_ERROR_NOT_FOUND);
}

static nvmlReturn_t create_compute(enum function_id function, nvmlGpuInstance_t instance, unsigned profile_id,
    const nvmlComputeInstancePlacement_t *placement, bool placed, nvmlComputeInstance_t *made)
{
    struct call call;
    unsigned slot;
    if (!enter_instance(&call, function, instance, HANDLE_GPU_INSTANCE, &slot))
        return call.result;
    if (!made || (placed && !placement) || profile_id >= NVML_COMPUTE_INSTANCE_PROFILE_COUNT)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    unsigned slices = compute_slices(call.gpu, slot, profile_id), device;
    if (slices == 0)
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    if (placed && (placement->size != slices || placement->start > INT_MAX))
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    driver_state_begin();
    struct gpu before = *call.gpu;
    nvmlReturn_t result = call.gpu->instance[slot].present
        ? mig_create_device(call.gpu, slot, slices, placed ? (int) placement->start : -1, virtual_seconds(), &device)
        : NVML_ERROR_INVALID_ARGUMENT;
    changed(&call, &before);
    if (result == NVML_SUCCESS)
        *made = handle_for(HANDLE_COMPUTE_INSTANCE, gpu_slot(call.gpu), device);
    LEAVE(result);
}

nvmlReturn_t nvmlGpuInstanceCreateComputeInstance(nvmlGpuInstance_t gpuInstance, unsigned profileId, nvmlComputeInstance_t *computeInstance)
{
    return create_compute(FN_nvmlGpuInstanceCreateComputeInstance, gpuInstance, profileId, NULL, false, computeInstance);
}

nvmlReturn_t nvmlGpuInstanceCreateComputeInstanceWithPlacement(nvmlGpuInstance_t gpuInstance, unsigned profileId,
    const nvmlComputeInstancePlacement_t *placement, nvmlComputeInstance_t *computeInstance)
{
    return create_compute(FN_nvmlGpuInstanceCreateComputeInstanceWithPlacement, gpuInstance, profileId, placement, true, computeInstance);
}

nvmlReturn_t nvmlComputeInstanceDestroy(nvmlComputeInstance_t computeInstance)
{
    struct call call;
    unsigned device;
    if (!enter_instance(&call, FN_nvmlComputeInstanceDestroy, computeInstance, HANDLE_COMPUTE_INSTANCE, &device))
        return call.result;
    driver_state_begin();
    struct gpu before = *call.gpu;
    nvmlReturn_t result = call.gpu->mig[device].present ? mig_destroy_device(call.gpu, device) : NVML_ERROR_INVALID_ARGUMENT;
    changed(&call, &before);
    LEAVE(result);
}

/* The first variant's structure ends before the placement. */
static nvmlReturn_t compute_info(enum function_id function, nvmlComputeInstance_t instance, nvmlComputeInstanceInfo_t *info, bool with_placement)
{
    struct call call;
    unsigned device;
    if (!enter_instance(&call, function, instance, HANDLE_COMPUTE_INSTANCE, &device))
        return call.result;
    if (!info)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    const struct mig_device *mig = &call.gpu->mig[device];
    info->device = handle_for(HANDLE_GPU, gpu_slot(call.gpu), 0);
    info->gpuInstance = handle_for(HANDLE_GPU_INSTANCE, gpu_slot(call.gpu), mig->instance);
    info->id = mig->compute_instance;
    info->profileId = compute_constant(mig->slices);
    if (with_placement)
        info->placement = (nvmlComputeInstancePlacement_t){mig->start, mig->slices};
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
