/*
 * Memory errors: ECC counters, retired pages, remapped rows.
 */
#include <string.h>

#include "telemetry.h"

/* Errors are kept in total; all but the SRAM ones are said to have happened in device memory. */
long long read_ecc(const struct gpu *g, unsigned error_type, unsigned counter_type)
{
    static const enum property properties[2][2] = {
        {P_ECC_VOLATILE_CORRECTED, P_ECC_AGGREGATE_CORRECTED}, {P_ECC_VOLATILE_UNCORRECTED, P_ECC_AGGREGATE_UNCORRECTED}};
    if (g->number[P_ECC] != 1)
        return UNSUPPORTED;
    return g->number[properties[error_type][counter_type]];
}

nvmlReturn_t nvmlDeviceGetTotalEccErrors(nvmlDevice_t device, unsigned errorType, unsigned counterType, unsigned long long *eccCounts)
{
    ENTER_DEVICE(nvmlDeviceGetTotalEccErrors, device, ACCEPT_GPU);
    if (!eccCounts || errorType >= NVML_ECC_ERROR_TYPE_COUNT || counterType >= NVML_ECC_COUNTER_TYPE_COUNT)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    long long errors = read_ecc(call.gpu, errorType, counterType);
    if (errors == UNSUPPORTED)
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    out_u64(&call, eccCounts, (unsigned long long) errors);
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetDetailedEccErrors(nvmlDevice_t device, unsigned errorType, unsigned counterType, nvmlEccErrorCounts_t *eccCounts)
{
    ENTER_DEVICE(nvmlDeviceGetDetailedEccErrors, device, ACCEPT_GPU);
    if (!eccCounts || errorType >= NVML_ECC_ERROR_TYPE_COUNT || counterType >= NVML_ECC_COUNTER_TYPE_COUNT)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    long long errors = read_ecc(call.gpu, errorType, counterType);
    if (errors == UNSUPPORTED)
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    memset(eccCounts, 0, sizeof *eccCounts);
    out_u64(&call, &eccCounts->deviceMemory, (unsigned long long) errors);
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetMemoryErrorCounter(nvmlDevice_t device, unsigned errorType, unsigned counterType, unsigned locationType,
    unsigned long long *count)
{
    ENTER_DEVICE(nvmlDeviceGetMemoryErrorCounter, device, ACCEPT_GPU | ACCEPT_MIG);
    if (!count || errorType >= NVML_ECC_ERROR_TYPE_COUNT || counterType >= NVML_ECC_COUNTER_TYPE_COUNT || locationType >= NVML_LOCATION_COUNT)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    long long errors = read_ecc(call.gpu, errorType, counterType);
    bool ampere = call.gpu->number[P_ARCHITECTURE] >= NVML_ARCH_AMPERE; /* reports DRAM and SRAM only */
    if (errors == UNSUPPORTED || (ampere && locationType != NVML_LOCATION_DRAM && locationType != NVML_LOCATION_SRAM))
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    out_u64(&call, count, locationType == NVML_LOCATION_DRAM ? (unsigned long long) errors : 0);
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceClearEccErrorCounts(nvmlDevice_t device, unsigned counterType)
{
    ENTER_DEVICE(nvmlDeviceClearEccErrorCounts, device, ACCEPT_GPU);
    if (counterType >= NVML_ECC_COUNTER_TYPE_COUNT)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (call.gpu->number[P_ECC] != 1)
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    bool aggregate = counterType == NVML_ECC_AGGREGATE;
    call.gpu->number[aggregate ? P_ECC_AGGREGATE_CORRECTED : P_ECC_VOLATILE_CORRECTED] = 0;
    call.gpu->number[aggregate ? P_ECC_AGGREGATE_UNCORRECTED : P_ECC_VOLATILE_UNCORRECTED] = 0;
    LEAVE(NVML_SUCCESS);
}

static nvmlReturn_t retired_pages(enum function_id function, nvmlDevice_t device, unsigned cause, unsigned *count,
    unsigned long long *addresses, unsigned long long *timestamps, bool timed)
{
    struct call call;
    if (!gate_enter_device(&call, function, device, ACCEPT_GPU))
        return call.result;
    if (!count || cause > 1 || (timed && *count > 0 && !timestamps))
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    long long pages = call.gpu->number[cause == 0 ? P_RETIRED_SINGLE : P_RETIRED_DOUBLE];
    if (pages == UNSUPPORTED)
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    nvmlReturn_t result = out_list(&call, count, (unsigned) pages, addresses);
    for (unsigned i = 0; result == NVML_SUCCESS && i < pages; i++) {
        addresses[i] = 0x100000ull * (i + 1) + cause * 0x1000ull;
        if (timed)
            timestamps[i] = 1700000000ull + 86400ull * i;
    }
    LEAVE(result);
}

nvmlReturn_t nvmlDeviceGetRetiredPages(nvmlDevice_t device, unsigned cause, unsigned *pageCount, unsigned long long *addresses)
{
    return retired_pages(FN_nvmlDeviceGetRetiredPages, device, cause, pageCount, addresses, NULL, false);
}

nvmlReturn_t nvmlDeviceGetRetiredPages_v2(nvmlDevice_t device, unsigned cause, unsigned *pageCount, unsigned long long *addresses,
    unsigned long long *timestamps)
{
    return retired_pages(FN_nvmlDeviceGetRetiredPages_v2, device, cause, pageCount, addresses, timestamps, true);
}

nvmlReturn_t nvmlDeviceGetRetiredPagesPendingStatus(nvmlDevice_t device, nvmlEnableState_t *isPending)
{
    ENTER_DEVICE(nvmlDeviceGetRetiredPagesPendingStatus, device, ACCEPT_GPU);
    LEAVE(isPending ? out_property(&call, isPending, call.gpu->number[P_RETIRED_PENDING]) : NVML_ERROR_INVALID_ARGUMENT);
}

nvmlReturn_t nvmlDeviceGetRemappedRows(nvmlDevice_t device, unsigned *corrRows, unsigned *uncRows, unsigned *isPending,
    unsigned *failureOccurred)
{
    ENTER_DEVICE(nvmlDeviceGetRemappedRows, device, ACCEPT_GPU);
    if (!corrRows || !uncRows || !isPending || !failureOccurred)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    const long long *number = call.gpu->number;
    if (mig_enabled(call.gpu) || number[P_REMAPPED_CORRECTABLE] == UNSUPPORTED)
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    out_property(&call, corrRows, number[P_REMAPPED_CORRECTABLE]);
    out_property(&call, uncRows, number[P_REMAPPED_UNCORRECTABLE]);
    out_property(&call, isPending, number[P_REMAP_PENDING]);
    LEAVE(out_property(&call, failureOccurred, number[P_REMAP_FAILURE]));
}

nvmlReturn_t nvmlDeviceGetRemappedRows_v2(nvmlDevice_t device, nvmlRemappedRowsInfo_v2_t *info)
{
    ENTER_DEVICE(nvmlDeviceGetRemappedRows_v2, device, ACCEPT_GPU);
    if (!info)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    const long long *number = call.gpu->number;
    if (mig_enabled(call.gpu) || number[P_REMAPPED_CORRECTABLE] == UNSUPPORTED)
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    memset(info, 0, sizeof *info);
    out_property(&call, &info->corrActiveRemaps, number[P_REMAPPED_CORRECTABLE]);
    out_property(&call, &info->uncActiveRemaps, number[P_REMAPPED_UNCORRECTABLE]);
    out_property(&call, &info->bPending, number[P_REMAP_PENDING]);
    LEAVE(out_property(&call, &info->bFailureOccurred, number[P_REMAP_FAILURE]));
}

nvmlReturn_t nvmlDeviceGetRowRemapperHistogram(nvmlDevice_t device, nvmlRowRemapperHistogramValues_t *values)
{
    ENTER_DEVICE(nvmlDeviceGetRowRemapperHistogram, device, ACCEPT_GPU);
    if (!values)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    long long banks = call.gpu->number[P_REMAP_BANKS], used = call.gpu->number[P_REMAPPED_UNCORRECTABLE];
    if (banks == UNSUPPORTED || used == UNSUPPORTED)
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    unsigned touched = (unsigned) (used < banks ? used : banks); /* one row each, in different banks */
    memset(values, 0, sizeof *values);
    out_u32(&call, &values->max, (unsigned) banks - touched);
    out_u32(&call, &values->high, touched);
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceGetSramEccErrorStatus(nvmlDevice_t device, nvmlEccSramErrorStatus_v1_t *status)
{
    ENTER_DEVICE(nvmlDeviceGetSramEccErrorStatus, device, ACCEPT_GPU);
    if (!status)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (status->version != NVML_VERSION_WORD(nvmlEccSramErrorStatus_v1_t, 1))
        LEAVE(NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
    if (call.gpu->number[P_ECC] != 1 || call.gpu->number[P_SRAM_THRESHOLD_EXCEEDED] == UNSUPPORTED)
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    unsigned version = status->version;
    memset(status, 0, sizeof *status);
    status->version = version;
    LEAVE(out_property(&call, &status->bThresholdExceeded, call.gpu->number[P_SRAM_THRESHOLD_EXCEEDED]));
}

nvmlReturn_t nvmlDeviceGetUnrepairableMemoryFlag_v1(nvmlDevice_t device, nvmlUnrepairableMemoryStatus_v1_t *status)
{
    ENTER_DEVICE(nvmlDeviceGetUnrepairableMemoryFlag_v1, device, ACCEPT_GPU);
    LEAVE(status ? out_property(&call, &status->bUnrepairableMemory, call.gpu->number[P_UNREPAIRABLE_MEMORY]) : NVML_ERROR_INVALID_ARGUMENT);
}

nvmlReturn_t nvmlDeviceGetRepairStatus(nvmlDevice_t device, nvmlRepairStatus_v1_t *repairStatus)
{
    ENTER_DEVICE(nvmlDeviceGetRepairStatus, device, ACCEPT_GPU);
    if (!repairStatus)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (repairStatus->version != NVML_VERSION_WORD(nvmlRepairStatus_v1_t, 1))
        LEAVE(NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
    repairStatus->bTpcRepairPending = 0;
    LEAVE(out_property(&call, &repairStatus->bChannelRepairPending, call.gpu->number[P_REMAP_PENDING]));
}
