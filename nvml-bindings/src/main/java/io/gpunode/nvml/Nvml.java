package io.gpunode.nvml;

import java.time.Duration;
import java.util.List;

/**
 * One open and initialised NVML library. Every method that takes a device fails with {@link NvmlReturn#UNINITIALIZED} when the device is
 * of another generation or the session is closed, and with {@link NvmlReturn#FUNCTION_NOT_FOUND} when the library has no such symbol;
 * neither reaches C.
 *
 * <p>All methods may be called from any thread and may block for as long as the driver does: an interrupt does not end a native call.
 * Deadlines are the caller's business. {@link #close(Duration)} waits for calls in flight and never unmaps under one.
 */
public interface Nvml {
    /** What is known of the library. Never blocks. */
    NvmlLibrary library();

    // --- system ---

    /** {@code nvmlDeviceGetCount_v2}. */
    int deviceCount() throws NvmlException;

    /** {@code nvmlDeviceGetHandleByIndex_v2}. */
    NvmlDevice deviceByIndex(int index) throws NvmlException;

    /** {@code nvmlDeviceGetHandleByUUID}. */
    NvmlDevice deviceByUuid(String uuid) throws NvmlException;

    /** {@code nvmlDeviceGetHandleByPciBusId_v2}; the text form is {@code 00000000:1B:00.0}. */
    NvmlDevice deviceByPciBusId(String busId) throws NvmlException;

    /** {@code nvmlSystemGetProcessName}; empty text when the process has none. */
    String processName(int pid) throws NvmlException;

    // --- identity ---

    /** {@code nvmlDeviceGetUUID}: {@code GPU-…} or {@code MIG-…}. Text from the library is cut at its buffer and odd bytes are replaced. */
    String uuid(NvmlDevice device) throws NvmlException;

    /** {@code nvmlDeviceGetName}. */
    String name(NvmlDevice device) throws NvmlException;

    /** {@code nvmlDeviceGetIndex}. */
    int index(NvmlDevice device) throws NvmlException;

    /** {@code nvmlDeviceGetMinorNumber}: the N of {@code /dev/nvidiaN}. */
    int minorNumber(NvmlDevice device) throws NvmlException;

    /** {@code nvmlDeviceGetPciInfo_v3}. */
    PciInfo pciInfo(NvmlDevice device) throws NvmlException;

    /** {@code nvmlDeviceGetSerial}. */
    String serial(NvmlDevice device) throws NvmlException;

    /** {@code nvmlDeviceGetBrand}, the number of {@code nvmlBrandType_t}. */
    int brand(NvmlDevice device) throws NvmlException;

    /** {@code nvmlDeviceGetBoardPartNumber}. */
    String boardPartNumber(NvmlDevice device) throws NvmlException;

    /** {@code nvmlDeviceGetVbiosVersion}. */
    String vbiosVersion(NvmlDevice device) throws NvmlException;

    /** {@code nvmlDeviceGetInforomVersion}. Objects: 0 OEM, 1 ECC, 2 power. */
    String inforomVersion(NvmlDevice device, int object) throws NvmlException;

    /** {@code nvmlDeviceGetInforomImageVersion}. */
    String inforomImageVersion(NvmlDevice device) throws NvmlException;

    /** {@code nvmlDeviceGetCudaComputeCapability}. */
    ComputeCapability computeCapability(NvmlDevice device) throws NvmlException;

    /** {@code nvmlDeviceGetArchitecture}, the number of {@code nvmlDeviceArchitecture_t} (9 is Hopper). */
    int architecture(NvmlDevice device) throws NvmlException;

    /**
     * {@code nvmlDeviceGetVirtualizationMode}, the number of {@code nvmlGpuVirtualizationMode_t}: 0 bare metal, 1 a virtual machine has the GPU
     * whole, 2 a virtual machine has a vGPU, 3 and 4 a host of vGPUs.
     */
    int virtualizationMode(NvmlDevice device) throws NvmlException;

