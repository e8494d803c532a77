package io.gpunode.agent.mig;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** How a change of MIG geometry ended. */
public sealed interface MigOutcome {
    /** What happened, and the next step where there is one, for people. */
    String message();

    /**
     * The wanted geometry is there.
     *
     * @param steps how many were made
     * @param restartNeeded whether a mode waits for the machine to be restarted
     * @param note what else has to be known or done, for people; empty for nothing
     */
    record Done(int steps, boolean restartNeeded, String note) implements MigOutcome {
        Done(int steps, boolean restartNeeded) {
            this(steps, restartNeeded, "");
        }

        @Override
        public String message() {
            return (steps == 0 ? "nothing to do" : steps + (steps == 1 ? " step" : " steps") + " done")
                    + (restartNeeded
                            ? "; MIG mode comes into force when the machine was restarted, or the GPU reset: do so, then apply again"
                            : "")
                    + after(note);
        }
    }

    /** Why a change was not made, for those who decide what to do next. */
    enum Why {
        /** Somebody uses what would have to go. */
        IN_USE,
        /** The driver refused a change of the mode that resets the GPU, and nobody who uses it can be named. */
        MODE_REFUSED,
        /** Anything else. */
        OTHER
    }

    /** Nothing of the plan was made. */
    record Untouched(Why why, String message) implements MigOutcome {}

    /**
     * A step failed, and the geometry is as it was before.
     *
     * @param why what it failed for; of a change that was interrupted only {@link Why#OTHER} is known
     * @param step the one that failed
     * @param reason why, for people
     * @param note what else has to be known or done, for people; empty for nothing
     */
    record RolledBack(Why why, String step, String reason, String note) implements MigOutcome {
        RolledBack(Why why, String step, String reason) {
            this(why, step, reason, "");
        }

        @Override
        public String message() {
            return "could not " + step + ": " + reason + "; every GPU is split as it was before" + after(note);
        }
    }

    /**
     * A step failed, and some GPUs could not be brought back yet. The journal stays, and the next start or {@code restore} goes on from it.
     *
     * @param step the one that failed
     * @param reason why
     * @param left what could not be brought back, GPU by GPU, and why
     * @param journal the journal's file
     */
    record Stuck(String step, String reason, List<String> left, Path journal) implements MigOutcome {
        public Stuck {
            left = List.copyOf(left);
        }

        @Override
        public String message() {
            return "could not " + step + ": " + reason + "; not brought back yet: " + String.join("; ", left)
                    + ". The next change goes on with it; to give it up, remove " + journal;
        }
    }

    /** The same outcome, of which something else has to be known. */
    default MigOutcome noted(String note) {
        if (note.isEmpty()) {
            return this;
        }
        return switch (this) {
            case Done done -> new Done(done.steps, done.restartNeeded, joined(done.note, note));
            case Untouched untouched -> new Untouched(untouched.why, untouched.message + after(note));
            case RolledBack rolledBack ->
                new RolledBack(rolledBack.why, rolledBack.step, rolledBack.reason, joined(rolledBack.note, note));
            case Stuck stuck -> {
                List<String> left = new ArrayList<>(stuck.left);
                left.add(note);
                yield new Stuck(stuck.step, stuck.reason, left, stuck.journal);
            }
        };
    }

    private static String joined(String first, String second) {
        return first.isEmpty() ? second : first + "; " + second;
    }

    private static String after(String note) {
        return note.isEmpty() ? "" : "; " + note;
    }
}
