package io.gpunode.agent.health;

import io.gpunode.agent.config.AgentConfig;
import java.time.Duration;
import java.util.Set;

/** Health configurations for tests. */
final class HealthConfigs {
    static final Duration INTERVAL = Duration.ofMinutes(5);

    private HealthConfigs() {}

    /** As when nothing is configured. */
    static AgentConfig.Health usual() {
        return recoveringAfter(INTERVAL);
    }

    static AgentConfig.Health recoveringAfter(Duration interval) {
        return new AgentConfig.Health(true, false, Set.of(), Set.of(), interval, Set.of(), false);
    }

    static AgentConfig.Health ignoring(String... checks) {
        return new AgentConfig.Health(true, false, Set.of(), Set.of(), INTERVAL, Set.of(checks), false);
    }
}
