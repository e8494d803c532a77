package io.gpunode.agent.gpu;

import io.gpunode.agent.model.WantedReadings;
import io.gpunode.agent.time.MonotonicClock;
import java.time.Duration;
import java.time.InstantSource;
import org.jspecify.annotations.Nullable;

/**
 * The door to NVML: opens sessions, one after the other. The inventory owns it and opens and closes; the event stream is opened by whoever
 * watches it.
 */
public final class GpuAccess {
    private final NvmlOpener opener;
    private final Duration callDeadline;
    private final MonotonicClock clock;
    private final InstantSource wall;
    private final CallRecord record;
    private @Nullable Lane system;
    private volatile @Nullable GpuSession current;
    private volatile Runnable closingListener = () -> {};
    private volatile WantedReadings wanted = WantedReadings.ALWAYS;

    /** @param callDeadline after it a lane whose call has not returned is overdue */
    public GpuAccess(
            NvmlOpener opener, Duration callDeadline, MonotonicClock clock, InstantSource wall, CallRecord record) {
        this.opener = opener;
        this.callDeadline = callDeadline;
        this.clock = clock;
        this.wall = wall;
        this.record = record;
    }

    /** Calls and faults so far. */
    public CallRecord record() {
        return record;
    }

    /** After it a call is overdue. */
    public Duration callDeadline() {
        return callDeadline;
    }

    /** Says what is to be read from the next sampling on, in this session and those that follow. Any thread. */
    public void want(WantedReadings readings) {
        wanted = readings;
    }

    /** What is read now. Any thread. */
    public WantedReadings wanted() {
        return wanted;
    }

    /** The open session; null while there is none. Any thread. */
    public @Nullable GpuSession current() {
        return current;
    }

    /**
     * Starts to open a session. Not before the last step has ended and the last session was closed. Owner only.
     *
     * @param changed called, on another thread, whenever a step, an identification or a reading of this session has ended
     */
    public Step<GpuSession> open(Runnable changed) {
        Lane lane = system;
        // A session that could not be closed in time has closed the lane: its thread ends when its call returns.
        if (lane == null || lane.closed()) {
            lane = new Lane("nvml", callDeadline, clock, record, changed);
            system = lane;
        }
        Lane opening = lane;
        Step<GpuSession> step = new Step<>();
        boolean accepted = opening.submit(() -> step.run(() -> {
            long began = opening.enter("nvmlInit");
            try {
                GpuSession session = new GpuSession(
                        opener.open(),
                        opening,
                        callDeadline,
                        clock,
                        wall,
                        record,
                        this::wanted,
                        changed,
                        this::closing);
                current = session;
                return session;
            } finally {
                opening.leave(CallGroup.SESSION, began);
            }
        }));
        if (!accepted) {
            step.run(() -> {
                throw new IllegalStateException("the NVML thread takes no work");
            });
        }
        return step;
    }

    /**
     * Asks to be told when a session has begun to close, so that its event stream is closed at once; one listener, the last one asked for.
     *
     * @param listener called on the owner's thread; quick, does not throw
     */
    public void whenClosing(Runnable listener) {
        closingListener = listener;
    }

    private void closing(GpuSession session) {
        if (session.equals(current)) {
            current = null;
        }
        closingListener.run();
    }
}
