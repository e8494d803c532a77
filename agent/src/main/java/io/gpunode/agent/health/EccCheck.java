package io.gpunode.agent.health;

import io.gpunode.agent.model.Finding.Severity;
import io.gpunode.agent.model.Quantity;
import java.util.Set;
import java.util.function.Consumer;

/**
 * Memory errors that ECC could not correct. A new one withholds the GPU for a while: what it hit is retired or remapped by the driver, and the
 * other checks say whether that worked. Old ones are remarks.
 */
final class EccCheck implements Check {
    static final String NAME = "ecc";

    private static final String QUIET = "no such error has come";

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public Set<Quantity> reads() {
        return Set.of(Quantity.ECC_UNCORRECTED_VOLATILE);
    }

    @Override
    public void look(Observation seen, Consumer<Symptom> symptoms) {
        long grown = seen.growth().uncorrectableOfNoInstance();
        if (grown > 0) {
            long inDram = seen.growth().sinceLast(Quantity.ECC_UNCORRECTED_DRAM_VOLATILE);
            boolean told = seen.sample().has(Quantity.ECC_UNCORRECTED_DRAM_VOLATILE);
            String where = !told ? "in its memory" : inDram > 0 ? "in device memory" : "in a memory of the chip (SRAM)";
            symptoms.accept(
                    Symptom.at(NAME, "new", Severity.FATAL, "a new uncorrectable error " + where, Repair.RESET, QUIET)
                            .untilQuiet());
        }
        if (seen.atLeast(Quantity.ECC_UNCORRECTED_VOLATILE, 1)) {
            symptoms.accept(Symptom.at(
                    NAME,
                    "volatile",
                    Severity.REMARK,
                    "uncorrectable memory errors since the driver was loaded",
                    Repair.RESET,
                    "the GPU was reset"));
        }
        if (seen.atLeast(Quantity.ECC_UNCORRECTED_AGGREGATE, 1)) {
            symptoms.accept(Symptom.at(
                    NAME,
                    "aggregate",
                    Severity.REMARK,
                    "uncorrectable memory errors in the life of the board",
                    Repair.NONE,
                    "somebody clears the counter: nvidia-smi --reset-ecc-errors=1"));
        }
    }
}
