package io.gpunode.nvml.typed;

import io.gpunode.nvml.Nvml;
import io.gpunode.nvml.NvmlDevice;
import io.gpunode.nvml.NvmlEventSet;
import io.gpunode.nvml.NvmlException;
import io.gpunode.nvml.NvmlGpmSampler;
import io.gpunode.nvml.NvmlLibrary;
import io.gpunode.nvml.NvmlMig;
import io.gpunode.nvml.NvmlQuery;
import io.gpunode.nvml.NvmlReturn;
import io.gpunode.nvml.NvmlSampler;
import io.gpunode.nvml.raw.NativeBlock;
import io.gpunode.nvml.raw.NvmlApi;
import io.gpunode.nvml.raw.NvmlFunction;
import io.gpunode.nvml.raw.NvmlStructs.nvmlDeviceAttributes_t;
import io.gpunode.nvml.raw.NvmlStructs.nvmlGpmSupport_t;
import io.gpunode.nvml.raw.NvmlStructs.nvmlGpuFabricInfo_v3_t;
import io.gpunode.nvml.raw.NvmlStructs.nvmlGpuInstanceInfo_t;
import io.gpunode.nvml.raw.NvmlStructs.nvmlMemory_v2_t;
import io.gpunode.nvml.raw.NvmlStructs.nvmlPciInfo_t;
import io.gpunode.nvml.raw.NvmlStructs.nvmlProcessInfo_t;
import io.gpunode.nvml.raw.NvmlStructs.nvmlProcessInfo_v1_t;
import io.gpunode.nvml.raw.NvmlStructs.nvmlProcessUtilizationSample_t;
import io.gpunode.nvml.session.Lease;
import io.gpunode.nvml.session.NvmlSession;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** {@link Nvml} over one session. Each call takes a lease, so its memory is its own and the library stays mapped until it returns. */
public final class OpenNvml implements Nvml {
    /** Longer than any text that NVML documents. */
    private static final int TEXT = 256;

    private static final int PROCESS_NAME = 1024;
    /** Where text that goes into a call lies in the lease's memory, behind the place of the result. */
    private static final int INPUT = 512;
    /** Results of one call lie eight bytes apart. */
    private static final int SECOND = 8;
    /**
     * Process lists of the second and third version have 24 bytes an entry, but some R535 releases wrote 32 under the same name. So there
     * is always room for the larger, and how far the library wrote tells which it was.
     */
    private static final int LARGEST_PROCESS_INFO = 32;

    private static final int ENABLED = 1;

    private final NvmlSession session;
    private final NvmlApi api;
    private final NvmlCalls calls;
    private final NvmlLibrary library;
    private final NvmlMig mig;

    /** Speaks for a session, which it also closes. */
    public OpenNvml(NvmlSession session) {
        this.session = session;
        this.api = session.api();
        this.calls = new NvmlCalls(session);
        this.library = new NvmlLibrary(
                session.path(),
                textOrEmpty(NvmlFunction.nvmlSystemGetNVMLVersion),
                textOrEmpty(NvmlFunction.nvmlSystemGetDriverVersion),
                cudaDriverVersionOrZero(),
                session.generation(),
                Collections.unmodifiableMap(session.variants()),
                Collections.unmodifiableSortedSet(session.absentSymbols()));
        this.mig = new OpenMig(this);
    }

    private String textOrEmpty(NvmlFunction function) {
        Lease lease = session.has(function) ? session.lease() : null;
        if (lease == null) {
            return "";
        }
        try {
            long text = lease.memory().address();
            int code = function == NvmlFunction.nvmlSystemGetNVMLVersion
                    ? api.nvmlSystemGetNVMLVersion(text, TEXT)
                    : api.nvmlSystemGetDriverVersion(text, TEXT);
            return code == 0 ? lease.memory().getText(0, TEXT) : "";
        } finally {
            lease.release();
        }
    }

