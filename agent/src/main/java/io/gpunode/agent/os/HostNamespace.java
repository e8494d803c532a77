package io.gpunode.agent.os;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * How a program is run where the host's first process sees files and mounts. In a unit with a file system of its own, or in a container that sees the
 * host's processes, that is not where this process is; mounts made here would not be seen there.
 */
final class HostNamespace {
    private static final Path OWN = Path.of("/proc/self/ns/mnt");

    private final int first;
    private final boolean apart;

    /** @param own files as this process sees them */
    HostNamespace(HostFiles own) {
        this(own, 1);
    }

    /** @param first the process whose place it is */
    HostNamespace(HostFiles own, int first) {
        Optional<Path> its = own.linkTarget(of(first));
        this.first = first;
        this.apart = its.isPresent() && !its.equals(own.linkTarget(OWN));
    }

    private static Path of(int pid) {
        return Path.of("/proc/" + pid + "/ns/mnt");
    }

    /** Where the kernel tells what is mounted there. */
    Path mountTable() {
        return Path.of(apart ? "/proc/" + first + "/mountinfo" : "/proc/self/mountinfo");
    }

    /** Whether this process sees other mounts than the host's first one, and may enter its place. */
    boolean apart() {
        return apart;
    }

    /** The same command, run where the host's first process is. */
    List<String> enter(List<String> command) {
        if (!apart) {
            return command;
        }
        List<String> entered = new ArrayList<>(List.of("nsenter", "--mount=" + of(first), "--"));
        entered.addAll(command);
        return entered;
    }
}
