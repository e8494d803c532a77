package io.gpunode.agent.inventory;

import io.gpunode.agent.gpu.GpuCondition;
import io.gpunode.agent.gpu.GpuIdentity;
import io.gpunode.agent.gpu.GpuProbe;
import io.gpunode.agent.gpu.GpuReading;
import io.gpunode.agent.gpu.Lane;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.GpuSample;
import io.gpunode.agent.model.HealthVerdict;
import io.gpunode.agent.model.LaneState;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.model.Quantity;
import io.gpunode.agent.model.Reading;
import io.gpunode.agent.model.XidCounts;
import io.gpunode.agent.time.Tick;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/** What the inventory remembers of one GPU. Owned by the inventory's thread. */
final class KnownGpu {
    private static final GpuCondition ANSWERING = new GpuCondition.Answering();

    private GpuIdentity identity;
    /** What its readings are about: another layout than the picture's while it is held. */
    private List<GpuIdentity.Mig> probed;

    private boolean held;
    /** Of its MIG devices, in their order; empty until the kernel's table was asked. */
    private List<Capabilities> capabilities = List.of();

    private final OptionalInt pciClass;
    private final OptionalInt numaNode;
    private @Nullable GpuProbe probe;
    private long newestRound;
    private long askedRound;
    private long identifiedRound;
    private GpuCondition condition = new GpuCondition.Lost("it was not asked yet");
    /** Whether the condition is about being found at all. One of a reading holds until the next reading: a lost GPU may still tell its name. */
    private boolean conditionIsOfRoster = true;

    private LaneState lane = LaneState.Responsive.INSTANCE;
    private HealthVerdict verdict;
    private XidCounts xids = XidCounts.NONE;
    private @Nullable GpuReading reading;
    private boolean linksChanged;

    KnownGpu(GpuIdentity identity, OptionalInt pciClass, OptionalInt numaNode) {
        this.identity = identity;
        this.probed = identity.migDevices();
        this.pciClass = pciClass;
        this.numaNode = numaNode;
        this.verdict = HealthVerdict.clean(identity.id());
    }

    GpuId id() {
        return identity.id();
    }

    GpuIdentity identity() {
        return identity;
    }

    @Nullable GpuProbe probe() {
        return probe;
    }

    GpuCondition condition() {
        return condition;
    }

    long identifiedRound() {
        return identifiedRound;
    }

    void verdict(HealthVerdict next) {
        verdict = next;
    }

    void xids(XidCounts seen) {
        xids = seen;
    }

    /** The capability nodes of a MIG device. */
    private record Capabilities(OptionalInt gpuInstance, OptionalInt computeInstance) {
        static final Capabilities UNKNOWN = new Capabilities(OptionalInt.empty(), OptionalInt.empty());

        boolean complete() {
            return gpuInstance.isPresent() && computeInstance.isPresent();
        }
    }

    /** Whether the capability nodes of a MIG device are still to be found. */
    boolean lacksCapabilities() {
        return capabilities.size() != identity.migDevices().size()
                || !capabilities.stream().allMatch(Capabilities::complete);
    }

    /** Finds the capability nodes of its MIG devices in the kernel's table. */
    void capabilities(MigMinors table) {
        List<Capabilities> found = new ArrayList<>(identity.migDevices().size());
        for (GpuIdentity.Mig mig : identity.migDevices()) {
            found.add(new Capabilities(
                    table.gpuInstance(identity.minor(), mig.gpuInstanceId()),
                    table.computeInstance(identity.minor(), mig.gpuInstanceId(), mig.computeInstanceId())));
        }
        capabilities = List.copyOf(found);
    }

    /** It was identified at this probe. */
    void identified(GpuProbe at, GpuIdentity found, long round) {
        if (!found.migDevices().equals(probed)) {
            // The samples of the old layout belong to nothing of the new one.
            reading = null;
            probed = found.migDevices();
        }
        if (!held && !found.equals(identity)) {
            identity = found;
            capabilities = List.of();
        }
        probe = at;
        identifiedRound = round;
        newestRound = Math.max(round, newestRound);
        if (conditionIsOfRoster) {
            condition = ANSWERING;
        }
    }

    /** While it is held, what it is stays in the picture as it was: it is being split anew. Whether it answers is shown all the same. */
    void held(boolean now) {
        held = now;
    }

    /** Its probe could not identify it, or no probe has it any more. */
    void lost(@Nullable GpuProbe at, GpuCondition why, long round) {
        probe = at;
        newestRound = round;
        condition = why;
        conditionIsOfRoster = true;
    }

    /** Asks its probe for a sampling, unless the last one is still under way. */
    void sample(long round, boolean profile) {
        if (probe != null && probe.sample(round, profile)) {
            askedRound = round;
        }
    }