    /** {@code nvmlDeviceGetPersistenceMode}. */
    boolean persistenceMode(NvmlDevice device) throws NvmlException;

    /** {@code nvmlDeviceGetComputeMode}: 0 default, 2 prohibited, 3 exclusive process. */
    int computeMode(NvmlDevice device) throws NvmlException;

    /** {@code nvmlDeviceGetEccMode}. */
    Mode eccMode(NvmlDevice device) throws NvmlException;

    /** Memory of a GPU or MIG device: {@code nvmlDeviceGetMemoryInfo_v2}, else the first version with {@code reserved} = -1. Bytes. */
    MemoryInfo memory(NvmlDevice device) throws NvmlException;

    // --- MIG ---

    /** {@code nvmlDeviceGetMigMode}. */
    Mode migMode(NvmlDevice device) throws NvmlException;

    /** {@code nvmlDeviceGetMaxMigDeviceCount}; 0 when the GPU has no MIG. */
    int maxMigDeviceCount(NvmlDevice device) throws NvmlException;

    /** {@code nvmlDeviceGetMigDeviceHandleByIndex}; {@link NvmlReturn#NOT_FOUND} for a place that is empty. */
    NvmlDevice migDevice(NvmlDevice parent, int index) throws NvmlException;

    /** {@code nvmlDeviceIsMigDeviceHandle}. */
    boolean isMigDevice(NvmlDevice device) throws NvmlException;

    /** {@code nvmlDeviceGetDeviceHandleFromMigDeviceHandle}. */
    NvmlDevice parentOf(NvmlDevice migDevice) throws NvmlException;

    /** {@code nvmlDeviceGetGpuInstanceId}. */
    int gpuInstanceId(NvmlDevice migDevice) throws NvmlException;

    /** {@code nvmlDeviceGetComputeInstanceId}. */
    int computeInstanceId(NvmlDevice migDevice) throws NvmlException;

    /** {@code nvmlDeviceGetAttributes_v2}. */
    MigAttributes migAttributes(NvmlDevice migDevice) throws NvmlException;

    /** The profile id of a GPU instance: {@code nvmlDeviceGetGpuInstanceById} and {@code nvmlGpuInstanceGetInfo}. */
    int gpuInstanceProfileId(NvmlDevice parent, int gpuInstanceId) throws NvmlException;

    /** What GPUs can be split into, and splitting them. */
    NvmlMig mig();

    // --- topology ---

    /** {@code nvmlDeviceGetNumaNodeId}: of the GPU's own memory on coherent systems; most GPUs answer NOT_SUPPORTED. */
    int numaNodeId(NvmlDevice device) throws NvmlException;

    /** {@code nvmlDeviceGetTopologyCommonAncestor}: 0 internal, 10 single, 20 multiple, 30 host bridge, 40 node, 50 system. */
    int commonAncestor(NvmlDevice first, NvmlDevice second) throws NvmlException;

    /** {@code nvmlDeviceGetP2PStatus}. Capability 2 is NVLink; status 0 is OK. */
    int p2pStatus(NvmlDevice first, NvmlDevice second, int capability) throws NvmlException;

    /** {@code nvmlDeviceGetNvLinkState}. Links count from 0. */
    boolean nvLinkActive(NvmlDevice device, int link) throws NvmlException;

    /** {@code nvmlDeviceGetNvLinkRemotePciInfo_v2}. */
    PciInfo nvLinkRemotePci(NvmlDevice device, int link) throws NvmlException;

    /** {@code nvmlDeviceGetNvLinkRemoteDeviceType}: 0 GPU, 1 IBM NPU, 2 switch, 255 unknown. */
    int nvLinkRemoteType(NvmlDevice device, int link) throws NvmlException;

    /** {@code nvmlDeviceGetGpuFabricInfoV} in its newest accepted struct version, else {@code nvmlDeviceGetGpuFabricInfo}. */
    FabricInfo fabricInfo(NvmlDevice device) throws NvmlException;

