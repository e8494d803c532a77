package io.gpunode.agent.driver;

import io.gpunode.agent.os.Mount;
import java.util.List;

/**
 * What there is of the driver's root at one moment.
 *
 * @param mounts what is mounted at its place, the one that is seen last
 * @param text what more there is to say, for people; may be empty
 */
public record RootStatus(State state, List<Mount> mounts, String text) {
    /** Whose it is. */
    public enum State {
        /** Nothing is mounted. */
        DETACHED,
        /** This agent, or one before it, has mounted the driver there. */
        ATTACHED,
        /** A stored driver is seen there, and no note says so: an agent was killed while it mounted it, or the note is lost. It may be incomplete. */
        UNNOTED,
        /** What is mounted there is not the agent's, or something of somebody else's covers it. */
        ANOTHERS,
        /** It cannot be seen; the text says why. */
        UNKNOWN
    }

    public RootStatus {
        mounts = List.copyOf(mounts);
    }
}
