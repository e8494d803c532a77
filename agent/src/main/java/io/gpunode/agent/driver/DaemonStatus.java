package io.gpunode.agent.driver;

import io.gpunode.agent.os.ProcessIdentity;
import java.util.Optional;

/**
 * What there is of a daemon at one moment.
 *
 * @param needed whether this node needs it, by its hardware and the configuration
 * @param reason why it is needed or not
 * @param process the one that is taken for it; none unless it runs
 * @param restarts how often it was started again since it last stayed, when this agent sees to it
 * @param text what more there is to say, for people; may be empty
 */
public record DaemonStatus(
        DaemonKind kind,
        boolean needed,
        String reason,
        State state,
        Keeper keeper,
        Optional<ProcessIdentity> process,
        int restarts,
        String text) {
    /** How far it is. */
    public enum State {
        /** There is no such program. */
        NOT_INSTALLED,
        STOPPED,
        /** It does not run since there is nothing for it to do, as it or the driver that it would belong to has shown; another driver may have more for it. */
        IDLE,
        /** It runs and does not do its work yet, or has ended and is about to be started again. */
        STARTING,
        READY,
        /** It ended by itself too often, its unit has failed, or its last start came to nothing and the next one is not due. */
        FAILED,
        /** It cannot be seen whether it runs; the text says why. */
        UNKNOWN
    }

    /** Who starts it again when it ends. */
    public enum Keeper {
        /** It was started by this agent, or by one before it. */
        AGENT,
        /** Its unit. */
        SYSTEMD,
        /** The container that it runs in, which is left alone. */
        CONTAINER,
        /** It runs, and was started neither by an agent nor by its unit. */
        SOMEBODY,
        NOBODY
    }

    /** Whether it has a process. */
    public boolean runs() {
        return process.isPresent();
    }
}
