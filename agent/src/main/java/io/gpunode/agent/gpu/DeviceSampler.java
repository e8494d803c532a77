package io.gpunode.agent.gpu;

import io.gpunode.agent.model.GpuSample;
import io.gpunode.agent.model.LinkQuantity;
import io.gpunode.agent.model.Quantity;
import io.gpunode.agent.model.WantedReadings;
import io.gpunode.nvml.Nvml;
import io.gpunode.nvml.NvmlDevice;
import io.gpunode.nvml.NvmlQuery;
import io.gpunode.nvml.NvmlReturn;
import java.time.InstantSource;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Set;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Samples one GPU or MIG device again and again; owned by its GPU's lane. What is wanted is asked for and nothing else, all fields in one call; what
 * cannot change is asked once. Reading allocates the sample and nothing else. Rules that turn NVML's answers into a sample are here: sentinels, rates
 * from counters, sums of links, the state of the fabric. What profiling has read last is added.
 */
final class DeviceSampler implements AutoCloseable {
    /** Boards without a working sensor answer temperatures beyond this; dcgm-exporter has the same limit. */
    private static final long BELIEVABLE_CELSIUS = 200;

    private static final String WHOLE_BATCH = "the sampled calls";
    private static final Quantity[] QUANTITIES = Quantity.values();
    private static final int LINK_PLACES = LinkQuantity.count();
    /** Places of the counters of all links together among the rates; those of each link follow in pairs. */
    private static final int ALL_SENT = 0;

    private static final int ALL_RECEIVED = 1;

    private final Lane lane;
    private final CallRecord record;
    private final InstantSource wall;
    private final Nvml nvml;
    private final NvmlDevice device;
    private final boolean ofGpu;
    private final int links;
    private final LinkRates rates;
    private final Supplier<String> callInFlight = this::callInFlight;
    private final long[] values = new long[Quantity.count()];
    private final byte[] statuses = new byte[Quantity.count()];
    private final long[] linkValues;
    private final byte[] linkStatuses;
    private @Nullable WantedReadings wanted;
    /** What is asked each time; another thread looks when a call does not return. */
    private volatile @Nullable SamplingPlan plan;
    /** What does not change, until it has been answered. */
    private @Nullable SamplingPlan facts;

    private GpuCondition condition = GpuCondition.Answering.INSTANCE;
    private int presentCount;

    /**
     * @param ofGpu whether it is a GPU; else a MIG device
     * @param links how many NVLinks it has; 0 for a MIG device
     */
    DeviceSampler(
            Lane lane, CallRecord record, InstantSource wall, Nvml nvml, NvmlDevice device, boolean ofGpu, int links) {
        this.lane = lane;
        this.record = record;
        this.wall = wall;
        this.nvml = nvml;
        this.device = device;
        this.ofGpu = ofGpu;
        this.links = links;
        this.rates = new LinkRates(2 + 2 * links);
        this.linkValues = new long[links * LINK_PLACES];
        this.linkStatuses = new byte[links * LINK_PLACES];
    }

    /**
     * Reads what is wanted once. On the lane.
     *
     * @param profiling of the same device; its newest averages become part of the sample
     */
    GpuSample read(WantedReadings readings, ProfilingSampler profiling) {
        SamplingPlan asked = plan;
        if (asked == null || !readings.equals(wanted)) {
            asked = want(readings);
        }
        readFacts();
        long began = lane.enter(WHOLE_BATCH, callInFlight);
        asked.read(device);
        lane.leave(CallGroup.SAMPLING, began);
        rates.begin(began);
        takeReadings(asked);
        takeLinks(asked);
        takeRates(asked);
        takeSums();
        takeFabric();
        takeMemoryShare();
        profiling.copyTo(values, statuses);
        profiling.copyLinksTo(linkValues, linkStatuses);
        return readings.linkQuantities().isEmpty()
                ? GpuSample.copyOf(values, statuses, wall.millis())
                : GpuSample.copyOf(values, statuses, linkValues, linkStatuses, wall.millis());
    }

    /** From now on other readings; what is no longer wanted was not read. */
    private SamplingPlan want(WantedReadings readings) {
        Set<Quantity> quantities = EnumSet.noneOf(Quantity.class);
        quantities.addAll(readings.quantities());
        Set<LinkQuantity> ofLinks = EnumSet.noneOf(LinkQuantity.class);
        ofLinks.addAll(readings.linkQuantities());
        addParts(quantities, ofLinks);
        SamplingPlan.Builder repeated = new SamplingPlan.Builder();
        SamplingPlan.Builder once = new SamplingPlan.Builder();
        for (Quantity quantity : QUANTITIES) {
            NvmlQuery query = ofGpu ? Quantities.ofGpu(quantity) : Quantities.ofMigDevice(quantity);
            if (query == null || !quantities.contains(quantity)) {
                forget(quantity);
            } else if (Quantities.isFact(quantity)) {
                once.add(quantity, query);
            } else {
                repeated.add(quantity, query);
            }
        }
        repeated.addLinks(links, ofLinks);
        Arrays.fill(linkValues, 0);
        Arrays.fill(linkStatuses, GpuSample.NOT_READ);
        SamplingPlan next = repeated.build(nvml);
        SamplingPlan nextFacts = once.build(nvml);
        closePlans();
        plan = next;
        facts = nextFacts;
        wanted = readings;
        return next;
    }

