package io.gpunode.nvml.raw;

/**
 * NVML through JNA's direct mapping. JNA ties the native methods of a class to addresses once per class, so one class serves one open
 * library at a time: the first uses this class itself, a second that is open at the same time a hidden copy of it ({@link MappedLibrary}).
 */
final class DirectNvmlApi implements NvmlApi {
    DirectNvmlApi() {}

    @Override
    public native int nvmlInit();

    @Override
    public native int nvmlShutdown();

    @Override
    public native int nvmlSystemGetNVMLVersion(long version, int length);

    @Override
    public native int nvmlSystemGetDriverVersion(long version, int length);

    @Override
    public native int nvmlSystemGetCudaDriverVersion(long cudaDriverVersion);

    @Override
    public native int nvmlSystemGetProcessName(int pid, long name, int length);

    @Override
    public native int nvmlDeviceGetCount(long deviceCount);

    @Override
    public native int nvmlDeviceGetHandleByIndex(int index, long device);

    @Override
    public native int nvmlDeviceGetHandleByUUID(long uuid, long device);

    @Override
    public native int nvmlDeviceGetHandleByPciBusId(long pciBusId, long device);

    @Override
    public native int nvmlDeviceGetUUID(long device, long uuid, int length);

    @Override
    public native int nvmlDeviceGetName(long device, long name, int length);

    @Override
    public native int nvmlDeviceGetIndex(long device, long index);

    @Override
    public native int nvmlDeviceGetMinorNumber(long device, long minorNumber);

    @Override
    public native int nvmlDeviceGetPciInfo(long device, long pci);

    @Override
    public native int nvmlDeviceGetSerial(long device, long serial, int length);

    @Override
    public native int nvmlDeviceGetBrand(long device, long type);

    @Override
    public native int nvmlDeviceGetBoardPartNumber(long device, long partNumber, int length);

    @Override
    public native int nvmlDeviceGetVbiosVersion(long device, long version, int length);

    @Override
    public native int nvmlDeviceGetInforomVersion(long device, int object, long version, int length);

    @Override
    public native int nvmlDeviceGetInforomImageVersion(long device, long version, int length);

    @Override
    public native int nvmlDeviceGetCudaComputeCapability(long device, long major, long minor);

    @Override
    public native int nvmlDeviceGetArchitecture(long device, long arch);

    @Override
    public native int nvmlDeviceGetVirtualizationMode(long device, long mode);

    @Override
    public native int nvmlDeviceGetPersistenceMode(long device, long mode);

    @Override
    public native int nvmlDeviceGetComputeMode(long device, long mode);

    @Override
    public native int nvmlDeviceGetEccMode(long device, long current, long pending);

    @Override
    public native int nvmlDeviceGetMemoryInfo(long device, long memory);

    @Override
    public native int nvmlDeviceGetMemoryInfo_v2(long device, long memory);

    @Override
    public native int nvmlDeviceGetMigMode(long device, long currentMode, long pendingMode);

    @Override
    public native int nvmlDeviceGetMaxMigDeviceCount(long device, long count);

    @Override
    public native int nvmlDeviceGetMigDeviceHandleByIndex(long device, int index, long migDevice);

    @Override
    public native int nvmlDeviceIsMigDeviceHandle(long device, long isMigDevice);

    @Override
    public native int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(long migDevice, long device);

    @Override
    public native int nvmlDeviceGetGpuInstanceId(long device, long id);

    @Override
    public native int nvmlDeviceGetComputeInstanceId(long device, long id);

    @Override
    public native int nvmlDeviceGetAttributes(long device, long attributes);

    @Override
    public native int nvmlDeviceGetGpuInstanceById(long device, int id, long gpuInstance);

    @Override
    public native int nvmlGpuInstanceGetInfo(long gpuInstance, long info);

    @Override
    public native int nvmlDeviceSetMigMode(long device, int mode, long activationStatus);

    @Override
    public native int nvmlDeviceGetGpuInstanceProfileInfo(long device, int profile, long info);

