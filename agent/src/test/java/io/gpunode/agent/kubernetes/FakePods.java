package io.gpunode.agent.kubernetes;

import io.gpunode.agent.json.JsonException;
import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.json.JsonWriter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The pods of the node of a {@link FakeApiServer}, their evictions, and what of the Node object is about them: it can be cordoned. A pod that is evicted
 * shows as ending in the next list and is gone from the one after it.
 */
public final class FakePods implements FakeApiServer.More {
    private static final String NODE = "/api/v1/nodes/" + Harness.NODE;
    private static final String STATE = "nvidia.com/gpu-driver-upgrade-state";

    /** A pod, as a test wants it. */
    public static final class Pod {
        private final String namespace;
        private final String name;
        private final String uid;
        private String resource = "nvidia.com/gpu";
        private String init = "";
        private String owner = "ReplicaSet";
        private String annotation = "";
        private String label = "";
        private String volume = "";
        private String phase = "Running";
        private String budget = "";
        private boolean ending;
        private boolean shownEnding;
        private boolean stuck;

        private Pod(String namespace, String name, String uid) {
            this.namespace = namespace;
            this.name = name;
            this.uid = uid;
        }

        /** Asks for one of this; empty for nothing. */
        public Pod asks(String changed) {
            resource = changed;
            return this;
        }

        Pod initAsks(String changed) {
            resource = "";
            init = changed;
            return this;
        }

        /** Belongs to one of this kind; empty for nobody. */
        public Pod ownedBy(String kind) {
            owner = kind;
            return this;
        }

        Pod annotated(String key) {
            annotation = key;
            return this;
        }

        Pod labelled(String key) {
            label = key;
            return this;
        }

        Pod emptyDir(String medium) {
            volume = "{\"name\":\"scratch\",\"emptyDir\":{" + (medium.isEmpty() ? "" : "\"medium\":\"" + medium + "\"")
                    + "}}";
            return this;
        }

        Pod phase(String changed) {
            phase = changed;
            return this;
        }

        /** A disruption budget keeps it, and says so. */
        public Pod keptBy(String message) {
            budget = message;
            return this;
        }

        /** Is asked to end and does not. */
        Pod neverEnds() {
            stuck = true;
            return this;
        }

        private static String requests(String resource) {
            return resource.isEmpty()
                    ? "{\"requests\":{\"cpu\":\"100m\"}}"
                    : "{\"limits\":{\"cpu\":\"1\",\"" + resource + "\":\"1\"},\"requests\":{\"" + resource
                            + "\":\"1\"}}";
        }

        private String json() {
            return "{\"metadata\":{\"namespace\":\"" + namespace + "\",\"name\":\"" + name + "\",\"uid\":\"" + uid
                    + "\""
                    + (owner.isEmpty()
                            ? ""
                            : ",\"ownerReferences\":[{\"kind\":\"" + owner
                                    + "\",\"name\":\"owner\",\"controller\":true}]")
                    + ",\"annotations\":{" + (annotation.isEmpty() ? "" : "\"" + annotation + "\":\"x\"") + "}"
                    + ",\"labels\":{" + (label.isEmpty() ? "" : "\"" + label + "\":\"true\"") + "}"
                    + (ending
                            ? ",\"deletionTimestamp\":\"2026-01-02T03:04:35Z\",\"deletionGracePeriodSeconds\":30"
                            : "")
                    + "},\"spec\":{\"containers\":[{\"name\":\"main\",\"resources\":" + requests(resource) + "}]"
                    + ",\"initContainers\":[{\"name\":\"init\",\"resources\":" + requests(init) + "}]"
                    + ",\"volumes\":[" + volume + "]},\"status\":{\"phase\":\"" + phase + "\"}}";
        }
    }

    private final Map<String, Pod> pods = new LinkedHashMap<>();
    private final Map<String, String> annotations = new TreeMap<>();
    private final List<String> evicted = new ArrayList<>();
    private String evictionVersion = "policy/v1";
    private String operatorState = "";
    private boolean unschedulable;
    private String cordonedBy = "";
    private boolean showsManagers = true;
    private boolean conflicts;
    private long version = 1;
    private int made;
    private int dryRuns;
    private @Nullable Runnable afterEviction;

    private FakePods() {}

