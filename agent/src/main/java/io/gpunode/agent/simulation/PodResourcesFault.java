package io.gpunode.agent.simulation;

import io.grpc.Status;

/** How PodResources misbehaves. */
public sealed interface PodResourcesFault {
    /** Not at all. */
    record None() implements PodResourcesFault {}

    /** It answers this status. */
    record Failing(Status status) implements PodResourcesFault {}

    /** It never answers. */
    record Hanging() implements PodResourcesFault {}

    /**
     * Its answer is larger than it should be.
     *
     * @param bytes at least this large
     */
    record Oversized(int bytes) implements PodResourcesFault {}
}