    @Override
    public native int nvmlDeviceGetGpuInstanceProfileInfoV(long device, int profile, long info);

    @Override
    public native int nvmlDeviceGetGpuInstancePossiblePlacements(
            long device, int profileId, long placements, long count);

    @Override
    public native int nvmlDeviceGetGpuInstanceRemainingCapacity(long device, int profileId, long count);

    @Override
    public native int nvmlDeviceCreateGpuInstance(long device, int profileId, long gpuInstance);

    @Override
    public native int nvmlDeviceCreateGpuInstanceWithPlacement(
            long device, int profileId, long placement, long gpuInstance);

    @Override
    public native int nvmlGpuInstanceDestroy(long gpuInstance);

    @Override
    public native int nvmlDeviceGetGpuInstances(long device, int profileId, long gpuInstances, long count);

    @Override
    public native int nvmlGpuInstanceGetComputeInstanceProfileInfo(
            long gpuInstance, int profile, int engProfile, long info);

    @Override
    public native int nvmlGpuInstanceGetComputeInstanceProfileInfoV(
            long gpuInstance, int profile, int engProfile, long info);

    @Override
    public native int nvmlGpuInstanceGetComputeInstanceRemainingCapacity(long gpuInstance, int profileId, long count);

    @Override
    public native int nvmlGpuInstanceGetComputeInstancePossiblePlacements(
            long gpuInstance, int profileId, long placements, long count);

    @Override
    public native int nvmlGpuInstanceCreateComputeInstance(long gpuInstance, int profileId, long computeInstance);

    @Override
    public native int nvmlGpuInstanceCreateComputeInstanceWithPlacement(
            long gpuInstance, int profileId, long placement, long computeInstance);

    @Override
    public native int nvmlComputeInstanceDestroy(long computeInstance);

    @Override
    public native int nvmlGpuInstanceGetComputeInstances(
            long gpuInstance, int profileId, long computeInstances, long count);

    @Override
    public native int nvmlGpuInstanceGetComputeInstanceById(long gpuInstance, int id, long computeInstance);

    @Override
    public native int nvmlComputeInstanceGetInfo(long computeInstance, long info);

    @Override
    public native int nvmlDeviceGetNumaNodeId(long device, long node);

    @Override
    public native int nvmlDeviceGetTopologyCommonAncestor(long device1, long device2, long pathInfo);

    @Override
    public native int nvmlDeviceGetP2PStatus(long device1, long device2, int p2pIndex, long p2pStatus);

    @Override
    public native int nvmlDeviceGetNvLinkState(long device, int link, long isActive);

    @Override
    public native int nvmlDeviceGetNvLinkRemotePciInfo(long device, int link, long pci);

    @Override
    public native int nvmlDeviceGetNvLinkRemoteDeviceType(long device, int link, long type);

    @Override
    public native int nvmlDeviceGetGpuFabricInfo(long device, long gpuFabricInfo);

    @Override
    public native int nvmlDeviceGetGpuFabricInfoV(long device, long gpuFabricInfo);

    @Override
    public native int nvmlDeviceGetComputeRunningProcesses(long device, long infoCount, long infos);

    @Override
    public native int nvmlDeviceGetGraphicsRunningProcesses(long device, long infoCount, long infos);

    @Override
    public native int nvmlDeviceGetMPSComputeRunningProcesses(long device, long infoCount, long infos);

    @Override
    public native int nvmlDeviceGetProcessUtilization(
            long device, long utilization, long processSamplesCount, long lastSeenTimeStamp);

    @Override
    public native int nvmlDeviceGetSupportedEventTypes(long device, long eventTypes);

    @Override
    public native int nvmlEventSetCreate(long set);

    @Override
    public native int nvmlEventSetFree(long set);

    @Override
    public native int nvmlDeviceRegisterEvents(long device, long eventTypes, long set);

    @Override
    public native int nvmlEventSetWait(long set, long data, int timeoutms);

    @Override
    public native int nvmlDeviceGetFieldValues(long device, int valuesCount, long values);

