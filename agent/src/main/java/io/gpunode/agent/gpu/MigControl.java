package io.gpunode.agent.gpu;

import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.MigPlacement;
import io.gpunode.nvml.Nvml;
import io.gpunode.nvml.NvmlDevice;
import io.gpunode.nvml.NvmlException;
import io.gpunode.nvml.NvmlMig;
import io.gpunode.nvml.NvmlReturn;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Looks at one GPU's MIG and changes it, on a lane. Each call waits for its end, with a bound; one that has not ended then is reported as
 * {@link MigFault.Kind#LOST}, and may still come to its end later. The GPU's handle is asked for each time, since a change of the mode makes
 * the old one useless. One thread at a time, not the lane's.
 */
public final class MigControl {
    /** A reset of a GPU takes seconds, and eight of them in one machine take their time together. */
    private static final Duration CHANGE_LIMIT = Duration.ofSeconds(60);

    /** The wait for what is before it on the lane comes to it. */
    private static final Duration WAIT_LIMIT = CHANGE_LIMIT.plusSeconds(15);

    private static final long PAUSE_MILLIS = 50;

    private static final int DEVICE_LIMIT = 64;

    private static final String SET_MODE = "nvmlDeviceSetMigMode";
    private static final String CREATE_INSTANCE = "nvmlDeviceCreateGpuInstanceWithPlacement";
    private static final String DESTROY_INSTANCE = "nvmlGpuInstanceDestroy";
    private static final String CREATE_PART = "nvmlGpuInstanceCreateComputeInstanceWithPlacement";
    private static final String DESTROY_PART = "nvmlComputeInstanceDestroy";
    private static final Set<String> CHANGES =
            Set.of(SET_MODE, CREATE_INSTANCE, DESTROY_INSTANCE, CREATE_PART, DESTROY_PART);

    private final GpuId gpu;
    private final Nvml nvml;
    private final Lane lane;

    MigControl(GpuId gpu, Nvml nvml, Lane lane) {
        this.gpu = gpu;
        this.nvml = nvml;
        this.lane = lane;
    }

    /**
     * A process on the GPU.
     *
     * @param name what NVML calls it; empty where it cannot tell
     * @param gpuInstance -1 when it is on the whole GPU
     * @param computeInstance -1 when it is on the whole GPU
     */
    public record InstanceProcess(int pid, String name, int gpuInstance, int computeInstance) {}

    /**
     * A MIG device.
     *
     * @param id {@code MIG-…}
     * @param index its place among the GPU's MIG devices
     */
    public record InstanceDevice(GpuId id, int index, int gpuInstance, int computeInstance) {}

    /**
     * What there is to be used, and the processes that use it.
     *
     * @param index NVML's index of the GPU in this session
     * @param minor the N of its {@code /dev/nvidiaN}
     * @param devices in their order; empty while MIG is off
     */
    public record Use(int index, int minor, List<InstanceDevice> devices, List<InstanceProcess> processes) {
        public Use {
            devices = List.copyOf(devices);
            processes = List.copyOf(processes);
        }
    }

    /** A call with the GPU's handle. */
    @FunctionalInterface
    private interface DeviceCall<T> {
        T run(NvmlDevice device) throws NvmlException;
    }

    /** What the GPU is and can be now. */
    public GpuMig read() throws MigFault, InterruptedException {
        return onLane(device -> new GpuMigReader(nvml, lane).read(device));
    }

    /** Who uses it now. In MIG mode each process is listed for the compute instance that it is on. */
    public Use use() throws MigFault, InterruptedException {
        return onLane(this::readUse);
    }

    /**
     * {@code nvmlDeviceSetMigMode}: fails with {@link MigFault.Kind#IN_USE} or {@link MigFault.Kind#RESET_NEEDED} when the mode is pending
     * afterwards.
     */
    public void setMode(boolean enabled) throws MigFault, InterruptedException {
        int status = onLane(device -> lane.call(
                CallGroup.MIG, SET_MODE, CHANGE_LIMIT, () -> nvml.mig().setMode(device, enabled)));
        if (status != NvmlReturn.SUCCESS.code()) {
            throw MigFault.of(new NvmlException(SET_MODE, status, gpu.uuid(), ""));
        }
    }

    /** Makes a GPU instance at a place. */
    public void createGpuInstance(int profileId, MigPlacement place) throws MigFault, InterruptedException {
        change(CREATE_INSTANCE, (mig, device) -> mig.createGpuInstance(device, profileId, placement(place)));
    }

    /** Destroys a GPU instance that has no compute instances. */
    public void destroyGpuInstance(int id) throws MigFault, InterruptedException {
        change(DESTROY_INSTANCE, (mig, device) -> {
            mig.destroyGpuInstance(device, id);
            return id;
        });
    }

    /** Makes a compute instance at a place in a GPU instance; where the driver likes when it is too old to be told. */
    public void createComputeInstance(int gpuInstance, int profileId, MigPlacement place)
            throws MigFault, InterruptedException {
        change(CREATE_PART, (mig, device) -> {
            try {
                return mig.createComputeInstance(device, gpuInstance, profileId, placement(place));
            } catch (NvmlException e) {
                if (!e.is(NvmlReturn.FUNCTION_NOT_FOUND)) {
                    throw e;
                }
                return mig.createComputeInstance(device, gpuInstance, profileId);
            }
        });
    }

    /** Destroys a compute instance. */
    public void destroyComputeInstance(int gpuInstance, int id) throws MigFault, InterruptedException {
        change(DESTROY_PART, (mig, device) -> {
            mig.destroyComputeInstance(device, gpuInstance, id);
            return id;
        });
    }

    /** A call that changes something. */
    @FunctionalInterface
    private interface Change<T> {
        T run(NvmlMig mig, NvmlDevice device) throws NvmlException;
    }

    private <T> void change(String function, Change<T> change) throws MigFault, InterruptedException {
        onLane(device -> lane.call(CallGroup.MIG, function, CHANGE_LIMIT, () -> change.run(nvml.mig(), device)));
    }

    private static NvmlMig.Placement placement(MigPlacement place) {
        return new NvmlMig.Placement(place.start(), place.size());
    }

    private Use readUse(NvmlDevice device) throws NvmlException {
        int index = lane.call(CallGroup.MIG, "nvmlDeviceGetIndex", () -> nvml.index(device));
        int minor = lane.call(CallGroup.MIG, "nvmlDeviceGetMinorNumber", () -> nvml.minorNumber(device));
        List<InstanceDevice> devices = new ArrayList<>();
        Set<InstanceProcess> found = new LinkedHashSet<>();
        if (migEnabled(device)) {
            int places = Math.min(
                    DEVICE_LIMIT,
                    lane.call(CallGroup.MIG, "nvmlDeviceGetMaxMigDeviceCount", () -> nvml.maxMigDeviceCount(device)));
            for (int place = 0; place < places; place++) {
                addUse(device, place, devices, found);
            }
        } else {
            for (Nvml.GpuProcess process : processesOf(device)) {
                found.add(new InstanceProcess(process.pid(), name(process.pid()), -1, -1));
            }
        }
        return new Use(index, minor, devices, List.copyOf(found));
    }

    private boolean migEnabled(NvmlDevice device) throws NvmlException {
        try {
            return lane.call(CallGroup.MIG, "nvmlDeviceGetMigMode", () -> nvml.migMode(device))
                    .current();
        } catch (NvmlException e) {
            if (ReturnMeaning.of(e.code()) == ReturnMeaning.UNSUPPORTED) {
                return false;
            }
            throw e;
        }
    }

    private void addUse(NvmlDevice device, int place, List<InstanceDevice> devices, Set<InstanceProcess> found)
            throws NvmlException {
        NvmlDevice mig;
        try {
            mig = lane.call(CallGroup.MIG, "nvmlDeviceGetMigDeviceHandleByIndex", () -> nvml.migDevice(device, place));
        } catch (NvmlException e) {
            // A place without a device; those that follow may have one.
            if (ReturnMeaning.of(e.code()) == ReturnMeaning.UNSUPPORTED) {
                return;
            }
            throw e;
        }
        int gpuInstance = lane.call(CallGroup.MIG, "nvmlDeviceGetGpuInstanceId", () -> nvml.gpuInstanceId(mig));
        int computeInstance =
                lane.call(CallGroup.MIG, "nvmlDeviceGetComputeInstanceId", () -> nvml.computeInstanceId(mig));
        String uuid = lane.call(CallGroup.MIG, "nvmlDeviceGetUUID", () -> nvml.uuid(mig));
        devices.add(new InstanceDevice(new GpuId(uuid), place, gpuInstance, computeInstance));
        for (Nvml.GpuProcess process : processesOf(mig)) {
            found.add(new InstanceProcess(process.pid(), name(process.pid()), gpuInstance, computeInstance));
        }
    }

    private List<Nvml.GpuProcess> processesOf(NvmlDevice device) throws NvmlException {
        try {
            return lane.call(CallGroup.MIG, "nvmlDeviceGetComputeRunningProcesses", () -> nvml.processes(device));
        } catch (NvmlException e) {
            if (ReturnMeaning.of(e.code()) == ReturnMeaning.UNSUPPORTED) {
                return List.of();
            }
            throw e;
        }
    }

    private String name(int pid) {
        try {
            return IdentityReader.printable(
                    lane.call(CallGroup.MIG, "nvmlSystemGetProcessName", () -> nvml.processName(pid)));
        } catch (NvmlException e) {
            // It has ended, or belongs to somebody else.
            return "";
        }
    }

    private <T> T onLane(DeviceCall<T> call) throws MigFault, InterruptedException {
        Step<T> step = new Step<>();
        CountDownLatch ended = new CountDownLatch(1);
        boolean accepted = submit(() -> {
            step.run(() ->
                    call.run(lane.call(CallGroup.MIG, "nvmlDeviceGetHandleByUUID", () -> nvml.deviceByUuid(gpu.uuid()))
                            .named(gpu.uuid())));
            ended.countDown();
        });
        if (!accepted) {
            throw new MigFault(MigFault.Kind.LOST, "NVML takes no call for it: an earlier one has not returned", null);
        }
        if (!ended.await(WAIT_LIMIT.toNanos(), TimeUnit.NANOSECONDS)) {
            throw new MigFault(
                    MigFault.Kind.LOST, "NVML has not answered within " + WAIT_LIMIT.toSeconds() + " s", null);
        }
        Step.Outcome<T> outcome = step.outcome();
        if (outcome == null) {
            throw new IllegalStateException("a step has ended without an outcome");
        }
        return switch (outcome) {
            case Step.Outcome.Done<T>(T value) -> value;
            case Step.Outcome.Failed<T>(NvmlException cause) -> throw MigFault.of(cause);
            case Step.Outcome.Failed<T>(Exception cause) ->
                throw new MigFault(MigFault.Kind.FAILED, String.valueOf(cause), cause);
        };
    }

    /** Hands in work; waits while a change that is overdue still runs, since it mostly ends, and what it has done has to be looked at. */
    private boolean submit(Runnable work) throws InterruptedException {
        CountDownLatch pause = new CountDownLatch(1);
        boolean accepted = lane.submit(work);
        for (long waited = 0; !accepted && waited < WAIT_LIMIT.toMillis(); waited += PAUSE_MILLIS) {
            String function = lane.callInFlight();
            if (lane.closed() || (function != null && !CHANGES.contains(function))) {
                return false;
            }
            pause.await(PAUSE_MILLIS, TimeUnit.MILLISECONDS);
            accepted = lane.submit(work);
        }
        return accepted;
    }
}
