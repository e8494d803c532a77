package io.gpunode.agent.attribution;

import io.gpunode.agent.podresources.PodUse;
import java.util.List;
import java.util.Map;

/**
 * Who uses the GPUs, at one moment. Immutable.
 *
 * @param labelsVersion grows when something changes that becomes a label: everything but {@code shares}
 * @param shares what the processes of each user take
 * @param pods by {@link #key} of namespace and name
 * @param jobs by device: the GPU's index, or {@code index.instance}
 * @param outside containers outside of Kubernetes, by device id, as users without a pod
 */
public record AttributionPicture(
        long labelsVersion,
        List<GpuShare> shares,
        Map<String, PodFacts> pods,
        Map<String, List<String>> jobs,
        Map<String, List<PodUse>> outside) {
    /** Nothing is known. */
    public static final AttributionPicture EMPTY = new AttributionPicture(0, List.of(), Map.of(), Map.of(), Map.of());

    /** What is known of a pod. */
    public PodFacts facts(PodUse use) {
        return pods.getOrDefault(key(use.namespace(), use.pod()), PodFacts.NONE);
    }

    /** A pod's key; neither part can hold a slash. */
    public static String key(String namespace, String pod) {
        return namespace + "/" + pod;
    }
}
