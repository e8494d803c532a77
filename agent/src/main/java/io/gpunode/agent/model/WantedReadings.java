package io.gpunode.agent.model;

import java.util.EnumSet;
import java.util.Set;

/**
 * What is to be read of each GPU beside its identity: sampling costs NVML calls, so what nobody shows is not asked for. Immutable.
 *
 * @param quantities of GPUs and MIG devices; always those of {@link #ALWAYS}, too
 * @param linkQuantities of each NVLink
 * @param texts of the board
 * @param processUtilization how busy each process keeps the GPU
 */
public record WantedReadings(
        Set<Quantity> quantities, Set<LinkQuantity> linkQuantities, Set<BoardText> texts, boolean processUtilization) {
    /**
     * What the health checks judge by and the status page shows, whatever the configuration asks for. Nothing of it takes profiling (GPM):
     * that is left alone unless a field asks for it.
     */
    public static final WantedReadings ALWAYS = new WantedReadings(
            EnumSet.of(
                    // Shown by the status page
                    Quantity.GPU_UTILIZATION_PERCENT,
                    Quantity.POWER_MILLIWATTS,
                    Quantity.ENFORCED_POWER_LIMIT_MILLIWATTS,
                    Quantity.MEMORY_TOTAL_BYTES,
                    Quantity.MEMORY_USED_BYTES,
                    // Judged by health checks
                    Quantity.GPU_TEMPERATURE_CELSIUS,
                    Quantity.SLOWDOWN_TEMPERATURE_CELSIUS,
                    Quantity.SHUTDOWN_TEMPERATURE_CELSIUS,
                    Quantity.CLOCKS_EVENT_REASONS,
                    Quantity.PCIE_LINK_GENERATION,
                    Quantity.PCIE_LINK_WIDTH,
                    Quantity.PCIE_MAX_LINK_GENERATION,
                    Quantity.PCIE_MAX_LINK_WIDTH,
                    Quantity.PCIE_REPLAYS,
                    Quantity.ECC_UNCORRECTED_VOLATILE,
                    Quantity.ECC_UNCORRECTED_DRAM_VOLATILE,
                    Quantity.ECC_UNCORRECTED_SRAM_VOLATILE,
                    Quantity.ECC_UNCORRECTED_AGGREGATE,
                    Quantity.RETIRED_PAGES_SINGLE_BIT,
                    Quantity.RETIRED_PAGES_DOUBLE_BIT,
                    Quantity.RETIRED_PAGES_PENDING,
                    Quantity.REMAPPED_ROWS_UNCORRECTABLE,
                    Quantity.ROW_REMAP_PENDING,
                    Quantity.ROW_REMAP_FAILED,
                    Quantity.NVLINK_CRC_FLIT_ERRORS,
                    Quantity.NVLINK_CRC_DATA_ERRORS,
                    Quantity.NVLINK_REPLAY_ERRORS,
                    Quantity.NVLINK_RECOVERY_ERRORS,
                    Quantity.NVLINK_ACTIVE_LINKS,
                    Quantity.RECOVERY_ACTION),
            Set.of(),
            Set.of());

    /** Everything that there is. */
    public static final WantedReadings EVERYTHING = new WantedReadings(
            EnumSet.allOf(Quantity.class), EnumSet.allOf(LinkQuantity.class), EnumSet.allOf(BoardText.class), true);

    public WantedReadings {
        quantities = Set.copyOf(quantities);
        linkQuantities = Set.copyOf(linkQuantities);
        texts = Set.copyOf(texts);
    }

    /** Without how busy each process keeps the GPU. */
    public WantedReadings(Set<Quantity> quantities, Set<LinkQuantity> linkQuantities, Set<BoardText> texts) {
        this(quantities, linkQuantities, texts, false);
    }

    /** The same, with how busy each process keeps the GPU or without it. */
    public WantedReadings withProcessUtilization(boolean wanted) {
        return new WantedReadings(quantities, linkQuantities, texts, wanted);
    }

    /** These and what is {@linkplain #ALWAYS always} read. */
    public static WantedReadings of(Set<Quantity> quantities, Set<LinkQuantity> linkQuantities, Set<BoardText> texts) {
        EnumSet<Quantity> all = EnumSet.copyOf(ALWAYS.quantities);
        all.addAll(quantities);
        return new WantedReadings(all, linkQuantities, texts);
    }

    public boolean wants(Quantity quantity) {
        return quantities.contains(quantity);
    }

    public boolean wants(LinkQuantity quantity) {
        return linkQuantities.contains(quantity);
    }
}
