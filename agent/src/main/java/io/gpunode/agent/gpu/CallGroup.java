package io.gpunode.agent.gpu;

import java.util.Locale;

/** What a native call is for: the tag of the agent's own call meters, a small fixed set. */
public enum CallGroup {
    SESSION,
    IDENTITY,
    TOPOLOGY,
    SAMPLING,
    GPM,
    PROCESSES,
    EVENTS,
    MIG;

    private final String tag = name().toLowerCase(Locale.ROOT);

    /** The meters' tag value. */
    public String tag() {
        return tag;
    }
}
