package io.gpunode.nvml.typed;

import io.gpunode.nvml.NvmlDevice;
import io.gpunode.nvml.NvmlException;
import io.gpunode.nvml.NvmlMig;
import io.gpunode.nvml.NvmlReturn;
import io.gpunode.nvml.raw.NativeBlock;
import io.gpunode.nvml.raw.NvmlApi;
import io.gpunode.nvml.raw.NvmlFunction;
import io.gpunode.nvml.raw.NvmlStructs.nvmlComputeInstanceInfo_t;
import io.gpunode.nvml.raw.NvmlStructs.nvmlComputeInstanceProfileInfo_t;
import io.gpunode.nvml.raw.NvmlStructs.nvmlComputeInstanceProfileInfo_v2_t;
import io.gpunode.nvml.raw.NvmlStructs.nvmlGpuInstanceInfo_t;
import io.gpunode.nvml.raw.NvmlStructs.nvmlGpuInstancePlacement_t;
import io.gpunode.nvml.raw.NvmlStructs.nvmlGpuInstanceProfileInfo_t;
import io.gpunode.nvml.raw.NvmlStructs.nvmlGpuInstanceProfileInfo_v2_t;
import io.gpunode.nvml.session.Lease;
import java.util.ArrayList;
import java.util.List;

/** {@link NvmlMig} over one session. */
final class OpenMig implements NvmlMig {
    /** More profiles than NVML has constants for; a library that never ends the enumeration is cut off here. */
    private static final int MOST_PROFILES = 64;

    private static final int NAME = 96;

    // Where things lie in the lease's memory.
    private static final int RESULT = 0;
    private static final int PLACEMENT = 16;
    private static final int INFO = 32;
    private static final int LIST = 256;
    private static final int LIST_ROOM = 384;

    private final OpenNvml nvml;
    private final NvmlApi api;

    OpenMig(OpenNvml nvml) {
        this.nvml = nvml;
        this.api = nvml.session().api();
    }

    /** A call about an instance or a GPU, by its address, that writes a number or a handle. */
    @FunctionalInterface
    private interface Call {
        int call(long about, long result);
    }

    /** A call that fills a list. */
    @FunctionalInterface
    private interface ListCall {
        int call(long about, long list, long count);
    }

    // --- GPU instances ---

    @Override
    public int setMode(NvmlDevice gpu, boolean enabled) throws NvmlException {
        Lease lease = nvml.begin(NvmlFunction.nvmlDeviceSetMigMode, gpu);
        try {
            return number(
                    lease,
                    NvmlFunction.nvmlDeviceSetMigMode,
                    gpu.label(),
                    gpu.address(),
                    (device, status) -> api.nvmlDeviceSetMigMode(device, enabled ? 1 : 0, status));
        } finally {
            lease.release();
        }
    }

    @Override
    public List<GpuInstanceProfile> gpuInstanceProfiles(NvmlDevice gpu) throws NvmlException {
        NvmlFunction function = NvmlFunction.nvmlDeviceGetGpuInstanceProfileInfo;
        Lease lease = nvml.begin(function, gpu);
        try {
            NativeBlock memory = lease.memory();
            List<GpuInstanceProfile> profiles = new ArrayList<>();
            for (int constant = 0; constant < MOST_PROFILES; constant++) {
                int code = api.nvmlDeviceGetGpuInstanceProfileInfo(gpu.address(), constant, memory.address() + INFO);
                if (code == NvmlReturn.INVALID_ARGUMENT.code()) {
                    break;
                }
                if (code == NvmlReturn.NOT_SUPPORTED.code()) {
                    continue;
                }
                nvml.check(code, function, gpu.label());
                profiles.add(new GpuInstanceProfile(
                        constant,
                        memory.getInt(INFO + nvmlGpuInstanceProfileInfo_t.id),
                        gpuInstanceProfileName(lease, gpu, constant),
                        memory.getInt(INFO + nvmlGpuInstanceProfileInfo_t.sliceCount),
                        memory.getInt(INFO + nvmlGpuInstanceProfileInfo_t.instanceCount),
                        memory.getInt(INFO + nvmlGpuInstanceProfileInfo_t.multiprocessorCount),
                        memory.getInt(INFO + nvmlGpuInstanceProfileInfo_t.copyEngineCount),
                        memory.getInt(INFO + nvmlGpuInstanceProfileInfo_t.decoderCount),
                        memory.getInt(INFO + nvmlGpuInstanceProfileInfo_t.encoderCount),
                        memory.getInt(INFO + nvmlGpuInstanceProfileInfo_t.jpegCount),
                        memory.getInt(INFO + nvmlGpuInstanceProfileInfo_t.ofaCount),
                        memory.getLong(INFO + nvmlGpuInstanceProfileInfo_t.memorySizeMB)));
            }
            return List.copyOf(profiles);
        } finally {
            lease.release();
        }
    }

