package io.gpunode.agent.time;

/** The monotonic clock. Wall time is {@link java.time.InstantSource}, a type of its own so that the two cannot be mixed. */
@FunctionalInterface
public interface MonotonicClock {
    /** Now. Cheap, any thread. */
    Tick now();
}
