package io.gpunode.agent.driver;

import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.time.Duration;

/** Tells a {@link Progress} of bytes, twice a second at most. One thread. */
final class ByteProgress {
    private static final Duration EACH = Duration.ofMillis(500);

    private final Progress progress;
    private final Progress.Phase phase;
    private final MonotonicClock clock;
    private final long total;
    private final Tick began;
    private Tick told;

    /** @param total 0 when it is not known */
    ByteProgress(Progress progress, Progress.Phase phase, String what, long total, MonotonicClock clock) {
        this.progress = progress;
        this.phase = phase;
        this.clock = clock;
        this.total = total;
        this.began = clock.now();
        this.told = began;
        progress.begins(phase, what);
    }

    /** How many there are by now. */
    void at(long done) {
        Tick now = clock.now();
        if (now.since(told).compareTo(EACH) >= 0) {
            told = now;
            long millis = Math.max(1, now.since(began).toMillis());
            progress.at(phase, done, total, done / millis * 1_000 + done % millis * 1_000 / millis);
        }
    }
}
