/*
 * What a GPU is: names, numbers, PCI address, modes.
 */
#include <stdio.h>
#include <string.h>

#include "sim.h"

#define TEXT_FUNCTION(name, index) \
    nvmlReturn_t name(nvmlDevice_t device, char *to, unsigned length) \
    { \
        ENTER_DEVICE(name, device, ACCEPT_GPU); \
        if (!to) \
            LEAVE(NVML_ERROR_INVALID_ARGUMENT); \
        const struct text *text = &call.gpu->text[index]; \
        LEAVE(text->supported ? out_text(&call, to, length, text->bytes, text->length) : NVML_ERROR_NOT_SUPPORTED); \
    }

#define NUMBER_FUNCTION(name, property, accepts) \
    nvmlReturn_t name(nvmlDevice_t device, unsigned *to) \
    { \
        ENTER_DEVICE(name, device, accepts); \
        LEAVE(to ? out_property(&call, to, call.gpu->number[property]) : NVML_ERROR_INVALID_ARGUMENT); \
    }

TEXT_FUNCTION(nvmlDeviceGetSerial, T_SERIAL)
TEXT_FUNCTION(nvmlDeviceGetBoardPartNumber, T_PART_NUMBER)
TEXT_FUNCTION(nvmlDeviceGetVbiosVersion, T_VBIOS)
TEXT_FUNCTION(nvmlDeviceGetInforomImageVersion, T_INFOROM_IMAGE)
NUMBER_FUNCTION(nvmlDeviceGetMinorNumber, P_MINOR, ACCEPT_GPU)
NUMBER_FUNCTION(nvmlDeviceGetBrand, P_BRAND, ACCEPT_GPU | ACCEPT_MIG)
NUMBER_FUNCTION(nvmlDeviceGetBoardId, P_BOARD, ACCEPT_GPU)
NUMBER_FUNCTION(nvmlDeviceGetModuleId, P_MODULE, ACCEPT_GPU)
NUMBER_FUNCTION(nvmlDeviceGetArchitecture, P_ARCHITECTURE, ACCEPT_GPU | ACCEPT_MIG)
NUMBER_FUNCTION(nvmlDeviceGetPersistenceMode, P_PERSISTENCE, ACCEPT_GPU)
NUMBER_FUNCTION(nvmlDeviceGetVirtualizationMode, P_VIRTUALIZATION, ACCEPT_GPU)
NUMBER_FUNCTION(nvmlDeviceGetComputeMode, P_COMPUTE_MODE, ACCEPT_GPU | ACCEPT_MIG)
NUMBER_FUNCTION(nvmlDeviceGetDefaultEccMode, P_ECC, ACCEPT_GPU)
NUMBER_FUNCTION(nvmlDeviceGetDisplayMode, P_DISPLAY, ACCEPT_GPU)
NUMBER_FUNCTION(nvmlDeviceGetDisplayActive, P_DISPLAY, ACCEPT_GPU)
NUMBER_FUNCTION(nvmlDeviceGetNumGpuCores, P_CORES, ACCEPT_GPU)
NUMBER_FUNCTION(nvmlDeviceGetMemoryBusWidth, P_BUS_WIDTH, ACCEPT_GPU)

nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned length)
{
    ENTER_DEVICE(nvmlDeviceGetName, device, ACCEPT_GPU | ACCEPT_MIG);
    if (!name)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    const struct text *text = &call.gpu->text[T_NAME];
    if (call.mig < 0)
        LEAVE(out_text(&call, name, length, text->bytes, text->length));
    const struct mig_device *mig = &call.gpu->mig[call.mig];
    const struct mig_profile *profile = &gpu_mig_table(call.gpu)->profile[mig->profile];
    char both[2 * TEXT_SIZE], part[16] = "";
    if (mig->slices != profile->slices)
        snprintf(part, sizeof part, "%uc.", mig->slices);
    int used = snprintf(both, sizeof both, "%s MIG %s%s", text->bytes, part, profile->name);
    LEAVE(out_text(&call, name, length, both, (size_t) used));
}

nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned length)
{
    ENTER_DEVICE(nvmlDeviceGetUUID, device, ACCEPT_GPU | ACCEPT_MIG);
    if (!uuid)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    const char *text = call.mig < 0 ? call.gpu->text[T_UUID].bytes : call.gpu->mig[call.mig].uuid;
    LEAVE(out_text(&call, uuid, length, text, strlen(text)));
}

nvmlReturn_t nvmlDeviceGetIndex(nvmlDevice_t device, unsigned *index)
{
    ENTER_DEVICE(nvmlDeviceGetIndex, device, ACCEPT_GPU | ACCEPT_MIG);
    if (!index)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    out_u32(&call, index, (unsigned) (call.mig < 0 ? gpu_index(call.gpu) : call.mig));
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetInforomVersion(nvmlDevice_t device, unsigned object, char *version, unsigned length)
{
    static const int texts[] = {T_INFOROM_OEM, T_INFOROM_ECC, T_INFOROM_POWER};
    ENTER_DEVICE(nvmlDeviceGetInforomVersion, device, ACCEPT_GPU);
    if (!version || object > 3)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    const struct text *text = object < 3 ? &call.gpu->text[texts[object]] : NULL;
    LEAVE(text && text->supported ? out_text(&call, version, length, text->bytes, text->length) : NVML_ERROR_NOT_SUPPORTED);
}

nvmlReturn_t nvmlDeviceGetInforomConfigurationChecksum(nvmlDevice_t device, unsigned *checksum)
{
    ENTER_DEVICE(nvmlDeviceGetInforomConfigurationChecksum, device, ACCEPT_GPU);
    if (!checksum)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    unsigned sum = 2166136261u; /* the same for the same board */
    for (const char *c = call.gpu->text[T_INFOROM_IMAGE].bytes; *c; c++)
        sum = (sum ^ (unsigned char) *c) * 16777619u;
    *checksum = sum;
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceValidateInforom(nvmlDevice_t device)
{
    ENTER_DEVICE(nvmlDeviceValidateInforom, device, ACCEPT_GPU);
    LEAVE(call.gpu->text[T_INFOROM_IMAGE].supported ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED);
}

/* ---- PCI */

static void fill_pci_head(nvmlPciInfo_t *pci, const struct gpu *g)
{
    pci->domain = g->domain;
    pci->bus = g->bus;
    pci->device = g->device;
    pci->pciDeviceId = (unsigned) g->number[P_DEVICE_ID];
    pci->pciSubSystemId = (unsigned) g->number[P_SUBSYSTEM_ID];
    snprintf(pci->busIdLegacy, sizeof pci->busIdLegacy, "%04X:%02X:%02X.0", g->domain & 0xffff, g->bus & 0xff, g->device & 0xff);
}

/* The two old variants end before the long address; nothing behind that may be written. */
static nvmlReturn_t old_pci(enum function_id function, nvmlDevice_t device, nvmlPciInfo_t *pci)
{
    struct call call;
    if (!gate_enter_device(&call, function, device, ACCEPT_GPU))
        return call.result;
    if (!pci)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    fill_pci_head(pci, call.gpu);
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetPciInfo(nvmlDevice_t device, nvmlPciInfo_t *pci)
{
    return old_pci(FN_nvmlDeviceGetPciInfo, device, pci);
}

nvmlReturn_t nvmlDeviceGetPciInfo_v2(nvmlDevice_t device, nvmlPciInfo_t *pci)
{
    return old_pci(FN_nvmlDeviceGetPciInfo_v2, device, pci);
}

nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci)
{
    ENTER_DEVICE(nvmlDeviceGetPciInfo_v3, device, ACCEPT_GPU);
    if (!pci)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    char address[32];
    int used = snprintf(address, sizeof address, "%08X:%02X:%02X.0", call.gpu->domain, call.gpu->bus & 0xff, call.gpu->device & 0xff);
    fill_pci_head(pci, call.gpu);
    LEAVE(out_text(&call, pci->busId, sizeof pci->busId, address, (size_t) used));
}

nvmlReturn_t nvmlDeviceGetPciInfoExt(nvmlDevice_t device, nvmlPciInfoExt_v1_t *pci)
{
    ENTER_DEVICE(nvmlDeviceGetPciInfoExt, device, ACCEPT_GPU);
    if (!pci)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (pci->version != NVML_VERSION_WORD(nvmlPciInfoExt_v1_t, 1))
        LEAVE(NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
    pci->domain = call.gpu->domain;
    pci->bus = call.gpu->bus;
    pci->device = call.gpu->device;
    pci->pciDeviceId = (unsigned) call.gpu->number[P_DEVICE_ID];
    pci->pciSubSystemId = (unsigned) call.gpu->number[P_SUBSYSTEM_ID];
    pci->baseClass = 3;
    pci->subClass = 2;
    char address[32];
    int used = snprintf(address, sizeof address, "%08X:%02X:%02X.0", pci->domain, pci->bus & 0xff, pci->device & 0xff);
    LEAVE(out_text(&call, pci->busId, sizeof pci->busId, address, (size_t) used));
}

nvmlReturn_t nvmlDeviceGetCudaComputeCapability(nvmlDevice_t device, int *major, int *minor)
{
    ENTER_DEVICE(nvmlDeviceGetCudaComputeCapability, device, ACCEPT_GPU | ACCEPT_MIG);
    if (!major || !minor)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    *major = (int) (call.gpu->number[P_COMPUTE_CAPABILITY] / 10);
    *minor = (int) (call.gpu->number[P_COMPUTE_CAPABILITY] % 10);
    LEAVE(NVML_SUCCESS);
}

/* ---- modes */

nvmlReturn_t nvmlDeviceSetPersistenceMode(nvmlDevice_t device, nvmlEnableState_t mode)
{
    ENTER_DEVICE(nvmlDeviceSetPersistenceMode, device, ACCEPT_GPU);
    if (mode > 1)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (call.gpu->number[P_PERSISTENCE] == UNSUPPORTED)
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    call.gpu->number[P_PERSISTENCE] = mode;
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceSetComputeMode(nvmlDevice_t device, unsigned mode)
{
    ENTER_DEVICE(nvmlDeviceSetComputeMode, device, ACCEPT_GPU | ACCEPT_MIG);
    if (mode > 3)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    call.gpu->number[P_COMPUTE_MODE] = mode;
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetEccMode(nvmlDevice_t device, nvmlEnableState_t *current, nvmlEnableState_t *pending)
{
    ENTER_DEVICE(nvmlDeviceGetEccMode, device, ACCEPT_GPU);
    if (!current || !pending)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    nvmlReturn_t result = out_property(&call, current, call.gpu->number[P_ECC]);
    LEAVE(result == NVML_SUCCESS ? out_property(&call, pending, call.gpu->number[P_ECC_PENDING]) : result);
}

nvmlReturn_t nvmlDeviceGetMultiGpuBoard(nvmlDevice_t device, unsigned *multiGpuBool)
{
    ENTER_DEVICE(nvmlDeviceGetMultiGpuBoard, device, ACCEPT_GPU);
    if (!multiGpuBool)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    unsigned same = 0;
    for (unsigned n = 0; n < world.gpus; n++)
        same += world.gpu[n].number[P_BOARD] == call.gpu->number[P_BOARD];
    *multiGpuBool = same > 1;
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceOnSameBoard(nvmlDevice_t device1, nvmlDevice_t device2, int *onSameBoard)
{
    ENTER_DEVICE(nvmlDeviceOnSameBoard, device1, ACCEPT_GPU);
    const struct handle *other = handle_lookup(device2, call.function);
    if (!other || other->kind != HANDLE_GPU || !onSameBoard)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    *onSameBoard = world.gpu[other->gpu].number[P_BOARD] == call.gpu->number[P_BOARD];
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetGspFirmwareVersion(nvmlDevice_t device, char *version)
{
    ENTER_DEVICE(nvmlDeviceGetGspFirmwareVersion, device, ACCEPT_GPU);
    if (!version)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    const struct text *text = &call.gpu->text[T_GSP_FIRMWARE];
    LEAVE(text->supported ? out_text(&call, version, 64, text->bytes, text->length) : NVML_ERROR_NOT_SUPPORTED);
}

nvmlReturn_t nvmlDeviceGetGspFirmwareMode(nvmlDevice_t device, unsigned *isEnabled, unsigned *defaultMode)
{
    ENTER_DEVICE(nvmlDeviceGetGspFirmwareMode, device, ACCEPT_GPU);
    if (!isEnabled || !defaultMode)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    out_u32(&call, isEnabled, call.gpu->text[T_GSP_FIRMWARE].supported);
    *defaultMode = *isEnabled;
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetBusType(nvmlDevice_t device, unsigned *type)
{
    ENTER_DEVICE(nvmlDeviceGetBusType, device, ACCEPT_GPU);
    if (!type)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    out_u32(&call, type, 2); /* PCI Express */
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetAccountingMode(nvmlDevice_t device, nvmlEnableState_t *mode)
{
    ENTER_DEVICE(nvmlDeviceGetAccountingMode, device, ACCEPT_GPU);
    if (!mode)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    out_u32(&call, mode, NVML_FEATURE_DISABLED);
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetAPIRestriction(nvmlDevice_t device, unsigned apiType, nvmlEnableState_t *isRestricted)
{
    ENTER_DEVICE(nvmlDeviceGetAPIRestriction, device, ACCEPT_GPU);
    if (!isRestricted || apiType > 1)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (apiType == 1) /* automatic boost ended with Kepler */
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    out_u32(&call, isRestricted, NVML_FEATURE_ENABLED);
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetPlatformInfo(nvmlDevice_t device, nvmlPlatformInfo_v2_t *platformInfo)
{
    ENTER_DEVICE(nvmlDeviceGetPlatformInfo, device, ACCEPT_GPU);
    if (!platformInfo)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (platformInfo->version != NVML_VERSION_WORD(nvmlPlatformInfo_v2_t, 2))
        LEAVE(NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
    const struct text *chassis = &call.gpu->text[T_CHASSIS_SERIAL];
    if (!chassis->supported)
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    unsigned version = platformInfo->version;
    memset(platformInfo, 0, sizeof *platformInfo);
    platformInfo->version = version;
    memcpy(platformInfo->chassisSerialNumber, chassis->bytes, chassis->length < 16 ? chassis->length : 16);
    platformInfo->hostId = 1;
    platformInfo->peerType = call.gpu->number[P_LINK_REMOTE] == NVML_NVLINK_DEVICE_SWITCH;
    platformInfo->moduleId = (unsigned char) call.gpu->number[P_MODULE];
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetPdi(nvmlDevice_t device, nvmlPdi_v1_t *pdi)
{
    ENTER_DEVICE(nvmlDeviceGetPdi, device, ACCEPT_GPU);
    if (!pdi)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (pdi->version != NVML_VERSION_WORD(nvmlPdi_v1_t, 1))
        LEAVE(NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
    unsigned long long hash = 14695981039346656037ull; /* the same for the same GPU */
    for (const char *c = call.gpu->text[T_UUID].bytes; *c; c++)
        hash = (hash ^ (unsigned char) *c) * 1099511628211ull;
    out_u64(&call, &pdi->value, hash);
    LEAVE(NVML_SUCCESS);
}

/* ---- licences: no vGPU software on bare metal */

static nvmlReturn_t licences(enum function_id function, nvmlDevice_t device, nvmlGridLicensableFeatures_t *features)
{
    struct call call;
    if (!gate_enter_device(&call, function, device, ACCEPT_GPU))
        return call.result;
    if (!features)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    features->isGridLicenseSupported = 0;
    features->licensableFeaturesCount = 0;
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetGridLicensableFeatures(nvmlDevice_t device, nvmlGridLicensableFeatures_t *features)
{
    return licences(FN_nvmlDeviceGetGridLicensableFeatures, device, features);
}

nvmlReturn_t nvmlDeviceGetGridLicensableFeatures_v2(nvmlDevice_t device, nvmlGridLicensableFeatures_t *features)
{
    return licences(FN_nvmlDeviceGetGridLicensableFeatures_v2, device, features);
}

nvmlReturn_t nvmlDeviceGetGridLicensableFeatures_v3(nvmlDevice_t device, nvmlGridLicensableFeatures_t *features)
{
    return licences(FN_nvmlDeviceGetGridLicensableFeatures_v3, device, features);
}

nvmlReturn_t nvmlDeviceGetGridLicensableFeatures_v4(nvmlDevice_t device, nvmlGridLicensableFeatures_t *features)
{
    return licences(FN_nvmlDeviceGetGridLicensableFeatures_v4, device, features);
}
