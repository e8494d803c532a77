package io.gpunode.agent.driver;

import java.util.List;

/** A step did not do what it should. */
class DriverStepException extends Exception {
    private static final long serialVersionUID = 1L;

    private final transient List<String> evidence;
    private final boolean inUse;

    /**
     * @param reason why, with the next step
     * @param inUse whether somebody holds what should have gone
     * @param evidence what was found, a line each: the kernel's log, who holds it
     */
    DriverStepException(String reason, boolean inUse, List<String> evidence) {
        super(reason);
        this.inUse = inUse;
        this.evidence = List.copyOf(evidence);
    }

    DriverStepException(String reason, Throwable cause) {
        super(reason, cause);
        this.inUse = false;
        this.evidence = List.of();
    }

    String reason() {
        return String.valueOf(getMessage());
    }

    boolean inUse() {
        return inUse;
    }

    List<String> evidence() {
        return evidence;
    }
}
