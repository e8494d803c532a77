package io.gpunode.agent.os;

import com.sun.jna.LastErrorException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;

/**
 * A file descriptor that is waited for with poll(2), and an eventfd(2) beside it that cuts every wait short once it is woken. It owns both. Any thread.
 */
final class WakeableDescriptor implements AutoCloseable {
    /** An eventfd is read and written as one number of 64 bits. */
    private static final int EVENT_BYTES = 8;
    /** Of {@code revents} in the first {@code struct pollfd}. */
    private static final int RETURNED_EVENTS = 6;

    private final int descriptor;
    private final int wakeUp;
    private final String what;
    private volatile boolean closed;

    private WakeableDescriptor(int descriptor, int wakeUp, String what) {
        this.descriptor = descriptor;
        this.wakeUp = wakeUp;
        this.what = what;
    }

    /**
     * Takes over a descriptor, which is closed when this fails.
     *
     * @param what it is, for messages
     */
    static WakeableDescriptor of(int descriptor, String what) throws IOException {
        try {
            return new WakeableDescriptor(descriptor, LibC.eventfd(0, LibC.EFD_NONBLOCK | LibC.EFD_CLOEXEC), what);
        } catch (LastErrorException e) {
            closeQuietly(descriptor);
            throw new IOException("no eventfd to wait for " + what + " with: " + e.getMessage(), e);
        }
    }

    /** The descriptor's number, for system calls on it before {@link #close()}. */
    int number() {
        return descriptor;
    }

    boolean isClosed() {
        return closed;
    }

    /**
     * Waits until something can be read from the descriptor, or an error is to be read there.
     *
     * @return false when the time was over, it was woken, closed, or a signal came
     * @throws IOException when the kernel cannot wait for it
     */
    boolean await(Duration limit) throws IOException {
        if (closed) {
            // Its number may be another file's by now.
            return false;
        }
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
            if (e.getErrorCode() == LibC.EINTR) {
                return false;
            }
            throw new IOException(what + ": " + e.getMessage(), e);
        }
        return ByteBuffer.wrap(request).order(ByteOrder.nativeOrder()).getShort(RETURNED_EVENTS) != 0;
    }

    /** Ends the wait that is on, and every later one: the eventfd is never reset. */
    synchronized void wake() {
        if (closed) {
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
