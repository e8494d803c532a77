package io.gpunode.agent.kubernetes;

/**
 * Frees the own node of pods that hold GPUs, and lets pods come back. Asking never blocks, any thread; the last that was asked is done. What was begun
 * is kept on the Node object: another that is asked the same goes on with it.
 */
public interface NodeDraining {
    /** Cordons the node and evicts the pods that hold GPUs; with disruption budgets and grace periods, never by force. */
    void drain(DrainOrder order);

    /** Lets pods come to the node again, unless somebody else than the agent has cordoned it. */
    void uncordon(boolean dryRun);

    /** Looks at the node and its pods and changes nothing. */
    void look();

    /** How far it has come; by itself it goes no further once it has ended. Any thread. */
    DrainProgress progress();
}