    private int cudaDriverVersionOrZero() {
        Lease lease = session.has(NvmlFunction.nvmlSystemGetCudaDriverVersion) ? session.lease() : null;
        if (lease == null) {
            return 0;
        }
        try {
            int code = api.nvmlSystemGetCudaDriverVersion(lease.memory().address());
            return code == 0 ? lease.memory().getInt(0) : 0;
        } finally {
            lease.release();
        }
    }

    @Override
    public NvmlLibrary library() {
        return library;
    }

    /** The session below. */
    NvmlSession session() {
        return session;
    }

    /** The calls that have versions. */
    NvmlCalls calls() {
        return calls;
    }

    // --- the call protocol ---

    /** A lease for a call about the whole system, or the reason why the call cannot be made. */
    Lease begin(NvmlFunction function, String about) throws NvmlException {
        Lease lease = session.lease();
        if (lease == null) {
            NvmlReturn reason = session.isClosed() ? NvmlReturn.UNINITIALIZED : NvmlReturn.INSUFFICIENT_RESOURCES;
            throw failure(function, reason.code(), about);
        }
        if (!session.has(function)) {
            lease.release();
            throw failure(function, NvmlReturn.FUNCTION_NOT_FOUND.code(), about);
        }
        return lease;
    }

    /** The same about a device, which must be of this session. */
    Lease begin(NvmlFunction function, NvmlDevice device) throws NvmlException {
        requireOwn(function, device);
        return begin(function, device.label());
    }

    private void requireOwn(NvmlFunction function, NvmlDevice device) throws NvmlException {
        if (device.generation() != session.generation()) {
            throw failure(function, NvmlReturn.UNINITIALIZED.code(), device.label());
        }
    }

    void check(int code, NvmlFunction function, String about) throws NvmlException {
        if (code != 0) {
            throw failure(function, code, about);
        }
    }

    private NvmlException failure(NvmlFunction function, int code, String about) {
        return new NvmlException(function.name(), code, about, library.nvmlVersion());
    }

    private int number(NvmlFunction function, NvmlDevice device, NvmlCalls.DeviceCall call) throws NvmlException {
        Lease lease = begin(function, device);
        try {
            check(call.call(api, device.address(), lease.memory().address()), function, device.label());
            return lease.memory().getInt(0);
        } finally {
            lease.release();
        }
    }

    private int number(NvmlFunction function, NvmlDevice device, int index, NvmlCalls.IndexedCall call)
            throws NvmlException {
        Lease lease = begin(function, device);
        try {
            check(call.call(api, device.address(), index, lease.memory().address()), function, device.label());
            return lease.memory().getInt(0);
        } finally {
            lease.release();
        }
    }

    private String text(NvmlFunction function, NvmlDevice device, NvmlCalls.TextCall call) throws NvmlException {
        Lease lease = begin(function, device);
        try {
            NativeBlock memory = lease.memory();
            memory.putByte(0, 0);
            check(call.call(api, device.address(), memory.address(), TEXT), function, device.label());
            return memory.getText(0, TEXT);
        } finally {
            lease.release();
        }
    }

    private Mode mode(NvmlFunction function, NvmlDevice device, NvmlCalls.DeviceCall call) throws NvmlException {
        Lease lease = begin(function, device);
        try {
            NativeBlock memory = lease.memory();
            check(call.call(api, device.address(), memory.address()), function, device.label());
            return new Mode(memory.getInt(0) == ENABLED, memory.getInt(SECOND) == ENABLED);
        } finally {
            lease.release();
        }
    }

    private NvmlDevice deviceFrom(Lease lease, String label) {
        return new NvmlDevice(lease.memory().getLong(0), session.generation(), label);
    }

    // --- system ---

    @Override
    public int deviceCount() throws NvmlException {
        Lease lease = begin(NvmlFunction.nvmlDeviceGetCount, "");
        try {
            check(api.nvmlDeviceGetCount(lease.memory().address()), NvmlFunction.nvmlDeviceGetCount, "");
            return lease.memory().getInt(0);
        } finally {
            lease.release();
        }
    }

