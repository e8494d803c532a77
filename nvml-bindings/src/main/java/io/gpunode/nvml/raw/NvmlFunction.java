package io.gpunode.nvml.raw;

import java.util.List;

/**
 * Every function of NVML that the binding knows, by the name that C source uses, each with the symbols that can stand behind it, newest
 * first. Symbols share one constant only where their parameters and layouts agree; {@code nvmlDeviceGetMemoryInfo} and its second version
 * do not, so they are two.
 */
public enum NvmlFunction {
    nvmlInit("nvmlInit_v2", "nvmlInit"),
    nvmlShutdown,
    nvmlSystemGetNVMLVersion,
    nvmlSystemGetDriverVersion,
    nvmlSystemGetCudaDriverVersion("nvmlSystemGetCudaDriverVersion_v2", "nvmlSystemGetCudaDriverVersion"),
    nvmlSystemGetProcessName,
    nvmlDeviceGetCount("nvmlDeviceGetCount_v2", "nvmlDeviceGetCount"),
    nvmlDeviceGetHandleByIndex("nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetHandleByIndex"),
    nvmlDeviceGetHandleByUUID,
    nvmlDeviceGetHandleByPciBusId("nvmlDeviceGetHandleByPciBusId_v2", "nvmlDeviceGetHandleByPciBusId"),
    nvmlDeviceGetUUID,
    nvmlDeviceGetName,
    nvmlDeviceGetIndex,
    nvmlDeviceGetMinorNumber,
    nvmlDeviceGetPciInfo("nvmlDeviceGetPciInfo_v3"),
    nvmlDeviceGetSerial,
    nvmlDeviceGetBrand,
    nvmlDeviceGetBoardPartNumber,
    nvmlDeviceGetVbiosVersion,
    nvmlDeviceGetInforomVersion,
    nvmlDeviceGetInforomImageVersion,
    nvmlDeviceGetCudaComputeCapability,
    nvmlDeviceGetArchitecture,
    nvmlDeviceGetVirtualizationMode,
    nvmlDeviceGetPersistenceMode,
    nvmlDeviceGetComputeMode,
    nvmlDeviceGetEccMode,
    nvmlDeviceGetMemoryInfo,
    nvmlDeviceGetMemoryInfo_v2,
    nvmlDeviceGetMigMode,
    nvmlDeviceGetMaxMigDeviceCount,
    nvmlDeviceGetMigDeviceHandleByIndex,
    nvmlDeviceIsMigDeviceHandle,
    nvmlDeviceGetDeviceHandleFromMigDeviceHandle,
    nvmlDeviceGetGpuInstanceId,
    nvmlDeviceGetComputeInstanceId,
    nvmlDeviceGetAttributes("nvmlDeviceGetAttributes_v2"),
    nvmlDeviceGetGpuInstanceById,
    nvmlGpuInstanceGetInfo,
    nvmlDeviceSetMigMode,
    nvmlDeviceGetGpuInstanceProfileInfo,
    nvmlDeviceGetGpuInstanceProfileInfoV,
    nvmlDeviceGetGpuInstancePossiblePlacements(
            "nvmlDeviceGetGpuInstancePossiblePlacements_v2", "nvmlDeviceGetGpuInstancePossiblePlacements"),
    nvmlDeviceGetGpuInstanceRemainingCapacity,
    nvmlDeviceCreateGpuInstance,
    nvmlDeviceCreateGpuInstanceWithPlacement,
    nvmlGpuInstanceDestroy,
    nvmlDeviceGetGpuInstances,
    nvmlGpuInstanceGetComputeInstanceProfileInfo,
    nvmlGpuInstanceGetComputeInstanceProfileInfoV,
    nvmlGpuInstanceGetComputeInstanceRemainingCapacity,
    nvmlGpuInstanceGetComputeInstancePossiblePlacements,
    nvmlGpuInstanceCreateComputeInstance,
    nvmlGpuInstanceCreateComputeInstanceWithPlacement,
    nvmlComputeInstanceDestroy,
    nvmlGpuInstanceGetComputeInstances,
    nvmlGpuInstanceGetComputeInstanceById,
    nvmlComputeInstanceGetInfo("nvmlComputeInstanceGetInfo_v2"),
    nvmlDeviceGetNumaNodeId,
    nvmlDeviceGetTopologyCommonAncestor,
    nvmlDeviceGetP2PStatus,
    nvmlDeviceGetNvLinkState,
    nvmlDeviceGetNvLinkRemotePciInfo("nvmlDeviceGetNvLinkRemotePciInfo_v2"),
    nvmlDeviceGetNvLinkRemoteDeviceType,
    nvmlDeviceGetGpuFabricInfo,
    nvmlDeviceGetGpuFabricInfoV,
    nvmlDeviceGetComputeRunningProcesses(
            "nvmlDeviceGetComputeRunningProcesses_v3",
            "nvmlDeviceGetComputeRunningProcesses_v2",
            "nvmlDeviceGetComputeRunningProcesses"),
    nvmlDeviceGetGraphicsRunningProcesses(
            "nvmlDeviceGetGraphicsRunningProcesses_v3",
            "nvmlDeviceGetGraphicsRunningProcesses_v2",
            "nvmlDeviceGetGraphicsRunningProcesses"),
    nvmlDeviceGetMPSComputeRunningProcesses(
            "nvmlDeviceGetMPSComputeRunningProcesses_v3",
            "nvmlDeviceGetMPSComputeRunningProcesses_v2",
            "nvmlDeviceGetMPSComputeRunningProcesses"),
    nvmlDeviceGetProcessUtilization,
    nvmlDeviceGetSupportedEventTypes,
    nvmlEventSetCreate,
    nvmlEventSetFree,
    nvmlDeviceRegisterEvents,
    nvmlEventSetWait("nvmlEventSetWait_v2", "nvmlEventSetWait"),
    nvmlDeviceGetFieldValues,
    nvmlDeviceGetClockInfo,
    nvmlDeviceGetMaxClockInfo,
    nvmlDeviceGetApplicationsClock,
    nvmlDeviceGetTemperature,
    nvmlDeviceGetTemperatureV,
    nvmlDeviceGetTemperatureThreshold,
    nvmlDeviceGetMarginTemperature,
    nvmlDeviceGetPowerUsage,
    nvmlDeviceGetPowerManagementLimit,
    nvmlDeviceGetPowerManagementLimitConstraints,
    nvmlDeviceGetPowerManagementDefaultLimit,
    nvmlDeviceGetEnforcedPowerLimit,
    nvmlDeviceGetTotalEnergyConsumption,
    nvmlDeviceGetUtilizationRates,
    nvmlDeviceGetEncoderUtilization,
    nvmlDeviceGetDecoderUtilization,
    nvmlDeviceGetBAR1MemoryInfo,
    nvmlDeviceGetPcieReplayCounter,
    nvmlDeviceGetPcieThroughput,
    nvmlDeviceGetCurrPcieLinkGeneration,
    nvmlDeviceGetCurrPcieLinkWidth,
    nvmlDeviceGetMaxPcieLinkGeneration,
    nvmlDeviceGetMaxPcieLinkWidth,
    nvmlDeviceGetRemappedRows,
    nvmlDeviceGetRowRemapperHistogram,
    nvmlDeviceGetMemoryErrorCounter,
    nvmlDeviceGetSramEccErrorStatus,
    nvmlDeviceGetUnrepairableMemoryFlag("nvmlDeviceGetUnrepairableMemoryFlag_v1"),
    nvmlDeviceGetNvLinkErrorCounter,
    nvmlSystemGetConfComputeState,
    nvmlDeviceGetCurrentClocksEventReasons(
            "nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"),
    nvmlDeviceGetPerformanceState,
    nvmlDeviceGetFanSpeed,
    nvmlDeviceGetGridLicensableFeatures("nvmlDeviceGetGridLicensableFeatures_v4"),
    nvmlGpmQueryDeviceSupport,
    nvmlGpmSampleAlloc,
    nvmlGpmSampleFree,
    nvmlGpmSampleGet,
    nvmlGpmMigSampleGet,
    nvmlGpmMetricsGet;

    // List.of() gives lists that cannot change, which the type does not say.
    @SuppressWarnings("ImmutableEnumChecker")
    private final List<String> symbols;

    NvmlFunction(String... symbols) {
        this.symbols = symbols.length == 0 ? List.of(name()) : List.of(symbols);
    }

    /** The symbols that can serve this function, newest first. */
    public List<String> symbols() {
        return symbols;
    }
}
