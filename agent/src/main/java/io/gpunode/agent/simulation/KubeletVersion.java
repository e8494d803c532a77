package io.gpunode.agent.simulation;

/** The kubelets that behave differently towards a device plugin. */
public enum KubeletVersion {
    /** Answers Register first, dials afterwards, and believes the options in the request: seen on 1.20.2. */
    V1_20(false, false, false),
    /**
     * Dials and asks for the options before it answers Register. Knows one plugin for a resource: when any stream of the resource ends, it closes the
     * connection to the newest plugin, whoever's stream it was (kubernetes#121994; since 1.25).
     */
    V1_27(true, true, false),
    /**
     * As {@link #V1_27} without that defect: plugins are told apart by resource and socket (kubernetes#135437), and a registration at a socket that is
     * still held is refused (kubernetes#139338).
     */
    V1_36(true, false, true);

    final boolean dialsWithinRegister;
    final boolean oldStreamEndsNew;
    final boolean refusesHeldSocket;

    KubeletVersion(boolean dialsWithinRegister, boolean oldStreamEndsNew, boolean refusesHeldSocket) {
        this.dialsWithinRegister = dialsWithinRegister;
        this.oldStreamEndsNew = oldStreamEndsNew;
        this.refusesHeldSocket = refusesHeldSocket;
    }
}