    private String gpuInstanceProfileName(Lease lease, NvmlDevice gpu, int constant) {
        if (!nvml.session().has(NvmlFunction.nvmlDeviceGetGpuInstanceProfileInfoV)) {
            return "";
        }
        NativeBlock memory = lease.memory();
        memory.putInt(LIST, nvmlGpuInstanceProfileInfo_v2_t.VERSION);
        int code = api.nvmlDeviceGetGpuInstanceProfileInfoV(gpu.address(), constant, memory.address() + LIST);
        return code == 0 ? memory.getText(LIST + nvmlGpuInstanceProfileInfo_v2_t.name, NAME) : "";
    }

    @Override
    public List<Placement> gpuInstancePlacements(NvmlDevice gpu, int profileId) throws NvmlException {
        NvmlFunction function = NvmlFunction.nvmlDeviceGetGpuInstancePossiblePlacements;
        Lease lease = nvml.begin(function, gpu);
        try {
            return placements(
                    lease,
                    function,
                    gpu.label(),
                    gpu.address(),
                    (device, list, count) ->
                            api.nvmlDeviceGetGpuInstancePossiblePlacements(device, profileId, list, count));
        } finally {
            lease.release();
        }
    }

    @Override
    public int gpuInstanceCapacity(NvmlDevice gpu, int profileId) throws NvmlException {
        NvmlFunction function = NvmlFunction.nvmlDeviceGetGpuInstanceRemainingCapacity;
        Lease lease = nvml.begin(function, gpu);
        try {
            return number(
                    lease,
                    function,
                    gpu.label(),
                    gpu.address(),
                    (device, count) -> api.nvmlDeviceGetGpuInstanceRemainingCapacity(device, profileId, count));
        } finally {
            lease.release();
        }
    }

    @Override
    public List<GpuInstance> gpuInstances(NvmlDevice gpu, int profileId) throws NvmlException {
        NvmlFunction function = NvmlFunction.nvmlDeviceGetGpuInstances;
        Lease lease = nvml.begin(function, gpu);
        try {
            int found = list(
                    lease,
                    function,
                    gpu.label(),
                    gpu.address(),
                    (device, list, count) -> api.nvmlDeviceGetGpuInstances(device, profileId, list, count));
            List<GpuInstance> instances = new ArrayList<>(found);
            for (int i = 0; i < found; i++) {
                instances.add(gpuInstance(lease, gpu.label(), lease.memory().getLong(LIST + i * Long.BYTES)));
            }
            return List.copyOf(instances);
        } finally {
            lease.release();
        }
    }

    @Override
    public GpuInstance createGpuInstance(NvmlDevice gpu, int profileId) throws NvmlException {
        NvmlFunction function = NvmlFunction.nvmlDeviceCreateGpuInstance;
        Lease lease = nvml.begin(function, gpu);
        try {
            long made = handle(
                    lease,
                    function,
                    gpu.label(),
                    gpu.address(),
                    (device, result) -> api.nvmlDeviceCreateGpuInstance(device, profileId, result));
            return gpuInstance(lease, gpu.label(), made);
        } finally {
            lease.release();
        }
    }

