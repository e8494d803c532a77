package io.gpunode.agent.cdi;

import java.nio.file.Path;
import java.util.List;
import java.util.Set;

/**
 * How the specification files stand.
 *
 * @param path the file of the GPUs
 * @param structureVersion the picture's structure that the files show; -1 while there is no file of the GPUs
 * @param names every qualified CDI name that the files resolve, such as {@code k8s.device-plugin.nvidia.com/gpu=GPU-…}
 * @param channels the IMEX channels that were looked for, as configured; empty while there is no file of the GPUs
 * @param error why the last write failed; empty when it did not
 * @param problems what a container will miss although the files are written
 */
public record CdiStatus(
        Path path,
        long structureVersion,
        Set<String> names,
        List<Integer> channels,
        String error,
        List<String> problems) {
    public CdiStatus {
        names = Set.copyOf(names);
        channels = List.copyOf(channels);
        problems = List.copyOf(problems);
    }

    /** Whether the file of the GPUs is there. */
    public boolean written() {
        return structureVersion >= 0;
    }

    /** The same files, which show a newer structure as well. */
    CdiStatus showing(long newer) {
        return new CdiStatus(path, newer, names, channels, error, problems);
    }
}