    @Override
    public native int nvmlDeviceGetClockInfo(long device, int type, long clock);

    @Override
    public native int nvmlDeviceGetMaxClockInfo(long device, int type, long clock);

    @Override
    public native int nvmlDeviceGetApplicationsClock(long device, int type, long clock);

    @Override
    public native int nvmlDeviceGetTemperature(long device, int sensorType, long temp);

    @Override
    public native int nvmlDeviceGetTemperatureV(long device, long temperature);

    @Override
    public native int nvmlDeviceGetTemperatureThreshold(long device, int thresholdType, long temp);

    @Override
    public native int nvmlDeviceGetPowerUsage(long device, long power);

    @Override
    public native int nvmlDeviceGetMarginTemperature(long device, long margin);

    @Override
    public native int nvmlDeviceGetPowerManagementLimitConstraints(long device, long minLimit, long maxLimit);

    @Override
    public native int nvmlDeviceGetPowerManagementDefaultLimit(long device, long defaultLimit);

    @Override
    public native int nvmlDeviceGetPcieThroughput(long device, int counter, long value);

    @Override
    public native int nvmlDeviceGetRowRemapperHistogram(long device, long values);

    @Override
    public native int nvmlDeviceGetMemoryErrorCounter(
            long device, int errorType, int counterType, int locationType, long count);

    @Override
    public native int nvmlDeviceGetSramEccErrorStatus(long device, long status);

    @Override
    public native int nvmlDeviceGetUnrepairableMemoryFlag(long device, long status);

    @Override
    public native int nvmlDeviceGetNvLinkErrorCounter(long device, int link, int counter, long counterValue);

    @Override
    public native int nvmlSystemGetConfComputeState(long state);

    @Override
    public native int nvmlDeviceGetPowerManagementLimit(long device, long limit);

    @Override
    public native int nvmlDeviceGetEnforcedPowerLimit(long device, long limit);

    @Override
    public native int nvmlDeviceGetTotalEnergyConsumption(long device, long energy);

    @Override
    public native int nvmlDeviceGetUtilizationRates(long device, long utilization);

    @Override
    public native int nvmlDeviceGetEncoderUtilization(long device, long utilization, long samplingPeriodUs);

    @Override
    public native int nvmlDeviceGetDecoderUtilization(long device, long utilization, long samplingPeriodUs);

    @Override
    public native int nvmlDeviceGetBAR1MemoryInfo(long device, long bar1Memory);

    @Override
    public native int nvmlDeviceGetPcieReplayCounter(long device, long value);

    @Override
    public native int nvmlDeviceGetCurrPcieLinkGeneration(long device, long currLinkGen);

    @Override
    public native int nvmlDeviceGetCurrPcieLinkWidth(long device, long currLinkWidth);

    @Override
    public native int nvmlDeviceGetMaxPcieLinkGeneration(long device, long maxLinkGen);

    @Override
    public native int nvmlDeviceGetMaxPcieLinkWidth(long device, long maxLinkWidth);

    @Override
    public native int nvmlDeviceGetRemappedRows(
            long device, long corrRows, long uncRows, long isPending, long failureOccurred);

    @Override
    public native int nvmlDeviceGetCurrentClocksEventReasons(long device, long clocksEventReasons);

    @Override
    public native int nvmlDeviceGetPerformanceState(long device, long pState);

    @Override
    public native int nvmlDeviceGetFanSpeed(long device, long speed);

    @Override
    public native int nvmlDeviceGetGridLicensableFeatures(long device, long pGridLicensableFeatures);

    @Override
    public native int nvmlGpmQueryDeviceSupport(long device, long gpmSupport);

    @Override
    public native int nvmlGpmSampleAlloc(long gpmSample);

    @Override
    public native int nvmlGpmSampleFree(long gpmSample);

    @Override
    public native int nvmlGpmSampleGet(long device, long gpmSample);

    @Override
    public native int nvmlGpmMigSampleGet(long device, int gpuInstanceId, long gpmSample);

    @Override
    public native int nvmlGpmMetricsGet(long metricsGet);
}
