package io.gpunode.agent.kubernetes;

import io.gpunode.agent.lifecycle.Backoff;
import io.gpunode.agent.time.Tick;
import java.time.Duration;
import java.util.random.RandomGenerator;

/** A pod that is to go, and how far that is. Belongs to the {@link NodeDrain} that follows it, and to its thread. */
final class LeavingPod {
    /** As a server suggests that refuses because of a disruption budget. */
    private static final Duration FIRST_PAUSE = Duration.ofSeconds(2);

    private static final Duration LONGEST_PAUSE = Duration.ofSeconds(15);

    /** As it was last listed. */
    GpuPod pod;
    /** Whether the server took its eviction, or would in a dry run. */
    boolean accepted;
    /** Why it was not evicted when that was asked for last; empty when it was not refused. */
    String why = "";
    /** Not asked for before. */
    Tick notBefore;

    final Backoff pauses;

    LeavingPod(GpuPod pod, Tick now, RandomGenerator random) {
        this.pod = pod;
        this.notBefore = now;
        this.pauses = new Backoff(FIRST_PAUSE, LONGEST_PAUSE, random);
    }

    boolean evictable() {
        return !accepted && pod.standing() instanceof GpuPod.Standing.Evictable;
    }
}
