package io.gpunode.agent.labels;

import io.gpunode.agent.config.AgentConfig;
import java.util.OptionalLong;

/**
 * What of the configuration decides labels. Immutable; a reload makes another one.
 *
 * @param migStrategy how MIG devices are labelled
 * @param resourceName the resource of whole GPUs, {@code nvidia.com/gpu}: sharing is configured by resource
 * @param resources names of resources by product and by MIG profile
 * @param sharing what several containers may hold at once
 * @param perModel whether each GPU model has labels of its own beside those of the node
 * @param operatorLabels whether the node has the labels that NVIDIA's operator sets
 * @param timestamp seconds since 1970 at which labels were configured; empty for no such label
 */
public record LabelSettings(
        AgentConfig.MigStrategy migStrategy,
        String resourceName,
        AgentConfig.Resources resources,
        AgentConfig.Sharing sharing,
        boolean perModel,
        boolean operatorLabels,
        OptionalLong timestamp) {
    /**
     * Those of a configuration.
     *
     * @param configuredAt seconds since 1970 at which it was taken over; it is a label unless the configuration says no
     */
    public static LabelSettings of(AgentConfig config, long configuredAt) {
        return new LabelSettings(
                config.plugin().migStrategy(),
                config.plugin().resourceName(),
                config.resources(),
                config.sharing(),
                config.labels().perModel(),
                config.labels().operatorLabels(),
                config.labels().timestamp() ? OptionalLong.of(configuredAt) : OptionalLong.empty());
    }
}
