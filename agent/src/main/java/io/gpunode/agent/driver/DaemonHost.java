package io.gpunode.agent.driver;

import io.gpunode.agent.config.AgentConfig.Driver;
import io.gpunode.agent.os.CommandRunner;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.HostProcesses;
import io.gpunode.agent.os.ProcessIdentity;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What the recipes of daemons look at.
 *
 * @param files where host paths are seen
 * @param settings which daemons are wanted
 */
record DaemonHost(HostFiles files, HostProcesses processes, CommandRunner commands, Driver.Daemons settings) {
    /** Where the agent keeps what it must know of its children; gone after the machine has started anew, as they are. */
    static final Path DIRECTORY = Path.of("/run/gpu-node-agent/daemons");

    private static final List<String> LIBRARIES = List.of(
            "usr/lib/x86_64-linux-gnu/nvidia/current",
            "usr/lib/aarch64-linux-gnu/nvidia/current",
            "usr/lib/x86_64-linux-gnu",
            "usr/lib/aarch64-linux-gnu",
            "usr/lib64",
            "usr/lib",
            "lib/x86_64-linux-gnu",
            "lib/aarch64-linux-gnu",
            "lib64");

    /** The first of these below a root that is there. */
    Optional<Path> first(Path root, List<String> names) {
        return names.stream().map(root::resolve).filter(files::exists).findFirst();
    }

    /** The directory of a driver's libraries, known by one of them. */
    Optional<Path> libraries(Path root, String library) {
        return libraries(files, root, library);
    }

    /** Where a program of a driver in a root of its own finds its libraries; nothing for the host's. */
    Map<String, String> loaderPath(Path root) {
        if (root.getNameCount() == 0) {
            return Map.of();
        }
        List<String> directories = LIBRARIES.stream()
                .map(root::resolve)
                .filter(files::exists)
                .map(Path::toString)
                .toList();
        return directories.isEmpty() ? Map.of() : Map.of("LD_LIBRARY_PATH", String.join(":", directories));
    }

    static Optional<Path> libraries(HostFiles files, Path root, String library) {
        return LIBRARIES.stream()
                .map(root::resolve)
                .filter(directory -> files.exists(directory.resolve(library)))
                .findFirst();
    }

    /** Processes of a program, the host's before those in containers. */
    Optional<ProcessIdentity> running(String program) throws IOException {
        List<ProcessIdentity> running = processes.running(program);
        for (ProcessIdentity process : running) {
            if (processes.container(process.pid()).isEmpty()) {
                return Optional.of(process);
            }
        }
        return running.stream().findFirst();
    }
}
