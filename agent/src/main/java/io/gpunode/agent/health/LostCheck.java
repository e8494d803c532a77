package io.gpunode.agent.health;

import io.gpunode.agent.model.Finding.Severity;
import io.gpunode.agent.model.LaneState;
import java.util.function.Consumer;

/** NVML says that the GPU is lost or needs a reset, answers nothing about it, or does not list it any more. */
final class LostCheck implements Check {
    static final String NAME = "lost";

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public void look(Observation seen, Consumer<Symptom> symptoms) {
        if (seen.gpu().lane() instanceof LaneState.Lost(String reason, var _)) {
            symptoms.accept(Symptom.at(
                    NAME, "lost", Severity.FATAL, reason, Repair.DRAIN_AND_RESET, "NVML answers for the GPU again"));
        }
    }
}
