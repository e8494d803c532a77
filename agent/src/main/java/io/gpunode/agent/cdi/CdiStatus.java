package io.gpunode.agent.cdi;

import java.nio.file.Path;
import java.util.List;
import java.util.Set;

/**
 * How the specification file stands.
 *
 * @param path the file
 * @param structureVersion the picture's structure that the file shows; -1 while there is no file of ours
 * @param names every qualified CDI name that the file resolves, such as {@code k8s.device-plugin.nvidia.com/gpu=GPU-…}
 * @param error why the last write failed; empty when it did not
 * @param problems what a container will miss although the file is written
 */
public record CdiStatus(Path path, long structureVersion, Set<String> names, String error, List<String> problems) {
    public CdiStatus {
        names = Set.copyOf(names);
        problems = List.copyOf(problems);
    }

    /** Whether a file of ours is there. */
    public boolean written() {
        return structureVersion >= 0;
    }
}
