package io.gpunode.agent.assembly;

import io.gpunode.agent.config.ChosenConfiguration;
import io.gpunode.agent.config.ConfigDiff;
import io.gpunode.agent.config.LoadedConfig;
import io.gpunode.agent.config.Problem;
import java.util.List;
import java.util.Optional;

/**
 * The configuration as an operator should know it.
 *
 * @param inForce what the agent works with
 * @param waiting what was read and waits for a restart
 * @param refused why what was read last is not in force; empty when it is
 */
record ConfigurationState(LoadedConfig inForce, List<ConfigDiff.Change> waiting, List<Problem> refused) {
    ConfigurationState {
        waiting = List.copyOf(waiting);
        refused = List.copyOf(refused);
    }

    /** Why nothing may be offered: no configuration has been chosen. Empty when one has, or none is to be. */
    String undecided() {
        Optional<Problem> undecided = inForce.named().flatMap(ChosenConfiguration::undecided);
        // What was read last knows more than the start did.
        return undecided
                .map(atStart -> "no configuration is chosen: " + (refused.isEmpty() ? atStart : refused.getFirst()))
                .orElse("");
    }
}