    @Override
    public NvmlDevice deviceByIndex(int index) throws NvmlException {
        String label = "index " + index;
        Lease lease = begin(NvmlFunction.nvmlDeviceGetHandleByIndex, label);
        try {
            check(
                    api.nvmlDeviceGetHandleByIndex(index, lease.memory().address()),
                    NvmlFunction.nvmlDeviceGetHandleByIndex,
                    label);
            return deviceFrom(lease, label);
        } finally {
            lease.release();
        }
    }

    /** A call that finds a device by a text. */
    @FunctionalInterface
    private interface Lookup {
        int call(NvmlApi api, long text, long device);
    }

    @Override
    public NvmlDevice deviceByUuid(String uuid) throws NvmlException {
        return lookUp(NvmlFunction.nvmlDeviceGetHandleByUUID, uuid, NvmlApi::nvmlDeviceGetHandleByUUID);
    }

    @Override
    public NvmlDevice deviceByPciBusId(String busId) throws NvmlException {
        return lookUp(NvmlFunction.nvmlDeviceGetHandleByPciBusId, busId, NvmlApi::nvmlDeviceGetHandleByPciBusId);
    }

    private NvmlDevice lookUp(NvmlFunction function, String text, Lookup lookup) throws NvmlException {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        if (bytes.length >= TEXT || text.indexOf('\0') >= 0) {
            throw failure(
                    function,
                    NvmlReturn.INVALID_ARGUMENT.code(),
                    "a text of " + bytes.length + " bytes that no device can have");
        }
        Lease lease = begin(function, text);
        try {
            NativeBlock memory = lease.memory();
            memory.put(INPUT, bytes);
            memory.putByte(INPUT + bytes.length, 0);
            check(lookup.call(api, memory.address() + INPUT, memory.address()), function, text);
            return deviceFrom(lease, text);
        } finally {
            lease.release();
        }
    }

    @Override
    public String processName(int pid) throws NvmlException {
        String about = "process " + Integer.toUnsignedString(pid);
        Lease lease = begin(NvmlFunction.nvmlSystemGetProcessName, about);
        try {
            NativeBlock memory = lease.memory();
            memory.putByte(0, 0);
            check(
                    api.nvmlSystemGetProcessName(pid, memory.address(), PROCESS_NAME),
                    NvmlFunction.nvmlSystemGetProcessName,
                    about);
            return memory.getText(0, PROCESS_NAME);
        } finally {
            lease.release();
        }
    }

    // --- identity ---

    @Override
    public String uuid(NvmlDevice device) throws NvmlException {
        return text(NvmlFunction.nvmlDeviceGetUUID, device, NvmlApi::nvmlDeviceGetUUID);
    }

    @Override
    public String name(NvmlDevice device) throws NvmlException {
        return text(NvmlFunction.nvmlDeviceGetName, device, NvmlApi::nvmlDeviceGetName);
    }

    @Override
    public int index(NvmlDevice device) throws NvmlException {
        return number(NvmlFunction.nvmlDeviceGetIndex, device, NvmlApi::nvmlDeviceGetIndex);
    }

    @Override
    public int minorNumber(NvmlDevice device) throws NvmlException {
        return number(NvmlFunction.nvmlDeviceGetMinorNumber, device, NvmlApi::nvmlDeviceGetMinorNumber);
    }

    @Override
    public PciInfo pciInfo(NvmlDevice device) throws NvmlException {
        Lease lease = begin(NvmlFunction.nvmlDeviceGetPciInfo, device);
        try {
            check(
                    api.nvmlDeviceGetPciInfo(device.address(), lease.memory().address()),
                    NvmlFunction.nvmlDeviceGetPciInfo,
                    device.label());
            return pciInfoIn(lease.memory());
        } finally {
            lease.release();
        }
    }

    private static PciInfo pciInfoIn(NativeBlock memory) {
        return new PciInfo(
                memory.getInt(nvmlPciInfo_t.domain),
                memory.getInt(nvmlPciInfo_t.bus),
                memory.getInt(nvmlPciInfo_t.device),
                memory.getText(nvmlPciInfo_t.busId, nvmlPciInfo_t.sizeof - nvmlPciInfo_t.busId),
                memory.getInt(nvmlPciInfo_t.pciDeviceId),
                memory.getInt(nvmlPciInfo_t.pciSubSystemId));
    }

