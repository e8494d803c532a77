package io.gpunode.nvml.simulator;

import java.nio.file.Path;
import java.util.List;

/**
 * What a test or a demonstration decides about a simulated NVML: rules now, violations at the end. {@link NvmlSimulator} acts in the
 * process that loads the library, {@link ControlFile} on another process.
 *
 * <p>The rule language is described in the module's README. All methods may be called from any thread.
 */
public sealed interface SimulatorControl extends AutoCloseable permits NvmlSimulator, ControlFile {

    /** The absolute path of the installed {@code libnvidia-ml.so.1}, a copy of its own with a state of its own. */
    Path library();

    /** The root under which the library was installed, what an operator would configure as driver root. */
    Path driverRoot();

    /** What the node consists of, as its profile says; rules that came later are not in it. */
    SimulatedProfile profile();

    /**
     * Applies rules as a whole or not at all.
     *
     * @param rules one directive a line
     * @throws IllegalArgumentException when a line is refused; the message names the line and the reason, and nothing was applied
     */
    void apply(String rules);

    /** Delivers an XID event for one GPU to every event set that registered for it. */
    default void injectXid(int gpu, int xid) {
        apply("event gpu=" + gpu + " xid=" + xid);
    }

    /** Lets go of every call that hangs in a fault rule; the rules stay. */
    void releaseHangs();

    /** What the code under test did wrong so far: calls after shutdown, stale handles, leaks. Empty when all is well. */
    List<String> violations();

    /**
     * Ends control and lets go of hanging calls.
     *
     * @throws IllegalStateException when violations were recorded, or where it can be seen that init and shutdown do not balance
     */
    @Override
    void close();
}
