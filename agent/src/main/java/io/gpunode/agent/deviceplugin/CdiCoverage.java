package io.gpunode.agent.deviceplugin;

/**
 * What container runtimes can resolve, as whoever keeps the CDI spec last said. A device that is handed out by a CDI name which is in no spec
 * fails its container, so one is healthy only once the spec has it.
 *
 * @param structureVersion of the picture that the spec shows; -1 while there is no spec
 * @param problem why there is none; empty when that is not known or there is one
 */
public record CdiCoverage(long structureVersion, String problem) {
    /** Nothing has been written yet. */
    public static final CdiCoverage NONE = new CdiCoverage(-1, "");
}
