package io.gpunode.agent.health;

import io.gpunode.agent.model.Finding.Severity;
import io.gpunode.agent.model.GpuSample;
import io.gpunode.agent.model.Quantity;
import java.util.Set;
import java.util.function.Consumer;

/** Pages of device memory that are taken out of use (before Ampere): NVML fields 29 to 31. */
final class RetiredPagesCheck implements Check {
    static final String NAME = "retired-pages";
    /** A board keeps a list of 64; DCGM fails at the same number. */
    static final long MOST_PAGES = 63;

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public Set<Quantity> reads() {
        return Set.of(Quantity.RETIRED_PAGES_SINGLE_BIT, Quantity.RETIRED_PAGES_DOUBLE_BIT);
    }

    @Override
    public void look(Observation seen, Consumer<Symptom> symptoms) {
        long retired = read(seen.sample(), Quantity.RETIRED_PAGES_SINGLE_BIT)
                + read(seen.sample(), Quantity.RETIRED_PAGES_DOUBLE_BIT);
        if (retired >= MOST_PAGES) {
            symptoms.accept(Symptom.at(
                            NAME,
                            "full",
                            Severity.FATAL,
                            MOST_PAGES + " pages of memory or more are retired: there is no place for more",
                            Repair.CHECK_HARDWARE,
                            "the board was replaced")
                    .of(Quantity.RETIRED_PAGES_SINGLE_BIT, Quantity.RETIRED_PAGES_DOUBLE_BIT));
        }
        if (seen.atLeast(Quantity.RETIRED_PAGES_PENDING, 1)) {
            symptoms.accept(Symptom.at(
                            NAME,
                            "pending",
                            Severity.REMARK,
                            "a page of memory is retired at the next reset",
                            Repair.RESET,
                            "the GPU was reset")
                    .of(Quantity.RETIRED_PAGES_PENDING));
        }
    }

    private static long read(GpuSample sample, Quantity quantity) {
        return sample.has(quantity) ? sample.value(quantity) : 0;
    }
}
