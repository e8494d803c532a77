package io.gpunode.agent.labels;

import io.gpunode.agent.time.Tick;
import java.util.Collections;
import java.util.Optional;
import java.util.SortedMap;

/**
 * One place where the node's labels can be written. The publisher tells every place again and again what is wanted there, and a place does
 * something only where that differs from what it holds. Whatever fails is part of its {@link #standing()}, and never thrown.
 */
interface LabelSink {
    /**
     * Makes the labels there be these. None takes away what this agent has written there, and nothing of somebody else. Called by the
     * publisher's loop alone; may write files, and leaves what goes over a network to another thread.
     */
    void want(SortedMap<String, String> labels);

    /**
     * Ends having labels here, because another place has them and the node shows them or is about to. The publisher's loop alone.
     *
     * @param labels what the other place has
     */
    default void leave(SortedMap<String, String> labels) {
        want(Collections.emptySortedMap());
    }

    /**
     * Whether labels can be written here, for a publisher that has the choice. The publisher's loop alone.
     *
     * @param changed called when the answer may be another one, where that can be noticed; quick, on any thread
     */
    Offer offer(Runnable changed);

    /** How it stands with what was wanted last. Any thread. */
    Standing standing();

    /** Whether labels can be written to a place. */
    enum Offer {
        YES,
        NO,
        /** Nobody could be asked so far. */
        UNKNOWN
    }

    /**
     * How a place stands.
     *
     * @param place where it is, for people
     * @param current whether what was wanted last is what is there
     * @param problem why not, with the next step; empty while nothing is wrong
     * @param written when something was last written there by this process
     */
    record Standing(String place, boolean current, String problem, Optional<Tick> written) {}
}
