package io.gpunode.agent.podresources;

import java.util.Optional;

/** One cached picture for all users. */
public interface PodResourcesSource {
    /** The last good answer; empty until there was one. Never blocks, any thread. */
    Optional<PodResourcesPicture> current();
}
