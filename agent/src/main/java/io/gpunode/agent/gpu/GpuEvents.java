package io.gpunode.agent.gpu;

import io.gpunode.agent.log.Log;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import io.gpunode.nvml.NvmlEventSet;
import io.gpunode.nvml.NvmlException;
import java.time.Duration;
import java.util.Collections;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/** A stream of NVML events. One thread awaits and closes it; the lanes of the GPUs register with it. */
public final class GpuEvents implements AutoCloseable {
    /** What happened. */
    public enum Kind {
        /** The driver reported an XID; the event's data is its number. */
        XID,
        /** Many single-bit ECC errors in a short time. */
        SINGLE_BIT_ECC_STORM,
        /** Memory was taken out of use. */
        MEMORY_RETIRED,
        /** Memory should have been taken out of use, and could not be. */
        MEMORY_RETIREMENT_FAILED,
        /** Corrupted data was used, and contained. */
        POISON,
        /** Corrupted data was used, and not contained. */
        FATAL_POISON,
        /** The GPU cannot be used: look again. */
        UNAVAILABLE,
        /** The repair that it needs has changed: look again. */
        RECOVERY_ACTION_CHANGED,
        /** Its MIG layout changed: look again. */
        LAYOUT_CHANGED,
        /** A memory of the chip had an error that ECC could not correct. No event tells it: a MIG device's counter has grown. */
        CHIP_MEMORY_ERROR;

        static Kind of(long type) {
            return switch ((int) type) {
                case (int) NvmlEventSet.XID_CRITICAL_ERROR -> XID;
                case (int) NvmlEventSet.SINGLE_BIT_ECC_STORM -> SINGLE_BIT_ECC_STORM;
                case (int) NvmlEventSet.DRAM_RETIREMENT -> MEMORY_RETIRED;
                case (int) NvmlEventSet.DRAM_RETIREMENT_FAILURE -> MEMORY_RETIREMENT_FAILED;
                case (int) NvmlEventSet.NON_FATAL_POISON -> POISON;
                case (int) NvmlEventSet.FATAL_POISON -> FATAL_POISON;
                case (int) NvmlEventSet.GPU_UNAVAILABLE -> UNAVAILABLE;
                case (int) NvmlEventSet.MIG_CONFIG_CHANGE -> LAYOUT_CHANGED;
                // Nothing else was asked for; whatever it is, something has changed.
                default -> RECOVERY_ACTION_CHANGED;
            };
        }
    }

    /** One event. */
    public record GpuEvent(GpuId gpu, Kind kind, long data, OptionalInt gpuInstanceId, OptionalInt computeInstanceId) {}

    private static final Log LOG = Log.of(GpuEvents.class);
    private static final Duration REGISTRATION_LIMIT = Duration.ofMillis(500);

    private final GpuSession session;
    private final NvmlEventSet set;
    private final Map<Long, GpuId> members;
    private final MonotonicClock clock;
    private final CallRecord record;
    private final Set<GpuProbe> watched = Collections.newSetFromMap(new ConcurrentHashMap<>());
    private final Set<GpuProbe> missed = Collections.newSetFromMap(new ConcurrentHashMap<>());
    private boolean closed;
    private int registering;

    GpuEvents(GpuSession session, NvmlEventSet set, Map<Long, GpuId> members, MonotonicClock clock, CallRecord record) {
        this.session = session;
        this.set = set;
        this.members = members;
        this.clock = clock;
        this.record = record;
    }

    /**
     * Waits for the next event of a GPU that is known.
     *
     * @return null when none came in time
     */
    public @Nullable GpuEvent await(Duration timeout) throws EventChannelException {
        NvmlEventSet.NvmlEvent event;
        try {
            event = set.await(timeout);
        } catch (NvmlException e) {
            record.failed(CallGroup.EVENTS, e);
            throw new EventChannelException(e);
        }
        if (event == null) {
            return null;
        }
        GpuId gpu = members.get(event.deviceAddress());
        if (gpu == null) {
            LOG.warn("an event of an unknown GPU", "type", event.type(), "data", event.data());
            return null;
        }
        return new GpuEvent(
                gpu, Kind.of(event.type()), event.data(), id(event.gpuInstanceId()), id(event.computeInstanceId()));
    }

    private static OptionalInt id(int id) {
        return id < 0 ? OptionalInt.empty() : OptionalInt.of(id);
    }

    /** Whether the session is closing: the stream has to be closed now. */
    public boolean ending() {
        return session.isClosing();
    }

    /** Whether the set of GPUs is another one now. */
    public boolean outdated() {
        return !session.members().equals(members);
    }

    /** Whether another stream would see more: it is outdated, or a GPU answers again that could not be registered. */
    public boolean stale() {
        if (outdated()) {
            return true;
        }
        Tick now = clock.now();
        for (GpuProbe probe : missed) {
            if (probe.overdue(now) == null && probe.identification() instanceof GpuProbe.Identification.Identified) {
                return true;
            }
        }
        return false;
    }

    /** How many GPUs are watched. */
    public int watchedCount() {
        return watched.size();
    }

    NvmlEventSet set() {
        return set;
    }

    synchronized boolean beginRegistering() {
        if (closed) {
            return false;
        }
        registering++;
        return true;
    }

    synchronized void endRegistering() {
        registering--;
        notifyAll();
    }

    void watching(GpuProbe probe) {
        missed.remove(probe);
        watched.add(probe);
    }

    /** A GPU that could not be registered; one whose registration is still under way is neither watched nor missed. */
    void missed(GpuProbe probe) {
        missed.add(probe);
    }

    /** Frees the event set; keeps it when a registration has not returned, since freeing it under the call would end the process. */
    @Override
    public void close() throws EventChannelException {
        boolean free;
        synchronized (this) {
            if (closed) {
                return;
            }
            closed = true;
            Tick deadline = clock.now().plus(REGISTRATION_LIMIT);
            try {
                long millis = REGISTRATION_LIMIT.toMillis();
                while (registering > 0 && millis > 0) {
                    wait(millis);
                    millis = deadline.since(clock.now()).toMillis();
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            free = registering == 0;
        }
        try {
            if (free) {
                set.close();
            } else {
                LOG.warn("an event set is kept: a registration with it has not returned");
            }
        } catch (NvmlException e) {
            record.failed(CallGroup.EVENTS, e);
            throw new EventChannelException(e);
        } finally {
            session.eventsClosed();
        }
    }
}
