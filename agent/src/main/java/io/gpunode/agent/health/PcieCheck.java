package io.gpunode.agent.health;

import io.gpunode.agent.model.Finding.Severity;
import io.gpunode.agent.model.Quantity;
import java.util.Set;
import java.util.function.Consumer;

/** The PCIe link is narrower or slower than GPU and slot allow, or repeats more than its bit errors may cause. */
final class PcieCheck implements Check {
    static final String NAME = "pcie";
    /** A link is retrained now and then; a look in between sees anything. */
    static final int READINGS = 3;
    /** Only a GPU that works runs its link at full speed. */
    static final long BUSY_PERCENT = 10;

    /** GT/s by generation, from 1; PCI Express base specification. */
    private static final double[] GIGATRANSFERS = {2.5, 5, 8, 16, 32, 64};
    /** Bit errors in a minute for each GT/s of a lane, at the rate of one in 10^12 that the specification allows. */
    private static final double ERRORS_IN_A_MINUTE = 60 * 1e9 / 1e12;

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public Set<Quantity> reads() {
        return Set.of(Quantity.PCIE_LINK_WIDTH, Quantity.PCIE_LINK_GENERATION);
    }

    @Override
    public void look(Observation seen, Consumer<Symptom> symptoms) {
        if (below(seen, Quantity.PCIE_LINK_WIDTH, Quantity.PCIE_MAX_LINK_WIDTH)) {
            symptoms.accept(degraded(
                    "width",
                    "the PCIe link has " + seen.sample().value(Quantity.PCIE_LINK_WIDTH) + " lanes of "
                            + seen.sample().value(Quantity.PCIE_MAX_LINK_WIDTH)));
        }
        if (below(seen, Quantity.PCIE_LINK_GENERATION, Quantity.PCIE_MAX_LINK_GENERATION)
                && seen.atLeast(Quantity.GPU_UTILIZATION_PERCENT, BUSY_PERCENT)) {
            symptoms.accept(degraded(
                    "generation",
                    "the PCIe link runs at generation "
                            + seen.sample().value(Quantity.PCIE_LINK_GENERATION) + " under load, and could at "
                            + seen.sample().value(Quantity.PCIE_MAX_LINK_GENERATION)));
        }
        if (seen.growth().inAMinute(Quantity.PCIE_REPLAYS) > allowedReplays(seen)) {
            symptoms.accept(Symptom.at(
                    NAME,
                    "replays",
                    Severity.REMARK,
                    "the PCIe link repeats more than it may",
                    Repair.CHECK_SLOT,
                    "it was quiet for a minute"));
        }
    }

    private static Symptom degraded(String id, String reason) {
        return Symptom.at(NAME, id, Severity.REMARK, reason, Repair.CHECK_SLOT, "it is as it should be")
                .after(READINGS);
    }

    private static boolean below(Observation seen, Quantity now, Quantity most) {
        return seen.sample().has(now)
                && seen.sample().has(most)
                && seen.sample().value(now) < seen.sample().value(most);
    }

    /** Repetitions in a minute that the link's own bit error rate explains. */
    static double allowedReplays(long generation, long lanes) {
        int place = Math.clamp(generation, 1, GIGATRANSFERS.length) - 1;
        return Math.max(1, GIGATRANSFERS[place] * Math.max(1, lanes) * ERRORS_IN_A_MINUTE);
    }

    private static double allowedReplays(Observation seen) {
        return allowedReplays(
                seen.sample().has(Quantity.PCIE_LINK_GENERATION)
                        ? seen.sample().value(Quantity.PCIE_LINK_GENERATION)
                        : 1,
                seen.sample().has(Quantity.PCIE_LINK_WIDTH) ? seen.sample().value(Quantity.PCIE_LINK_WIDTH) : 1);
    }
}
