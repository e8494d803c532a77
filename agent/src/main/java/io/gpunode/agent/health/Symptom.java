package io.gpunode.agent.health;

import io.gpunode.agent.model.Finding.Severity;
import io.gpunode.agent.model.Quantity;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What a check sees in one observation.
 *
 * @param check name of the check
 * @param id tells the check's symptoms apart; the same symptom may change its words
 * @param severity what follows from it once it counts
 * @param reason one sentence for people; free of numbers that change with every reading, since a verdict is published when its words change
 * @param repair what helps
 * @param until when it is gone, in words that follow "as soon as"
 * @param readings in how many readings in a row it must be seen before it counts
 * @param quiet whether it must stay away for the recovery interval, rather than for one reading
 * @param judgedBy the quantities of which it is seen, and of which one that cannot be read leaves it as it was; null for all that its check reads
 */
record Symptom(
        String check,
        String id,
        Severity severity,
        String reason,
        Repair repair,
        String until,
        int readings,
        boolean quiet,
        @Nullable Set<Quantity> judgedBy) {
    /** Counts when it is seen, and is over when it is not. */
    static Symptom at(String check, String id, Severity severity, String reason, Repair repair, String until) {
        return new Symptom(check, id, severity, reason, repair, until, 1, false, null);
    }

    /** Counts only when it is seen in so many readings in a row. */
    Symptom after(int successive) {
        return new Symptom(check, id, severity, reason, repair, until, successive, quiet, judgedBy);
    }

    /** Is over only after a recovery interval without it. */
    Symptom untilQuiet() {
        return new Symptom(check, id, severity, reason, repair, until, readings, true, judgedBy);
    }

    /** Is seen of these quantities alone. */
    Symptom of(Quantity... quantities) {
        return new Symptom(check, id, severity, reason, repair, until, readings, quiet, Set.of(quantities));
    }

    /** What it is seen of. */
    Set<Quantity> reads() {
        return judgedBy == null ? Checks.reads(check) : judgedBy;
    }

    Symptom asRemark() {
        return severity == Severity.REMARK
                ? this
                : new Symptom(check, id, Severity.REMARK, reason, repair, until, readings, quiet, judgedBy);
    }
}