    /** The pods of the node {@code node-a} of a server; none so far. */
    public static FakePods of(FakeApiServer server) {
        FakePods pods = new FakePods();
        server.knows(pods);
        return pods;
    }

    /** A pod of a ReplicaSet that asks for a GPU. */
    public synchronized Pod add(String namespace, String name) {
        Pod pod = new Pod(namespace, name, "uid-" + ++made);
        pods.put(pod.uid, pod);
        return pod;
    }

    /** What is done when an eviction was carried out. */
    synchronized void afterEviction(Runnable action) {
        afterEviction = action;
    }

    /** Knows evictions of this version alone. */
    synchronized void evictionsOf(String apiVersion) {
        evictionVersion = apiVersion;
    }

    synchronized void operatorState(String state) {
        operatorState = state;
    }

    /** What the label of driver upgrades says; empty without it. */
    public synchronized String operatorState() {
        return operatorState;
    }

    /** Somebody cordons the node, or lifts that. */
    public synchronized void cordonedByHand(boolean cordoned) {
        cordon(cordoned, "kubectl-cordon");
        version++;
    }

    /** As the server reckons managers: a value that is as it was before makes nobody its manager. */
    private void cordon(boolean cordoned, String manager) {
        if (cordoned != unschedulable) {
            cordonedBy = cordoned ? manager : "";
        }
        unschedulable = cordoned;
    }

    /** Says nothing of managers. */
    synchronized void hideManagers() {
        showsManagers = false;
    }

    synchronized void annotate(String key, String value) {
        annotations.put(key, value);
    }

    /** Somebody else changes the node between the next read and the next patch. */
    synchronized void conflictOnce() {
        conflicts = true;
    }

    public synchronized boolean unschedulable() {
        return unschedulable;
    }

    synchronized String annotation(String key) {
        return annotations.getOrDefault(key, "");
    }

    /** {@code namespace/name} of the pods that were evicted, in order. */
    public synchronized List<String> evicted() {
        return List.copyOf(evicted);
    }

    /** How many evictions were tried without being carried out. */
    synchronized int dryRuns() {
        return dryRuns;
    }

    /** Nothing keeps them any more. */
    synchronized void liftBudgets() {
        pods.values().forEach(pod -> pod.budget = "");
    }

    @Override
    public String kind(String method, String path) {
        if (path.startsWith(NODE + "?fieldManager=")) {
            return method.equals("PATCH") ? "cordon" : "";
        }
        if (path.equals(NODE)) {
            return method.equals("GET") ? "node" : "";
        }
        if (path.startsWith("/api/v1/pods?fieldSelector=spec.nodeName%3D" + Harness.NODE + "&")) {
            return method.equals("GET") ? "pods" : "";
        }
        return path.contains("/eviction?") && method.equals("POST") ? "evict" : "";
    }

    @Override
    public synchronized FakeApiServer.Fault answer(String kind, String path, String body) {
        try {
            return switch (kind) {
                case "node" -> FakeApiServer.Fault.answer(200, node());
                case "cordon" -> patch(JsonValue.parse(body));
                case "pods" -> list(path);
                default -> evict(path, JsonValue.parse(body));
            };
        } catch (JsonException e) {
            throw new IllegalStateException(e);
        }
    }

    private String node() {
        JsonWriter json = JsonWriter.compact().beginObject().name("metadata").beginObject();
        json.member("name", Harness.NODE).member("resourceVersion", "v" + version);
        json.name("labels").beginObject();
        if (!operatorState.isEmpty()) {
            json.member(STATE, operatorState);
        }
        json.endObject().name("annotations").beginObject();
        annotations.forEach(json::member);
        json.endObject();
        if (showsManagers) {
            json.name("managedFields").beginArray();
            managed(json, "kubelet", "f:taints");
            if (!cordonedBy.isEmpty()) {
                managed(json, cordonedBy, "f:unschedulable");
            }
            json.endArray();
        }
        json.endObject().name("spec").beginObject();
        if (unschedulable) {
            json.member("unschedulable", true);
        }
        return json.endObject().endObject().toString();
    }

    private static void managed(JsonWriter json, String manager, String field) {
        json.beginObject()
                .member("manager", manager)
                .member("operation", "Update")
                .name("fieldsV1")
                .beginObject()
                .name("f:spec")
                .beginObject()
                .name(field)
                .beginObject()
                .endObject()
                .endObject()
                .endObject()
                .endObject();
    }