    @Override
    public GpuInstance createGpuInstance(NvmlDevice gpu, int profileId, Placement placement) throws NvmlException {
        NvmlFunction function = NvmlFunction.nvmlDeviceCreateGpuInstanceWithPlacement;
        Lease lease = nvml.begin(function, gpu);
        try {
            long wanted = put(lease, placement);
            long made = handle(
                    lease,
                    function,
                    gpu.label(),
                    gpu.address(),
                    (device, result) ->
                            api.nvmlDeviceCreateGpuInstanceWithPlacement(device, profileId, wanted, result));
            return gpuInstance(lease, gpu.label(), made);
        } finally {
            lease.release();
        }
    }

    @Override
    public void destroyGpuInstance(NvmlDevice gpu, int gpuInstanceId) throws NvmlException {
        NvmlFunction function = NvmlFunction.nvmlGpuInstanceDestroy;
        Lease lease = nvml.begin(function, gpu);
        try {
            long instance = gpuInstanceById(lease, gpu, gpuInstanceId);
            nvml.check(api.nvmlGpuInstanceDestroy(instance), function, label(gpu, gpuInstanceId));
        } finally {
            lease.release();
        }
    }

    // --- compute instances ---

    @Override
    public List<ComputeInstanceProfile> computeInstanceProfiles(NvmlDevice gpu, int gpuInstanceId)
            throws NvmlException {
        NvmlFunction function = NvmlFunction.nvmlGpuInstanceGetComputeInstanceProfileInfo;
        Lease lease = nvml.begin(function, gpu);
        try {
            NativeBlock memory = lease.memory();
            long instance = gpuInstanceById(lease, gpu, gpuInstanceId);
            List<ComputeInstanceProfile> profiles = new ArrayList<>();
            for (int constant = 0; constant < MOST_PROFILES; constant++) {
                int code = api.nvmlGpuInstanceGetComputeInstanceProfileInfo(
                        instance, constant, 0, memory.address() + INFO);
                if (code == NvmlReturn.INVALID_ARGUMENT.code()) {
                    break;
                }
                if (code == NvmlReturn.NOT_SUPPORTED.code()) {
                    continue;
                }
                nvml.check(code, function, label(gpu, gpuInstanceId));
                profiles.add(new ComputeInstanceProfile(
                        constant,
                        memory.getInt(INFO + nvmlComputeInstanceProfileInfo_t.id),
                        computeInstanceProfileName(lease, instance, constant),
                        memory.getInt(INFO + nvmlComputeInstanceProfileInfo_t.sliceCount),
                        memory.getInt(INFO + nvmlComputeInstanceProfileInfo_t.instanceCount),
                        memory.getInt(INFO + nvmlComputeInstanceProfileInfo_t.multiprocessorCount)));
            }
            return List.copyOf(profiles);
        } finally {
            lease.release();
        }
    }

    private String computeInstanceProfileName(Lease lease, long gpuInstance, int constant) {
        if (!nvml.session().has(NvmlFunction.nvmlGpuInstanceGetComputeInstanceProfileInfoV)) {
            return "";
        }
        NativeBlock memory = lease.memory();
        memory.putInt(LIST, nvmlComputeInstanceProfileInfo_v2_t.VERSION);
        int code = api.nvmlGpuInstanceGetComputeInstanceProfileInfoV(gpuInstance, constant, 0, memory.address() + LIST);
        return code == 0 ? memory.getText(LIST + nvmlComputeInstanceProfileInfo_v2_t.name, NAME) : "";
    }

    @Override
    public List<Placement> computeInstancePlacements(NvmlDevice gpu, int gpuInstanceId, int profileId)
            throws NvmlException {
        NvmlFunction function = NvmlFunction.nvmlGpuInstanceGetComputeInstancePossiblePlacements;
        Lease lease = nvml.begin(function, gpu);
        try {
            return placements(
                    lease,
                    function,
                    label(gpu, gpuInstanceId),
                    gpuInstanceById(lease, gpu, gpuInstanceId),
                    (instance, list, count) ->
                            api.nvmlGpuInstanceGetComputeInstancePossiblePlacements(instance, profileId, list, count));
        } finally {
            lease.release();
        }
    }

