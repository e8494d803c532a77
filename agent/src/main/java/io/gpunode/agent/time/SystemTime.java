package io.gpunode.agent.time;

import java.time.InstantSource;

/** The machine's clocks: the only place that reads them. */
public final class SystemTime {
    private SystemTime() {}

    /** {@code CLOCK_MONOTONIC}. */
    public static MonotonicClock monotonic() {
        return () -> new Tick(System.nanoTime());
    }

    /** Wall time. */
    public static InstantSource wall() {
        return InstantSource.system();
    }
}