    @Override
    public String serial(NvmlDevice device) throws NvmlException {
        return text(NvmlFunction.nvmlDeviceGetSerial, device, NvmlApi::nvmlDeviceGetSerial);
    }

    @Override
    public int brand(NvmlDevice device) throws NvmlException {
        return number(NvmlFunction.nvmlDeviceGetBrand, device, NvmlApi::nvmlDeviceGetBrand);
    }

    @Override
    public String boardPartNumber(NvmlDevice device) throws NvmlException {
        return text(NvmlFunction.nvmlDeviceGetBoardPartNumber, device, NvmlApi::nvmlDeviceGetBoardPartNumber);
    }

    @Override
    public String vbiosVersion(NvmlDevice device) throws NvmlException {
        return text(NvmlFunction.nvmlDeviceGetVbiosVersion, device, NvmlApi::nvmlDeviceGetVbiosVersion);
    }

    @Override
    public String inforomVersion(NvmlDevice device, int object) throws NvmlException {
        return text(
                NvmlFunction.nvmlDeviceGetInforomVersion,
                device,
                (nvml, handle, text, length) -> nvml.nvmlDeviceGetInforomVersion(handle, object, text, length));
    }

    @Override
    public String inforomImageVersion(NvmlDevice device) throws NvmlException {
        return text(NvmlFunction.nvmlDeviceGetInforomImageVersion, device, NvmlApi::nvmlDeviceGetInforomImageVersion);
    }

    @Override
    public ComputeCapability computeCapability(NvmlDevice device) throws NvmlException {
        Lease lease = begin(NvmlFunction.nvmlDeviceGetCudaComputeCapability, device);
        try {
            NativeBlock memory = lease.memory();
            check(
                    api.nvmlDeviceGetCudaComputeCapability(
                            device.address(), memory.address(), memory.address() + SECOND),
                    NvmlFunction.nvmlDeviceGetCudaComputeCapability,
                    device.label());
            return new ComputeCapability(memory.getInt(0), memory.getInt(SECOND));
        } finally {
            lease.release();
        }
    }

    @Override
    public int architecture(NvmlDevice device) throws NvmlException {
        return number(NvmlFunction.nvmlDeviceGetArchitecture, device, NvmlApi::nvmlDeviceGetArchitecture);
    }

    @Override
    public int virtualizationMode(NvmlDevice device) throws NvmlException {
        return number(NvmlFunction.nvmlDeviceGetVirtualizationMode, device, NvmlApi::nvmlDeviceGetVirtualizationMode);
    }

    @Override
    public boolean persistenceMode(NvmlDevice device) throws NvmlException {
        return number(NvmlFunction.nvmlDeviceGetPersistenceMode, device, NvmlApi::nvmlDeviceGetPersistenceMode)
                == ENABLED;
    }

    @Override
    public int computeMode(NvmlDevice device) throws NvmlException {
        return number(NvmlFunction.nvmlDeviceGetComputeMode, device, NvmlApi::nvmlDeviceGetComputeMode);
    }

    @Override
    public Mode eccMode(NvmlDevice device) throws NvmlException {
        return mode(
                NvmlFunction.nvmlDeviceGetEccMode,
                device,
                (nvml, handle, out) -> nvml.nvmlDeviceGetEccMode(handle, out, out + SECOND));
    }

    @Override
    public MemoryInfo memory(NvmlDevice device) throws NvmlException {
        Lease lease =
                beginEither(NvmlFunction.nvmlDeviceGetMemoryInfo_v2, NvmlFunction.nvmlDeviceGetMemoryInfo, device);
        try {
            NativeBlock memory = lease.memory();
            check(calls.memory(device.address(), memory), NvmlFunction.nvmlDeviceGetMemoryInfo, device.label());
            return new MemoryInfo(
                    memory.getLong(nvmlMemory_v2_t.total),
                    memory.getLong(nvmlMemory_v2_t.reserved),
                    memory.getLong(nvmlMemory_v2_t.free),
                    memory.getLong(nvmlMemory_v2_t.used));
        } finally {
            lease.release();
        }
    }

