package io.gpunode.agent.mig;

import java.util.List;
import java.util.stream.Collectors;

/** What came of planning: a plan for all GPUs, or why there is none. */
public sealed interface MigDecision {
    /** It can be done. */
    record Planned(MigPlan plan) implements MigDecision {}

    /** It cannot; nothing is done on any GPU. At least one reason, in the order of the requests. */
    record Refused(List<MigRefusal> reasons) implements MigDecision {
        public Refused {
            reasons = List.copyOf(reasons);
        }

        /** All reasons, one a line. */
        public String message() {
            return reasons.stream().map(MigRefusal::message).collect(Collectors.joining("\n"));
        }
    }
}
