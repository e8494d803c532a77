package io.gpunode.agent.gpu;

import io.gpunode.agent.model.Gpu.ProcessUse;
import io.gpunode.agent.model.GpuSample;
import io.gpunode.agent.model.Reading;
import io.gpunode.agent.model.WantedReadings;
import io.gpunode.agent.time.Tick;
import io.gpunode.nvml.Nvml;
import io.gpunode.nvml.NvmlDevice;
import io.gpunode.nvml.NvmlException;
import io.gpunode.nvml.NvmlReturn;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * One NVML index and its lane. The owner asks it to identify or to sample and collects the newest results, which are immutable; everything
 * native happens on the lane, whose thread owns handle and samplers.
 */
public final class GpuProbe {
    /** Who is at this index. */
    public sealed interface Identification {
        /** The round that asked. */
        long round();

        /**
         * A GPU.
         *
         * @param deviceAddress NVML's handle, which events carry
         */
        record Identified(long round, GpuIdentity identity, long deviceAddress) implements Identification {}

        /**
         * Nobody that could be identified.
         *
         * @param lasting whether NVML's answer means that the GPU or the driver is gone; otherwise it failed this time
         */
        record Refused(long round, GpuCondition condition, boolean lasting) implements Identification {}
    }

    /** {@code NVML_NVLINK_MAX_LINKS} of header release 13. */
    private static final int LINK_LIMIT = 36;

    private final int index;
    private final Nvml nvml;
    private final Lane lane;
    private final CallRecord record;
    private final InstantSource wall;
    private final Supplier<WantedReadings> wanted;
    private final IdentityReader reader;
    private final ProcessReader processes;
    private final AtomicBoolean identifying = new AtomicBoolean();
    private final AtomicBoolean sampling = new AtomicBoolean();

    // Owned by the lane's thread.
    private @Nullable DeviceSampler sampler;
    private @Nullable ProfilingSampler profiling;
    private int linkCount;
    /** Whether a link could not be asked for when they were counted. */
    private boolean linksUnsure;

    private List<DeviceSampler> migSamplers = List.of();
    /** Of each MIG device's GPU instance; those of one instance are the same object. */
    private List<ProfilingSampler> migProfiling = List.of();

    private List<NvmlDevice> migDevices = List.of();
    private List<Integer> migPlaces = List.of();
    /** How many MIG devices there could be; 0 when MIG is off, -1 when the GPU has none. */
    private int migPlaceCount = -1;

    private int presentBefore;

    private volatile @Nullable NvmlDevice device;
    private volatile @Nullable Identification identification;
    private volatile @Nullable GpuReading reading;

    GpuProbe(int index, Nvml nvml, Lane lane, CallRecord record, InstantSource wall, Supplier<WantedReadings> wanted) {
        this.index = index;
        this.nvml = nvml;
        this.lane = lane;
        this.record = record;
        this.wall = wall;
        this.wanted = wanted;
        this.reader = new IdentityReader(nvml, lane);
        this.processes = new ProcessReader(nvml, lane);
    }

    /** The NVML index. */
    public int index() {
        return index;
    }

    /** The call that is past its deadline, if one is. */
    public Lane.@Nullable Overdue overdue(Tick now) {
        return lane.overdue(now);
    }

    /** When the call in flight becomes overdue; null when none is in flight. */
    public @Nullable Tick overdueAt() {
        return lane.overdueAt();
    }

    /** Asks for a new identification; false when the last one is still under way, or the lane takes no work. Owner only. */
    public boolean identify(long round) {
        return submit(identifying, () -> identifyNow(round));
    }

    /**
     * Asks for a new reading; false when the last one is still under way, or the lane takes no work. Owner only.
     *
     * @param profile whether profiling's period is over as well
     */
    public boolean sample(long round, boolean profile) {
        return submit(sampling, () -> sampleNow(round, profile));
    }

    /** At most one piece of work of each kind waits or runs: those behind a slow one would only make it slower. */
    private boolean submit(AtomicBoolean pending, Runnable work) {
        if (!pending.compareAndSet(false, true)) {
            return false;
        }
        boolean accepted = lane.submit(() -> {
            try {
                work.run();
            } finally {
                pending.set(false);
            }
        });
        if (!accepted) {
            pending.set(false);
        }
        return accepted;
    }

