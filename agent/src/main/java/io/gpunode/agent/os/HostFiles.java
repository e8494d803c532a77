package io.gpunode.agent.os;

import java.io.IOException;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * The host's file system under a typed root: every path given is absolute as the host sees it ({@code /sys/…}, {@code /dev/nvidia0}) and is
 * resolved under the root that this process sees it by. Reads are bounded. Any thread.
 */
public interface HostFiles {
    /** Where this process sees a host path. */
    Path resolve(Path hostPath);

    /** The same files with a directory as their root, as chroot(2) would show them: absolute links start again there. */
    HostFiles below(Path hostDirectory);

    /** Where something really is on the host, all links followed: equal for two names of one file. Empty when it is not there. */
    Optional<Path> realPath(Path hostPath);

    /** What a symbolic link says, as it says it; empty when there is none. */
    Optional<Path> linkTarget(Path hostPath);

    /** Whether something is there (a dangling link is not). */
    boolean exists(Path hostPath);

    /**
     * Reads a small text file such as those of sysfs and procfs, without the trailing newline.
     *
     * @param limitBytes how much is read at most; a longer file is refused
     * @return empty when it does not exist
     * @throws IOException when it exists and cannot be read, or is longer than the limit
     */
    Optional<String> readText(Path hostPath, int limitBytes) throws IOException;

    /**
     * Opens a file for reading at any place; the caller closes it and bounds what is read.
     *
     * @throws IOException when it does not exist or cannot be read
     */
    SeekableByteChannel open(Path hostPath) throws IOException;

    /** Names of the entries of a directory, sorted; empty when it does not exist. */
    List<String> list(Path hostDirectory) throws IOException;

    /**
     * Replaces a file in one step: written under a temporary name beside it, synced, renamed. Creates missing parent directories. A reader sees
     * the old content or the new one.
     *
     * @param mode permission text such as {@code rw-r--r--}
     */
    void replace(Path hostPath, byte[] content, String mode) throws IOException;

    /** Removes a file; nothing happens when it is not there. */
    void delete(Path hostPath) throws IOException;
}
