package io.gpunode.agent.admin;

import io.gpunode.agent.json.JsonWriter;
import java.util.List;

/** A part of {@code /state} that another room of the agent writes. */
public interface StateSection {
    /** The member's name. */
    String name();

    /** Writes the member's value. Never blocks, any thread; what it throws is shown in its place. */
    void write(JsonWriter json);

    /** What the status page says of it; empty when that is not worth a line. Never blocks, any thread. */
    default List<StatusLine> lines() {
        return List.of();
    }
}
