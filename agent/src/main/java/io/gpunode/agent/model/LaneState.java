package io.gpunode.agent.model;

import java.time.Instant;

/** Whether NVML still answers for a GPU. */
public sealed interface LaneState {
    /** Calls return within their deadline. */
    record Responsive() implements LaneState {
        public static final Responsive INSTANCE = new Responsive();
    }

    /** A call has passed its deadline and has not returned; nothing more is asked of this GPU until it does. */
    record Unresponsive(String function, Instant since) implements LaneState {}

    /** NVML answers that the GPU is lost or needs a reset. */
    record Lost(String reason, Instant since) implements LaneState {}
}
