package io.gpunode.agent.podresources;

import java.time.Duration;
import java.util.Optional;

/** One cached picture for all users. */
public interface PodResourcesSource {
    /** The last good answer; empty until there was one. Never blocks, any thread. */
    Optional<PodResourcesPicture> current();

    /** From one question to the next, as configured; zero where nobody asks. Never blocks, any thread. */
    default Duration interval() {
        return Duration.ZERO;
    }
}
