package io.gpunode.agent.kubernetes;

import io.gpunode.agent.json.JsonValue;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/**
 * A pod of the node that holds GPUs, or is about to.
 *
 * @param holds what, for people
 * @param standing what may be done with it
 */
record GpuPod(String namespace, String name, String uid, String holds, Standing standing) {
    private static final String SKIP = "nvidia.com/gpu-driver-upgrade-drain.skip";
    private static final String MIRROR = "kubernetes.io/config.mirror";

    /** What may be done with a pod. */
    sealed interface Standing {
        /** It may be evicted. */
        record Evictable() implements Standing {}

        /** It is ending already. */
        record Ending(String since, long graceSeconds) implements Standing {}

        /** It stays, and that keeps nobody from going on. */
        record Stays(String why) implements Standing {}

        /** Evicting it would lose something; a person has to decide. */
        record Protected(String why, String next) implements Standing {}
    }

    /** How messages name it. */
    String path() {
        return namespace + "/" + name;
    }

    /**
     * Reads a pod of the API.
     *
     * @param resources which are GPUs
     * @param holders {@code namespace/name} of pods that hold GPUs as the kubelet says
     * @param known uids of pods that hold GPUs as was said before: a pod holds them until it ends
     * @param deleteEmptyDirData whether what pods keep in {@code emptyDir} on disk may be lost
     * @return empty when it holds no GPU
     */
    static Optional<GpuPod> of(
            JsonValue pod, GpuResources resources, Set<String> holders, Set<String> known, boolean deleteEmptyDirData) {
        JsonValue metadata = pod.member("metadata");
        String namespace = metadata.member("namespace").textOr("");
        String name = metadata.member("name").textOr("");
        String phase = pod.member("status").member("phase").textOr("");
        if (phase.equals("Succeeded") || phase.equals("Failed")) {
            return Optional.empty();
        }
        Map<String, Long> held = held(pod.member("spec"), resources);
        String uid = metadata.member("uid").textOr("");
        if (held.isEmpty() && !holders.contains(namespace + "/" + name) && !known.contains(uid)) {
            return Optional.empty();
        }
        return Optional.of(new GpuPod(
                namespace,
                name,
                uid,
                held.isEmpty() ? "GPUs, as the kubelet says" : text(held),
                standing(pod, namespace, name, deleteEmptyDirData)));
    }

    private static Standing standing(JsonValue pod, String namespace, String name, boolean deleteEmptyDirData) {
        JsonValue metadata = pod.member("metadata");
        Optional<JsonValue> controller = controller(metadata);
        String kind = controller.map(owner -> owner.member("kind").textOr("")).orElse("");
        String owner = controller.map(found -> found.member("name").textOr("")).orElse("");
        if (kind.equals("Node")
                || !metadata.member("annotations").member(MIRROR).absent()) {
            return new Standing.Stays("it is a static pod of the kubelet, which only the removal of its manifest ends");
        }
        if (kind.equals("DaemonSet")) {
            return new Standing.Stays("DaemonSet " + owner + " would make it again at once, cordoned or not");
        }
        if (metadata.member("labels").member(SKIP).textOr("").equals("true")) {
            return new Standing.Stays("its label " + SKIP + " says so");
        }
        String deleted = metadata.member("deletionTimestamp").textOr("");
        if (!deleted.isEmpty()) {
            return new Standing.Ending(
                    deleted,
                    metadata.member("deletionGracePeriodSeconds").wholeNumber().orElse(0));
        }
        if (controller.isEmpty()) {
            return new Standing.Protected(
                    "no controller would make it again elsewhere", "kubectl delete pod -n " + namespace + " " + name);
        }
        if (!deleteEmptyDirData) {
            for (JsonValue volume : pod.member("spec").member("volumes").elements()) {
                JsonValue emptyDir = volume.member("emptyDir");
                // What is kept in memory is lost with any restart, and is mostly there for shared memory.
                if (!emptyDir.absent() && !emptyDir.member("medium").textOr("").equals("Memory")) {
                    return new Standing.Protected(
                            "it keeps data in the emptyDir volume \""
                                    + volume.member("name").textOr("") + "\", which eviction deletes",
                            "gpu-node-agent node drain --delete-emptydir-data");
                }
            }
        }
        return new Standing.Evictable();
    }

    /** Who would make a pod anew; empty for nobody. */
    static Optional<JsonValue> controller(JsonValue metadata) {
        for (JsonValue owner : metadata.member("ownerReferences").elements()) {
            if (owner.member("controller").isTrue()) {
                return Optional.of(owner);
            }
        }
        return Optional.empty();
    }

    /** As the scheduler reckons: containers together, but no less than the largest of those that run before them. */
    static Map<String, Long> held(JsonValue spec, GpuResources resources) {
        Map<String, Long> all = new TreeMap<>();
        for (JsonValue container : spec.member("containers").elements()) {
            requests(container, resources).forEach((resource, count) -> all.merge(resource, count, Long::sum));
        }
        for (JsonValue container : spec.member("initContainers").elements()) {
            requests(container, resources).forEach((resource, count) -> all.merge(resource, count, Math::max));
        }
        return all;
    }

    private static Map<String, Long> requests(JsonValue container, GpuResources resources) {
        Map<String, Long> found = new TreeMap<>();
        // The two are equal for extended resources; either may be left out by whoever wrote the pod.
        for (String kind : new String[] {"limits", "requests"}) {
            container.member("resources").member(kind).members().forEach((resource, quantity) -> {
                long count = count(quantity);
                if (count > 0 && resources.isGpu(resource)) {
                    found.put(resource, count);
                }
            });
        }
        return found;
    }

    private static long count(JsonValue quantity) {
        String text = quantity.textOr("");
        try {
            return text.isEmpty() ? quantity.wholeNumber().orElse(0) : Long.parseLong(text);
        } catch (NumberFormatException e) {
            // Such as 1k, of which nobody has that many; some it is.
            return 1;
        }
    }

    private static String text(Map<String, Long> held) {
        StringBuilder text = new StringBuilder();
        held.forEach((resource, count) -> text.append(text.isEmpty() ? "" : ", ")
                .append(count)
                .append(' ')
                .append(resource));
        return text.toString();
    }
}
