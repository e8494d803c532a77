package io.gpunode.agent.deviceplugin;

import java.util.List;
import java.util.Set;

/**
 * What container runtimes can resolve, as whoever keeps the CDI specs last said. A device that is handed out by a CDI name which is in no spec
 * fails its container, so one is healthy only once a spec has it.
 *
 * @param structureVersion of the picture that the specs show; -1 while there is none
 * @param names every qualified CDI name that can be resolved, such as {@code k8s.device-plugin.nvidia.com/gpu=GPU-…} and
 *     {@code k8s.device-plugin.nvidia.com/gds=all}
 * @param channels the IMEX channels that were looked for when the specs were written, as configured
 * @param problem why there is none; empty when that is not known or there is one
 */
public record CdiCoverage(long structureVersion, Set<String> names, List<Integer> channels, String problem) {
    /** Nothing has been written yet. */
    public static final CdiCoverage NONE = new CdiCoverage(-1, "");

    public CdiCoverage {
        names = Set.copyOf(names);
        channels = List.copyOf(channels);
    }

    /** Of which no name is asked for. */
    public CdiCoverage(long structureVersion, String problem) {
        this(structureVersion, Set.of(), List.of(), problem);
    }
}
