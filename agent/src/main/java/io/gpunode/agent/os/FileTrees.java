package io.gpunode.agent.os;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Whole directories, as {@link HostFiles} resolves them: removing them, and making sure that they are on the disk. No link is followed, and no file
 * system is entered that is mounted below.
 */
public final class FileTrees {
    private FileTrees() {}

    /**
     * Removes a file, a link, or a directory with all that is in it; nothing happens when it is not there. Goes on after a failure and tells the first.
     * What another file system shows below it stays, and so do the directories above that.
     *
     * @throws IOException when something could not be removed
     */
    public static void delete(Path tree) throws IOException {
        if (!Files.exists(tree, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        Deletion deletion = new Deletion(Files.getAttribute(tree, "unix:dev", LinkOption.NOFOLLOW_LINKS));
        Files.walkFileTree(tree, deletion);
        if (deletion.failure != null) {
            throw deletion.failure;
        }
    }

    /**
     * A file or directory with all that is below it, each directory before what is in it. Links are told and not followed.
     *
     * @throws IOException when it is not there, or a directory of it cannot be read
     */
    public static List<Path> all(Path tree) throws IOException {
        try (Stream<Path> walk = Files.walk(tree)) {
            return walk.toList();
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
    }

    /** Waits until a file's content is on the disk. */
    public static void sync(Path file) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.force(true);
        }
    }

    /** Waits until the names in a directory are on the disk: without it a power cut may bring a removed name back, or lose a new one. */
    public static void syncDirectory(Path directory) throws IOException {
        try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    private static final class Deletion extends SimpleFileVisitor<Path> {
        private final Object device;
        private @Nullable IOException failure;

        Deletion(Object device) {
            this.device = device;
        }

        @Override
        public FileVisitResult preVisitDirectory(Path directory, BasicFileAttributes attributes) throws IOException {
            if (Files.getAttribute(directory, "unix:dev", LinkOption.NOFOLLOW_LINKS)
                    .equals(device)) {
                return FileVisitResult.CONTINUE;
            }
            failed(new IOException(directory + " shows another file system; take it away first: umount " + directory));
            return FileVisitResult.SKIP_SUBTREE;
        }

        @Override
        public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
            return remove(file);
        }

        @Override
        public FileVisitResult visitFileFailed(Path file, IOException exception) {
            failed(exception);
            return FileVisitResult.CONTINUE;
        }

        @Override
        public FileVisitResult postVisitDirectory(Path directory, @Nullable IOException exception) {
            if (exception != null) {
                failed(exception);
            }
            return remove(directory);
        }

        private FileVisitResult remove(Path path) {
            try {
                Files.delete(path);
            } catch (NoSuchFileException e) {
                // Somebody else was faster.
            } catch (IOException e) {
                failed(e);
            }
            return FileVisitResult.CONTINUE;
        }

        private void failed(IOException exception) {
            if (failure == null) {
                failure = exception;
            }
        }
    }
}
