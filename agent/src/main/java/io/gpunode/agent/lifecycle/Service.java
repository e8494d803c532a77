package io.gpunode.agent.lifecycle;

import java.time.Duration;

/** A part of the agent that is started once and stopped once. */
public interface Service {
    /** A fixed name for logs and {@code status}. */
    String name();

    /**
     * Starts it. Returns when it works or has begun to wait for what it needs; never waits for hardware, the kubelet or the network.
     *
     * @throws Exception when it cannot ever work as configured; what had started is then stopped
     */
    void start() throws Exception;

    /**
     * Stops it and what it owns.
     *
     * @param limit how long it may take
     */
    void stop(Duration limit) throws Exception;
}