    /** What the computed ones are computed from. */
    private static void addParts(Set<Quantity> quantities, Set<LinkQuantity> ofLinks) {
        if (quantities.contains(Quantity.NVLINK_BANDWIDTH_MEGABYTES_PER_SECOND)
                || quantities.contains(Quantity.NVLINK_SENT_MEGABYTES_PER_SECOND)
                || quantities.contains(Quantity.NVLINK_RECEIVED_MEGABYTES_PER_SECOND)) {
            quantities.add(Quantity.NVLINK_SENT_KIBIBYTES);
            quantities.add(Quantity.NVLINK_RECEIVED_KIBIBYTES);
        }
        if (quantities.contains(Quantity.MEMORY_USED_RATIO)) {
            quantities.add(Quantity.MEMORY_RESERVED_BYTES);
        }
        if (quantities.contains(Quantity.FABRIC_STATE)
                || quantities.contains(Quantity.FABRIC_STATUS)
                || quantities.contains(Quantity.FABRIC_CLIQUE)) {
            quantities.add(Quantity.FABRIC_STATE);
            quantities.add(Quantity.FABRIC_STATUS);
        }
        if (quantities.contains(Quantity.NVLINK_ACTIVE_LINKS)) {
            ofLinks.add(LinkQuantity.STATE);
        }
        if (quantities.contains(Quantity.NVLINK_DATA_LINK_CRC_ERRORS)) {
            ofLinks.add(LinkQuantity.DATA_LINK_CRC_ERRORS);
        }
        if (quantities.contains(Quantity.NVLINK_DATA_LINK_RECOVERIES)) {
            ofLinks.add(LinkQuantity.DATA_LINK_RECOVERIES);
        }
        if (quantities.contains(Quantity.NVLINK_DATA_LINK_REPLAYS)) {
            ofLinks.add(LinkQuantity.DATA_LINK_REPLAYS);
        }
        if (ofLinks.contains(LinkQuantity.MEGABYTES_PER_SECOND)
                || ofLinks.contains(LinkQuantity.SENT_MEGABYTES_PER_SECOND)
                || ofLinks.contains(LinkQuantity.RECEIVED_MEGABYTES_PER_SECOND)
                || ofLinks.contains(LinkQuantity.SENT_BYTES_PER_SECOND)
                || ofLinks.contains(LinkQuantity.RECEIVED_BYTES_PER_SECOND)) {
            ofLinks.add(LinkQuantity.SENT_KIBIBYTES);
            ofLinks.add(LinkQuantity.RECEIVED_KIBIBYTES);
        }
    }

    private String callInFlight() {
        SamplingPlan asked = plan;
        String function = asked == null ? null : asked.functionInFlight();
        return function == null ? WHOLE_BATCH : function;
    }

    /** What the last answers say about the GPU. */
    GpuCondition condition() {
        return condition;
    }

    /** How many numbers the last reading gave, without those of profiling. */
    int presentCount() {
        return presentCount;
    }

    /** Asks what does not change, unless it has been answered: an answer that failed comes perhaps the next time. */
    private void readFacts() {
        SamplingPlan asked = facts;
        if (asked == null) {
            return;
        }
        if (!asked.isEmpty()) {
            long began = lane.enter(Quantities.functionOf(asked.query(0)));
            asked.read(device);
            lane.leave(CallGroup.SAMPLING, began);
            boolean answered = true;
            for (int place = 0; place < asked.size(); place++) {
                if (!take(asked, place)) {
                    record.failed(
                            CallGroup.SAMPLING,
                            Quantities.functionOf(asked.query(place)),
                            asked.code(place),
                            device.label());
                    answered = false;
                }
            }
            if (!answered) {
                return;
            }
        }
        asked.close();
        facts = null;
    }