    // --- processes ---

    /** Compute, graphics and MPS processes of a GPU or MIG device, newest call variant first; the buffer grows with a bound. */
    List<GpuProcess> processes(NvmlDevice device) throws NvmlException;

    /** {@code nvmlDeviceGetProcessUtilization} since a time stamp in µs (0 for all that is kept). */
    List<ProcessUtilization> processUtilization(NvmlDevice device, long sinceMicros) throws NvmlException;

    // --- events and sampling ---

    /** {@code nvmlDeviceGetSupportedEventTypes}: a mask of {@link NvmlEventSet} bits. */
    long supportedEventTypes(NvmlDevice device) throws NvmlException;

    /** {@code nvmlEventSetCreate}. */
    NvmlEventSet createEventSet() throws NvmlException;

    /** Compiles queries into a sampler. Queries whose symbol is absent answer {@link NvmlReturn#FUNCTION_NOT_FOUND} when read. */
    NvmlSampler sampler(List<NvmlQuery> queries);

    /** {@code nvmlGpmQueryDeviceSupport}; false also when the library has no GPM. */
    boolean gpmSupported(NvmlDevice device) throws NvmlException;

    /**
     * Opens GPM for a GPU, or for one GPU instance of it.
     *
     * @param gpuInstanceId -1 for the whole GPU ({@code nvmlGpmSampleGet}), else {@code nvmlGpmMigSampleGet}
     * @param metricIds GPM metric ids, for example 1 graphics, 5 any tensor, 10 DRAM bandwidth
     */
    NvmlGpmSampler gpmSampler(NvmlDevice device, int gpuInstanceId, int[] metricIds) throws NvmlException;

    /** What {@link #close(Duration)} achieved. */
    enum CloseOutcome {
        /** Shut down and unmapped. */
        CLOSED,
        /** A call did not return in time: NVML was not shut down and the library stays mapped for the life of the process. */
        WEDGED
    }

    /**
     * Refuses new calls, waits for those in flight, calls {@code nvmlShutdown} and unmaps the library.
     *
     * @param limit how long to wait for calls in flight
     */
    CloseOutcome close(Duration limit);

    /** {@code nvmlPciInfo_t}. {@code busId} is NVML's text, for example {@code 00000000:1B:00.0}. */
    record PciInfo(int domain, int bus, int device, String busId, int deviceId, int subsystemId) {}

    /** Major and minor compute capability. */
    record ComputeCapability(int major, int minor) {}

    /** A mode that is in force and the one that comes with the next reset. */
    record Mode(boolean current, boolean pending) {}

    /** Bytes; {@code reserved} is -1 when the library cannot tell it. */
    record MemoryInfo(long total, long reserved, long free, long used) {}

    /** {@code nvmlDeviceAttributes_t}. */
    record MigAttributes(
            int multiprocessors,
            int sharedCopyEngines,
            int sharedDecoders,
            int sharedEncoders,
            int sharedJpeg,
            int sharedOfa,
            int gpuInstanceSlices,
            int computeInstanceSlices,
            long memoryMiB) {}

    /**
     * Fabric state. {@code healthMask} and {@code healthSummary} are -1 where the struct version has none.
     *
     * @param state 0 not supported, 1 not started, 2 in progress, 3 completed
     */
    record FabricInfo(String clusterUuid, int cliqueId, int state, int status, int healthMask, int healthSummary) {}

    /** A process on a GPU. {@code usedMemory} is -1 when the library cannot tell; instance ids are -1 outside MIG. */
    record GpuProcess(int pid, long usedMemory, int gpuInstanceId, int computeInstanceId, Kind kind) {
        /** Which list it was on. */
        public enum Kind {
            COMPUTE,
            GRAPHICS,
            MPS
        }
    }

    /** {@code nvmlProcessUtilizationSample_t}; percent, time stamp in µs. */
    record ProcessUtilization(int pid, long timeStampMicros, int sm, int memory, int encoder, int decoder) {}
}
