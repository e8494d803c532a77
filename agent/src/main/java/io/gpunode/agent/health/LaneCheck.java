package io.gpunode.agent.health;

import io.gpunode.agent.model.Finding.Severity;
import io.gpunode.agent.model.LaneState;
import java.util.function.Consumer;

/** An NVML call for the GPU has not returned within its deadline. */
final class LaneCheck implements Check {
    static final String NAME = "lane";

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public void look(Observation seen, Consumer<Symptom> symptoms) {
        if (seen.gpu().lane() instanceof LaneState.Unresponsive(String function, var _)) {
            symptoms.accept(Symptom.at(
                    NAME,
                    "call",
                    Severity.FATAL,
                    "the driver has not answered a call (" + function + ")",
                    Repair.REBOOT,
                    "the call returns"));
        }
    }
}
