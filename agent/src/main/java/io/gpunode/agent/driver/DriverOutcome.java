package io.gpunode.agent.driver;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** How a change of the driver ended. */
public sealed interface DriverOutcome {
    /** What happened and, where there is one, the next step; for people. */
    String message();

    /** Whether the node is as it was wanted. */
    default boolean ok() {
        return this instanceof Done;
    }

    /**
     * The driver is as it was wanted.
     *
     * @param driver in words
     * @param steps how many were made
     * @param took from the first step to the last
     * @param outage from the first module that went to the last step; zero when none went
     * @param notes what else is to be known, in sentences
     */
    record Done(String driver, int steps, Duration took, Duration outage, List<String> notes) implements DriverOutcome {
        public Done {
            notes = List.copyOf(notes);
        }

        /** The same with something more to be known. */
        Done noting(String note) {
            List<String> more = new ArrayList<>(notes);
            more.add(note);
            return new Done(driver, steps, took, outage, more);
        }

        @Override
        public String message() {
            String what = steps == 0
                    ? nothingToDo(driver)
                    : driver + ": " + steps + (steps == 1 ? " step" : " steps") + " in " + took.toMillis() + " ms"
                            + (outage.isZero() ? "" : ", without a driver for " + outage.toMillis() + " ms");
            return what + (notes.isEmpty() ? "" : "; " + String.join("; ", notes));
        }
    }

    /**
     * What there is to say where nothing was to be done.
     *
     * @param target what it led to, in words
     */
    static String nothingToDo(String target) {
        return target.equals(DriverTarget.NONE.text())
                ? "nothing to do: no driver is loaded"
                : "nothing to do: " + target + " is as it should be";
    }

    /** Why nothing was done. */
    enum Why {
        /** Somebody uses the driver. */
        IN_USE,
        /** Another process is at it. */
        BUSY,
        /** Other nodes of the cluster go first. */
        NOT_ITS_TURN,
        /** Anything else. */
        OTHER
    }

    /**
     * Nothing was changed.
     *
     * @param holders who is in the way; empty when it is not for that
     */
    record Untouched(Why why, String message, Optional<HolderTable> holders) implements DriverOutcome {
        static Untouched of(Why why, String message) {
            return new Untouched(why, message, Optional.empty());
        }
    }

    /**
     * A step failed, and everything is as it was before.
     *
     * @param inUse whether it failed because somebody uses the driver
     * @param step the one that failed
     * @param reason why, for people
     * @param driver what is there now, in words
     * @param evidence what was found, a line each
     */
    record RolledBack(boolean inUse, String step, String reason, String driver, List<String> evidence)
            implements DriverOutcome {
        public RolledBack {
            evidence = List.copyOf(evidence);
        }

        @Override
        public String message() {
            return "could not " + step + ": " + reason + "; back to " + driver;
        }
    }

    /**
     * A step failed, and what was before is not there again yet. The journal stays: the next start, or the next change, goes on from it.
     *
     * @param step the one that failed
     * @param reason why
     * @param left what is in the way of the way back
     * @param journal the journal's file
     */
    record Stuck(String step, String reason, String left, Path journal, List<String> evidence)
            implements DriverOutcome {
        public Stuck {
            evidence = List.copyOf(evidence);
        }

        @Override
        public String message() {
            return "could not " + step + ": " + reason + "; not back yet: " + left
                    + ". It is tried again, and at once by: gpu-node-agent driver rollback";
        }
    }
}
