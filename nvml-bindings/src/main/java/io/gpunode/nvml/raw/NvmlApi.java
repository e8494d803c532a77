package io.gpunode.nvml.raw;

/**
 * NVML's functions with primitive parameters only: a handle, a pointer and a {@code long long} are a {@code long}, an enumeration and an
 * {@code unsigned int} are an {@code int}, every answer is the number of an {@code nvmlReturn_t}. Which symbol stands behind a method is
 * decided when the library is opened ({@link NvmlFunction}); a method whose symbol is absent must not be called.
 */
public interface NvmlApi {
    int nvmlInit();

    int nvmlShutdown();

    int nvmlSystemGetNVMLVersion(long version, int length);

    int nvmlSystemGetDriverVersion(long version, int length);

    int nvmlSystemGetCudaDriverVersion(long cudaDriverVersion);

    int nvmlSystemGetProcessName(int pid, long name, int length);

    int nvmlDeviceGetCount(long deviceCount);

    int nvmlDeviceGetHandleByIndex(int index, long device);

    int nvmlDeviceGetHandleByUUID(long uuid, long device);

    int nvmlDeviceGetHandleByPciBusId(long pciBusId, long device);

    int nvmlDeviceGetUUID(long device, long uuid, int length);

    int nvmlDeviceGetName(long device, long name, int length);

    int nvmlDeviceGetIndex(long device, long index);

    int nvmlDeviceGetMinorNumber(long device, long minorNumber);

    int nvmlDeviceGetPciInfo(long device, long pci);

    int nvmlDeviceGetSerial(long device, long serial, int length);

    int nvmlDeviceGetBrand(long device, long type);

    int nvmlDeviceGetBoardPartNumber(long device, long partNumber, int length);

    int nvmlDeviceGetVbiosVersion(long device, long version, int length);

    int nvmlDeviceGetInforomVersion(long device, int object, long version, int length);

    int nvmlDeviceGetInforomImageVersion(long device, long version, int length);

    int nvmlDeviceGetCudaComputeCapability(long device, long major, long minor);

    int nvmlDeviceGetArchitecture(long device, long arch);

    int nvmlDeviceGetVirtualizationMode(long device, long mode);

    int nvmlDeviceGetPersistenceMode(long device, long mode);

    int nvmlDeviceGetComputeMode(long device, long mode);

    int nvmlDeviceGetEccMode(long device, long current, long pending);

    int nvmlDeviceGetMemoryInfo(long device, long memory);

    int nvmlDeviceGetMemoryInfo_v2(long device, long memory);

    int nvmlDeviceGetMigMode(long device, long currentMode, long pendingMode);

    int nvmlDeviceGetMaxMigDeviceCount(long device, long count);

    int nvmlDeviceGetMigDeviceHandleByIndex(long device, int index, long migDevice);

    int nvmlDeviceIsMigDeviceHandle(long device, long isMigDevice);

    int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(long migDevice, long device);

    int nvmlDeviceGetGpuInstanceId(long device, long id);

    int nvmlDeviceGetComputeInstanceId(long device, long id);

    int nvmlDeviceGetAttributes(long device, long attributes);

    int nvmlDeviceGetGpuInstanceById(long device, int id, long gpuInstance);

    int nvmlGpuInstanceGetInfo(long gpuInstance, long info);

    int nvmlDeviceSetMigMode(long device, int mode, long activationStatus);

    int nvmlDeviceGetGpuInstanceProfileInfo(long device, int profile, long info);

    int nvmlDeviceGetGpuInstanceProfileInfoV(long device, int profile, long info);

    int nvmlDeviceGetGpuInstancePossiblePlacements(long device, int profileId, long placements, long count);

    int nvmlDeviceGetGpuInstanceRemainingCapacity(long device, int profileId, long count);

    int nvmlDeviceCreateGpuInstance(long device, int profileId, long gpuInstance);

    int nvmlDeviceCreateGpuInstanceWithPlacement(long device, int profileId, long placement, long gpuInstance);

    int nvmlGpuInstanceDestroy(long gpuInstance);

    int nvmlDeviceGetGpuInstances(long device, int profileId, long gpuInstances, long count);

    int nvmlGpuInstanceGetComputeInstanceProfileInfo(long gpuInstance, int profile, int engProfile, long info);

    int nvmlGpuInstanceGetComputeInstanceProfileInfoV(long gpuInstance, int profile, int engProfile, long info);

    int nvmlGpuInstanceGetComputeInstanceRemainingCapacity(long gpuInstance, int profileId, long count);

    int nvmlGpuInstanceGetComputeInstancePossiblePlacements(
            long gpuInstance, int profileId, long placements, long count);

    int nvmlGpuInstanceCreateComputeInstance(long gpuInstance, int profileId, long computeInstance);

    int nvmlGpuInstanceCreateComputeInstanceWithPlacement(
            long gpuInstance, int profileId, long placement, long computeInstance);

    int nvmlComputeInstanceDestroy(long computeInstance);

    int nvmlGpuInstanceGetComputeInstances(long gpuInstance, int profileId, long computeInstances, long count);

