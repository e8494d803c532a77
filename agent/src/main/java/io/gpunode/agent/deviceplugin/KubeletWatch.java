package io.gpunode.agent.deviceplugin;

import io.gpunode.agent.log.Log;
import java.io.IOException;
import java.nio.file.ClosedWatchServiceException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardWatchEventKinds;
import java.nio.file.WatchEvent;
import java.nio.file.WatchKey;
import java.nio.file.WatchService;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Tells at once when one of some files of a directory appears or vanishes (inotify). Only a hint: the registration loop looks for itself and
 * polls besides, so a lost event or a machine without inotify left costs at most a second. {@link #ensureWatching()} is called on every turn
 * of the loop and follows a directory that is made later or replaced.
 */
final class KubeletWatch implements AutoCloseable {
    private static final Log LOG = Log.of(KubeletWatch.class);

    private final Path directory;
    private final Set<String> names;
    private final Runnable changed;
    private @Nullable WatchService service;
    private @Nullable WatchKey key;
    private @Nullable Object watched;
    private boolean complained;

    /** @param changed called on the watch's thread; quick */
    KubeletWatch(Path directory, Set<String> names, Runnable changed) {
        this.directory = directory;
        this.names = Set.copyOf(names);
        this.changed = changed;
    }

    /** Watches the directory that is there now, if there is one. */
    synchronized void ensureWatching() {
        Object present = identity();
        if (present == null) {
            watched = null;
            return;
        }
        if (present.equals(watched) && key != null && key.isValid()) {
            return;
        }
        try {
            WatchService open = service;
            if (open == null) {
                open = FileSystems.getDefault().newWatchService();
                service = open;
                WatchService reader = open;
                Thread.ofPlatform().daemon().name("kubelet-watch").start(() -> read(reader));
            }
            if (key != null) {
                key.cancel();
            }
            key = directory.register(open, StandardWatchEventKinds.ENTRY_CREATE, StandardWatchEventKinds.ENTRY_DELETE);
            watched = present;
            complained = false;
        } catch (IOException e) {
            if (!complained) {
                complained = true;
                LOG.warn(
                        "no inotify watch, the kubelet's socket is polled each second instead; raise fs.inotify.max_user_instances",
                        "socket",
                        directory,
                        "error",
                        e);
            }
        }
    }

    @Override
    public synchronized void close() {
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
            return Files.readAttributes(directory, java.nio.file.attribute.BasicFileAttributes.class)
                    .fileKey();
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
                    ours |= !(event.context() instanceof Path name) || names.contains(name.toString());
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
