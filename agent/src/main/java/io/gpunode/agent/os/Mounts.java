package io.gpunode.agent.os;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * Mounts of the host: those that its first process sees, whichever mount namespace this process is in. Paths are host paths as in {@link HostFiles}. One
 * thread at a time.
 */
public interface Mounts {
    /**
     * What is mounted, in the order in which it was.
     *
     * @throws IOException when it cannot be read
     */
    List<Mount> all() throws IOException;

    /** What is mounted at a place; the last one is the one that is seen. */
    default List<Mount> at(Path hostPath) throws IOException {
        return all().stream().filter(mount -> mount.point().equals(hostPath)).toList();
    }

    /** A mount by its id; empty when it is gone. */
    default Optional<Mount> find(long id) throws IOException {
        return all().stream().filter(mount -> mount.id() == id).findFirst();
    }

    /**
     * Shows a directory at another place, without what is mounted below it; both must be there.
     *
     * @return the new mount
     * @throws IOException when it is not allowed, or the mount is not to be seen on the host afterwards
     */
    Mount bind(Path hostDirectory, Path hostPoint) throws IOException, InterruptedException;

    /**
     * The same, and what is mounted below one of the two places later is not seen below the other. On a machine whose mounts are shared, as systemd's
     * are, {@link #bind} makes both places one for that.
     *
     * @throws IOException as of {@link #bind}
     */
    Mount bindApart(Path hostDirectory, Path hostPoint) throws IOException, InterruptedException;

    /**
     * Takes a mount away, and nothing else that may be mounted at the same place.
     *
     * @param lazily whether it only goes out of sight when somebody still uses files of it; the kernel then keeps it until they end
     * @throws BusyException when somebody uses files of it, or something is mounted below it
     * @throws IOException when it is not the one that is seen at its place, or it is not allowed
     */
    void unmount(Mount mount, boolean lazily) throws IOException, InterruptedException;

    /** Somebody uses the mount. */
    final class BusyException extends IOException {
        public BusyException(String message) {
            super(message);
        }
    }
}