    private Lease beginEither(NvmlFunction newer, NvmlFunction older, NvmlDevice device) throws NvmlException {
        return begin(session.has(newer) ? newer : older, device);
    }

    // --- MIG ---

    @Override
    public Mode migMode(NvmlDevice device) throws NvmlException {
        return mode(
                NvmlFunction.nvmlDeviceGetMigMode,
                device,
                (nvml, handle, out) -> nvml.nvmlDeviceGetMigMode(handle, out, out + SECOND));
    }

    @Override
    public int maxMigDeviceCount(NvmlDevice device) throws NvmlException {
        try {
            return number(NvmlFunction.nvmlDeviceGetMaxMigDeviceCount, device, NvmlApi::nvmlDeviceGetMaxMigDeviceCount);
        } catch (NvmlException e) {
            if (e.is(NvmlReturn.NOT_SUPPORTED)) {
                return 0;
            }
            throw e;
        }
    }

    @Override
    public NvmlDevice migDevice(NvmlDevice parent, int index) throws NvmlException {
        Lease lease = begin(NvmlFunction.nvmlDeviceGetMigDeviceHandleByIndex, parent);
        try {
            check(
                    api.nvmlDeviceGetMigDeviceHandleByIndex(
                            parent.address(), index, lease.memory().address()),
                    NvmlFunction.nvmlDeviceGetMigDeviceHandleByIndex,
                    parent.label());
            return deviceFrom(lease, "MIG device " + index + " of " + parent.label());
        } finally {
            lease.release();
        }
    }

    @Override
    public boolean isMigDevice(NvmlDevice device) throws NvmlException {
        return number(NvmlFunction.nvmlDeviceIsMigDeviceHandle, device, NvmlApi::nvmlDeviceIsMigDeviceHandle) != 0;
    }

    @Override
    public NvmlDevice parentOf(NvmlDevice migDevice) throws NvmlException {
        NvmlFunction function = NvmlFunction.nvmlDeviceGetDeviceHandleFromMigDeviceHandle;
        Lease lease = begin(function, migDevice);
        try {
            check(
                    api.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(
                            migDevice.address(), lease.memory().address()),
                    function,
                    migDevice.label());
            return deviceFrom(lease, "parent of " + migDevice.label());
        } finally {
            lease.release();
        }
    }

    @Override
    public int gpuInstanceId(NvmlDevice migDevice) throws NvmlException {
        return number(NvmlFunction.nvmlDeviceGetGpuInstanceId, migDevice, NvmlApi::nvmlDeviceGetGpuInstanceId);
    }

    @Override
    public int computeInstanceId(NvmlDevice migDevice) throws NvmlException {
        return number(NvmlFunction.nvmlDeviceGetComputeInstanceId, migDevice, NvmlApi::nvmlDeviceGetComputeInstanceId);
    }

    @Override
    public MigAttributes migAttributes(NvmlDevice migDevice) throws NvmlException {
        Lease lease = begin(NvmlFunction.nvmlDeviceGetAttributes, migDevice);
        try {
            NativeBlock memory = lease.memory();
            check(
                    api.nvmlDeviceGetAttributes(migDevice.address(), memory.address()),
                    NvmlFunction.nvmlDeviceGetAttributes,
                    migDevice.label());
            return new MigAttributes(
                    memory.getInt(nvmlDeviceAttributes_t.multiprocessorCount),
                    memory.getInt(nvmlDeviceAttributes_t.sharedCopyEngineCount),
                    memory.getInt(nvmlDeviceAttributes_t.sharedDecoderCount),
                    memory.getInt(nvmlDeviceAttributes_t.sharedEncoderCount),
                    memory.getInt(nvmlDeviceAttributes_t.sharedJpegCount),
                    memory.getInt(nvmlDeviceAttributes_t.sharedOfaCount),
                    memory.getInt(nvmlDeviceAttributes_t.gpuInstanceSliceCount),
                    memory.getInt(nvmlDeviceAttributes_t.computeInstanceSliceCount),
                    memory.getLong(nvmlDeviceAttributes_t.memorySizeMB));
        } finally {
            lease.release();
        }
    }

