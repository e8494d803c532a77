package io.gpunode.agent.kubernetes;

import java.util.Map;

/**
 * A pod of the own node, as the API server has it.
 *
 * @param kubeletUid what the kubelet calls it, which differs from its UID for a static pod
 * @param ended whether all its containers have ended for good
 * @param labels those that are wanted
 * @param containers their names by id, without the runtime's name
 */
public record NodePod(
        String namespace,
        String name,
        String uid,
        String kubeletUid,
        boolean ended,
        Map<String, String> labels,
        Map<String, String> containers) {
    public NodePod {
        labels = Map.copyOf(labels);
        containers = Map.copyOf(containers);
    }
}
