package io.gpunode.agent.os;

import io.gpunode.agent.log.Log;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.HashSet;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The right to change something that one process at a time may change: a lock on a file ({@code fcntl(2)}), which the kernel takes back when the
 * process ends, however it ends. The file stays and is never removed, and says who has or had it: process id, start time and boot.
 *
 * <p>The kernel also takes such a lock back when the process closes any other descriptor of the same file (fcntl_locking(2)). Hence a file whose lock this
 * process has is neither opened nor read here a second time. Taking and giving back are for any thread.
 */
public final class OwnerLock implements AutoCloseable {
    private static final Log LOG = Log.of(OwnerLock.class);
    private static final int TEXT_LIMIT = 256;
    private static final String ANOTHER = "another process";
    private static final Path SELF = Path.of("/proc/self/stat");
    private static final Path BOOT = Path.of("/proc/sys/kernel/random/boot_id");
    /** Of proc_pid_stat(5), counted from behind the name: {@code starttime}. */
    private static final int START_TIME = 19;

    /** Files whose lock this process has, by device and inode, since one file may be named in several ways. */
    private static final Set<Object> HELD = new HashSet<>();

    private final FileChannel channel;
    private final Object identity;

    private OwnerLock(FileChannel channel, Object identity) {
        this.channel = channel;
        this.identity = identity;
    }

    /**
     * Takes the lock; does not wait.
     *
     * @param hostPath of the file; its directory is made where it is missing
     * @return empty when another process, or another part of this one, has it
     * @throws IOException when the file cannot be made or locked
     */
    public static Optional<OwnerLock> take(HostFiles files, Path hostPath) throws IOException {
        Path file = files.resolve(hostPath);
        Path directory = file.getParent();
        if (directory != null) {
            Files.createDirectories(directory);
        }
        synchronized (HELD) {
            Object identity = identity(file);
            if (HELD.contains(identity)) {
                return Optional.empty();
            }
            FileChannel channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE);
            try {
                if (lock(channel) == null) {
                    channel.close();
                    return Optional.empty();
                }
                sign(channel);
            } catch (IOException e) {
                channel.close();
                throw e;
            }
            HELD.add(identity);
            return Optional.of(new OwnerLock(channel, identity));
        }
    }

    /** On a full disk the lock is as good without the owner's name: only people read it. In this order, since what is written over needs no room. */
    private static void sign(FileChannel channel) {
        try {
            byte[] text = ownText().getBytes(StandardCharsets.US_ASCII);
            channel.truncate(channel.write(ByteBuffer.wrap(text), 0));
        } catch (IOException e) {
            LOG.debug("who has a lock cannot be written into its file", "error", e);
        }
    }

    /** Which file it is, whatever it is called; it is made where it is missing, and not opened where it is there. */
    private static Object identity(Path file) throws IOException {
        if (!Files.exists(file)) {
            try {
                Files.createFile(file);
            } catch (FileAlreadyExistsException e) {
                // Another process was faster.
            }
        }
        return Objects.requireNonNull(
                Files.readAttributes(file, BasicFileAttributes.class).fileKey(), "files of Linux have inodes");
    }

    /** This process and no other, ever: its id, when it was started in the kernel's ticks, and in which boot. */
    private static String ownText() {
        StringBuilder text =
                new StringBuilder("process ").append(ProcessHandle.current().pid());
        try {
            String stat = Files.readString(SELF);
            String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
            text.append("\nstarted ").append(fields[START_TIME]);
            text.append("\nboot ").append(Files.readString(BOOT).strip());
        } catch (IOException | IndexOutOfBoundsException e) {
            // Only people read it; the lock itself is the kernel's.
            text.append("\nstarted unknown");
        }
        return text.append('\n').toString();
    }

    private static @Nullable FileLock lock(FileChannel channel) throws IOException {
        try {
            return channel.tryLock();
        } catch (OverlappingFileLockException e) {
            // Another thread of this process has it.
            return null;
        }
    }

    /** Who wrote into the file last, for messages: {@code process 4711}; {@code another process} when it does not say. */
    public static String owner(HostFiles files, Path hostPath) {
        synchronized (HELD) {
            try {
                Path file = files.resolve(hostPath);
                if (Files.exists(file) && HELD.contains(identity(file))) {
                    return "process " + ProcessHandle.current().pid();
                }
            } catch (IOException e) {
                return ANOTHER;
            }
        }
        try {
            return files.readText(hostPath, TEXT_LIMIT)
                    .filter(text -> !text.isBlank())
                    .map(text -> text.lines().findFirst().orElse(text))
                    .orElse(ANOTHER);
        } catch (IOException e) {
            return ANOTHER;
        }
    }

    @Override
    public void close() throws IOException {
        synchronized (HELD) {
            if (channel.isOpen()) {
                HELD.remove(identity);
                channel.close();
            }
        }
    }
}
