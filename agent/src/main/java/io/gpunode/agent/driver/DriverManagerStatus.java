package io.gpunode.agent.driver;

import java.time.Instant;
import java.util.List;

/**
 * How the driver stands towards what the configuration wants.
 *
 * @param running the driver in the kernel, in words
 * @param wanted the wanted one, in words; empty while it is not known
 * @param differences what is not as it is wanted, in sentences
 * @param reason why it stands so, with the next step; empty when there is nothing to say
 * @param step what is being done; empty when nothing is
 * @param since when the state was entered
 * @param changes how many changes were made since the agent started
 */
public record DriverManagerStatus(
        State state,
        String running,
        String wanted,
        List<String> differences,
        String reason,
        String step,
        Instant since,
        int changes) {
    /** How it stands; the texts are the names in lower case. */
    public enum State {
        /** It is being looked at, or made ready, for the first time. */
        STARTING,
        /** It is as it is wanted. */
        READY,
        /** A change is being made. */
        CHANGING,
        /** It works and is not as it is wanted: nobody has said that it may be exchanged, or a daemon of it does not run. */
        DIFFERS,
        /** Somebody has unloaded it by hand. */
        UNLOADED,
        /** It is not as it is wanted; tried again. */
        FAILED
    }

    public DriverManagerStatus {
        differences = List.copyOf(differences);
    }
}
