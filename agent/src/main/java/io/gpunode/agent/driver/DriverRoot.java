package io.gpunode.agent.driver;

import java.nio.file.Path;

/**
 * The driver as containers and NVIDIA's other parts look for it: its files at {@link #POINT} when they are not the host's own, its device nodes with
 * links by number in {@code /dev/char}, and its programs in a directory of the host where that is configured. One thread at a time.
 */
public interface DriverRoot {
    /** Where NVIDIA's driver container mounts its files, and everybody looks for them. */
    Path POINT = Path.of("/run/nvidia/driver");

    /**
     * Puts it in place; for when the modules are loaded and before the daemons are started. Changes only what is not as it should be: nodes and links
     * of numbers that the modules had before they were loaded anew are replaced.
     */
    RootOutcome attach(StagedDriver driver) throws InterruptedException;

    /**
     * Takes away what the agent put there; for when the daemons have ended and before the modules are unloaded. A mount is recognised by its id and
     * what it shows: one of somebody else is left alone.
     */
    RootOutcome detach() throws InterruptedException;

    /** What there is. Changes nothing. */
    RootStatus observe() throws InterruptedException;
}
