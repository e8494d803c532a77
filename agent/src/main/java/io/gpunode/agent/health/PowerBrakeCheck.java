package io.gpunode.agent.health;

import io.gpunode.agent.model.Finding.Severity;
import io.gpunode.agent.model.Quantity;
import java.util.Set;
import java.util.function.Consumer;

/** The machine's power supply slows the GPU down ({@code nvmlClocksThrottleReasonHwPowerBrakeSlowdown}). */
final class PowerBrakeCheck implements Check {
    static final String NAME = "power-brake";
    /** Short peaks are ordinary. */
    static final int READINGS = 3;

    private static final long POWER_BRAKE = 0x80;

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public Set<Quantity> reads() {
        return Set.of(Quantity.CLOCKS_EVENT_REASONS);
    }

    @Override
    public void look(Observation seen, Consumer<Symptom> symptoms) {
        if (seen.anyBit(Quantity.CLOCKS_EVENT_REASONS, POWER_BRAKE)) {
            symptoms.accept(Symptom.at(
                            NAME,
                            "brake",
                            Severity.REMARK,
                            "the machine's power supply slows the GPU down",
                            Repair.CHECK_POWER,
                            "it does so no more")
                    .after(READINGS));
        }
    }
}
