package io.gpunode.agent.health;

import io.gpunode.agent.model.Finding.Severity;
import io.gpunode.agent.model.Quantity;
import java.util.Set;
import java.util.function.Consumer;

/** The GPU is too hot: at its shutdown threshold, or slowed down because of heat. */
final class TemperatureCheck implements Check {
    static final String NAME = "temperature";
    /** Heat comes and goes with the load: a remark needs this many readings in a row. */
    static final int READINGS = 3;
    /** {@code nvmlClocksEventReasonSwThermalSlowdown} and {@code nvmlClocksThrottleReasonHwThermalSlowdown}. */
    private static final long SLOWED_BY_HEAT = 0x20 | 0x40;

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public Set<Quantity> reads() {
        return Set.of(Quantity.GPU_TEMPERATURE_CELSIUS);
    }

    @Override
    public void look(Observation seen, Consumer<Symptom> symptoms) {
        if (reached(seen, Quantity.SHUTDOWN_TEMPERATURE_CELSIUS)) {
            symptoms.accept(Symptom.at(
                            NAME,
                            "shutdown",
                            Severity.FATAL,
                            "the GPU is at the temperature at which it shuts down ("
                                    + seen.sample().value(Quantity.SHUTDOWN_TEMPERATURE_CELSIUS) + " °C)",
                            Repair.COOL,
                            "it was cooler")
                    .untilQuiet());
        } else if (reached(seen, Quantity.SLOWDOWN_TEMPERATURE_CELSIUS)) {
            symptoms.accept(slowed("the GPU is at the temperature at which it slows down ("
                    + seen.sample().value(Quantity.SLOWDOWN_TEMPERATURE_CELSIUS) + " °C)"));
        } else if (seen.anyBit(Quantity.CLOCKS_EVENT_REASONS, SLOWED_BY_HEAT)) {
            symptoms.accept(slowed("the GPU is slowed down because of heat"));
        }
    }

    private static Symptom slowed(String reason) {
        return Symptom.at(NAME, "slowdown", Severity.REMARK, reason, Repair.COOL, "it is cooler")
                .after(READINGS);
    }

    private static boolean reached(Observation seen, Quantity threshold) {
        return seen.sample().has(threshold)
                && seen.sample().value(threshold) > 0
                && seen.atLeast(Quantity.GPU_TEMPERATURE_CELSIUS, seen.sample().value(threshold));
    }
}
