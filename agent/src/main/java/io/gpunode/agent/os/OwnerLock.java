package io.gpunode.agent.os;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The right to change something that one process at a time may change: a lock on a file ({@code fcntl(2)}), which the kernel takes back when the
 * process ends, however it ends. The file stays and is never removed, and says who has or had it: process id, start time and boot. One thread.
 */
public final class OwnerLock implements AutoCloseable {
    private static final int TEXT_LIMIT = 256;
    private static final Path SELF = Path.of("/proc/self/stat");
    private static final Path BOOT = Path.of("/proc/sys/kernel/random/boot_id");
    /** Of proc_pid_stat(5), counted from behind the name: {@code starttime}. */
    private static final int START_TIME = 19;

    private final FileChannel channel;

    private OwnerLock(FileChannel channel) {
        this.channel = channel;
    }

    /**
     * Takes the lock; does not wait.
     *
     * @param hostPath of the file; its directory is made where it is missing
     * @return empty when another process, or another part of this one, has it
     * @throws IOException when the file cannot be written or locked
     */
    public static Optional<OwnerLock> take(HostFiles files, Path hostPath) throws IOException {
        Path file = files.resolve(hostPath);
        Path directory = file.getParent();
        if (directory != null) {
            Files.createDirectories(directory);
        }
        FileChannel channel =
                FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
        try {
            if (lock(channel) == null) {
                channel.close();
                return Optional.empty();
            }
            channel.truncate(0);
            channel.write(ByteBuffer.wrap(ownText().getBytes(StandardCharsets.US_ASCII)), 0);
            return Optional.of(new OwnerLock(channel));
        } catch (IOException e) {
            channel.close();
            throw e;
        }
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
        try {
            return files.readText(hostPath, TEXT_LIMIT)
                    .filter(text -> !text.isBlank())
                    .map(text -> text.lines().findFirst().orElse(text))
                    .orElse("another process");
        } catch (IOException e) {
            return "another process";
        }
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