    @Override
    public int computeInstanceCapacity(NvmlDevice gpu, int gpuInstanceId, int profileId) throws NvmlException {
        NvmlFunction function = NvmlFunction.nvmlGpuInstanceGetComputeInstanceRemainingCapacity;
        Lease lease = nvml.begin(function, gpu);
        try {
            return number(
                    lease,
                    function,
                    label(gpu, gpuInstanceId),
                    gpuInstanceById(lease, gpu, gpuInstanceId),
                    (instance, count) ->
                            api.nvmlGpuInstanceGetComputeInstanceRemainingCapacity(instance, profileId, count));
        } finally {
            lease.release();
        }
    }

    @Override
    public List<ComputeInstance> computeInstances(NvmlDevice gpu, int gpuInstanceId, int profileId)
            throws NvmlException {
        NvmlFunction function = NvmlFunction.nvmlGpuInstanceGetComputeInstances;
        Lease lease = nvml.begin(function, gpu);
        try {
            String label = label(gpu, gpuInstanceId);
            int found = list(
                    lease,
                    function,
                    label,
                    gpuInstanceById(lease, gpu, gpuInstanceId),
                    (instance, list, count) ->
                            api.nvmlGpuInstanceGetComputeInstances(instance, profileId, list, count));
            List<ComputeInstance> instances = new ArrayList<>(found);
            for (int i = 0; i < found; i++) {
                instances.add(computeInstance(lease, label, lease.memory().getLong(LIST + i * Long.BYTES)));
            }
            return List.copyOf(instances);
        } finally {
            lease.release();
        }
    }

    @Override
    public ComputeInstance createComputeInstance(NvmlDevice gpu, int gpuInstanceId, int profileId)
            throws NvmlException {
        NvmlFunction function = NvmlFunction.nvmlGpuInstanceCreateComputeInstance;
        Lease lease = nvml.begin(function, gpu);
        try {
            String label = label(gpu, gpuInstanceId);
            long made = handle(
                    lease,
                    function,
                    label,
                    gpuInstanceById(lease, gpu, gpuInstanceId),
                    (instance, result) -> api.nvmlGpuInstanceCreateComputeInstance(instance, profileId, result));
            return computeInstance(lease, label, made);
        } finally {
            lease.release();
        }
    }

    @Override
    public ComputeInstance createComputeInstance(NvmlDevice gpu, int gpuInstanceId, int profileId, Placement placement)
            throws NvmlException {
        NvmlFunction function = NvmlFunction.nvmlGpuInstanceCreateComputeInstanceWithPlacement;
        Lease lease = nvml.begin(function, gpu);
        try {
            String label = label(gpu, gpuInstanceId);
            long wanted = put(lease, placement);
            long made = handle(
                    lease,
                    function,
                    label,
                    gpuInstanceById(lease, gpu, gpuInstanceId),
                    (instance, result) ->
                            api.nvmlGpuInstanceCreateComputeInstanceWithPlacement(instance, profileId, wanted, result));
            return computeInstance(lease, label, made);
        } finally {
            lease.release();
        }
    }

    @Override
    public void destroyComputeInstance(NvmlDevice gpu, int gpuInstanceId, int computeInstanceId) throws NvmlException {
        NvmlFunction function = NvmlFunction.nvmlComputeInstanceDestroy;
        Lease lease = nvml.begin(function, gpu);
        try {
            String label = label(gpu, gpuInstanceId) + " compute instance " + computeInstanceId;
            requirePresent(NvmlFunction.nvmlGpuInstanceGetComputeInstanceById, label);
            long found = handle(
                    lease,
                    NvmlFunction.nvmlGpuInstanceGetComputeInstanceById,
                    label,
                    gpuInstanceById(lease, gpu, gpuInstanceId),
                    (instance, result) ->
                            api.nvmlGpuInstanceGetComputeInstanceById(instance, computeInstanceId, result));
            nvml.check(api.nvmlComputeInstanceDestroy(found), function, label);
        } finally {
            lease.release();
        }
    }

    // --- what the calls have in common ---

    private static String label(NvmlDevice gpu, int gpuInstanceId) {
        return gpu.label() + " GPU instance " + gpuInstanceId;
    }

