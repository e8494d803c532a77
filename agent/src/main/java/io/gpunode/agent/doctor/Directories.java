package io.gpunode.agent.doctor;

import io.gpunode.agent.os.HostFiles;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** Compares directories by where they really are: {@code /var/run} is {@code /run}. */
final class Directories {
    private Directories() {}

    static boolean contain(HostFiles files, List<String> directories, Path wanted) {
        Optional<Path> real = files.realPath(wanted);
        for (String directory : directories) {
            if (directory.equals(wanted.toString())
                    || (directory.startsWith("/")
                            && real.isPresent()
                            && files.realPath(Path.of(directory)).equals(real))) {
                return true;
            }
        }
        return false;
    }
}
