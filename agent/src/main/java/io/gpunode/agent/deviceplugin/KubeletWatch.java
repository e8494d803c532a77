package io.gpunode.agent.deviceplugin;

import io.gpunode.agent.log.Log;
import java.io.IOException;
import java.nio.file.ClosedWatchServiceException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardWatchEventKinds;
import java.nio.file.WatchEvent;
import java.nio.file.WatchKey;
import java.nio.file.WatchService;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Tells at once when a file of interest appears in or vanishes from a directory (inotify). Only a hint: the registration loop looks for
 * itself and polls besides, faster while {@link #problem()} says that there are no hints, so a lost event or a machine without inotify left
 * costs at most a second. {@link #ensureWatching()} is called on every turn of the loop and follows a directory that is made later or
 * replaced.
 */
final class KubeletWatch implements AutoCloseable {
    private static final Log LOG = Log.of(KubeletWatch.class);

    /** Opens the machine's watch service; fails when the machine has none left. */
    @FunctionalInterface
    interface Opener {
        /** A new one. */
        WatchService open() throws IOException;
    }

    private final Path directory;
    private final Predicate<String> interesting;
    private final Runnable changed;
    private final Opener opener;
    private @Nullable WatchService service;
    private @Nullable WatchKey key;
    private @Nullable Object watched;
    private boolean closed;
    private volatile String problem = "not watched yet";

    /**
     * @param interesting told of each file that appears or vanishes, on the watch's thread: whether its name matters
     * @param changed called on the watch's thread; quick
     */
    KubeletWatch(Path directory, Predicate<String> interesting, Runnable changed, Opener opener) {
        this.directory = directory;
        this.interesting = interesting;
        this.changed = changed;
        this.opener = opener;
    }

    /** Watches the directory that is there now, if there is one. */
    synchronized void ensureWatching() {
        if (closed) {
            return;
        }
        Object present = identity();
        if (present == null) {
            watched = null;
            problem = "there is no directory " + directory + " to watch";
            return;
        }
        if (present.equals(watched) && key != null && key.isValid()) {
            return;
        }
        try {
            WatchService open = service;
            if (open == null) {
                open = opener.open();
                service = open;
                WatchService reader = open;
                Thread.ofPlatform().daemon().name("kubelet-watch").start(() -> read(reader));
            }
            if (key != null) {
                key.cancel();
            }
            key = directory.register(open, StandardWatchEventKinds.ENTRY_CREATE, StandardWatchEventKinds.ENTRY_DELETE);
            watched = present;
            problem = "";
        } catch (IOException e) {
            String text = "no inotify watch on " + directory + ": " + e.getMessage()
                    + "; raise fs.inotify.max_user_instances and fs.inotify.max_user_watches (sysctl)";
            if (!text.equals(problem)) {
                LOG.warn("the kubelet's socket is looked at each second instead", "socket", directory, "reason", text);
            }
            problem = text;
        }
    }

    /** Why changes are not told; empty when they are. Any thread. */
    String problem() {
        return problem;
    }

    @Override
    public synchronized void close() {
        closed = true;
        if (service != null) {
            try {
                service.close();
            } catch (IOException e) {
                LOG.debug("closing the watch failed", "error", e);
            }
        }
    }

    private @Nullable Object identity() {
        try {
            return Files.readAttributes(directory, BasicFileAttributes.class).fileKey();
        } catch (IOException e) {
            return null;
        }
    }

    private void read(WatchService reader) {
        try {
            while (true) {
                WatchKey ready = reader.take();
                boolean ours = false;
                for (WatchEvent<?> event : ready.pollEvents()) {
                    // Without a name events were lost.
                    ours |= !(event.context() instanceof Path name) || interesting.test(name.toString());
                }
                boolean valid = ready.reset();
                if (ours || !valid) {
                    changed.run();
                }
            }
        } catch (ClosedWatchServiceException e) {
            LOG.debug("the watch has ended");
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