    int nvmlGpuInstanceGetComputeInstanceById(long gpuInstance, int id, long computeInstance);

    int nvmlComputeInstanceGetInfo(long computeInstance, long info);

    int nvmlDeviceGetNumaNodeId(long device, long node);

    int nvmlDeviceGetTopologyCommonAncestor(long device1, long device2, long pathInfo);

    int nvmlDeviceGetP2PStatus(long device1, long device2, int p2pIndex, long p2pStatus);

    int nvmlDeviceGetNvLinkState(long device, int link, long isActive);

    int nvmlDeviceGetNvLinkRemotePciInfo(long device, int link, long pci);

    int nvmlDeviceGetNvLinkRemoteDeviceType(long device, int link, long type);

    int nvmlDeviceGetGpuFabricInfo(long device, long gpuFabricInfo);

    int nvmlDeviceGetGpuFabricInfoV(long device, long gpuFabricInfo);

    int nvmlDeviceGetComputeRunningProcesses(long device, long infoCount, long infos);

    int nvmlDeviceGetGraphicsRunningProcesses(long device, long infoCount, long infos);

    int nvmlDeviceGetMPSComputeRunningProcesses(long device, long infoCount, long infos);

    int nvmlDeviceGetProcessUtilization(
            long device, long utilization, long processSamplesCount, long lastSeenTimeStamp);

    int nvmlDeviceGetSupportedEventTypes(long device, long eventTypes);

    int nvmlEventSetCreate(long set);

    int nvmlEventSetFree(long set);

    int nvmlDeviceRegisterEvents(long device, long eventTypes, long set);

    int nvmlEventSetWait(long set, long data, int timeoutms);

    int nvmlDeviceGetFieldValues(long device, int valuesCount, long values);

    int nvmlDeviceGetClockInfo(long device, int type, long clock);

    int nvmlDeviceGetMaxClockInfo(long device, int type, long clock);

    int nvmlDeviceGetApplicationsClock(long device, int type, long clock);

    int nvmlDeviceGetTemperature(long device, int sensorType, long temp);

    int nvmlDeviceGetTemperatureV(long device, long temperature);

    int nvmlDeviceGetTemperatureThreshold(long device, int thresholdType, long temp);

    int nvmlDeviceGetPowerUsage(long device, long power);

    int nvmlDeviceGetMarginTemperature(long device, long margin);

    int nvmlDeviceGetPowerManagementLimitConstraints(long device, long minLimit, long maxLimit);

    int nvmlDeviceGetPowerManagementDefaultLimit(long device, long defaultLimit);

    int nvmlDeviceGetPcieThroughput(long device, int counter, long value);

    int nvmlDeviceGetRowRemapperHistogram(long device, long values);

    int nvmlDeviceGetMemoryErrorCounter(long device, int errorType, int counterType, int locationType, long count);

    int nvmlDeviceGetSramEccErrorStatus(long device, long status);

    int nvmlDeviceGetUnrepairableMemoryFlag(long device, long status);

    int nvmlDeviceGetNvLinkErrorCounter(long device, int link, int counter, long counterValue);

    int nvmlSystemGetConfComputeState(long state);

    int nvmlDeviceGetPowerManagementLimit(long device, long limit);

    int nvmlDeviceGetEnforcedPowerLimit(long device, long limit);

    int nvmlDeviceGetTotalEnergyConsumption(long device, long energy);

    int nvmlDeviceGetUtilizationRates(long device, long utilization);

    int nvmlDeviceGetEncoderUtilization(long device, long utilization, long samplingPeriodUs);

    int nvmlDeviceGetDecoderUtilization(long device, long utilization, long samplingPeriodUs);

    int nvmlDeviceGetBAR1MemoryInfo(long device, long bar1Memory);

    int nvmlDeviceGetPcieReplayCounter(long device, long value);

    int nvmlDeviceGetCurrPcieLinkGeneration(long device, long currLinkGen);

    int nvmlDeviceGetCurrPcieLinkWidth(long device, long currLinkWidth);

    int nvmlDeviceGetMaxPcieLinkGeneration(long device, long maxLinkGen);

    int nvmlDeviceGetMaxPcieLinkWidth(long device, long maxLinkWidth);

    int nvmlDeviceGetRemappedRows(long device, long corrRows, long uncRows, long isPending, long failureOccurred);

    int nvmlDeviceGetCurrentClocksEventReasons(long device, long clocksEventReasons);

    int nvmlDeviceGetPerformanceState(long device, long pState);

    int nvmlDeviceGetFanSpeed(long device, long speed);

    int nvmlDeviceGetGridLicensableFeatures(long device, long pGridLicensableFeatures);

    int nvmlGpmQueryDeviceSupport(long device, long gpmSupport);

    int nvmlGpmSampleAlloc(long gpmSample);

    int nvmlGpmSampleFree(long gpmSample);

    int nvmlGpmSampleGet(long device, long gpmSample);

    int nvmlGpmMigSampleGet(long device, int gpuInstanceId, long gpmSample);

    int nvmlGpmMetricsGet(long metricsGet);
}
