package io.gpunode.agent.config;

import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.time.Duration;

/**
 * Tells when the files of the configuration differ from what was read of them. It is asked, and looks: {@link #PAUSE} is how often it wants to
 * be. A change counts when it has been the same for {@link #SETTLED}, so that a file that an editor is still writing is not read half. Owned by
 * the daemon's thread.
 */
public final class ConfigWatch {
    /** How long a change must have stood still. */
    public static final Duration SETTLED = Duration.ofMillis(500);

    /** From one look to the next while nothing changes. */
    public static final Duration PAUSE = Duration.ofSeconds(2);

    private final MonotonicClock clock;
    private FileStamps read;
    private FileStamps seen;
    private Tick since;

    /** @param read the stamps of the load that is in force */
    public ConfigWatch(FileStamps read, MonotonicClock clock) {
        this.clock = clock;
        this.read = read;
        this.seen = read;
        this.since = clock.now();
    }

    /** A load has read the files again, whether they were good or not. */
    public void read(FileStamps stamps) {
        read = stamps;
        seen = stamps;
    }

    /** Looks at the files: whether they should be read again now. */
    public boolean changed() {
        FileStamps now = read.now();
        Tick at = clock.now();
        if (!now.equals(seen)) {
            seen = now;
            since = at;
        }
        return !now.equals(read) && at.reached(since.plus(SETTLED));
    }

    /** When to look again. */
    public Duration pause() {
        return seen.equals(read) ? PAUSE : SETTLED;
    }
}
