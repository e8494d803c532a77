package io.gpunode.agent.health;

import io.gpunode.agent.model.Quantity;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The checks that judge by readings, in the order in which their findings are shown. */
final class Checks {
    /** The checks of what the driver reports by itself; {@link Check}s judge by readings. */
    static final String XID = "xid";

    static final String EVENT = "event";

    /** The check of NVSwitches, which judges the node. */
    static final String NVSWITCH = "nvswitch";

    /** The check of GPUs that the driver could not start, which judges the node. */
    static final String INIT = "init";

    static final List<Check> ALL = List.of(
            new LaneCheck(),
            new LostCheck(),
            new RecoveryActionCheck(),
            new RowRemapCheck(),
            new RetiredPagesCheck(),
            new EccCheck(),
            new FabricCheck(),
            new NvLinkCheck(),
            new TemperatureCheck(),
            new PowerBrakeCheck(),
            new PcieCheck());

    private static final Map<String, Set<Quantity>> READS = new HashMap<>();

    static {
        for (Check check : ALL) {
            READS.put(check.name(), check.reads());
        }
    }

    private Checks() {}

    /** What a check judges by; nothing when it is no check of readings. */
    static Set<Quantity> reads(String check) {
        return READS.getOrDefault(check, Set.of());
    }

    /** Whether {@code health.ignoredChecks} may name it: a GPU that does not answer cannot be offered. */
    static boolean canBeIgnored(String check) {
        return !check.equals(LaneCheck.NAME) && !check.equals(LostCheck.NAME) && !check.equals(XID);
    }

    /** The names that {@code health.ignoredChecks} may hold. */
    static List<String> ignorable() {
        List<String> names = new ArrayList<>();
        for (Check check : ALL) {
            if (canBeIgnored(check.name())) {
                names.add(check.name());
            }
        }
        names.add(EVENT);
        return names;
    }
}
