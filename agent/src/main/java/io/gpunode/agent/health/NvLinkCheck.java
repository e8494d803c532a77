package io.gpunode.agent.health;

import io.gpunode.agent.model.Finding.Severity;
import io.gpunode.agent.model.Quantity;
import java.util.Set;
import java.util.function.Consumer;

/** NVLink: links that went down, and errors on them. Nothing is said of a GPU in MIG mode, which uses none. */
final class NvLinkCheck implements Check {
    static final String NAME = "nvlink";
    /** A link that is being retrained is down for a moment. */
    static final int READINGS = 2;
    /** 100 in a second, where DCGM fails. */
    static final long MANY_CRC_ERRORS = 6_000;
    /** A link that recovers this often in a minute is not one. */
    static final long MANY_RECOVERIES = 10;

    private static final Quantity[] CRC_ERRORS = {Quantity.NVLINK_CRC_FLIT_ERRORS, Quantity.NVLINK_CRC_DATA_ERRORS};
    private static final Quantity[] RECOVERIES = {Quantity.NVLINK_RECOVERY_ERRORS};
    private static final Quantity[] ERRORS = {
        Quantity.NVLINK_CRC_FLIT_ERRORS,
        Quantity.NVLINK_CRC_DATA_ERRORS,
        Quantity.NVLINK_REPLAY_ERRORS,
        Quantity.NVLINK_RECOVERY_ERRORS
    };
    private static final String QUIET = "it was quiet for a minute";

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public Set<Quantity> reads() {
        return Set.of(Quantity.NVLINK_ACTIVE_LINKS, Quantity.NVLINK_RECOVERY_ERRORS);
    }

    @Override
    public void look(Observation seen, Consumer<Symptom> symptoms) {
        if (seen.gpu().migEnabled()) {
            return;
        }
        if (seen.sample().has(Quantity.NVLINK_ACTIVE_LINKS)) {
            long down = seen.growth().linksEverActive() & ~seen.sample().value(Quantity.NVLINK_ACTIVE_LINKS);
            if (down != 0) {
                symptoms.accept(Symptom.at(
                                NAME,
                                "down",
                                Severity.FATAL,
                                "NVLinks are down that were up: " + links(down),
                                Repair.CHECK_LINKS,
                                "they are up again")
                        .after(READINGS)
                        .of(Quantity.NVLINK_ACTIVE_LINKS));
            }
        }
        lookAtErrors(seen.growth(), symptoms);
    }

    private static void lookAtErrors(CounterGrowth growth, Consumer<Symptom> symptoms) {
        long crc = Math.max(
                growth.inAMinute(Quantity.NVLINK_CRC_FLIT_ERRORS), growth.inAMinute(Quantity.NVLINK_CRC_DATA_ERRORS));
        long recoveries = growth.inAMinute(Quantity.NVLINK_RECOVERY_ERRORS);
        if (crc >= MANY_CRC_ERRORS || recoveries >= MANY_RECOVERIES) {
            symptoms.accept(Symptom.at(
                            NAME,
                            "many-errors",
                            Severity.FATAL,
                            "NVLink has a high rate of errors",
                            Repair.CHECK_LINKS,
                            QUIET)
                    .untilQuiet()
                    .of(crc >= MANY_CRC_ERRORS ? CRC_ERRORS : RECOVERIES));
        } else if (crc > 0 || recoveries > 0 || growth.inAMinute(Quantity.NVLINK_REPLAY_ERRORS) > 0) {
            symptoms.accept(Symptom.at(NAME, "errors", Severity.REMARK, "NVLink has errors", Repair.CHECK_LINKS, QUIET)
                    .of(ERRORS));
        }
    }

    private static String links(long mask) {
        StringBuilder text = new StringBuilder();
        for (int link = 0; link < Long.SIZE; link++) {
            if ((mask >> link & 1) != 0) {
                text.append(text.isEmpty() ? "" : ", ").append(link);
            }
        }
        return text.toString();
    }
}
