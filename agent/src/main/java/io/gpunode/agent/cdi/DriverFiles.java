package io.gpunode.agent.cdi;

import io.gpunode.agent.cdi.ContainerEdits.Mount;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;

/**
 * The files of an installed driver that a container needs.
 *
 * @param libraries shared objects and the names under which programs open them
 * @param files programs, firmware and shared files, at their places in the container, sorted
 * @param sockets of the driver's daemons
 * @param libraryDirectories where the libraries lie, as the container sees them
 * @param unreadable places that could not be looked at, in sentences
 * @param problem why they cannot be given to a container; empty when they can
 */
record DriverFiles(
        List<Library> libraries,
        List<Mount> files,
        List<Mount> sockets,
        List<Path> libraryDirectories,
        List<String> unreadable,
        String problem) {
    DriverFiles {
        libraries = List.copyOf(libraries);
        files = List.copyOf(files);
        sockets = List.copyOf(sockets);
        libraryDirectories = List.copyOf(libraryDirectories);
        unreadable = List.copyOf(unreadable);
    }

    /**
     * A shared object.
     *
     * @param hostPath the file itself, no link
     * @param place its own place in the container
     * @param folder below a library directory in which it is looked for: {@code vdpau}, {@code gbm}, or empty
     * @param names the file names that programs and other libraries open, never empty: the SONAME, links that are installed beside the file,
     *     links that containers need although not every installation has them
     */
    record Library(Path hostPath, Path place, String folder, Set<String> names) {
        Library {
            names = Set.copyOf(names);
        }
    }
}