    /** Takes over its probe's newest reading; false when there is none that is new. */
    boolean collect() {
        GpuReading newest = probe == null ? null : probe.reading();
        if (newest == null || newest.round() <= newestRound) {
            return false;
        }
        newestRound = newest.round();
        linksChanged |= reading != null && !activeLinks(reading).equals(activeLinks(newest));
        reading = newest;
        condition = newest.condition();
        conditionIsOfRoster = false;
        return true;
    }

    private static OptionalLong activeLinks(GpuReading reading) {
        return reading.sample().has(Quantity.NVLINK_ACTIVE_LINKS)
                ? OptionalLong.of(reading.sample().value(Quantity.NVLINK_ACTIVE_LINKS))
                : OptionalLong.empty();
    }

    /** Whether NVLinks went down or came up since this was asked last. */
    boolean takeLinksChanged() {
        boolean changed = linksChanged;
        linksChanged = false;
        return changed;
    }

    /** The reading that was taken over last. */
    @Nullable GpuReading reading() {
        return reading;
    }

    /** Whether it needs no further waiting in this round. */
    boolean doneWith(long round, Tick now) {
        GpuReading newest = probe == null ? null : probe.reading();
        boolean answered = newest != null && newest.round() >= round;
        return answered || probe == null || askedRound < round || probe.overdue(now) != null;
    }

    /** Looks at its lane and its answers; true when they say something new. {@code since} of a state that goes on is kept. */
    boolean updateLane(Tick now, Instant wallNow) {
        LaneState before = lane;
        lane = laneNow(now, wallNow);
        return !lane.equals(before);
    }

    private LaneState laneNow(Tick now, Instant wallNow) {
        Lane.Overdue overdue = probe == null ? null : probe.overdue(now);
        if (overdue != null) {
            return lane instanceof LaneState.Unresponsive(String function, Instant _)
                            && function.equals(overdue.function())
                    ? lane
                    : new LaneState.Unresponsive(overdue.function(), wallNow.minus(now.since(overdue.since())));
        }
        return switch (condition) {
            case GpuCondition.Answering _ -> LaneState.Responsive.INSTANCE;
            case GpuCondition.Lost(String reason) -> lost(reason, wallNow);
            case GpuCondition.DriverGone(String returned) -> lost("NVML answers " + returned, wallNow);
        };
    }

    private LaneState lost(String reason, Instant wallNow) {
        return lane instanceof LaneState.Lost(String before, Instant _) && before.equals(reason)
                ? lane
                : new LaneState.Lost(reason, wallNow);
    }

    Gpu picture() {
        GpuReading newest = reading;
        return new Gpu(
                identity.id(),
                identity.index(),
                identity.minor(),
                identity.pci(),
                identity.name(),
                identity.serial(),
                identity.vbiosVersion(),
                identity.computeCapability(),
                identity.architecture(),
                identity.memoryBytes(),
                identity.persistenceMode(),
                pciClass,
                numaNode,
                identity.migMode(),
                migDevices(newest),
                identity.fabric(),
                verdict.health(),
                lane,
                xids.last(),
                xids,
                newest == null ? GpuSample.EMPTY : newest.sample(),
                newest == null ? new Reading.NotRead<>() : newest.processes(),
                identity.texts());
    }

    private List<MigDevice> migDevices(@Nullable GpuReading newest) {
        List<GpuIdentity.Mig> layout = identity.migDevices();
        if (layout.isEmpty()) {
            return List.of();
        }
        List<GpuSample> samples =
                newest != null && newest.migSamples().size() == probed.size() ? newest.migSamples() : List.of();
        List<MigDevice> devices = new ArrayList<>(layout.size());
        for (int i = 0; i < layout.size(); i++) {
            GpuIdentity.Mig mig = layout.get(i);
            int place = samples.isEmpty() ? -1 : place(mig, i);
            GpuSample sample = place < 0 ? GpuSample.EMPTY : samples.get(place);
            Capabilities nodes = i < capabilities.size() ? capabilities.get(i) : Capabilities.UNKNOWN;
            devices.add(new MigDevice(
                    mig.id(),
                    mig.index(),
                    mig.gpuInstanceId(),
                    mig.computeInstanceId(),
                    mig.profile(),
                    mig.gpuSlices(),
                    mig.computeSlices(),
                    mig.memoryMebibytes(),
                    mig.attributes(),
                    nodes.gpuInstance(),
                    nodes.computeInstance(),
                    verdict.migDevice(mig.id()),
                    sample));
        }
        return devices;
    }

    /** Where the readings have a MIG device of the picture; -1 when they have it not. */
    private int place(GpuIdentity.Mig mig, int expected) {
        if (expected < probed.size() && probed.get(expected).equals(mig)) {
            return expected;
        }
        return probed.indexOf(mig);
    }
}