    private void requirePresent(NvmlFunction function, String label) throws NvmlException {
        if (!nvml.session().has(function)) {
            nvml.check(NvmlReturn.FUNCTION_NOT_FOUND.code(), function, label);
        }
    }

    private long gpuInstanceById(Lease lease, NvmlDevice gpu, int id) throws NvmlException {
        String label = label(gpu, id);
        requirePresent(NvmlFunction.nvmlDeviceGetGpuInstanceById, label);
        return handle(
                lease,
                NvmlFunction.nvmlDeviceGetGpuInstanceById,
                label,
                gpu.address(),
                (device, result) -> api.nvmlDeviceGetGpuInstanceById(device, id, result));
    }

    private int number(Lease lease, NvmlFunction function, String label, long about, Call call) throws NvmlException {
        nvml.check(call.call(about, lease.memory().address() + RESULT), function, label);
        return lease.memory().getInt(RESULT);
    }

    private long handle(Lease lease, NvmlFunction function, String label, long about, Call call) throws NvmlException {
        nvml.check(call.call(about, lease.memory().address() + RESULT), function, label);
        return lease.memory().getLong(RESULT);
    }

    /** How many there are; some versions of the calls take the room for them from the count, others trust that it is enough. */
    private int list(Lease lease, NvmlFunction function, String label, long about, ListCall call) throws NvmlException {
        NativeBlock memory = lease.memory();
        memory.putInt(RESULT, LIST_ROOM);
        nvml.check(call.call(about, memory.address() + LIST, memory.address() + RESULT), function, label);
        return Math.clamp(memory.getInt(RESULT), 0, LIST_ROOM);
    }

    private List<Placement> placements(Lease lease, NvmlFunction function, String label, long about, ListCall call)
            throws NvmlException {
        int found = list(lease, function, label, about, call);
        List<Placement> placements = new ArrayList<>(found);
        for (int i = 0; i < found; i++) {
            placements.add(placement(lease.memory(), LIST + i * nvmlGpuInstancePlacement_t.sizeof));
        }
        return List.copyOf(placements);
    }

    /** Placements of GPU instances and of compute instances have the same layout. */
    private static Placement placement(NativeBlock memory, int offset) {
        return new Placement(
                memory.getInt(offset + nvmlGpuInstancePlacement_t.start),
                memory.getInt(offset + nvmlGpuInstancePlacement_t.size));
    }

    private static long put(Lease lease, Placement placement) {
        lease.memory().putInt(PLACEMENT + nvmlGpuInstancePlacement_t.start, placement.start());
        lease.memory().putInt(PLACEMENT + nvmlGpuInstancePlacement_t.size, placement.size());
        return lease.memory().address() + PLACEMENT;
    }

    private GpuInstance gpuInstance(Lease lease, String label, long handle) throws NvmlException {
        NativeBlock memory = lease.memory();
        requirePresent(NvmlFunction.nvmlGpuInstanceGetInfo, label);
        nvml.check(
                api.nvmlGpuInstanceGetInfo(handle, memory.address() + INFO),
                NvmlFunction.nvmlGpuInstanceGetInfo,
                label);
        return new GpuInstance(
                memory.getInt(INFO + nvmlGpuInstanceInfo_t.id),
                memory.getInt(INFO + nvmlGpuInstanceInfo_t.profileId),
                placement(memory, INFO + nvmlGpuInstanceInfo_t.placement));
    }

    private ComputeInstance computeInstance(Lease lease, String label, long handle) throws NvmlException {
        NativeBlock memory = lease.memory();
        requirePresent(NvmlFunction.nvmlComputeInstanceGetInfo, label);
        nvml.check(
                api.nvmlComputeInstanceGetInfo(handle, memory.address() + INFO),
                NvmlFunction.nvmlComputeInstanceGetInfo,
                label);
        return new ComputeInstance(
                memory.getInt(INFO + nvmlComputeInstanceInfo_t.id),
                memory.getInt(INFO + nvmlComputeInstanceInfo_t.profileId),
                placement(memory, INFO + nvmlComputeInstanceInfo_t.placement));
    }
}
