package io.gpunode.agent.admin;

import io.gpunode.agent.admin.ReadinessCheck.Condition;
import java.util.ArrayList;
import java.util.List;

/** All conditions of readiness, asked at one time. */
record Readiness(List<Named> conditions) {
    /** A condition and whose it is. */
    record Named(String name, Condition condition) {}

    /** Asks all checks; one that fails counts as unmet. */
    static Readiness ask(List<ReadinessCheck> checks) {
        List<Named> conditions = new ArrayList<>(checks.size());
        for (ReadinessCheck check : checks) {
            Condition condition;
            try {
                condition = check.check();
            } catch (RuntimeException e) {
                condition = Condition.unmet("asking failed: " + e, "");
            }
            conditions.add(new Named(check.name(), condition));
        }
        return new Readiness(conditions);
    }

    /** Whether all are met. */
    boolean ready() {
        for (Named named : conditions) {
            if (!named.condition.ok()) {
                return false;
            }
        }
        return true;
    }
}
