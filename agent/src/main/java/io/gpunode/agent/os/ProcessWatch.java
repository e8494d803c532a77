package io.gpunode.agent.os;

import java.time.Duration;

/** One process that is watched until it ends; its id may be given to another then without any harm. Closed by its owner; any thread. */
public interface ProcessWatch extends AutoCloseable {
    /**
     * Waits until it has ended, {@link #wake()} was called, or the time is over. A process that has ended and was not waited for by its parent (a
     * zombie) has ended: it holds nothing any more.
     *
     * @return whether it has ended
     */
    boolean awaitEnd(Duration limit);

    /** Ends waits at once, this one or the next. */
    void wake();

    @Override
    void close();
}
