package io.gpunode.agent.deviceplugin;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.AgentConfig.DeviceListStrategy;

/**
 * The blocks of the configuration that decide what the node offers and what containers are given. Immutable; a reload makes another one.
 *
 * @param plugin strategies and names
 * @param resources names by product and by MIG profile
 * @param sharing what several containers may hold at once
 * @param imex channels between nodes
 * @param undecided why nothing may be offered under them; empty when it may
 */
public record PluginSettings(
        AgentConfig.Plugin plugin,
        AgentConfig.Resources resources,
        AgentConfig.Sharing sharing,
        AgentConfig.Imex imex,
        String undecided) {
    /** Those of a configuration. */
    public static PluginSettings of(AgentConfig config, String undecided) {
        return new PluginSettings(config.plugin(), config.resources(), config.sharing(), config.imex(), undecided);
    }

    /** The same with other channels. */
    PluginSettings with(AgentConfig.Imex other) {
        return new PluginSettings(plugin, resources, sharing, other, undecided);
    }

    /** Whether containers are given devices by CDI name, so that a spec must have them. */
    boolean byCdiName() {
        return plugin.deviceListStrategies().contains(DeviceListStrategy.CDI_CRI)
                || plugin.deviceListStrategies().contains(DeviceListStrategy.CDI_ANNOTATIONS);
    }
}
