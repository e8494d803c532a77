package io.gpunode.agent.os;

import com.sun.jna.LastErrorException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.AccessDeniedException;
import java.time.Duration;
import java.util.Optional;

/**
 * A hold on one process (pidfd_open(2), since Linux 5.3): signals sent through it reach that process or none. Readable in poll(2) when the process has
 * ended; an eventfd(2) beside it cuts a wait short. Any thread.
 */
final class Pidfd implements ProcessWatch {
    private static final int EVENT_BYTES = 8;
    /** Of {@code revents} in the first {@code struct pollfd}. */
    private static final int RETURNED_EVENTS = 6;

    private final int descriptor;
    private final int wakeUp;
    private boolean closed;

    private Pidfd(int descriptor, int wakeUp) {
        this.descriptor = descriptor;
        this.wakeUp = wakeUp;
    }

    /** The kernel is older than pidfds. */
    static final class UnsupportedException extends IOException {
        UnsupportedException() {
            super("this kernel has no pidfds (they came with Linux 5.3)");
        }
    }

    /**
     * Takes hold of who has this id now; whose that is has to be looked at after that.
     *
     * @return empty when nobody has it
     * @throws UnsupportedException when the kernel has no such calls
     */
    static Optional<Pidfd> open(int pid) throws IOException {
        int descriptor;
        try {
            descriptor = (int) LibC.syscall(LibC.PIDFD_OPEN, pid, 0, 0, 0);
        } catch (LastErrorException e) {
            int error = e.getErrorCode();
            // EINVAL: the id is one of a thread that leads no process, or none at all.
            if (error == LibC.ESRCH || error == LibC.EINVAL) {
                return Optional.empty();
            }
            // EPERM: a container's filter of system calls that does not know this one.
            if (error == LibC.ENOSYS || error == LibC.EPERM) {
                throw new UnsupportedException();
            }
            throw new IOException("pidfd_open of process " + pid + ": " + e.getMessage(), e);
        }
        try {
            return Optional.of(new Pidfd(descriptor, LibC.eventfd(0, LibC.EFD_NONBLOCK | LibC.EFD_CLOEXEC)));
        } catch (LastErrorException e) {
            closeQuietly(descriptor);
            throw new IOException("no eventfd to wait with: " + e.getMessage(), e);
        }
    }

    /**
     * Sends a signal.
     *
     * @return whether it was there to get it
     * @throws AccessDeniedException when this process may not
     */
    boolean signal(int signal) throws IOException {
        try {
            LibC.syscall(LibC.PIDFD_SEND_SIGNAL, descriptor, signal, 0, 0);
            return true;
        } catch (LastErrorException e) {
            if (e.getErrorCode() == LibC.ESRCH) {
                return false;
            }
            if (e.getErrorCode() == LibC.EPERM) {
                throw new AccessDeniedException("signal " + signal, null, e.getMessage());
            }
            throw new IOException("pidfd_send_signal: " + e.getMessage(), e);
        }
    }

    @Override
    public boolean awaitEnd(Duration limit) {
        byte[] request = ByteBuffer.allocate(2 * LibC.POLLFD_BYTES)
                .order(ByteOrder.nativeOrder())
                .putInt(descriptor)
                .putShort(LibC.POLLIN)
                .putShort((short) 0)
                .putInt(wakeUp)
                .putShort(LibC.POLLIN)
                .array();
        try {
            LibC.poll(request, 2, (int) Math.min(limit.toMillis(), Integer.MAX_VALUE));
        } catch (LastErrorException e) {
            // Cut short by a signal: as if woken.
            return false;
        }
        return ByteBuffer.wrap(request).order(ByteOrder.nativeOrder()).getShort(RETURNED_EVENTS) != 0;
    }

    @Override
    public synchronized void wake() {
        if (closed) {
            // Its number may be another file's by now.
            return;
        }
        byte[] one = new byte[EVENT_BYTES];
        ByteBuffer.wrap(one).order(ByteOrder.nativeOrder()).putLong(1);
        try {
            LibC.write(wakeUp, one, one.length);
        } catch (LastErrorException e) {
            // EAGAIN: it was woken very often already.
        }
    }

    @Override
    public synchronized void close() {
        if (!closed) {
            closed = true;
            closeQuietly(descriptor);
            closeQuietly(wakeUp);
        }
    }

    private static void closeQuietly(int descriptor) {
        try {
            LibC.close(descriptor);
        } catch (LastErrorException e) {
            // The descriptor is gone all the same (close(2)).
        }
    }
}
