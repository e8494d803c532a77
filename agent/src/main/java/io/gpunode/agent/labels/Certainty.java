package io.gpunode.agent.labels;

import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.NvmlState;
import io.gpunode.agent.model.Reading;
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
    /**
     * NVML is open and has not told all of it: a GPU that it lists has not said who it is, whether it is in MIG mode or what it can compute, or there
     * is none in the picture and one on the PCI bus. Labels follow when it has been so for {@link #DRIVER_PATIENCE}: one answer that failed makes no
     * other node, and a GPU that stays silent is one that the node does not have.
     */
    INCOMPLETE,
    /** The GPUs were let go of, or there is a driver that does not answer. What is written stays. */
    UNKNOWN;

    /** Longer than it takes to build and load a driver. */
    public static final Duration DRIVER_PATIENCE = Duration.ofMinutes(10);

    /** Of a picture, beside what the host's own files say. */
    public static Certainty of(NodeSnapshot snapshot, HostFacts facts) {
        return switch (snapshot.nvml()) {
            case NvmlState.Open _ -> complete(snapshot, facts) ? KNOWN : INCOMPLETE;
            case NvmlState.Withdrawn _ -> UNKNOWN;
            case NvmlState.Waiting waiting -> waiting.withoutDriver() ? NO_DRIVER : UNKNOWN;
        };
    }

    private static boolean complete(NodeSnapshot snapshot, HostFacts facts) {
        if (snapshot.unidentified() > 0) {
            return false;
        }
        for (Gpu gpu : snapshot.gpus()) {
            if (!gpu.displayOnly() && (!told(gpu.migMode()) || !told(gpu.computeCapability()))) {
                return false;
            }
        }
        return !snapshot.gpus().isEmpty() || !facts.gpu().asOptional().orElse(false);
    }

    private static boolean told(Reading<?> reading) {
        return switch (reading) {
            case Reading.Value<?> _, Reading.Unsupported<?> _ -> true;
            case Reading.Failed<?> _, Reading.NotRead<?> _ -> false;
        };
    }
}
