package io.gpunode.agent.health;

import io.gpunode.agent.model.Finding.Severity;
import io.gpunode.agent.model.Quantity;
import java.util.Set;
import java.util.function.Consumer;

/** Rows of device memory that are replaced by spare ones (Ampere and newer): NVML fields 142 to 145. */
final class RowRemapCheck implements Check {
    static final String NAME = "row-remap";
    /** As many as a board has spare rows for; DCGM warns at the same number. */
    static final long MANY_ROWS = 512;

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public Set<Quantity> reads() {
        return Set.of(Quantity.ROW_REMAP_FAILED, Quantity.ROW_REMAP_PENDING);
    }

    @Override
    public void look(Observation seen, Consumer<Symptom> symptoms) {
        if (seen.atLeast(Quantity.ROW_REMAP_FAILED, 1)) {
            symptoms.accept(Symptom.at(
                            NAME,
                            "failed",
                            Severity.FATAL,
                            "a row of memory could not be remapped",
                            Repair.CHECK_HARDWARE,
                            "the board was replaced")
                    .of(Quantity.ROW_REMAP_FAILED));
        }
        if (seen.atLeast(Quantity.ROW_REMAP_PENDING, 1)) {
            symptoms.accept(Symptom.at(
                            NAME,
                            "pending",
                            Severity.REMARK,
                            "a row of memory is remapped at the next reset",
                            Repair.RESET,
                            "the GPU was reset")
                    .of(Quantity.ROW_REMAP_PENDING));
        }
        if (seen.atLeast(Quantity.REMAPPED_ROWS_UNCORRECTABLE, MANY_ROWS)) {
            symptoms.accept(Symptom.at(
                            NAME,
                            "many",
                            Severity.REMARK,
                            MANY_ROWS + " rows or more were remapped after uncorrectable errors",
                            Repair.CHECK_HARDWARE,
                            "the board was replaced")
                    .of(Quantity.REMAPPED_ROWS_UNCORRECTABLE));
        }
    }
}
