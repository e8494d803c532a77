package io.gpunode.agent.os;

import com.sun.jna.LastErrorException;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.time.Duration;
import java.util.Optional;

/**
 * A hold on one process (pidfd_open(2), since Linux 5.3): signals sent through it reach that process or none. Readable in poll(2) when the process has
 * ended. Any thread.
 */
final class Pidfd implements ProcessWatch {
    private final WakeableDescriptor process;

    private Pidfd(WakeableDescriptor process) {
        this.process = process;
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
        return Optional.of(new Pidfd(WakeableDescriptor.of(descriptor, "process " + pid)));
    }

    /**
     * Sends a signal.
     *
     * @return whether it was there to get it
     * @throws AccessDeniedException when this process may not
     */
    boolean signal(int signal) throws IOException {
        try {
            LibC.syscall(LibC.PIDFD_SEND_SIGNAL, process.number(), signal, 0, 0);
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
        try {
            return process.await(limit);
        } catch (IOException e) {
            // The kernel is out of memory: as if woken.
            return false;
        }
    }

    @Override
    public void wake() {
        process.wake();
    }

    @Override
    public void close() {
        process.close();
    }
}
