package io.gpunode.agent.gpu;

/** What closing a session achieved. */
public enum CloseOutcome {
    /** NVML was shut down and unmapped: the driver is free to be unloaded as far as this process goes. */
    CLOSED,
    /** A call did not return in time: NVML was not shut down, and holds the driver until the call returns after all. */
    WEDGED
}
