package io.gpunode.agent.model;

import java.util.List;

/** Whether a GPU may be given to containers, and if not, why and what would repair it. */
public sealed interface GpuHealth {
    /** It may. {@code remarks} are findings that do not withhold it. */
    record Healthy(List<Finding> remarks) implements GpuHealth {
        /** Healthy with nothing to remark. */
        public static final Healthy CLEAN = new Healthy(List.of());

        public Healthy {
            remarks = List.copyOf(remarks);
        }
    }

    /** It may not. At least one finding says why. */
    record Unhealthy(List<Finding> findings) implements GpuHealth {
        public Unhealthy {
            if (findings.isEmpty()) {
                throw new IllegalArgumentException("an unhealthy GPU has at least one finding");
            }
            findings = List.copyOf(findings);
        }
    }

    /** The findings of either. */
    default List<Finding> all() {
        return switch (this) {
            case Healthy(List<Finding> remarks) -> remarks;
            case Unhealthy(List<Finding> findings) -> findings;
        };
    }
}
