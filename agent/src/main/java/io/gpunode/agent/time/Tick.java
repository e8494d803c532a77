package io.gpunode.agent.time;

import java.time.Duration;

/**
 * A reading of the monotonic clock. Good for deadlines, ages and rates; never for what people read.
 *
 * @param nanos nanoseconds since an arbitrary origin
 */
public record Tick(long nanos) {
    /** This tick moved by a duration. */
    public Tick plus(Duration duration) {
        return new Tick(nanos + duration.toNanos());
    }

    /** How long from the other tick to this one; negative when this one is earlier. */
    public Duration since(Tick earlier) {
        return Duration.ofNanos(nanos - earlier.nanos);
    }

    /** Whether this tick is at or after the other. */
    public boolean reached(Tick deadline) {
        return nanos - deadline.nanos >= 0;
    }
}
