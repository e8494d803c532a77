package io.gpunode.agent.health;

import io.gpunode.agent.time.Tick;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * A symptom that is, or was lately, seen on one GPU; immutable.
 *
 * @param first wall time of its first sight
 * @param lastSeen when it was seen last
 * @param inARow readings in a row that have shown it
 * @param counts whether it has been seen often enough
 * @param goneSince when it went; null while it counts or is about to
 * @param flapping whether it has come back soon after it went: then it has to stay away for the recovery interval
 */
record Standing(
        Symptom symptom,
        Instant first,
        Tick lastSeen,
        int inARow,
        boolean counts,
        @Nullable Tick goneSince,
        boolean flapping) {
    static Standing first(Symptom symptom, Instant wallNow, Tick now) {
        return new Standing(symptom, wallNow, now, 1, symptom.readings() <= 1, null, false);
    }

    /** Whether this is about the same symptom. */
    boolean isOf(Symptom other) {
        return symptom.check().equals(other.check()) && symptom.id().equals(other.id());
    }

    /** Seen again. */
    Standing seen(Symptom again, boolean newReading, Tick now) {
        int row = newReading ? inARow + 1 : inARow;
        return new Standing(again, first, now, row, counts || row >= again.readings(), null, flapping);
    }

    /** Seen again after it had gone. */
    Standing back(Symptom again, Instant wallNow, Tick now) {
        boolean at = again.readings() <= 1;
        return new Standing(again, wallNow, now, 1, at, null, again.severity().withholds());
    }

    /** It has gone, and is only remembered. */
    Standing gone(Tick now) {
        return new Standing(symptom, first, lastSeen, 0, false, now, flapping);
    }
}
