package io.gpunode.agent.gpu;

import io.gpunode.agent.model.GpuSample;
import io.gpunode.agent.model.LinkQuantity;
import io.gpunode.agent.model.WantedReadings;
import io.gpunode.nvml.Nvml;
import io.gpunode.nvml.NvmlDevice;
import io.gpunode.nvml.NvmlException;
import io.gpunode.nvml.NvmlGpmSampler;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Profiling (GPM) of one GPU or one GPU instance: each number is an average over exactly the time between two samples. Owned by the GPU's
 * lane. It has a period of its own, which may be longer than that of sampling: what it read last is shown until then. While nothing of
 * profiling is wanted it makes no call.
 */
final class ProfilingSampler implements AutoCloseable {
    /** Averages over a shorter time than this mean nothing (nvml.h, nvmlGpmMetricsGet). */
    private static final long SHORTEST_NANOS = 100_000_000;

    private static final List<ProfilingMetrics.Source> ALL = ProfilingMetrics.all();
    private static final List<ProfilingMetrics.LinkSource> OF_LINKS = ProfilingMetrics.ofLinks();

    private final Lane lane;
    private final CallRecord record;
    private final Nvml nvml;
    private final NvmlDevice gpu;
    private final int gpuInstanceId;
    private final boolean split;
    /** Of everything that there is, then of each link in turn; what is not asked for stays not read. */
    private final long[] values;

    private final byte[] statuses;
    private @Nullable WantedReadings wanted;
    /** What is asked for, as places among the values. */
    private int[] asked = {};

    private @Nullable NvmlGpmSampler metrics;
    private double[] raw = {};
    private int[] codes = {};
    private boolean sampled;
    private boolean averaged;
    private long sampledNanos;

    /**
     * @param gpu the GPU, also for one of its instances
     * @param gpuInstanceId of a GPU instance, else -1
     * @param split whether the GPU has GPU instances, which are asked for what is theirs then
     * @param links how many NVLinks it has; 0 for a GPU instance
     */
    ProfilingSampler(
            Lane lane, CallRecord record, Nvml nvml, NvmlDevice gpu, int gpuInstanceId, boolean split, int links) {
        this.lane = lane;
        this.record = record;
        this.nvml = nvml;
        this.gpu = gpu;
        this.gpuInstanceId = gpuInstanceId;
        this.split = split;
        this.values = new long[ALL.size() + links * OF_LINKS.size()];
        this.statuses = new byte[values.length];
    }

    /**
     * Takes a sample when one is due, and when there is no average yet: the first one comes with the second sampling. On the lane.
     *
     * @param due whether the period is over
     */
    void sample(WantedReadings readings, boolean due) {
        if (!readings.equals(wanted)) {
            want(readings);
        }
        NvmlGpmSampler open = metrics;
        if (open == null || (averaged && !due)) {
            return;
        }
        long began = lane.now().nanos();
        if (sampled && began - sampledNanos < SHORTEST_NANOS) {
            return;
        }
        lane.enter("nvmlGpmSampleGet");
        try {
            averaged = open.read(raw, codes);
            sampled = true;
            sampledNanos = began;
            if (averaged) {
                take();
            }
        } catch (NvmlException e) {
            record.failed(CallGroup.GPM, e);
            averaged = false;
            setAll(absence(e.code()));
        } finally {
            lane.leave(CallGroup.GPM, began);
        }
    }

    /** From now on other readings; averages over what was not sampled yet begin anew. */
    private void want(WantedReadings readings) {
        wanted = readings;
        int[] next = IntStream.range(0, values.length)
                .filter(place -> isWanted(place, readings))
                .toArray();
        if (Arrays.equals(next, asked)) {
            return;
        }
        close();
        setAll(GpuSample.NOT_READ);
        asked = next;
        raw = new double[next.length];
        codes = new int[next.length];
        sampled = false;
        averaged = false;
        if (next.length > 0) {
            open();
        }
    }

    private boolean isWanted(int place, WantedReadings readings) {
        return place < ALL.size()
                ? offers(ALL.get(place)) && readings.wants(ALL.get(place).quantity())
                : readings.wants(ofLink(place).quantity());
    }

    /** What a place behind those of the whole is, of the link that {@link #link} tells. */
    private static ProfilingMetrics.LinkSource ofLink(int place) {
        return OF_LINKS.get((place - ALL.size()) % OF_LINKS.size());
    }

    private static int link(int place) {
        return (place - ALL.size()) / OF_LINKS.size();
    }

    private static int metricId(int place) {
        return place < ALL.size() ? ALL.get(place).metricId() : ofLink(place).metricId(link(place));
    }

    private boolean offers(ProfilingMetrics.Source source) {
        boolean instance = gpuInstanceId >= 0;
        return source.ofBoard() ? !instance : instance || !split;
    }

    private void open() {
        int[] ids = Arrays.stream(asked).map(ProfilingSampler::metricId).toArray();
        try {
            if (lane.call(CallGroup.GPM, "nvmlGpmQueryDeviceSupport", () -> nvml.gpmSupported(gpu))) {
                metrics =
                        lane.call(CallGroup.GPM, "nvmlGpmSampleAlloc", () -> nvml.gpmSampler(gpu, gpuInstanceId, ids));
            } else {
                setAll(GpuSample.UNSUPPORTED);
            }
        } catch (NvmlException e) {
            // The lane has recorded it; nothing is read until the GPU is opened anew or other readings are wanted.
            setAll(absence(e.code()));
        }
    }

    private void take() {
        for (int i = 0; i < asked.length; i++) {
            int place = asked[i];
            values[place] = 0;
            if (codes[i] != 0) {
                statuses[place] = absence(codes[i]);
            } else if (Double.isNaN(raw[i])) {
                statuses[place] = GpuSample.FAILED;
            } else {
                values[place] = place < ALL.size()
                        ? bits(ALL.get(place), raw[i])
                        : (long) (raw[i] * ofLink(place).factor());
                statuses[place] = GpuSample.PRESENT;
            }
        }
    }

    private static long bits(ProfilingMetrics.Source source, double given) {
        double value = given * source.factor();
        return source.quantity().isFraction() ? Double.doubleToRawLongBits(value) : (long) value;
    }

    private static byte absence(int code) {
        return ReturnMeaning.of(code) == ReturnMeaning.UNSUPPORTED ? GpuSample.UNSUPPORTED : GpuSample.FAILED;
    }

    private void setAll(byte status) {
        for (int place : asked) {
            values[place] = 0;
            statuses[place] = status;
        }
    }

    /** Adds the newest averages to the numbers of a sampling's links, as {@link GpuSample} orders them. */
    void copyLinksTo(long[] toValues, byte[] toStatuses) {
        for (int i = ALL.size(); i < statuses.length; i++) {
            int place = link(i) * LinkQuantity.count() + ofLink(i).quantity().ordinal();
            toValues[place] = values[i];
            toStatuses[place] = statuses[i];
        }
    }

    /** Adds the newest averages to a sampling's numbers, both by the quantity's ordinal. */
    void copyTo(long[] toValues, byte[] toStatuses) {
        for (int i = 0; i < ALL.size(); i++) {
            int place = ALL.get(i).quantity().ordinal();
            toValues[place] = values[i];
            toStatuses[place] = statuses[i];
        }
    }

    /** Frees the native samples. On the lane. */
    @Override
    public void close() {
        if (metrics != null) {
            metrics.close();
            metrics = null;
        }
    }
}
