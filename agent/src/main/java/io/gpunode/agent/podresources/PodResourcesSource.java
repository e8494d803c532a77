package io.gpunode.agent.podresources;

import java.time.Duration;
import java.util.Optional;

/** One cached picture for all users. */
public interface PodResourcesSource {
    /** The last good answer; empty until there was one. Never blocks, any thread. */
    Optional<PodResourcesPicture> current();

    /** Asks once more soon, because something depends on the answer. Never blocks, any thread. */
    default void askAgain() {}

    /** From one question to the next, as configured; zero where nobody asks. Never blocks, any thread. */
    default Duration interval() {
        return Duration.ZERO;
    }
}
