package io.gpunode.agent.kubernetes;

import io.gpunode.agent.json.JsonValue;
import java.io.IOException;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * The metadata of a Node object.
 *
 * @param uid differs from that of a node that had the name before
 * @param resourceVersion of this state of the object
 * @param applied the labels that {@link NodeLabelWriter} is a manager of, from {@code managedFields}; empty where the object says nothing of managers
 * @param owners for each label that somebody else manages, who
 * @param ofFeatureDiscovery the labels for which a master of node-feature-discovery answers, from its annotation
 */
public record NodeObject(
        String name,
        String uid,
        String resourceVersion,
        Map<String, String> labels,
        Optional<Set<String>> applied,
        Map<String, String> owners,
        Set<String> ofFeatureDiscovery) {
    /** Its master's; with an instance's name before it where there are several. */
    private static final String FEATURE_LABELS = "nfd.node.kubernetes.io/feature-labels";

    public NodeObject {
        labels = Map.copyOf(labels);
        applied = applied.map(Set::copyOf);
        owners = Map.copyOf(owners);
        ofFeatureDiscovery = Set.copyOf(ofFeatureDiscovery);
    }

    /** Reads an object of the API. */
    static NodeObject of(JsonValue object) {
        JsonValue metadata = object.member("metadata");
        Map<String, String> labels = new HashMap<>();
        for (Map.Entry<String, JsonValue> label :
                metadata.member("labels").members().entrySet()) {
            label.getValue().text().ifPresent(value -> labels.put(label.getKey(), value));
        }
        JsonValue managers = metadata.member("managedFields");
        Set<String> applied = new HashSet<>();
        Map<String, String> owners = new HashMap<>();
        for (JsonValue entry : managers.elements()) {
            String manager = entry.member("manager").textOr("");
            boolean own = isOfLabelWriter(entry);
            JsonValue fields = entry.member("fieldsV1").member("f:metadata").member("f:labels");
            for (String field : fields.members().keySet()) {
                if (field.startsWith("f:")) {
                    if (own) {
                        applied.add(field.substring(2));
                    } else {
                        owners.put(field.substring(2), manager);
                    }
                }
            }
        }
        Set<String> ofFeatureDiscovery = new HashSet<>();
        metadata.member("annotations").members().forEach((name, value) -> {
            if (name.endsWith(FEATURE_LABELS)) {
                ofFeatureDiscovery.addAll(List.of(value.textOr("").split(",", -1)));
            }
        });
        return new NodeObject(
                metadata.member("name").textOr(""),
                metadata.member("uid").textOr(""),
                metadata.member("resourceVersion").textOr(""),
                labels,
                managers.elements().isEmpty() ? Optional.empty() : Optional.of(applied),
                owners,
                ofFeatureDiscovery);
    }

    /** Whether an entry of {@code managedFields} says what {@link NodeLabelWriter} manages. */
    static boolean isOfLabelWriter(JsonValue entry) {
        return entry.member("manager").textOr("").equals(NodeLabelWriter.FIELD_MANAGER)
                && entry.member("operation").textOr("").equals("Apply");
    }

    /** Whether it is the same object with the same labels of the same managers. */
    boolean sameLabels(NodeObject other) {
        return uid.equals(other.uid)
                && labels.equals(other.labels)
                && applied.equals(other.applied)
                && owners.equals(other.owners)
                && ofFeatureDiscovery.equals(other.ofFeatureDiscovery);
    }

    /**
     * Whether it is a later state of the same object. Versions are numbers that grow; where a server has others, nobody can tell, and it is not.
     */
    boolean laterThan(NodeObject other) {
        return uid.equals(other.uid) && OwnNode.older(other.resourceVersion, resourceVersion);
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
