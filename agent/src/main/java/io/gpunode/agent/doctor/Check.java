package io.gpunode.agent.doctor;

import java.io.IOException;
import java.util.List;

/** Looks at one part of the node. */
interface Check {
    /** Its fixed name. */
    String name();

    /** What it looks for, as preflight says beside what it found. */
    String wanted(Patient patient);

    /**
     * What it found; empty when the part is not there and need not be.
     *
     * @throws IOException when it could not look; the others go on
     */
    List<Diagnosis> examine(Patient patient) throws IOException, InterruptedException;
}
