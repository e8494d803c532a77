package io.gpunode.agent.os;

import com.sun.jna.LastErrorException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * {@link KernelLog} over {@code /dev/kmsg}, or over a file or pipe of the same format. The device gives one record with each read, answers
 * EPIPE when records were overwritten before they were read (and goes on with the oldest that is left), and is opened non-blocking, so a read
 * can be waited for with a limit; an eventfd(2) beside it in the same poll(2) cuts the wait short. Only the kernel's own records, of facility 0, are handed out: whoever may write to the device can write any
 * text, but the kernel gives it another facility (printk.c, devkmsg_write). Allocates for records that are handed out and for nothing else.
 */
public final class KmsgKernelLog implements KernelLog {
    /** Where the host has it. */
    public static final Path PATH = Path.of("/dev/kmsg");

    /** More than any record: the kernel's own limit is 8 KiB (PRINTKRB_RECORD_MAX and what comes before the text). */
    static final int BUFFER_BYTES = 16 * 1024;

    private static final int NOTHING = -1;
    private static final int ESCAPE_LENGTH = 4;
    /** A record's first number is its facility, shifted, and its level (syslog(3)). */
    private static final int FACILITY_SHIFT = 3;

    private static final int KERNEL_FACILITY = 0;
    /** Above every facility, and far from where a number overflows. */
    private static final int PRIORITY_LIMIT = 10_000;

    private final WakeableDescriptor device;
    private final byte[] buffer = new byte[BUFFER_BYTES];
    private int used;
    private int taken;
    private boolean skipping;
    private long gaps;

    private KmsgKernelLog(WakeableDescriptor device) {
        this.device = device;
    }

    /**
     * Opens it at its end.
     *
     * @throws NoSuchFileException when there is none
     * @throws AccessDeniedException when this process may not read it: that takes root or CAP_SYSLOG
     */
    public static KmsgKernelLog open(HostFiles host) throws IOException {
        Path path = host.resolve(PATH);
        int descriptor;
        try {
            descriptor = LibC.open(path.toString(), LibC.O_RDONLY | LibC.O_NONBLOCK | LibC.O_CLOEXEC);
        } catch (LastErrorException e) {
            throw switch (e.getErrorCode()) {
                case LibC.ENOENT, LibC.ENXIO -> new NoSuchFileException(path.toString());
                case LibC.EACCES, LibC.EPERM -> new AccessDeniedException(path.toString());
                default -> new FileNotFoundException(path + ": " + e.getMessage());
            };
        }
        WakeableDescriptor device = WakeableDescriptor.of(descriptor, path.toString());
        try {
            LibC.lseek(descriptor, 0, LibC.SEEK_END);
        } catch (LastErrorException e) {
            // A pipe has no end to go to: it holds what is new.
            if (e.getErrorCode() != LibC.ESPIPE) {
                device.close();
                throw new IOException(path + ": " + e.getMessage(), e);
            }
        }
        return new KmsgKernelLog(device);
    }

    @Override
    public @Nullable String next(Duration patience) throws IOException {
        String record = fromBuffer();
        if (record != null) {
            return record;
        }
        // Without waiting first: a burst is read at one call for each record.
        if (read() == NOTHING) {
            if (patience.toMillis() == 0 || !device.await(patience) || read() == NOTHING) {
                return null;
            }
        }
        return fromBuffer();
    }

    /** The next whole record in the buffer; null when there is none. Properties, and what is no record, are passed over. */
    private @Nullable String fromBuffer() {
        while (true) {
            int end = lineEnd();
            if (end < 0) {
                makeRoom();
                return null;
            }
            int begin = taken;
            taken = end + 1;
            if (skipping) {
                // The rest of a line that was too long.
                skipping = false;
            } else {
                int text = textBegin(begin, end);
                if (text >= 0) {
                    return unescaped(text, end);
                }
            }
        }
    }

    private int lineEnd() {
        for (int i = taken; i < used; i++) {
            if (buffer[i] == '\n') {
                return i;
            }
        }
        return -1;
    }

    private void makeRoom() {
        System.arraycopy(buffer, taken, buffer, 0, used - taken);
        used -= taken;
        taken = 0;
        if (used == buffer.length) {
            gaps++;
            skipping = true;
            used = 0;
        }
    }

    /** Where the text of a record of the kernel begins; -1 when the line is none. */
    private int textBegin(int begin, int end) {
        int comma = begin;
        int priority = 0;
        while (comma < end && buffer[comma] >= '0' && buffer[comma] <= '9' && priority <= PRIORITY_LIMIT) {
            priority = priority * 10 + (buffer[comma] - '0');
            comma++;
        }
        boolean ofTheKernel = priority >> FACILITY_SHIFT == KERNEL_FACILITY;
        if (comma == begin || comma == end || buffer[comma] != ',' || !ofTheKernel) {
            return -1;
        }
        for (int i = comma; i < end; i++) {
            if (buffer[i] == ';') {
                return i + 1;
            }
        }
        return -1;
    }

    /** The kernel writes what is not printable, and the backslash, as {@code \xHH}. */
    private String unescaped(int begin, int end) {
        byte[] text = new byte[end - begin];
        int length = 0;
        int i = begin;
        while (i < end) {
            int value = escaped(i, end);
            text[length++] = value < 0 ? buffer[i] : (byte) value;
            i += value < 0 ? 1 : ESCAPE_LENGTH;
        }
        return new String(text, 0, length, StandardCharsets.UTF_8);
    }

    private int escaped(int at, int end) {
        if (buffer[at] != '\\' || at + ESCAPE_LENGTH > end || buffer[at + 1] != 'x') {
            return -1;
        }
        int high = Character.digit(buffer[at + 2], 16);
        int low = Character.digit(buffer[at + 3], 16);
        return high < 0 || low < 0 ? -1 : high << 4 | low;
    }

    /** Reads what is there into the buffer; {@link #NOTHING} when there is nothing. */
    private int read() throws IOException {
        if (device.isClosed()) {
            throw new IOException(PATH + " is closed");
        }
        byte[] free = used == 0 ? buffer : new byte[buffer.length - used];
        long count;
        try {
            count = LibC.read(device.number(), free, free.length);
        } catch (LastErrorException e) {
            int error = e.getErrorCode();
            if (error == LibC.EAGAIN || error == LibC.EINTR) {
                return NOTHING;
            }
            if (error != LibC.EPIPE && error != LibC.EINVAL) {
                throw new IOException(PATH + ": " + e.getMessage(), e);
            }
            // Records were overwritten, or one is longer than any may be. The next read goes on behind.
            gaps++;
            used = 0;
            taken = 0;
            skipping = false;
            return 0;
        }
        if (count <= 0) {
            return NOTHING;
        }
        if (used != 0) {
            System.arraycopy(free, 0, buffer, used, (int) count);
        }
        used += (int) count;
        return (int) count;
    }

    @Override
    public long gaps() {
        return gaps;
    }

    @Override
    public void wake() {
        device.wake();
    }

    @Override
    public void close() {
        device.close();
    }
}
