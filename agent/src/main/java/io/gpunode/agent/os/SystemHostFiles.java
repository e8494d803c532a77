package io.gpunode.agent.os;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.FileSystemLoopException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;

/**
 * {@link HostFiles} over the machine's own file system. Symbolic links are followed as the host would follow them: with a root other than
 * {@code /} an absolute link target starts again at that root, and {@code ..} never climbs above it, as under chroot(2). This keeps an
 * honest host's links right; it is no defence against somebody who changes links while they are being read.
 */
public final class SystemHostFiles implements HostFiles {
    /** What the kernel allows on one path (path_resolution(7)). */
    private static final int LINK_LIMIT = 40;
    /** A directory with more entries than this is not one that the agent has business with. */
    private static final int ENTRY_LIMIT = 65_536;

    private static final Path SLASH = Path.of("/");

    private static final AtomicLong TEMPORARY = new AtomicLong();

    private final Path root;
    private final boolean rootIsSlash;

    /** @param root where this process sees the host's {@code /}; absolute */
    public SystemHostFiles(Path root) {
        if (!root.isAbsolute()) {
            throw new IllegalArgumentException("the host root is an absolute path, not \"" + root + "\"");
        }
        this.root = root.normalize();
        this.rootIsSlash = this.root.getNameCount() == 0;
    }

    @Override
    public Path resolve(Path hostPath) {
        checkHostPath(hostPath);
        if (rootIsSlash) {
            return hostPath;
        }
        try {
            return follow(hostPath);
        } catch (IOException e) {
            // The caller's own access to this path says what is wrong with it, in the kernel's words.
            return root.resolve(SLASH.relativize(hostPath));
        }
    }

    @Override
    public HostFiles below(Path hostDirectory) {
        checkHostPath(hostDirectory);
        return hostDirectory.getNameCount() == 0 ? this : new SystemHostFiles(resolve(hostDirectory));
    }

