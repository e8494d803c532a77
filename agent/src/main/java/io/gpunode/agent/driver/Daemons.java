package io.gpunode.agent.driver;

import java.time.Duration;
import java.util.List;

/**
 * The driver's daemons on this node, whoever started them. A daemon whose unit the distribution has installed and enabled is started and stopped
 * through systemd; any other is a child of this agent, which outlives it and is found again by the next one. One thread at a time.
 */
public interface Daemons {
    /** What there is of each, in the order of {@link DaemonKind}. Starts and stops nothing. */
    List<DaemonStatus> observe() throws InterruptedException;

    /**
     * Starts a daemon and waits until it does its work. One that runs is left as it is. One that this node has no need of is not started.
     *
     * @param driver whose programs and libraries are used
     * @param limit after it the daemon is stopped again
     * @throws InterruptedException when the caller is to stop; what was started is stopped
     */
    DaemonOutcome start(DaemonKind kind, StagedDriver driver, Duration limit) throws InterruptedException;

    /**
     * The same for one that ran before a change of the driver, and was stopped for it: also where this node has no need of it, but only through its systemd
     * unit then, since an agent starts no child that it is not to have. One that somebody has stopped by hand stays so.
     */
    DaemonOutcome startAgain(DaemonKind kind, StagedDriver driver, Duration limit) throws InterruptedException;

    /** Those that were given up, and those that wait for their next try, count as stopped: somebody wants them tried at once. */
    void retry();

    /**
     * Stops a daemon, whoever started it, and waits until its process has ended, so that it holds no device any more.
     *
     * @param grace after it the daemon is killed
     * @throws InterruptedException when the caller is to stop; the daemon has been told to end then
     */
    DaemonOutcome stop(DaemonKind kind, Duration grace) throws InterruptedException;
}