    private void takeReadings(SamplingPlan asked) {
        int present = 0;
        int failed = 0;
        int gone = 0;
        int lastFailure = 0;
        GpuCondition verdict = GpuCondition.Answering.INSTANCE;
        for (int place = 0; place < asked.size(); place++) {
            int code = asked.code(place);
            boolean answered = take(asked, place);
            if (code == 0) {
                present++;
                continue;
            }
            if (answered) {
                continue;
            }
            record.failed(CallGroup.SAMPLING, Quantities.functionOf(asked.query(place)), code, device.label());
            failed++;
            lastFailure = code;
            ReturnMeaning meaning = ReturnMeaning.of(code);
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

    /** Takes one answer over; false when it failed and may come another time. */
    private boolean take(SamplingPlan asked, int place) {
        Quantity quantity = asked.quantity(place);
        int at = quantity.ordinal();
        values[at] = 0;
        int code = asked.code(place);
        if (code != 0) {
            statuses[at] = absence(code);
            return statuses[at] != GpuSample.FAILED;
        }
        long value = asked.value(place);
        boolean believable = asked.isNumber(place, Quantities.isSigned(quantity))
                && (value <= BELIEVABLE_CELSIUS || !isTemperature(quantity));
        values[at] = believable ? value : 0;
        statuses[at] = believable ? GpuSample.PRESENT : GpuSample.UNSUPPORTED;
        if (believable && quantity == Quantity.NVLINK_SENT_KIBIBYTES) {
            rates.take(ALL_SENT, value, asked.isNarrow(place));
        } else if (believable && quantity == Quantity.NVLINK_RECEIVED_KIBIBYTES) {
            rates.take(ALL_RECEIVED, value, asked.isNarrow(place));
        }
        return true;
    }

    private static byte absence(int code) {
        return ReturnMeaning.of(code) == ReturnMeaning.UNSUPPORTED ? GpuSample.UNSUPPORTED : GpuSample.FAILED;
    }

    private static boolean isTemperature(Quantity quantity) {
        return quantity == Quantity.GPU_TEMPERATURE_CELSIUS || quantity == Quantity.MEMORY_TEMPERATURE_CELSIUS;
    }

    private void takeLinks(SamplingPlan asked) {
        for (int link = 0; link < asked.links(); link++) {
            for (int i = 0; i < asked.linkSize(); i++) {
                int place = asked.place(link, i);
                int at = link * LINK_PLACES + asked.linkQuantity(i).ordinal();
                int code = asked.code(place);
                boolean present = code == 0 && asked.isNumber(place, false);
                linkValues[at] = present ? asked.value(place) : 0;
                linkStatuses[at] = present ? GpuSample.PRESENT : code == 0 ? GpuSample.UNSUPPORTED : absence(code);
                if (present && asked.linkQuantity(i) == LinkQuantity.SENT_KIBIBYTES) {
                    rates.take(sent(link), linkValues[at], asked.isNarrow(place));
                } else if (present && asked.linkQuantity(i) == LinkQuantity.RECEIVED_KIBIBYTES) {
                    rates.take(received(link), linkValues[at], asked.isNarrow(place));
                }
            }
        }
    }

    /** The places of a link's two counters among the rates. */
    private static int sent(int link) {
        return 2 + 2 * link;
    }

    private static int received(int link) {
        return sent(link) + 1;
    }

    /** Payload per second of all links and of each since the last sampling. */
    private void takeRates(SamplingPlan asked) {
        byte absent = absentOf(
                statuses[Quantity.NVLINK_SENT_KIBIBYTES.ordinal()],
                statuses[Quantity.NVLINK_RECEIVED_KIBIBYTES.ordinal()]);
        setRate(Quantity.NVLINK_SENT_MEGABYTES_PER_SECOND, rates.megabytesPerSecond(ALL_SENT), absent);
        setRate(Quantity.NVLINK_RECEIVED_MEGABYTES_PER_SECOND, rates.megabytesPerSecond(ALL_RECEIVED), absent);
        setRate(
                Quantity.NVLINK_BANDWIDTH_MEGABYTES_PER_SECOND,
                rates.megabytesPerSecond(ALL_SENT, ALL_RECEIVED),
                absent);
        for (int link = 0; link < asked.links(); link++) {
            int base = link * LINK_PLACES;
            byte none = absentOf(
                    linkStatuses[base + LinkQuantity.SENT_KIBIBYTES.ordinal()],
                    linkStatuses[base + LinkQuantity.RECEIVED_KIBIBYTES.ordinal()]);
            setRate(link, LinkQuantity.SENT_BYTES_PER_SECOND, rates.bytesPerSecond(sent(link)), none);
            setRate(link, LinkQuantity.RECEIVED_BYTES_PER_SECOND, rates.bytesPerSecond(received(link)), none);
            setRate(link, LinkQuantity.SENT_MEGABYTES_PER_SECOND, rates.megabytesPerSecond(sent(link)), none);
            setRate(link, LinkQuantity.RECEIVED_MEGABYTES_PER_SECOND, rates.megabytesPerSecond(received(link)), none);
            setRate(
                    link,
                    LinkQuantity.MEGABYTES_PER_SECOND,
                    rates.megabytesPerSecond(sent(link), received(link)),
                    none);
        }
    }

    /** Why there is no rate of two counters; that it takes a second reading when both are there. */
    private static byte absentOf(byte one, byte other) {
        return one != GpuSample.PRESENT ? one : other != GpuSample.PRESENT ? other : GpuSample.NOT_READ;
    }

    /** One bit for each active link, and counters that are the sum of those of all links. */
    private void takeSums() {
        long active = 0;
        for (int link = 0; link < links; link++) {
            // Asleep is as good as active.
            active |= linkValues[link * LINK_PLACES + LinkQuantity.STATE.ordinal()] == 0 ? 0 : 1L << link;
        }
        set(Quantity.NVLINK_ACTIVE_LINKS, active, statusOfLinks(LinkQuantity.STATE));
        takeSum(Quantity.NVLINK_DATA_LINK_CRC_ERRORS, LinkQuantity.DATA_LINK_CRC_ERRORS);
        takeSum(Quantity.NVLINK_DATA_LINK_RECOVERIES, LinkQuantity.DATA_LINK_RECOVERIES);
        takeSum(Quantity.NVLINK_DATA_LINK_REPLAYS, LinkQuantity.DATA_LINK_REPLAYS);
    }

    private void takeSum(Quantity sum, LinkQuantity quantity) {
        long total = 0;
        for (int link = 0; link < links; link++) {
            total += linkValues[link * LINK_PLACES + quantity.ordinal()];
        }
        set(sum, total, statusOfLinks(quantity));
    }

    /** The whole is there when one link has it: those that do not offer it add nothing. One that failed makes the whole fail. */
    private byte statusOfLinks(LinkQuantity quantity) {
        byte whole = GpuSample.UNSUPPORTED;
        for (int link = 0; link < links; link++) {
            byte status = linkStatuses[link * LINK_PLACES + quantity.ordinal()];
            if (status == GpuSample.FAILED) {
                return status;
            }
            whole = whole == GpuSample.PRESENT ? whole : status;
        }
        return whole;
    }

    /** NVML says how the registration ended, and in which clique the GPU is, once it has ended. */
    private void takeFabric() {
        if (statuses[Quantity.FABRIC_STATE.ordinal()] != GpuSample.PRESENT) {
            return;
        }
        int state = (int) values[Quantity.FABRIC_STATE.ordinal()];
        int status = (int) values[Quantity.FABRIC_STATUS.ordinal()];
        values[Quantity.FABRIC_STATE.ordinal()] = FabricStates.registration(state, status);
        if (!FabricStates.isCompleted(state)) {
            forget(Quantity.FABRIC_STATUS);
            forget(Quantity.FABRIC_CLIQUE);
        }
    }

    private void takeMemoryShare() {
        int at = Quantity.MEMORY_USED_RATIO.ordinal();
        byte status = statuses[Quantity.MEMORY_RESERVED_BYTES.ordinal()];
        long usable = values[Quantity.MEMORY_TOTAL_BYTES.ordinal()] - values[Quantity.MEMORY_RESERVED_BYTES.ordinal()];
        boolean present = status == GpuSample.PRESENT && usable > 0;
        values[at] = present
                ? Double.doubleToRawLongBits((double) values[Quantity.MEMORY_USED_BYTES.ordinal()] / usable)
                : 0;
        statuses[at] = status == GpuSample.PRESENT && !present ? GpuSample.UNSUPPORTED : status;
    }

    private void set(Quantity quantity, long value, byte status) {
        values[quantity.ordinal()] = status == GpuSample.PRESENT ? value : 0;
        statuses[quantity.ordinal()] = status;
    }

    private void setRate(Quantity quantity, long rate, byte absent) {
        set(quantity, rate, rate == LinkRates.UNKNOWN ? absent : GpuSample.PRESENT);
    }

    private void setRate(int link, LinkQuantity quantity, long rate, byte absent) {
        int at = link * LINK_PLACES + quantity.ordinal();
        linkValues[at] = Math.max(rate, 0);
        linkStatuses[at] = rate == LinkRates.UNKNOWN ? absent : GpuSample.PRESENT;
    }

    private void forget(Quantity quantity) {
        values[quantity.ordinal()] = 0;
        statuses[quantity.ordinal()] = GpuSample.NOT_READ;
    }

    private void closePlans() {
        SamplingPlan asked = plan;
        if (asked != null) {
            asked.close();
            plan = null;
        }
        if (facts != null) {
            facts.close();
            facts = null;
        }
    }

    /** Frees the native buffers. On the lane. */
    @Override
    public void close() {
        closePlans();
        Arrays.fill(statuses, GpuSample.NOT_READ);
    }
}
