package io.gpunode.agent.gpu;

import io.gpunode.agent.model.GpuSample;
import io.gpunode.agent.model.Quantity;
import io.gpunode.agent.model.WantedReadings;
import io.gpunode.nvml.Nvml;
import io.gpunode.nvml.NvmlDevice;
import io.gpunode.nvml.NvmlQuery;
import io.gpunode.nvml.NvmlReturn;
import io.gpunode.nvml.NvmlSampler;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;

/**
 * Samples one GPU or MIG device again and again; owned by its GPU's lane. Reading allocates the sample and nothing else. Rules that turn
 * NVML's answers into a sample are here: sentinels, rates from counters. What profiling has read last is added.
 */
final class DeviceSampler implements AutoCloseable {
    /** Boards without a working sensor answer temperatures beyond this; dcgm-exporter has the same limit. */
    private static final long BELIEVABLE_CELSIUS = 200;

    private static final WantedReadings NOTHING = new WantedReadings(Set.of(), Set.of(), Set.of());
    private static final String WHOLE_BATCH = "the sampled calls";

    private final Lane lane;
    private final CallRecord record;
    private final InstantSource wall;
    private final NvmlDevice device;
    private final Nvml nvml;
    private final List<Quantities.Source> offered;
    private final int links;
    private final Supplier<String> callInFlight = this::callInFlight;
    private WantedReadings wanted = NOTHING;
    private List<Quantities.Source> sources = List.of();
    private NvmlSampler sampler;
    private long[] raw = new long[0];
    private int[] codes = new int[0];
    private final long[] values = new long[Quantity.count()];
    private final byte[] statuses = new byte[Quantity.count()];
    private GpuCondition condition = GpuCondition.Answering.INSTANCE;
    private int presentCount;
    private long linkKibibytes = -1;
    private long linkNanos;

    /**
     * @param offered what can be read of it
     * @param links how many NVLinks it has; 0 for a MIG device
     */
    DeviceSampler(
            Lane lane,
            CallRecord record,
            InstantSource wall,
            Nvml nvml,
            NvmlDevice device,
            List<Quantities.Source> offered,
            int links) {
        this.lane = lane;
        this.record = record;
        this.wall = wall;
        this.device = device;
        this.nvml = nvml;
        this.offered = offered;
        this.links = links;
        this.sampler = nvml.sampler(List.of());
    }

    /**
     * Reads what is wanted once. On the lane.
     *
     * @param profiling of the same device; its newest averages become part of the sample
     */
    GpuSample read(WantedReadings readings, ProfilingSampler profiling) {
        if (!readings.equals(wanted)) {
            want(readings);
        }
        long began = lane.enter(WHOLE_BATCH, callInFlight);
        sampler.read(device, raw, codes);
        lane.leave(CallGroup.SAMPLING, began);
        takeReadings();
        takeLinkStates();
        takeLinkRate(began);
        profiling.copyTo(values, statuses);
        return GpuSample.copyOf(values, statuses, wall.millis());
    }

    /** From now on other readings; what is no longer wanted was not read. */
    private void want(WantedReadings readings) {
        List<Quantities.Source> chosen = new ArrayList<>(offered.size());
        List<NvmlQuery> queries = new ArrayList<>(offered.size() + links);
        for (Quantities.Source source : offered) {
            if (readings.wants(source.quantity()) || isPartOfRate(source.quantity(), readings)) {
                chosen.add(source);
                queries.add(source.query());
            } else {
                values[source.quantity().ordinal()] = 0;
                statuses[source.quantity().ordinal()] = GpuSample.NOT_READ;
            }
        }
        for (int link = 0; link < links; link++) {
            queries.add(Quantities.linkState(link));
        }
        NvmlSampler next = nvml.sampler(queries);
        sampler.close();
        sampler = next;
        sources = chosen;
        raw = new long[queries.size()];
        codes = new int[queries.size()];
        wanted = readings;
    }

    private static boolean isPartOfRate(Quantity quantity, WantedReadings readings) {
        return (quantity == Quantity.NVLINK_SENT_KIBIBYTES || quantity == Quantity.NVLINK_RECEIVED_KIBIBYTES)
                && readings.wants(Quantity.NVLINK_BANDWIDTH_MEGABYTES_PER_SECOND);
    }

    private String callInFlight() {
        int query = sampler.inFlight();
        return query < 0 || query >= sources.size()
                ? WHOLE_BATCH
                : Quantities.functionOf(sources.get(query).query());
    }

    /** What the last answers say about the GPU. */
    GpuCondition condition() {
        return condition;
    }

    /** How many numbers the last reading gave, without those of profiling. */
    int presentCount() {
        return presentCount;
    }

