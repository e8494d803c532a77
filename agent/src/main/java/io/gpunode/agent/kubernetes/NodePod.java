package io.gpunode.agent.kubernetes;

import io.gpunode.agent.json.JsonValue;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.Predicate;

/**
 * A pod of the own node, as the API server has it.
 *
 * @param kubeletUid what the kubelet calls it, which differs from its UID for a static pod; somebody may have made that up
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

    private static final int MOST_LABELS = 64;
    private static final int MOST_CONTAINERS = 256;
    /** On the object that stands for a static pod: what the kubelet made of its manifest, and calls it by. */
    private static final String STATIC_UID = "kubernetes.io/config.hash";
    /** On such an object alone: the kubelet puts it there, and the API server lets nobody add it later. */
    private static final String MIRROR = "kubernetes.io/config.mirror";

    /**
     * Reads a pod of the API.
     *
     * @param wanted names of the labels that are kept
     * @return empty when it has no name or UID
     */
    static Optional<NodePod> of(JsonValue pod, Predicate<String> wanted) {
        JsonValue metadata = pod.member("metadata");
        String name = metadata.member("name").textOr("");
        String uid = metadata.member("uid").textOr("");
        if (name.isEmpty() || uid.isEmpty()) {
            return Optional.empty();
        }
        Map<String, String> labels = new HashMap<>();
        metadata.member("labels").members().forEach((key, value) -> {
            if (labels.size() < MOST_LABELS && wanted.test(key)) {
                value.text().ifPresent(text -> labels.put(key, text));
            }
        });
        JsonValue status = pod.member("status");
        Map<String, String> containers = new HashMap<>();
        for (String kind : new String[] {"containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"}) {
            for (JsonValue container : status.member(kind).elements()) {
                String id = container.member("containerID").textOr("");
                if (!id.isEmpty() && containers.size() < MOST_CONTAINERS) {
                    // containerd://4f4f…
                    containers.put(
                            id.substring(id.lastIndexOf('/') + 1),
                            container.member("name").textOr(""));
                }
            }
        }
        String phase = status.member("phase").textOr("");
        return Optional.of(new NodePod(
                metadata.member("namespace").textOr(""),
                name,
                uid,
                kubeletUid(metadata, uid),
                phase.equals("Succeeded") || phase.equals("Failed"),
                labels,
                containers));
    }

    /** Anybody may annotate a pod: what is said of a static one counts for an object that a kubelet made for its node. */
    private static String kubeletUid(JsonValue metadata, String uid) {
        JsonValue annotations = metadata.member("annotations");
        if (!annotations.member(MIRROR).textOr("").isEmpty()) {
            for (JsonValue owner : metadata.member("ownerReferences").elements()) {
                if (owner.member("kind").textOr("").equals("Node")) {
                    return annotations.member(STATIC_UID).textOr(uid);
                }
            }
        }
        return uid;
    }
}