    /** The newest identification. */
    public @Nullable Identification identification() {
        return identification;
    }

    /** The newest reading. */
    public @Nullable GpuReading reading() {
        return reading;
    }

    Lane lane() {
        return lane;
    }

    /** The handle of the last identification. */
    @Nullable NvmlDevice device() {
        return device;
    }

    private void identifyNow(long round) {
        try {
            NvmlDevice handle =
                    lane.call(CallGroup.IDENTITY, "nvmlDeviceGetHandleByIndex", () -> nvml.deviceByIndex(index));
            IdentityReader.Identified found =
                    reader.read(index, handle, wanted.get().texts());
            boolean another = sampler == null || !found.device().equals(device);
            if (another) {
                linkCount = 0;
            }
            boolean recounted = (another || linksUnsure || (found.migPlaces() > 0) != (migPlaceCount > 0))
                    && countLinks(found.device());
            if (another || recounted) {
                openSampler(found.device());
            }
            if (another || recounted || !found.migDevices().equals(migDevices)) {
                openMigSamplers(found);
                openProfiling(found);
            }
            migPlaceCount = found.migPlaces();
            device = found.device();
            identification = new Identification.Identified(
                    round, found.identity(), found.device().address());
        } catch (NvmlException e) {
            identification = new Identification.Refused(round, conditionOf(e), isLasting(e));
        } catch (IdentityReader.IdentityRefused e) {
            identification =
                    new Identification.Refused(round, new GpuCondition.Lost(String.valueOf(e.getMessage())), false);
        }
    }

    private static GpuCondition conditionOf(NvmlException failure) {
        String name = NvmlReturn.nameOf(failure.code());
        return switch (ReturnMeaning.of(failure.code())) {
            case DRIVER_GONE -> new GpuCondition.DriverGone(name);
            case SUCCESS, UNSUPPORTED, LOST, RESET_NEEDED, TRANSIENT ->
                new GpuCondition.Lost("it cannot be identified: " + failure.function() + " answers " + name);
        };
    }

    private static boolean isLasting(NvmlException failure) {
        return switch (ReturnMeaning.of(failure.code())) {
            case LOST, RESET_NEEDED, DRIVER_GONE -> true;
            case SUCCESS, UNSUPPORTED, TRANSIENT -> false;
        };
    }

    private void openSampler(NvmlDevice found) {
        closeSampler();
        sampler = new DeviceSampler(lane, record, wall, nvml, found, true, linkCount);
        presentBefore = 0;
    }

    private void openMigSamplers(IdentityReader.Identified found) {
        migSamplers.forEach(DeviceSampler::close);
        List<DeviceSampler> opened = new ArrayList<>(found.migDevices().size());
        for (NvmlDevice mig : found.migDevices()) {
            opened.add(new DeviceSampler(lane, record, wall, nvml, mig, false, 0));
        }
        migSamplers = opened;
        migDevices = found.migDevices();
        migPlaces = found.identity().migDevices().stream()
                .map(GpuIdentity.Mig::index)
                .toList();
    }

    /**
     * Counts its NVLinks: NVML refuses the number of one that it has not. True when there are others than before; a count that failed says nothing
     * about those that were counted.
     */
    private boolean countLinks(NvmlDevice found) {
        int links = 0;
        linksUnsure = false;
        while (links < LINK_LIMIT) {
            int link = links;
            try {
                lane.call(CallGroup.IDENTITY, "nvmlDeviceGetNvLinkState", () -> nvml.nvLinkActive(found, link));
            } catch (NvmlException e) {
                linksUnsure = ReturnMeaning.of(e.code()) != ReturnMeaning.UNSUPPORTED;
                break;
            }
            links++;
        }
        int before = linkCount;
        linkCount = linksUnsure ? Math.max(links, before) : links;
        return linkCount != before;
    }

    /** Anew for every layout: a GPU that is split is asked for less, and its GPU instances for the rest. */
    private void openProfiling(IdentityReader.Identified found) {
        closeProfiling();
        boolean split = !found.migDevices().isEmpty();
        profiling = new ProfilingSampler(lane, record, nvml, found.device(), -1, split, linkCount);
        Map<Integer, ProfilingSampler> ofInstance = new HashMap<>();
        List<ProfilingSampler> opened = new ArrayList<>(found.migDevices().size());
        for (GpuIdentity.Mig mig : found.identity().migDevices()) {
            opened.add(ofInstance.computeIfAbsent(
                    mig.gpuInstanceId(),
                    instance -> new ProfilingSampler(lane, record, nvml, found.device(), instance, true, 0)));
        }
        migProfiling = List.copyOf(opened);
    }

