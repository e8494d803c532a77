package io.gpunode.agent.driver;

/** Looks at what of the driver is on this node. */
@FunctionalInterface
public interface DriverObserver {
    /**
     * One look: some ten small files, no process, no NVML, no look at other processes. Never fails: what could not be read is told in
     * {@link ObservedDriver#unreadable}. Any thread.
     */
    ObservedDriver observe();
}