    private FakeApiServer.Fault patch(JsonValue patch) {
        if (conflicts) {
            conflicts = false;
            version++;
        }
        JsonValue metadata = patch.member("metadata");
        String state = metadata.member("labels").member(STATE).textOr("");
        if (!state.isEmpty()) {
            operatorState = state;
            version++;
            return FakeApiServer.Fault.answer(200, node());
        }
        if (!metadata.member("resourceVersion").textOr("").equals("v" + version)) {
            return FakeApiServer.Fault.status(409, "the object has been modified");
        }
        metadata.member("annotations").members().forEach((key, value) -> {
            if (value.text().isPresent()) {
                annotations.put(key, value.textOr(""));
            } else {
                annotations.remove(key);
            }
        });
        JsonValue spec = patch.member("spec");
        if (!spec.absent()) {
            cordon(spec.member("unschedulable").isTrue(), "gpu-node-agent");
        }
        version++;
        return FakeApiServer.Fault.answer(200, node());
    }

    private FakeApiServer.Fault list(String path) {
        int limit = Integer.parseInt(path.replaceAll(".*&limit=(\\d+).*", "$1"));
        int from = path.contains("&continue=") ? Integer.parseInt(path.replaceAll(".*&continue=c(\\d+).*", "$1")) : 0;
        if (from == 0) {
            pods.values().removeIf(pod -> pod.shownEnding);
        }
        List<Pod> all = List.copyOf(pods.values());
        int to = Math.min(all.size(), from + limit);
        StringBuilder items = new StringBuilder();
        for (Pod pod : all.subList(from, to)) {
            items.append(items.isEmpty() ? "" : ",").append(pod.json());
            pod.shownEnding = pod.ending && !pod.stuck;
        }
        return FakeApiServer.Fault.answer(
                200,
                "{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"" + version + "\""
                        + (to < all.size() ? ",\"continue\":\"c" + to + "\"" : "") + "},\"items\":[" + items + "]}");
    }

    private FakeApiServer.Fault evict(String path, JsonValue eviction) {
        String[] parts = path.split("/", -1);
        String namespace = parts[4];
        String name = parts[6];
        if (!eviction.member("apiVersion").textOr("").equals(evictionVersion)) {
            return FakeApiServer.Fault.status(400, "no kind Eviction is registered for this version");
        }
        Pod found = null;
        for (Pod pod : pods.values()) {
            if (pod.namespace.equals(namespace) && pod.name.equals(name)) {
                found = pod;
            }
        }
        if (found == null) {
            return FakeApiServer.Fault.answer(
                    404,
                    "{\"kind\":\"Status\",\"message\":\"pods not found\",\"details\":{\"name\":\"" + name
                            + "\",\"kind\":\"pods\"},\"code\":404}");
        }
        JsonValue options = eviction.member("deleteOptions");
        if (!options.member("preconditions").member("uid").textOr("").equals(found.uid)) {
            return FakeApiServer.Fault.status(409, "the UID in the precondition does not match");
        }
        if (!found.budget.isEmpty()) {
            return FakeApiServer.Fault.answer(
                    429,
                    "{\"kind\":\"Status\",\"message\":\"Cannot evict pod as it would violate the pod's disruption budget.\","
                            + "\"details\":{\"causes\":[{\"reason\":\"DisruptionBudget\",\"message\":\"" + found.budget
                            + "\"}]},\"code\":429}");
        }
        if (path.contains("&dryRun=All") != !options.member("dryRun").absent()) {
            throw new IllegalStateException("a dry run in one place only: " + path);
        }
        if (path.contains("&dryRun=All")) {
            dryRuns++;
        } else {
            found.ending = true;
            evicted.add(namespace + "/" + name);
            if (afterEviction != null) {
                afterEviction.run();
            }
        }
        return FakeApiServer.Fault.answer(201, "{\"kind\":\"Status\",\"status\":\"Success\",\"code\":201}");
    }

    /** The pod of that name is gone at once. */
    synchronized void remove(String namespace, String name) {
        pods.values().removeIf(pod -> pod.namespace.equals(namespace) && pod.name.equals(name));
    }

    /** The pod of that name is gone at once, and another of the same name is there. */
    synchronized void replace(String namespace, String name) {
        remove(namespace, name);
        add(namespace, name);
    }
}
