package io.gpunode.agent.driver;

import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.WriteFailure;
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
        String message = WriteFailure.words(e);
        return new DriverSourceException(
                DriverSourceException.Kind.STORAGE,
                what + " in " + where + " failed: " + message + advice(files, where, message),
                e);
    }

    /** What helps against a failure that the system's words tell; empty when they tell of no disk. */
    static String advice(HostFiles files, Path where, String message) {
        String remedy = WriteFailure.remedy(message);
        if (remedy.isEmpty()) {
            return "";
        }
        return "; " + (WriteFailure.isFull(message) ? room(files, where) + ": " : "") + remedy;
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