    @Override
    public int gpuInstanceProfileId(NvmlDevice parent, int gpuInstanceId) throws NvmlException {
        Lease lease = begin(NvmlFunction.nvmlDeviceGetGpuInstanceById, parent);
        try {
            NativeBlock memory = lease.memory();
            check(
                    api.nvmlDeviceGetGpuInstanceById(parent.address(), gpuInstanceId, memory.address()),
                    NvmlFunction.nvmlDeviceGetGpuInstanceById,
                    parent.label());
            if (!session.has(NvmlFunction.nvmlGpuInstanceGetInfo)) {
                throw failure(
                        NvmlFunction.nvmlGpuInstanceGetInfo, NvmlReturn.FUNCTION_NOT_FOUND.code(), parent.label());
            }
            check(
                    api.nvmlGpuInstanceGetInfo(memory.getLong(0), memory.address()),
                    NvmlFunction.nvmlGpuInstanceGetInfo,
                    parent.label());
            return memory.getInt(nvmlGpuInstanceInfo_t.profileId);
        } finally {
            lease.release();
        }
    }

    @Override
    public NvmlMig mig() {
        return mig;
    }

    // --- topology ---

    @Override
    public int numaNodeId(NvmlDevice device) throws NvmlException {
        return number(NvmlFunction.nvmlDeviceGetNumaNodeId, device, NvmlApi::nvmlDeviceGetNumaNodeId);
    }

    @Override
    public int commonAncestor(NvmlDevice first, NvmlDevice second) throws NvmlException {
        requireOwn(NvmlFunction.nvmlDeviceGetTopologyCommonAncestor, second);
        return number(
                NvmlFunction.nvmlDeviceGetTopologyCommonAncestor,
                first,
                (nvml, handle, out) -> nvml.nvmlDeviceGetTopologyCommonAncestor(handle, second.address(), out));
    }

    @Override
    public int p2pStatus(NvmlDevice first, NvmlDevice second, int capability) throws NvmlException {
        requireOwn(NvmlFunction.nvmlDeviceGetP2PStatus, second);
        return number(
                NvmlFunction.nvmlDeviceGetP2PStatus,
                first,
                (nvml, handle, out) -> nvml.nvmlDeviceGetP2PStatus(handle, second.address(), capability, out));
    }

    @Override
    public boolean nvLinkActive(NvmlDevice device, int link) throws NvmlException {
        return number(NvmlFunction.nvmlDeviceGetNvLinkState, device, link, NvmlApi::nvmlDeviceGetNvLinkState)
                == ENABLED;
    }

    @Override
    public PciInfo nvLinkRemotePci(NvmlDevice device, int link) throws NvmlException {
        Lease lease = begin(NvmlFunction.nvmlDeviceGetNvLinkRemotePciInfo, device);
        try {
            check(
                    api.nvmlDeviceGetNvLinkRemotePciInfo(
                            device.address(), link, lease.memory().address()),
                    NvmlFunction.nvmlDeviceGetNvLinkRemotePciInfo,
                    device.label());
            return pciInfoIn(lease.memory());
        } finally {
            lease.release();
        }
    }

    @Override
    public int nvLinkRemoteType(NvmlDevice device, int link) throws NvmlException {
        return number(
                NvmlFunction.nvmlDeviceGetNvLinkRemoteDeviceType,
                device,
                link,
                NvmlApi::nvmlDeviceGetNvLinkRemoteDeviceType);
    }

