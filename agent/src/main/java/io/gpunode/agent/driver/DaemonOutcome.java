package io.gpunode.agent.driver;

import io.gpunode.agent.os.ProcessIdentity;
import java.time.Duration;
import java.util.List;

/** What came of starting or stopping a daemon. */
public sealed interface DaemonOutcome {
    /** Whether it is now as it was asked for, or nothing had to be done. */
    default boolean ok() {
        return !(this instanceof Failed);
    }

    /**
     * It does its work.
     *
     * @param already whether it did so before
     */
    record Ready(ProcessIdentity process, DaemonStatus.Keeper keeper, boolean already, Duration took)
            implements DaemonOutcome {}

    /** This node has nothing for it to do. */
    record NotNeeded(String reason) implements DaemonOutcome {}

    /**
     * It has no process.
     *
     * @param already whether it had none before
     * @param killed whether it ended only when it was killed
     */
    record Gone(boolean already, boolean killed, Duration took) implements DaemonOutcome {}

    /**
     * It is not as it was asked for.
     *
     * @param text what happened, with what was found
     * @param evidence what it said, what systemd and the kernel say about it; oldest first, bounded
     */
    record Failed(DaemonKind kind, DaemonFault fault, String text, List<String> evidence) implements DaemonOutcome {
        public Failed {
            evidence = List.copyOf(evidence);
        }

        /** One line for logs and conditions. */
        public String line() {
            return kind.program() + ": " + fault.sentence() + (text.isEmpty() ? "" : ": " + text);
        }
    }
}
