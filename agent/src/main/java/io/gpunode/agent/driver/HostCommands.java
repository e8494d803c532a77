package io.gpunode.agent.driver;

import io.gpunode.agent.os.HostFiles;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The host's own programs and where they see its files: with another root than {@code /} they are started there (chroot). */
final class HostCommands {
    private static final List<Path> PROGRAMS =
            List.of("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin").stream()
                    .map(Path::of)
                    .toList();

    private final HostFiles files;

    HostCommands(HostFiles files) {
        this.files = files;
    }

    /** How a program of the host is started with arguments that are the host's paths. */
    List<String> command(List<String> command) {
        Path root = files.resolve(Path.of("/"));
        if (root.getNameCount() == 0) {
            return command;
        }
        List<String> entered = new ArrayList<>(List.of("chroot", root.toString()));
        entered.addAll(command);
        return entered;
    }

    /** Whether the host has a program, by its name or its absolute path. */
    boolean has(String program) {
        if (program.startsWith("/")) {
            return files.exists(Path.of(program));
        }
        return PROGRAMS.stream().anyMatch(directory -> files.exists(directory.resolve(program)));
    }
}