    @Override
    public FabricInfo fabricInfo(NvmlDevice device) throws NvmlException {
        Lease lease =
                beginEither(NvmlFunction.nvmlDeviceGetGpuFabricInfoV, NvmlFunction.nvmlDeviceGetGpuFabricInfo, device);
        try {
            NativeBlock memory = lease.memory();
            check(calls.fabric(device.address(), memory), NvmlFunction.nvmlDeviceGetGpuFabricInfo, device.label());
            return new FabricInfo(
                    uuidIn(memory, nvmlGpuFabricInfo_v3_t.clusterUuid),
                    memory.getInt(nvmlGpuFabricInfo_v3_t.cliqueId),
                    memory.getByte(nvmlGpuFabricInfo_v3_t.state),
                    memory.getInt(nvmlGpuFabricInfo_v3_t.status),
                    calls.fabricHealthMask(memory),
                    calls.fabricHealthSummary(memory));
        } finally {
            lease.release();
        }
    }

    private static String uuidIn(NativeBlock memory, int offset) {
        StringBuilder text = new StringBuilder(36);
        for (int i = 0; i < 16; i++) {
            if (i == 4 || i == 6 || i == 8 || i == 10) {
                text.append('-');
            }
            int octet = memory.getByte(offset + i);
            text.append(Character.forDigit(octet >> 4, 16)).append(Character.forDigit(octet & 0xF, 16));
        }
        return text.toString();
    }

    // --- processes ---

    @Override
    public List<GpuProcess> processes(NvmlDevice device) throws NvmlException {
        List<GpuProcess> processes = new ArrayList<>();
        int compute = addProcesses(
                processes,
                NvmlFunction.nvmlDeviceGetComputeRunningProcesses,
                GpuProcess.Kind.COMPUTE,
                device,
                NvmlApi::nvmlDeviceGetComputeRunningProcesses);
        int graphics = addProcesses(
                processes,
                NvmlFunction.nvmlDeviceGetGraphicsRunningProcesses,
                GpuProcess.Kind.GRAPHICS,
                device,
                NvmlApi::nvmlDeviceGetGraphicsRunningProcesses);
        int mps = addProcesses(
                processes,
                NvmlFunction.nvmlDeviceGetMPSComputeRunningProcesses,
                GpuProcess.Kind.MPS,
                device,
                NvmlApi::nvmlDeviceGetMPSComputeRunningProcesses);
        if (compute != 0 && graphics != 0 && mps != 0) {
            throw failure(NvmlFunction.nvmlDeviceGetComputeRunningProcesses, compute, device.label());
        }
        return Collections.unmodifiableList(processes);
    }

    /** Adds one list. A list that this library or GPU does not keep is answered with its code, any other failure thrown. */
    private int addProcesses(
            List<GpuProcess> into,
            NvmlFunction function,
            GpuProcess.Kind kind,
            NvmlDevice device,
            NvmlCalls.ListCall call)
            throws NvmlException {
        if (!session.has(function)) {
            return NvmlReturn.FUNCTION_NOT_FOUND.code();
        }
        Lease lease = begin(function, device);
        try (GrowingList list = new GrowingList(LARGEST_PROCESS_INFO, lease.memory())) {
            int code = list.read(api, device.address(), call);
            if (code == NvmlReturn.NOT_SUPPORTED.code() || code == NvmlReturn.FUNCTION_NOT_FOUND.code()) {
                return code;
            }
            check(code, function, device.label());
            boolean firstVersion = function.name().equals(session.symbol(function));
            int size = firstVersion ? nvmlProcessInfo_v1_t.sizeof : processInfoSize(list);
            NativeBlock memory = list.memory();
            for (int i = 0; i < list.count(); i++) {
                int at = GrowingList.offset(i, size);
                into.add(new GpuProcess(
                        memory.getInt(at + nvmlProcessInfo_t.pid),
                        memory.getLong(at + nvmlProcessInfo_t.usedGpuMemory),
                        firstVersion ? -1 : memory.getInt(at + nvmlProcessInfo_t.gpuInstanceId),
                        firstVersion ? -1 : memory.getInt(at + nvmlProcessInfo_t.computeInstanceId),
                        kind));
            }
            return code;
        } finally {
            lease.release();
        }
    }

