package io.gpunode.agent.admin;

import io.gpunode.agent.log.Log;
import io.netty.channel.Channel;
import java.io.IOException;
import java.net.ConnectException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/**
 * The unix socket that only the agent's own user may open, at no moment anybody else. It is made in a folder that nobody else may enter, and moved to its
 * place when its mode is set. What stands at that place gives way only when it is a socket on which nobody listens. Owned by who opened it.
 */
final class LocalSocket {
    private static final Log LOG = Log.of(LocalSocket.class);

    /** The kind of a file within its mode (inode(7)). */
    private static final int KIND = 0xF000;

    private static final int SOCKET = 0xC000;

    /** Listens on a path. */
    interface Binding {
        Channel bind(Path path) throws IOException;
    }

    private final Path path;
    private final Channel channel;

    /** Device and inode: another agent may have put its own socket there. */
    private final Object key;

    private LocalSocket(Path path, Channel channel, Object key) {
        this.path = path;
        this.channel = channel;
        this.key = key;
    }

    /**
     * Listens.
     *
     * @throws IOException when it cannot; nothing listens then
     */
    static LocalSocket open(Path path, Binding binding) throws IOException {
        Path folder = path.toAbsolutePath().getParent();
        if (folder == null) {
            throw new IOException(path + " is no place for a socket");
        }
        FileAttribute<Set<PosixFilePermission>> own =
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------"));
        if (!Files.isDirectory(folder)) {
            Files.createDirectories(folder, own);
        }
        refuseToReplace(path);
        Path hidden = Files.createTempDirectory(folder, ".", own);
        Path made = hidden.resolve("s");
        Channel channel = null;
        boolean done = false;
        try {
            channel = binding.bind(made);
            Files.setPosixFilePermissions(made, PosixFilePermissions.fromString("rw-------"));
            Object key = key(made);
            Files.move(made, path, StandardCopyOption.ATOMIC_MOVE);
            done = true;
            return new LocalSocket(path, channel, key);
        } finally {
            if (!done && channel != null) {
                channel.close().awaitUninterruptibly();
            }
            Files.deleteIfExists(made);
            Files.delete(hidden);
        }
    }

    private static void refuseToReplace(Path path) throws IOException {
        if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        Object mode = Files.getAttribute(path, "unix:mode", LinkOption.NOFOLLOW_LINKS);
        if (!(mode instanceof Integer bits) || (bits & KIND) != SOCKET) {
            throw new IOException(path + " is there and is no socket; remove it, or set http.localSocket");
        }
        try (SocketChannel asking = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            // Without waiting: who is too busy to be connected to listens, too.
            asking.configureBlocking(false);
            asking.connect(UnixDomainSocketAddress.of(path));
        } catch (ConnectException e) {
            LOG.debug("a socket on which nobody listens gives way", "socket", path);
            return;
        }
        throw new IOException("another process listens on " + path + "; stop it, or set http.localSocket");
    }

    private static Object key(Path path) throws IOException {
        return Objects.requireNonNull(
                Files.getAttribute(path, "unix:fileKey", LinkOption.NOFOLLOW_LINKS), "files of Linux have an inode");
    }

    /** Listens no more, and takes it away. */
    void close(Duration limit) {
        channel.close().awaitUninterruptibly(limit.toMillis(), TimeUnit.MILLISECONDS);
        try {
            if (Files.exists(path, LinkOption.NOFOLLOW_LINKS) && key(path).equals(key)) {
                Files.deleteIfExists(path);
            }
        } catch (IOException e) {
            LOG.debug("the local socket stays behind", "socket", path, "error", e);
        }
    }
}
