package io.gpunode.agent.health;

import io.gpunode.agent.model.Finding.Severity;
import io.gpunode.agent.model.Quantity;
import java.util.Set;
import java.util.function.Consumer;

/** The driver asks for a repair: NVML field 230, {@code nvmlDeviceGpuRecoveryAction_t}; newer drivers only. */
final class RecoveryActionCheck implements Check {
    static final String NAME = "recovery-action";

    private static final int RESET = 1;
    private static final int REBOOT = 2;
    private static final int DRAIN_PEERS = 3;
    private static final int DRAIN_AND_RESET = 4;
    private static final int RECOVER_IMEX = 5;

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public Set<Quantity> reads() {
        return Set.of(Quantity.RECOVERY_ACTION);
    }

    @Override
    public void look(Observation seen, Consumer<Symptom> symptoms) {
        if (!seen.atLeast(Quantity.RECOVERY_ACTION, 1)) {
            return;
        }
        long action = seen.sample().value(Quantity.RECOVERY_ACTION);
        symptoms.accept(
                switch ((int) action) {
                    case RESET -> asks("a reset of the GPU", Severity.FATAL, Repair.RESET);
                    case REBOOT -> asks("a reboot of the node", Severity.NODE, Repair.REBOOT);
                    // Draining peers and recovering an IMEX domain concern work across GPUs; one alone still serves.
                    case DRAIN_PEERS ->
                        asks("peer-to-peer work to be drained", Severity.REMARK, Repair.DRAIN_AND_RESET);
                    case DRAIN_AND_RESET ->
                        asks("the work to be drained and the GPU to be reset", Severity.FATAL, Repair.DRAIN_AND_RESET);
                    case RECOVER_IMEX -> asks("the IMEX domain to be recovered", Severity.REMARK, Repair.IMEX);
                    default -> asks("recovery action " + action, Severity.FATAL, Repair.DRAIN_AND_RESET);
                });
    }

    private static Symptom asks(String wish, Severity severity, Repair repair) {
        return Symptom.at(
                NAME, "action", severity, "the driver asks for " + wish, repair, "the driver asks for it no more");
    }
}