    @Override
    public Optional<Path> realPath(Path hostPath) {
        checkHostPath(hostPath);
        try {
            if (rootIsSlash) {
                return Optional.of(hostPath.toRealPath());
            }
            Path real = follow(hostPath);
            return Files.exists(real) ? Optional.of(SLASH.resolve(root.relativize(real))) : Optional.empty();
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    @Override
    public Optional<Path> linkTarget(Path hostPath) {
        Path parent = hostPath.getParent();
        if (parent == null) {
            return Optional.empty();
        }
        try {
            return Optional.of(Files.readSymbolicLink(resolve(parent).resolve(hostPath.getFileName())));
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    @Override
    public boolean exists(Path hostPath) {
        return Files.exists(resolve(hostPath));
    }

    @Override
    public Optional<String> readText(Path hostPath, int limitBytes) throws IOException {
        try (InputStream in = Files.newInputStream(resolve(hostPath))) {
            byte[] bytes = in.readNBytes(limitBytes + 1);
            if (bytes.length > limitBytes) {
                throw new IOException(hostPath + " is longer than the " + limitBytes + " bytes that are read of it");
            }
            int end = bytes.length;
            if (end > 0 && bytes[end - 1] == '\n') {
                end--;
            }
            return Optional.of(new String(bytes, 0, end, StandardCharsets.UTF_8));
        } catch (NoSuchFileException | NotDirectoryException e) {
            return Optional.empty();
        }
    }

    @Override
    public SeekableByteChannel open(Path hostPath) throws IOException {
        return FileChannel.open(resolve(hostPath), StandardOpenOption.READ);
    }

    @Override
    public List<String> list(Path hostDirectory) throws IOException {
        List<String> names = new ArrayList<>();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(resolve(hostDirectory))) {
            for (Path entry : entries) {
                if (names.size() == ENTRY_LIMIT) {
                    throw new IOException(hostDirectory + " has more than " + ENTRY_LIMIT + " entries");
                }
                names.add(entry.getFileName().toString());
            }
        } catch (NoSuchFileException e) {
            return List.of();
        }
        Collections.sort(names);
        return Collections.unmodifiableList(names);
    }

    @Override
    public void replace(Path hostPath, byte[] content, String mode) throws IOException {
        checkHostPath(hostPath);
        var permissions = PosixFilePermissions.fromString(mode);
        Path hostDirectory = hostPath.getParent();
        if (hostDirectory == null) {
            throw new IOException("\"" + hostPath + "\" cannot be replaced: it is the root");
        }
        // The last name is not followed: a link at that place is itself replaced, never the file that it points to.
        Path directory = resolve(hostDirectory);
        Files.createDirectories(directory);
        Path target = directory.resolve(hostPath.getFileName());
        Path temporary = directory.resolve("." + hostPath.getFileName() + "."
                + ProcessHandle.current().pid() + "-" + TEMPORARY.incrementAndGet() + ".tmp");
        try {
            try (FileChannel file =
                    FileChannel.open(temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
                Files.setPosixFilePermissions(temporary, permissions);
                ByteBuffer buffer = ByteBuffer.wrap(content);
                while (buffer.hasRemaining()) {
                    file.write(buffer);
                }
                file.force(true);
            }
            Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            try {
                Files.deleteIfExists(temporary);
            } catch (IOException alsoFailed) {
                e.addSuppressed(alsoFailed);
            }
            throw e;
        }
        syncDirectory(directory);
    }

    @Override
    public void delete(Path hostPath) throws IOException {
        checkHostPath(hostPath);
        Path hostDirectory = hostPath.getParent();
        if (hostDirectory == null) {
            throw new IOException("\"" + hostPath + "\" cannot be deleted: it is the root");
        }
        Path directory = resolve(hostDirectory);
        if (Files.deleteIfExists(directory.resolve(hostPath.getFileName()))) {
            syncDirectory(directory);
        }
    }

    /** Without it a power cut may bring back the old name after the new content was announced. */
    private static void syncDirectory(Path directory) throws IOException {
        try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    private static void checkHostPath(Path hostPath) {
        if (!hostPath.isAbsolute()) {
            throw new IllegalArgumentException("a host path is absolute, not \"" + hostPath + "\"");
        }
        for (Path part : hostPath) {
            if (part.toString().equals("..")) {
                throw new IllegalArgumentException(
                        "\"" + hostPath + "\" contains \"..\"; write the path that is meant without it");
            }
        }
    }

    /** Follows links as the host would. What does not exist is left as it is. */
    private Path follow(Path hostPath) throws IOException {
        Path literal = root.resolve(SLASH.relativize(hostPath));
        try {
            // One call of the C library; only a path without any link on the way comes out as it went in.
            if (literal.toRealPath().equals(literal)) {
                return literal;
            }
        } catch (IOException e) {
            // So it is seen from here. The host may follow a link to something that is there.
        }
        return walk(hostPath);
    }

    private Path walk(Path hostPath) throws IOException {
        Deque<Path> ahead = new ArrayDeque<>();
        hostPath.forEach(ahead::addLast);
        Path at = root;
        int links = 0;
        while (!ahead.isEmpty()) {
            Path part = ahead.removeFirst();
            String text = part.toString();
            if (text.isEmpty() || text.equals(".")) {
                continue;
            }
            if (text.equals("..")) {
                Path parent = at.getParent();
                at = at.equals(root) || parent == null ? root : parent;
                continue;
            }
            Path next = at.resolve(part);
            if (!Files.isSymbolicLink(next)) {
                if (!Files.exists(next, LinkOption.NOFOLLOW_LINKS)) {
                    // Nothing below can be a link.
                    Path rest = next;
                    for (Path left : ahead) {
                        rest = rest.resolve(left);
                    }
                    return rest.normalize();
                }
                at = next;
                continue;
            }
            if (++links > LINK_LIMIT) {
                throw new FileSystemLoopException(hostPath.toString());
            }
            Path to = Files.readSymbolicLink(next);
            if (to.isAbsolute()) {
                at = root;
            }
            for (int i = to.getNameCount() - 1; i >= 0; i--) {
                ahead.addFirst(to.getName(i));
            }
        }
        return at;
    }
}
