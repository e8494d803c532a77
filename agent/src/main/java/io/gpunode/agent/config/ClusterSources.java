package io.gpunode.agent.config;

/**
 * What of the configuration an API server knows.
 *
 * @param labels of the own node
 * @param configMaps the texts of ConfigMaps
 */
public record ClusterSources(NodeLabels labels, ConfigMapSource configMaps) {
    /** Before anybody could ask. */
    public static final ClusterSources NOT_ASKED = new ClusterSources(NodeLabels.NOT_ASKED, ConfigMapSource.NOT_ASKED);
}
