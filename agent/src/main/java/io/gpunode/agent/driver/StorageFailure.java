package io.gpunode.agent.driver;

import io.gpunode.agent.os.HostFiles;
import java.io.IOException;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;

/** What a disk has against a driver that is being prepared, in words that help. */
final class StorageFailure {
    private static final long MEBIBYTE = 1 << 20;

    private StorageFailure() {}

    /** Wraps a failure to write. */
    static DriverSourceException of(HostFiles files, String what, Path where, IOException e) {
        String message = e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
        String advice;
        if (message.contains("No space left on device")) {
            advice = "; " + room(files, where) + ": make room, for example with gpu-node-agent driver prune";
        } else if (message.contains("Read-only file system")) {
            advice = "; the driver store needs a file system that can be written";
        } else if (message.contains("Disk quota exceeded")) {
            advice = "; raise the quota of root, or make room";
        } else {
            advice = "";
        }
        return new DriverSourceException(
                DriverSourceException.Kind.STORAGE, what + " in " + where + " failed: " + message + advice, e);
    }

    /**
     * Looks whether there is room, so that a full disk is told before it is full.
     *
     * @param where an existing directory, as the host sees it
     */
    static void checkRoom(HostFiles files, Path where, long needed, String what)
            throws DriverSourceException, IOException {
        FileStore store = Files.getFileStore(files.resolve(where));
        long usable = store.getUsableSpace();
        if (usable < needed) {
            throw new DriverSourceException(
                    DriverSourceException.Kind.STORAGE,
                    what + " takes about " + mebibytes(needed) + " MiB in " + where + ", and " + mebibytes(usable)
                            + " MiB are free: make room, for example with gpu-node-agent driver prune");
        }
    }

    private static String room(HostFiles files, Path where) {
        try {
            return mebibytes(Files.getFileStore(files.resolve(where)).getUsableSpace()) + " MiB are free";
        } catch (IOException e) {
            return "it is full";
        }
    }

    private static long mebibytes(long bytes) {
        return (bytes + MEBIBYTE - 1) / MEBIBYTE;
    }
}
