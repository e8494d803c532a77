package io.gpunode.agent.gpu;

import io.gpunode.agent.model.Gpu.ProcessUse;
import io.gpunode.agent.model.Gpu.ProcessUtilization;
import io.gpunode.agent.model.Reading;
import io.gpunode.agent.time.Tick;
import io.gpunode.nvml.Nvml;
import io.gpunode.nvml.NvmlDevice;
import io.gpunode.nvml.NvmlException;
import io.gpunode.nvml.NvmlReturn;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/**
 * The processes on one GPU, with their memory and how busy they keep it. However short the sampling interval, they are read once a second at most: the
 * driver itself keeps no finer samples. Owned by the lane's thread.
 */
final class ProcessReader {
    private static final Duration SPACING = Duration.ofSeconds(1);

    /** A process is known by its id and the GPU instance that it is on. */
    private record Key(int pid, int gpuInstanceId) {}

    private final Nvml nvml;
    private final Lane lane;
    private @Nullable NvmlDevice device;
    private @Nullable Tick readAt;
    private boolean withUtilization;
    private Reading<List<ProcessUse>> last = new Reading.NotRead<>();
    /** The newest time stamp that the driver gave, in µs; what is older was counted before. */
    private long newestSample;

    ProcessReader(Nvml nvml, Lane lane) {
        this.nvml = nvml;
        this.lane = lane;
    }

    /** @param utilization whether how busy they keep the GPU is wanted, and the GPU is in a mode in which the driver tells */
    Reading<List<ProcessUse>> read(NvmlDevice target, boolean utilization) {
        Tick now = lane.now();
        if (!target.equals(device)) {
            device = target;
            newestSample = 0;
        } else if (readAt != null
                && now.since(readAt).compareTo(SPACING) < 0
                && utilization == withUtilization
                && last instanceof Reading.Value<?>) {
            return last;
        }
        readAt = now;
        withUtilization = utilization;
        last = readNow(target, utilization);
        return last;
    }

    private Reading<List<ProcessUse>> readNow(NvmlDevice target, boolean utilization) {
        List<Nvml.GpuProcess> found;
        try {
            found = lane.call(
                    CallGroup.PROCESSES, "nvmlDeviceGetComputeRunningProcesses", () -> nvml.processes(target));
        } catch (NvmlException e) {
            String name = NvmlReturn.nameOf(e.code());
            return ReturnMeaning.of(e.code()) == ReturnMeaning.UNSUPPORTED
                    ? new Reading.Unsupported<>(name)
                    : new Reading.Failed<>(name);
        }
        return Reading.of(uses(found, utilization && !found.isEmpty() ? utilization(target) : null));
    }

    /** By process; null when the driver does not tell. */
    private @Nullable Map<Integer, ProcessUtilization> utilization(NvmlDevice target) {
        List<Nvml.ProcessUtilization> samples;
        long since = newestSample;
        try {
            samples = lane.call(
                    CallGroup.PROCESSES,
                    "nvmlDeviceGetProcessUtilization",
                    () -> nvml.processUtilization(target, since));
        } catch (NvmlException e) {
            return null;
        }
        for (Nvml.ProcessUtilization sample : samples) {
            newestSample = Math.max(newestSample, sample.timeStampMicros());
        }
        return newest(samples);
    }

    /** What the newest sample of each process says. */
    static Map<Integer, ProcessUtilization> newest(List<Nvml.ProcessUtilization> samples) {
        Map<Integer, Nvml.ProcessUtilization> byPid = HashMap.newHashMap(samples.size());
        for (Nvml.ProcessUtilization sample : samples) {
            byPid.merge(
                    sample.pid(),
                    sample,
                    (one, other) -> other.timeStampMicros() >= one.timeStampMicros() ? other : one);
        }
        Map<Integer, ProcessUtilization> newest = HashMap.newHashMap(byPid.size());
        byPid.forEach((pid, sample) -> newest.put(
                pid,
                new ProcessUtilization(
                        percent(sample.sm()),
                        percent(sample.memory()),
                        percent(sample.encoder()),
                        percent(sample.decoder()))));
        return newest;
    }

    /** Drivers have written numbers far beyond. */
    private static int percent(int told) {
        return told < 0 || told > 100 ? 0 : told;
    }

    /**
     * One entry per process: it may be on several lists, each with all of its memory.
     *
     * @param utilization of those that did something; null when the driver does not tell
     */
    static List<ProcessUse> uses(List<Nvml.GpuProcess> found, @Nullable Map<Integer, ProcessUtilization> utilization) {
        if (found.isEmpty()) {
            return List.of();
        }
        Map<Key, Integer> places = new HashMap<>();
        List<ProcessUse> uses = new ArrayList<>();
        for (Nvml.GpuProcess process : found) {
            Key key = new Key(process.pid(), process.gpuInstanceId());
            Integer place = places.get(key);
            OptionalLong used = process.usedMemory() < 0 ? OptionalLong.empty() : OptionalLong.of(process.usedMemory());
            ProcessUse use = new ProcessUse(
                    process.pid(),
                    used,
                    process.gpuInstanceId(),
                    utilization == null ? null : utilization.getOrDefault(process.pid(), ProcessUtilization.IDLE));
            if (place == null) {
                if (uses.size() == GpuReading.PROCESS_LIMIT) {
                    break;
                }
                places.put(key, uses.size());
                uses.add(use);
            } else if (used.orElse(-1) > uses.get(place).usedBytes().orElse(-1)) {
                uses.set(place, use);
            }
        }
        return List.copyOf(uses);
    }
}
