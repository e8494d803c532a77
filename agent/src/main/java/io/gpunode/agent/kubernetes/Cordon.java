package io.gpunode.agent.kubernetes;

import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.json.JsonWriter;
import java.io.IOException;
import java.time.DateTimeException;
import java.time.Instant;

/**
 * Who has cordoned the node, as the annotation {@value #ANNOTATION} of the Node object keeps it: set and removed in the same patch as
 * {@code spec.unschedulable}, so that whoever comes after a crash knows what to undo.
 *
 * @param by who
 * @param why in words
 * @param at when; to the second
 * @param wasUnschedulable whether somebody else had cordoned the node before, and so keeps it
 */
public record Cordon(String by, String why, Instant at, boolean wasUnschedulable) {
    /** The key of the annotation. */
    public static final String ANNOTATION = "gpunode.io/cordon";

    /** {@link #by} of a change of the driver by this agent. */
    public static final String BY_THE_DRIVER = "gpu-node-agent driver";

    private static final int LONGEST = 300;

    public Cordon {
        by = Texts.shortened(by, LONGEST);
        why = Texts.shortened(why, LONGEST);
    }

    /** Whether a change of the driver by this agent has made it: then the label of driver upgrades is this agent's as well. */
    public boolean isOfTheDriver() {
        return by.equals(BY_THE_DRIVER);
    }

    /** Reads the annotation's value. */
    static Cordon read(String value) throws IOException {
        try {
            JsonValue json = Texts.json(value);
            JsonValue before = json.member("wasUnschedulable");
            if (before.absent()) {
                throw new IOException("it does not say whether the node was cordoned before");
            }
            return new Cordon(
                    json.member("by").textOr(""),
                    json.member("why").textOr(""),
                    Instant.parse(json.member("at").textOr("")),
                    before.isTrue());
        } catch (DateTimeException e) {
            throw new IOException(e.getMessage(), e);
        }
    }

    /** The annotation's value. */
    String json() {
        return JsonWriter.compact()
                .beginObject()
                .member("by", by)
                .member("why", why)
                .member("at", at.toString())
                .member("wasUnschedulable", wasUnschedulable)
                .endObject()
                .toString();
    }
}
