package io.gpunode.agent.labels;

import io.gpunode.agent.config.AgentConfig.DeviceSelection;
import io.gpunode.agent.config.AgentConfig.MigStrategy;
import io.gpunode.agent.config.AgentConfig.Resources;
import io.gpunode.agent.config.AgentConfig.SharedResource;
import io.gpunode.agent.config.AgentConfig.Sharing;
import io.gpunode.agent.config.AgentConfig.TimeSlicing;
import java.util.List;
import java.util.OptionalLong;

/** Settings of labels as the defaults have them, and what tests change of them. */
final class Settings {
    static final LabelSettings PLAIN = new LabelSettings(
            MigStrategy.NONE, "nvidia.com/gpu", Resources.NONE, Sharing.NONE, false, false, OptionalLong.empty());

    private Settings() {}

    static LabelSettings strategy(MigStrategy strategy) {
        return with(PLAIN, strategy, Sharing.NONE);
    }

    /** Every device of the resource is shared by that many. */
    static SharedResource shared(String resource, int replicas) {
        return new SharedResource(resource, "", DeviceSelection.All.INSTANCE, replicas);
    }

    static Sharing timeSlicing(boolean renamed, List<SharedResource> resources) {
        return new Sharing(new TimeSlicing(renamed, false, resources));
    }

    static LabelSettings sharing(SharedResource... resources) {
        return with(PLAIN, MigStrategy.NONE, timeSlicing(false, List.of(resources)));
    }

    static LabelSettings with(LabelSettings settings, MigStrategy strategy, Sharing sharing) {
        return new LabelSettings(
                strategy,
                settings.resourceName(),
                settings.resources(),
                sharing,
                settings.perModel(),
                settings.operatorLabels(),
                settings.timestamp());
    }

    static LabelSettings perModel() {
        return new LabelSettings(
                MigStrategy.NONE, "nvidia.com/gpu", Resources.NONE, Sharing.NONE, true, false, OptionalLong.empty());
    }

    static LabelSettings operatorLabels() {
        return new LabelSettings(
                MigStrategy.NONE, "nvidia.com/gpu", Resources.NONE, Sharing.NONE, false, true, OptionalLong.empty());
    }
}
