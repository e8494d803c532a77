package io.gpunode.agent.cli;

import io.gpunode.agent.config.ClusterSources;
import io.gpunode.agent.config.ConfigException;
import io.gpunode.agent.config.LoadedConfig;

/** Runs the agent until it is told to stop. */
@FunctionalInterface
interface AgentRunner {
    /**
     * Starts everything, waits for a signal, stops everything.
     *
     * @param config checked
     * @param reload loads the configuration again from the same sources
     * @throws Exception when it cannot work as configured; what had started is stopped
     */
    ExitCode run(LoadedConfig config, Reload reload) throws Exception;

    /** Reads every source of the configuration again. Any thread. */
    @FunctionalInterface
    interface Reload {
        /**
         * The new configuration, not yet in force.
         *
         * @param cluster what an API server knows; its label may choose a named configuration
         */
        LoadedConfig load(ClusterSources cluster) throws ConfigException;
    }
}
