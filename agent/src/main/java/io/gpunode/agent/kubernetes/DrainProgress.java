package io.gpunode.agent.kubernetes;

import java.util.List;
import java.util.Optional;

/**
 * How far a drain, or what undoes it, has come.
 *
 * @param text one sentence
 * @param node its name
 * @param unschedulable whether the Node object says that it takes no new pods
 * @param cordon that the agent has set; empty when it has none
 * @param operatorState of the driver upgrade by NVIDIA's operator, as its label says; empty without one
 * @param pods that hold GPUs, and those that were made to go
 * @param trouble why the server does not do what it is asked now; empty when it does
 */
public record DrainProgress(
        Outcome outcome,
        String text,
        String node,
        boolean unschedulable,
        Optional<Cordon> cordon,
        String operatorState,
        List<Pod> pods,
        String trouble) {
    public DrainProgress {
        pods = List.copyOf(pods);
    }

    /** How it ended, or that it has not. */
    public enum Outcome {
        /** It goes on. */
        RUNNING,
        /** No pod that could be made to go holds a GPU. */
        DRAINED,
        /** A dry run found nobody in the way. */
        WOULD_DRAIN,
        /** Pods are in the way. */
        IN_THE_WAY,
        /** What the agent did to the node is undone, or would be after a dry run; or there was nothing to undo. */
        UNDONE,
        /** It stays cordoned because others need it so. */
        KEPT,
        /** It was looked at. */
        SEEN,
        /** Somebody lifted the cordon in the middle, and pods come back. */
        LIFTED,
        /** The server refused, or was not there until the limit. */
        FAILED
    }

    /** What became of a pod. */
    public enum Fate {
        /** It holds GPUs. */
        HOLDS,
        /** A dry run would have evicted it. */
        WOULD_GO,
        /** It is asked to go and has not gone yet. */
        GOING,
        /** It is gone. */
        GONE,
        /** It stays and is in nobody's way. */
        STAYS,
        /** It is in the way. */
        IN_THE_WAY
    }

    /**
     * A pod that holds GPUs.
     *
     * @param holds which resources
     * @param why it is where it is; empty when there is nothing to say
     * @param next the command to type next; empty when there is none
     */
    public record Pod(String namespace, String name, String holds, Fate fate, String why, String next) {}

    /** Whether nothing more comes. */
    public boolean ended() {
        return outcome != Outcome.RUNNING;
    }

    /** How many pods have a fate. */
    public int count(Fate fate) {
        int count = 0;
        for (Pod pod : pods) {
            if (pod.fate == fate) {
                count++;
            }
        }
        return count;
    }
}