    private void takeReadings() {
        int present = 0;
        int failed = 0;
        int gone = 0;
        int lastFailure = 0;
        GpuCondition verdict = GpuCondition.Answering.INSTANCE;
        for (int i = 0; i < sources.size(); i++) {
            Quantities.Source source = sources.get(i);
            int place = source.quantity().ordinal();
            int code = codes[i];
            if (code == 0) {
                long value = sampler.isDouble(i) ? Math.round(Double.longBitsToDouble(raw[i])) : raw[i];
                boolean believable = value <= BELIEVABLE_CELSIUS || !isTemperature(source.quantity());
                values[place] = believable ? value : 0;
                statuses[place] = believable ? GpuSample.PRESENT : GpuSample.UNSUPPORTED;
                present++;
                continue;
            }
            values[place] = 0;
            ReturnMeaning meaning = ReturnMeaning.of(code);
            if (meaning == ReturnMeaning.UNSUPPORTED) {
                statuses[place] = GpuSample.UNSUPPORTED;
                continue;
            }
            statuses[place] = GpuSample.FAILED;
            record.failed(CallGroup.SAMPLING, Quantities.functionOf(source.query()), code, device.label());
            failed++;
            lastFailure = code;
            if (meaning == ReturnMeaning.DRIVER_GONE) {
                gone++;
            } else if (meaning == ReturnMeaning.LOST) {
                verdict = new GpuCondition.Lost("NVML answers " + NvmlReturn.nameOf(code));
            } else if (meaning == ReturnMeaning.RESET_NEEDED) {
                verdict = new GpuCondition.Lost(
                        "NVML answers " + NvmlReturn.nameOf(code) + ": the GPU works again only after a reset");
            }
        }
        if (present == 0 && failed > 0 && verdict instanceof GpuCondition.Answering) {
            String name = NvmlReturn.nameOf(lastFailure);
            verdict = gone == failed
                    ? new GpuCondition.DriverGone(name)
                    : new GpuCondition.Lost("no reading of it succeeds; NVML answers " + name);
        }
        presentCount = present;
        condition = verdict;
    }

    private static boolean isTemperature(Quantity quantity) {
        return quantity == Quantity.GPU_TEMPERATURE_CELSIUS || quantity == Quantity.MEMORY_TEMPERATURE_CELSIUS;
    }

    /** One bit for each active link; a state that cannot be read is no state of any link. */
    private void takeLinkStates() {
        int place = Quantity.NVLINK_ACTIVE_LINKS.ordinal();
        values[place] = 0;
        statuses[place] = GpuSample.UNSUPPORTED;
        long active = 0;
        for (int i = sources.size(); i < codes.length; i++) {
            if (codes[i] != 0) {
                statuses[place] = ReturnMeaning.of(codes[i]) == ReturnMeaning.UNSUPPORTED
                        ? GpuSample.UNSUPPORTED
                        : GpuSample.FAILED;
                return;
            }
            // Asleep is as good as active.
            active |= raw[i] == 0 ? 0 : 1L << (i - sources.size());
        }
        if (codes.length > sources.size()) {
            values[place] = active;
            statuses[place] = GpuSample.PRESENT;
        }
    }

    /** The rate of both directions since the last sampling. A counter that went back was reset: no rate this time. */
    private void takeLinkRate(long nowNanos) {
        int sent = Quantity.NVLINK_SENT_KIBIBYTES.ordinal();
        int received = Quantity.NVLINK_RECEIVED_KIBIBYTES.ordinal();
        int rate = Quantity.NVLINK_BANDWIDTH_MEGABYTES_PER_SECOND.ordinal();
        values[rate] = 0;
        if (statuses[sent] != GpuSample.PRESENT || statuses[received] != GpuSample.PRESENT) {
            statuses[rate] = statuses[sent] == GpuSample.PRESENT ? statuses[received] : statuses[sent];
            linkKibibytes = -1;
            return;
        }
        long total = values[sent] + values[received];
        long elapsed = nowNanos - linkNanos;
        if (linkKibibytes >= 0 && total >= linkKibibytes && elapsed > 0) {
            values[rate] = linkRate(total - linkKibibytes, elapsed);
            statuses[rate] = GpuSample.PRESENT;
        } else {
            statuses[rate] = GpuSample.NOT_READ;
        }
        linkKibibytes = total;
        linkNanos = nowNanos;
    }

    /** KiB per nanosecond as DCGM's "MB/s": thousands of KiB per second, without the fraction. */
    static long linkRate(long kibibytes, long nanos) {
        return (long) (kibibytes / (nanos / 1e9) / 1000);
    }

    /** Frees the native buffers. On the lane. */
    @Override
    public void close() {
        sampler.close();
        Arrays.fill(statuses, GpuSample.NOT_READ);
    }
}
