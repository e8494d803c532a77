package io.gpunode.agent.kubernetes;

import io.gpunode.agent.json.JsonValue;
import java.io.IOException;
import java.util.HashMap;
import java.util.Map;

/**
 * The metadata of a Node object.
 *
 * @param uid differs from that of a node that had the name before
 */
public record NodeObject(String name, String uid, Map<String, String> labels) {
    public NodeObject {
        labels = Map.copyOf(labels);
    }

    /** Reads an object of the API. */
    static NodeObject of(JsonValue object) {
        JsonValue metadata = object.member("metadata");
        Map<String, String> labels = new HashMap<>();
        for (Map.Entry<String, JsonValue> label :
                metadata.member("labels").members().entrySet()) {
            label.getValue().text().ifPresent(value -> labels.put(label.getKey(), value));
        }
        return new NodeObject(
                metadata.member("name").textOr(""), metadata.member("uid").textOr(""), labels);
    }

    /** One line of a watch. */
    sealed interface Event {
        /** The node is so now. */
        record Seen(NodeObject node, String resourceVersion) implements Event {}

        /** The node of that name was deleted. */
        record Deleted(String name, String resourceVersion) implements Event {}

        /** Nothing happened up to this version. */
        record Bookmark(String resourceVersion) implements Event {}

        /** The server ends the watch. */
        record Failed(long code, String message) implements Event {}

        /** Reads a line. */
        static Event read(String line) throws IOException {
            JsonValue event = Texts.json(line);
            JsonValue object = event.member("object");
            String version = object.member("metadata").member("resourceVersion").textOr("");
            String type = event.member("type").textOr("");
            return switch (type) {
                case "ADDED", "MODIFIED" -> new Seen(NodeObject.of(object), version);
                case "DELETED" ->
                    new Deleted(object.member("metadata").member("name").textOr(""), version);
                case "BOOKMARK" -> new Bookmark(version);
                case "ERROR" ->
                    new Failed(
                            object.member("code").wholeNumber().orElse(0),
                            Texts.shortened(object.member("message").textOr("no message"), 300));
                default -> throw new IOException("an unknown type \"" + Texts.shortened(type, 40) + "\"");
            };
        }
    }
}
