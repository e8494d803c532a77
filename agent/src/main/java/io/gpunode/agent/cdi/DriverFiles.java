package io.gpunode.agent.cdi;

import java.nio.file.Path;
import java.util.List;

/**
 * The files of an installed driver that a container needs, as mounts that need no hook: every name under which a library is looked for is a
 * mount of its own.
 *
 * @param mounts read-only files, sorted by container path, without duplicates
 * @param sockets sockets of the driver's daemons, writable, not executable
 * @param libraryDirectories where the driver's libraries lie, as the container sees them
 * @param problems what is missing, in sentences
 */
record DriverFiles(List<Mount> mounts, List<Mount> sockets, List<Path> libraryDirectories, List<String> problems) {
    DriverFiles {
        mounts = List.copyOf(mounts);
        sockets = List.copyOf(sockets);
        libraryDirectories = List.copyOf(libraryDirectories);
        problems = List.copyOf(problems);
    }

    /** A file of the host at a place in the container. */
    record Mount(Path hostPath, Path containerPath) {}
}
