package io.gpunode.agent.metrics;

import io.gpunode.agent.config.AgentConfig.MetricLabels;
import java.util.List;
import java.util.regex.Pattern;

/**
 * How the labels of device metrics are spelled: as the newest dcgm-exporter does it, or as older releases did for dashboards that were made for them.
 * Metrics of the agent's own always have the newest spelling.
 *
 * @param hostnames the labels with the node's name
 * @param uuid the label with a GPU's UUID
 * @param container the label with the holder's container
 * @param namespace the label with its namespace
 * @param pod the label with its pod
 * @param blanksInModelName whether names of models keep their blanks
 */
record LabelSpelling(
        List<String> hostnames,
        String uuid,
        String container,
        String namespace,
        String pod,
        boolean blanksInModelName) {
    private static final Pattern BLANKS = Pattern.compile("\\s+");

    static LabelSpelling of(MetricLabels config) {
        List<String> hostnames = switch (config.hostname()) {
            case HOSTNAME -> List.of("hostname");
            case CAPITAL -> List.of("Hostname");
            case BOTH -> List.of("hostname", "Hostname");
            case NONE -> List.of();
        };
        return config.oldNamespace()
                ? new LabelSpelling(
                        hostnames, "uuid", "container_name", "pod_namespace", "pod_name", !config.replaceBlanks())
                : new LabelSpelling(hostnames, "UUID", "container", "namespace", "pod", !config.replaceBlanks());
    }

    /** A model's name as it is shown: runs of blanks may become a dash. */
    String modelName(String name) {
        return blanksInModelName ? name : BLANKS.matcher(name.strip()).replaceAll("-");
    }

    /** The name of a label that says who holds a device, from its newest name. */
    String ofHolder(String label) {
        return switch (label) {
            case "container" -> container;
            case "namespace" -> namespace;
            case "pod" -> pod;
            default -> label;
        };
    }
}
