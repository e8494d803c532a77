package io.gpunode.agent.os;

import java.io.IOException;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * The kernel's log, read as it grows: what was in it before it was opened is not seen. One thread, but for {@link #wake()}.
 *
 * <p>The format is that of {@code /dev/kmsg} (Documentation/ABI/testing/dev-kmsg): a line for each record, {@code priority,sequence,microseconds,flags;text},
 * and lines that begin with a blank for its properties, which are passed over.
 */
public interface KernelLog extends AutoCloseable {
    /**
     * The next record's text, with the kernel's escapes undone.
     *
     * @param patience how long to wait for one, at most; whole milliseconds
     * @return null when none came in time, or the source has none to wait for
     * @throws IOException when the log cannot be read any more
     */
    @Nullable String next(Duration patience) throws IOException;

    /** Ends the wait that is under way and keeps every later {@link #next} from waiting. Any thread, at any time. */
    void wake();

    /** Records that the kernel has overwritten before they were read, and records that were too long: how often that happened. */
    long gaps();

    /** Lets go of it. Does not throw: nothing can be done about it. */
    @Override
    void close();
}
