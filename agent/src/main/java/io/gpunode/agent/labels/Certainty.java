package io.gpunode.agent.labels;

import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.NvmlState;
import java.time.Duration;

/**
 * Whether a picture is a reason to change the node's labels. A driver that is being replaced takes the GPUs out of the picture and not out of the
 * node: labels that went and came back with it would move DaemonSets that select by them. So labels follow the picture only while it says
 * what the node has; otherwise those that are written stay, and since they outlive this process, a restart in the middle of it is no other case.
 */
public enum Certainty {
    /** The GPUs are in the picture. Labels follow it at once. */
    KNOWN,
    /** There is no driver. Labels follow when it has been so for {@link #DRIVER_PATIENCE}: it may be on its way. */
    NO_DRIVER,
    /** The GPUs were let go of, or there is a driver that does not answer. What is written stays. */
    UNKNOWN;

    /** Longer than it takes to build and load a driver. */
    public static final Duration DRIVER_PATIENCE = Duration.ofMinutes(10);

    /** Of a picture. */
    public static Certainty of(NodeSnapshot snapshot) {
        return switch (snapshot.nvml()) {
            case NvmlState.Open _ -> KNOWN;
            case NvmlState.Withdrawn _ -> UNKNOWN;
            case NvmlState.Waiting waiting -> waiting.withoutDriver() ? NO_DRIVER : UNKNOWN;
        };
    }
}
