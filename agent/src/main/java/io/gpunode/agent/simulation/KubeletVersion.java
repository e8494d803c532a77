package io.gpunode.agent.simulation;

/** The kubelets that behave differently towards a device plugin. */
public enum KubeletVersion {
    /** Answers Register first, dials afterwards, and believes the options in the request: seen on 1.20.2. */
    V1_20(false, false),
    /**
     * Dials and asks for the options before it answers Register. The end of a replaced plugin's stream also disconnects its successor
     * (kubernetes#121994).
     */
    V1_27(true, true),
    /** As {@link #V1_27} without that defect (kubernetes#135437). */
    V1_36(true, false);

    final boolean dialsWithinRegister;
    final boolean oldStreamEndsNew;

    KubeletVersion(boolean dialsWithinRegister, boolean oldStreamEndsNew) {
        this.dialsWithinRegister = dialsWithinRegister;
        this.oldStreamEndsNew = oldStreamEndsNew;
    }
}
