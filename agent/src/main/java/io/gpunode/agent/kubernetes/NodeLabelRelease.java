package io.gpunode.agent.kubernetes;

import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.json.JsonWriter;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Ends managing labels of the Node object without removing them. Server-side apply cannot: what its only manager wants no more is removed, and
 * node-feature-discovery's master, which finds the values that it would write, writes nothing and so never becomes a manager. It names what it
 * answers for in an annotation of its own; once the labels are in there, the agent's entry is taken out of the object's managers.
 *
 * <p>Without state; requests are the connection's thread's.
 */
final class NodeLabelRelease {
    private NodeLabelRelease() {}

    /** Whether labels of the agent are on the object, and node-feature-discovery answers for all of them that it is to keep. */
    static boolean due(NodeObject node, Map<String, String> kept) {
        Set<String> own = node.applied().orElse(Set.of());
        Set<String> staying = new HashSet<>(own);
        staying.retainAll(kept.keySet());
        return !own.isEmpty() && node.ofFeatureDiscovery().containsAll(staying);
    }

    /** Reads who manages the object and takes the agent out, in a patch that fails when that has changed in between. */
    static ApiAnswer patch(ApiClient api, String node, String uid, Map<String, String> kept)
            throws IOException, InterruptedException {
        ApiAnswer answer = api.get("/api/v1/nodes/" + node, ApiClient.METADATA);
        if (!answer.ok()) {
            return answer;
        }
        JsonWriter json = JsonWriter.compact().beginArray();
        operation(json, "test", "/metadata/uid", uid);
        List<JsonValue> managers = new ArrayList<>(
                answer.object().member("metadata").member("managedFields").elements());
        for (int i = managers.size() - 1; i >= 0; i--) {
            JsonValue entry = managers.get(i);
            if (NodeObject.isOfLabelWriter(entry)) {
                String at = "/metadata/managedFields/" + i;
                operation(json, "test", at + "/manager", NodeLabelWriter.FIELD_MANAGER);
                operation(json, "test", at + "/operation", "Apply");
                json.beginObject().member("op", "remove").member("path", at).endObject();
            }
        }
        NodeObject object = NodeObject.of(answer.object());
        for (String key : object.applied().orElse(Set.of())) {
            if (!kept.containsKey(key) && object.labels().containsKey(key)) {
                json.beginObject()
                        .member("op", "remove")
                        .member(
                                "path",
                                "/metadata/labels/" + key.replace("~", "~0").replace("/", "~1"))
                        .endObject();
            }
        }
        return api.patchInBrief(
                "/api/v1/nodes/" + node + "?fieldManager=gpu-node-agent",
                "application/json-patch+json",
                json.endArray().toString());
    }

    private static void operation(JsonWriter json, String operation, String path, String value) {
        json.beginObject()
                .member("op", operation)
                .member("path", path)
                .member("value", value)
                .endObject();
    }
}
