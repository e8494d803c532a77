package io.gpunode.agent.health;

import io.gpunode.agent.gpu.GpuEvents;
import io.gpunode.agent.model.Finding.Severity;
import java.util.List;

/**
 * What NVML's events that are no XIDs say about a GPU, as data; their names are those of {@code nvml.h}. Newer drivers send much of it as an
 * XID as well; the GPU is withheld once.
 */
final class EventTable {
    /**
     * One kind of event.
     *
     * @param meaning in words
     * @param severity what follows from it
     * @param repair what usually helps
     */
    record Row(GpuEvents.Kind kind, String meaning, Severity severity, Repair repair) {}

    private static final List<Row> ROWS = List.of(
            new Row(
                    GpuEvents.Kind.SINGLE_BIT_ECC_STORM,
                    "the driver reports a storm of single-bit ECC errors",
                    Severity.REMARK,
                    Repair.CHECK_HARDWARE),
            new Row(
                    GpuEvents.Kind.MEMORY_RETIRED,
                    "the driver has retired memory; it takes effect at the next reset",
                    Severity.REMARK,
                    Repair.RESET),
            new Row(
                    GpuEvents.Kind.MEMORY_RETIREMENT_FAILED,
                    "the driver could not retire memory",
                    Severity.FATAL,
                    Repair.CHECK_HARDWARE),
            new Row(
                    GpuEvents.Kind.POISON,
                    "the driver reports corrupted data that was contained",
                    Severity.REMARK,
                    Repair.RESTART_WORK),
            new Row(
                    GpuEvents.Kind.FATAL_POISON,
                    "the driver reports corrupted data that was not contained",
                    Severity.FATAL,
                    Repair.RESET),
            new Row(
                    GpuEvents.Kind.UNAVAILABLE,
                    "the driver reports that the GPU cannot be used",
                    Severity.FATAL,
                    Repair.DRAIN_AND_RESET),
            new Row(
                    GpuEvents.Kind.CHIP_MEMORY_ERROR,
                    "the driver counts a new uncorrectable error in a memory of the chip (SRAM)",
                    Severity.FATAL,
                    Repair.RESET));

    private EventTable() {}

    static List<Row> rows() {
        return ROWS;
    }

    /** The row of a kind that says something against a GPU. */
    static Row row(GpuEvents.Kind kind) {
        for (Row row : ROWS) {
            if (row.kind() == kind) {
                return row;
            }
        }
        throw new IllegalArgumentException(kind + " says nothing against a GPU");
    }
}