    private static int processInfoSize(GrowingList list) {
        int count = list.count();
        return list.isUntouched(count * nvmlProcessInfo_t.sizeof, count * LARGEST_PROCESS_INFO)
                ? nvmlProcessInfo_t.sizeof
                : LARGEST_PROCESS_INFO;
    }

    @Override
    public List<ProcessUtilization> processUtilization(NvmlDevice device, long sinceMicros) throws NvmlException {
        NvmlFunction function = NvmlFunction.nvmlDeviceGetProcessUtilization;
        Lease lease = begin(function, device);
        try (GrowingList list = new GrowingList(nvmlProcessUtilizationSample_t.sizeof, lease.memory())) {
            int code = list.read(
                    api,
                    device.address(),
                    (nvml, handle, count, samples) ->
                            nvml.nvmlDeviceGetProcessUtilization(handle, samples, count, sinceMicros));
            if (code == NvmlReturn.NOT_FOUND.code()) {
                // NVML's word for no samples since then.
                return List.of();
            }
            check(code, function, device.label());
            NativeBlock memory = list.memory();
            List<ProcessUtilization> samples = new ArrayList<>(list.count());
            for (int i = 0; i < list.count(); i++) {
                int at = GrowingList.offset(i, nvmlProcessUtilizationSample_t.sizeof);
                samples.add(new ProcessUtilization(
                        memory.getInt(at + nvmlProcessUtilizationSample_t.pid),
                        memory.getLong(at + nvmlProcessUtilizationSample_t.timeStamp),
                        memory.getInt(at + nvmlProcessUtilizationSample_t.smUtil),
                        memory.getInt(at + nvmlProcessUtilizationSample_t.memUtil),
                        memory.getInt(at + nvmlProcessUtilizationSample_t.encUtil),
                        memory.getInt(at + nvmlProcessUtilizationSample_t.decUtil)));
            }
            return Collections.unmodifiableList(samples);
        } finally {
            lease.release();
        }
    }

    // --- events and sampling ---

    @Override
    public long supportedEventTypes(NvmlDevice device) throws NvmlException {
        NvmlFunction function = NvmlFunction.nvmlDeviceGetSupportedEventTypes;
        Lease lease = begin(function, device);
        try {
            check(
                    api.nvmlDeviceGetSupportedEventTypes(
                            device.address(), lease.memory().address()),
                    function,
                    device.label());
            return lease.memory().getLong(0);
        } finally {
            lease.release();
        }
    }

    @Override
    public NvmlEventSet createEventSet() throws NvmlException {
        return OpenEventSet.create(this);
    }

    @Override
    public NvmlSampler sampler(List<NvmlQuery> queries) {
        return new OpenSampler(this, queries);
    }

    @Override
    public boolean gpmSupported(NvmlDevice device) throws NvmlException {
        NvmlFunction function = NvmlFunction.nvmlGpmQueryDeviceSupport;
        if (!session.has(function)) {
            return false;
        }
        Lease lease = begin(function, device);
        try {
            NativeBlock memory = lease.memory();
            memory.putInt(nvmlGpmSupport_t.version, 1);
            memory.putInt(nvmlGpmSupport_t.isSupportedDevice, 0);
            int code = api.nvmlGpmQueryDeviceSupport(device.address(), memory.address());
            if (code == NvmlReturn.NOT_SUPPORTED.code() || code == NvmlReturn.FUNCTION_NOT_FOUND.code()) {
                return false;
            }
            check(code, function, device.label());
            return memory.getInt(nvmlGpmSupport_t.isSupportedDevice) != 0;
        } finally {
            lease.release();
        }
    }

    @Override
    public NvmlGpmSampler gpmSampler(NvmlDevice device, int gpuInstanceId, int[] metricIds) throws NvmlException {
        return OpenGpmSampler.create(this, device, gpuInstanceId, metricIds);
    }

    @Override
    public CloseOutcome close(Duration limit) {
        return session.close(limit);
    }
}
