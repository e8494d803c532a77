package io.gpunode.agent.simulation;

import io.gpunode.agent.time.Tick;

/**
 * A Register call that has been dealt with.
 *
 * @param version as asked for
 * @param endpoint the plugin's socket file name
 * @param receivedAt when the call came
 * @param answeredAt when it was answered; as {@code receivedAt} when a fault keeps the answer back
 * @param refusal why it was refused, {@code held back} when it gets no answer; empty when accepted
 */
public record Registration(
        String resource, String version, String endpoint, Tick receivedAt, Tick answeredAt, String refusal) {
    /** Whether the plugin got a good answer. */
    public boolean accepted() {
        return refusal.isEmpty();
    }
}
