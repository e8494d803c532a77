package io.gpunode.agent.driver;

/** Which of NVIDIA's two sets of kernel modules; the texts are {@code open} and {@code proprietary}. */
public enum ModuleType {
    /** Dual MIT/GPL source, from branch 515 on; needs Turing or newer. */
    OPEN("open"),
    /** With a binary part; branches before 560 recommend it, and GPUs before Turing need it. */
    PROPRIETARY("proprietary");

    private final String text;

    ModuleType(String text) {
        this.text = text;
    }

    /** As configuration, manifests and messages write it. */
    public String text() {
        return text;
    }
}