    private void closeProfiling() {
        if (profiling != null) {
            profiling.close();
            profiling = null;
        }
        // Closing one twice does nothing.
        migProfiling.forEach(ProfilingSampler::close);
        migProfiling = List.of();
    }

    private void sampleNow(long round, boolean profile) {
        DeviceSampler own = sampler;
        ProfilingSampler ownProfiling = profiling;
        NvmlDevice target = device;
        if (own == null || ownProfiling == null || target == null) {
            return;
        }
        WantedReadings readings = wanted.get();
        ownProfiling.sample(readings, profile);
        GpuSample sample = own.read(readings, ownProfiling);
        boolean stale = own.presentCount() == 0 && presentBefore > 0;
        presentBefore = own.presentCount();
        List<GpuSample> migSamples = new ArrayList<>(migSamplers.size());
        GpuCondition condition = own.condition();
        Layout layout = condition instanceof GpuCondition.Answering ? layout(target) : Layout.UNKNOWN;
        if (layout == Layout.SAME) {
            for (int i = 0; i < migSamplers.size(); i++) {
                DeviceSampler mig = migSamplers.get(i);
                ProfilingSampler instance = migProfiling.get(i);
                instance.sample(readings, profile);
                migSamples.add(mig.read(readings, instance));
                stale |= mig.presentCount() == 0;
            }
        }
        stale |= layout == Layout.OTHER;
        Reading<List<ProcessUse>> running = condition instanceof GpuCondition.Answering
                ? processes.read(target, readings.processUtilization() && migPlaceCount <= 0)
                : new Reading.Failed<>("the GPU does not answer");
        reading = new GpuReading(round, sample, migSamples, running, condition, stale);
    }

    /** How the MIG layout is to the one that was identified. */
    private enum Layout {
        SAME,
        OTHER,
        UNKNOWN
    }

    /**
     * Whether mode and MIG devices are still those that were identified: a handle of an instance that was destroyed must not be used. NVML may
     * give the same handle to another instance, so its UUID counts.
     */
    private Layout layout(NvmlDevice target) {
        if (migPlaceCount < 0) {
            return Layout.SAME;
        }
        try {
            boolean enabled = lane.call(CallGroup.SAMPLING, "nvmlDeviceGetMigMode", () -> nvml.migMode(target))
                    .current();
            if (enabled != (migPlaceCount > 0)) {
                return Layout.OTHER;
            }
            int next = 0;
            for (int place = 0; place < migPlaceCount; place++) {
                boolean known = next < migPlaces.size() && migPlaces.get(next) == place;
                NvmlDevice there = migDevice(target, place);
                if (known != (there != null)) {
                    return Layout.OTHER;
                }
                if (there != null && !isSame(there, migDevices.get(next++))) {
                    return Layout.OTHER;
                }
            }
            return Layout.SAME;
        } catch (NvmlException e) {
            return Layout.UNKNOWN;
        }
    }

    private boolean isSame(NvmlDevice there, NvmlDevice identified) throws NvmlException {
        return there.address() == identified.address()
                && lane.call(CallGroup.SAMPLING, "nvmlDeviceGetUUID", () -> nvml.uuid(there))
                        .equals(identified.label());
    }

    private @Nullable NvmlDevice migDevice(NvmlDevice target, int place) throws NvmlException {
        try {
            return lane.call(
                    CallGroup.SAMPLING, "nvmlDeviceGetMigDeviceHandleByIndex", () -> nvml.migDevice(target, place));
        } catch (NvmlException e) {
            if (ReturnMeaning.of(e.code()) == ReturnMeaning.UNSUPPORTED) {
                return null;
            }
            throw e;
        }
    }

    private void closeSampler() {
        if (sampler != null) {
            sampler.close();
            sampler = null;
        }
    }

    /** Asks the lane to free what it holds and to end, when a running call lets it. */
    void close() {
        lane.close(() -> {
            closeSampler();
            closeProfiling();
            migSamplers.forEach(DeviceSampler::close);
            migSamplers = List.of();
        });
    }
}
