package io.gpunode.agent.health;

import io.gpunode.agent.model.Quantity;
import java.util.Set;
import java.util.function.Consumer;

/**
 * One health check: what a reading of a GPU says against it. Pure and without state: the same observation gives the same symptoms. Whether a
 * symptom counts, for how long and with what consequence is for {@link HealthPolicy} to decide.
 */
interface Check {
    /** The fixed name that findings, metrics and {@code health.ignoredChecks} know it by. */
    String name();

    /** The quantities that it judges by: while one of them cannot be read, what was seen before stands. A symptom may name its own. */
    default Set<Quantity> reads() {
        return Set.of();
    }

    /** Hands over what it sees; nothing when all is well. Called with every picture, so it does not allocate when it sees nothing. */
    void look(Observation seen, Consumer<Symptom> symptoms);
}
