package io.gpunode.agent.os;

import java.time.Duration;
import java.util.List;

/** What came of asking a process to end. */
public sealed interface StopOutcome {
    /**
     * It has ended.
     *
     * @param killed whether only the kill ended it
     */
    record Ended(boolean killed, Duration took) implements StopOutcome {}

    /** There is no such process any more; what has its id now was left alone. */
    record NotThere() implements StopOutcome {}

    /** This process may not signal it. */
    record NotPermitted(String reason) implements StopOutcome {}

    /**
     * It was killed and is still there.
     *
     * @param state what the kernel says it does, such as {@code D (disk sleep)}
     * @param waitsIn the function of the kernel that it waits in; empty when the kernel does not tell
     * @param stack where in the kernel it is, innermost first; empty when the kernel does not tell
     */
    record StillThere(String state, String waitsIn, List<String> stack) implements StopOutcome {
        public StillThere {
            stack = List.copyOf(stack);
        }
    }
}
