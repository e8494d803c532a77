package io.gpunode.agent.os;

import java.time.Duration;
import java.util.OptionalInt;

/** A program that was started and stays when this process ends. Any thread. */
public interface StartedProgram {
    /** Its id. */
    int pid();

    /**
     * Waits until it ends.
     *
     * @return its exit status, 128 plus the signal's number where a signal ended it; empty when it still runs after this time
     */
    OptionalInt awaitExit(Duration limit) throws InterruptedException;
}
