package io.gpunode.agent.kubernetes;

import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.json.JsonWriter;
import org.jspecify.annotations.Nullable;

/**
 * What a drain needs of the Node object: whether it is cordoned and whose cordon that is, and the patches that change it. Immutable.
 *
 * @param resourceVersion of the object; patches hold for this one alone
 * @param unschedulable {@code spec.unschedulable}
 * @param cordon the record on it; null without one
 * @param cordonedBy who set {@code spec.unschedulable} in the agent's place; empty where it was the agent, or the server does not say
 * @param operatorState of the driver upgrade by NVIDIA's operator; empty without one
 */
record DrainedNode(
        String resourceVersion,
        boolean unschedulable,
        @Nullable Cordon cordon,
        String cordonedBy,
        String operatorState) {
    /** In whose name the agent changes it. */
    static final String MANAGER = "gpu-node-agent";
    /** The label of NVIDIA's operator. */
    static final String OPERATOR_STATE = "nvidia.com/gpu-driver-upgrade-state";
    /** Before it was read. */
    static final DrainedNode UNSEEN = new DrainedNode("", false, null, "", "");

    /**
     * Reads it.
     *
     * @param cordon the record on it; null without one
     */
    static DrainedNode of(JsonValue object, @Nullable Cordon cordon) {
        JsonValue metadata = object.member("metadata");
        return new DrainedNode(
                metadata.member("resourceVersion").textOr(""),
                object.member("spec").member("unschedulable").isTrue(),
                cordon,
                cordonedByOther(metadata.member("managedFields")),
                metadata.member("labels").member(OPERATOR_STATE).textOr(""));
    }

    private static String cordonedByOther(JsonValue managers) {
        String other = "";
        for (JsonValue entry : managers.elements()) {
            if (entry.member("fieldsV1")
                    .member("f:spec")
                    .member("f:unschedulable")
                    .absent()) {
                continue;
            }
            String manager = entry.member("manager").textOr("somebody");
            if (manager.equals(MANAGER)) {
                return "";
            }
            other = manager;
        }
        return other;
    }

    /** Whether it is cordoned and the record on it is of this cordon. */
    boolean ours() {
        Cordon record = cordon;
        return record != null && unschedulable && (record.wasUnschedulable() || cordonedBy.isEmpty());
    }

    /** As it is once {@link #cordonPatch} was taken. */
    DrainedNode cordoned(Cordon record) {
        return new DrainedNode(resourceVersion, true, record, "", operatorState);
    }

    /** As it is once {@link #uncordonPatch} was taken. */
    DrainedNode uncordoned(Cordon record) {
        return new DrainedNode(
                resourceVersion, unschedulable && record.wasUnschedulable(), null, cordonedBy, operatorState);
    }

    /** Cordons it and says so on it, as one change of the object as it was read. */
    String cordonPatch(Cordon record) {
        return patch(record.json(), true, true);
    }

    /** Removes the record, and the cordon unless it was there before. */
    String uncordonPatch(Cordon record) {
        return patch(null, !record.wasUnschedulable(), false);
    }

    private String patch(@Nullable String record, boolean changesSpec, boolean cordons) {
        JsonWriter json = JsonWriter.compact()
                .beginObject()
                .name("metadata")
                .beginObject()
                .member("resourceVersion", resourceVersion)
                .name("annotations")
                .beginObject()
                .member(Cordon.ANNOTATION, record)
                .endObject()
                .endObject();
        if (changesSpec) {
            json.name("spec").beginObject().name("unschedulable");
            if (cordons) {
                json.value(true);
            } else {
                json.nullValue();
            }
            json.endObject();
        }
        return json.endObject().toString();
    }
}
