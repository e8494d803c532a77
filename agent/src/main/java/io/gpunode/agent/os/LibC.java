package io.gpunode.agent.os;

import com.sun.jna.LastErrorException;
import com.sun.jna.Native;

/** The calls of the C library that the JDK has no equal for. Constants are those of Linux on x86-64 and arm64. */
final class LibC {
    static final int AF_UNIX = 1;
    static final int SOCK_DGRAM = 2;
    static final int SOCK_CLOEXEC = 0x80000;
    static final int MSG_DONTWAIT = 0x40;
    static final int MSG_NOSIGNAL = 0x4000;

    static final int O_RDONLY = 0;
    static final int O_NONBLOCK = 0x800;
    static final int O_CLOEXEC = 0x80000;
    static final int SEEK_END = 2;
    static final short POLLIN = 1;
    /** {@code struct pollfd}: an int and two shorts. */
    static final int POLLFD_BYTES = 8;

    static final int EFD_NONBLOCK = 0x800;
    static final int EFD_CLOEXEC = 0x80000;

    static final int SOL_SOCKET = 1;
    static final int SO_TYPE = 3;
    static final int SO_ACCEPTCONN = 30;
    static final int SO_DOMAIN = 39;
    static final int SOCK_STREAM = 1;
    static final int AF_INET = 2;
    static final int AF_INET6 = 10;

    static final int F_SETFD = 2;
    static final int F_GETFL = 3;
    static final int F_SETFL = 4;
    static final int FD_CLOEXEC = 1;

    static final int EPERM = 1;
    static final int ENOENT = 2;
    static final int ESRCH = 3;
    static final int EINTR = 4;
    static final int ENXIO = 6;
    static final int EAGAIN = 11;
    static final int EACCES = 13;
    static final int EINVAL = 22;
    static final int ESPIPE = 29;
    static final int EPIPE = 32;
    static final int ENOSYS = 38;

    static final int MADV_DONTNEED = 4;

    static final int SIGTERM = 15;
    static final int SIGKILL = 9;

    /** Numbers of system calls that are the same for all processors, because they are younger than the agreement about that. */
    static final long PIDFD_SEND_SIGNAL = 424;

    static final long PIDFD_OPEN = 434;

    static {
        Native.register(LibC.class, "c");
    }

    private LibC() {}

    static native int socket(int domain, int type, int protocol) throws LastErrorException;

    static native long sendto(int descriptor, byte[] message, long length, int flags, byte[] address, int addressLength)
            throws LastErrorException;

    static native int getsockopt(int descriptor, int level, int option, int[] value, int[] valueLength)
            throws LastErrorException;

    static native int fcntl(int descriptor, int command, int argument) throws LastErrorException;

    static native int bind(int descriptor, byte[] address, int addressLength) throws LastErrorException;

    static native long recv(int descriptor, byte[] buffer, long length, int flags) throws LastErrorException;

    static native int open(String path, int flags) throws LastErrorException;

    static native long lseek(int descriptor, long offset, int whence) throws LastErrorException;

    static native long read(int descriptor, byte[] buffer, long length) throws LastErrorException;

    static native int poll(byte[] requests, long count, int timeoutMillis) throws LastErrorException;

    static native int madvise(long address, long length, int advice) throws LastErrorException;

    static native int eventfd(int initial, int flags) throws LastErrorException;

    static native long write(int descriptor, byte[] buffer, long length) throws LastErrorException;

    static native int close(int descriptor) throws LastErrorException;

    /** mknodat(2) by number: before glibc 2.33 the C library has no symbol for it. */
    static native long syscall(long number, long directory, String path, long mode, long device)
            throws LastErrorException;

    /** keyctl(2) by number: the C library has no symbol for it. */
    static native long syscall(long number, long operation, long key, byte[] buffer, long length, long unused)
            throws LastErrorException;

    /** Calls by number that take numbers: before glibc 2.36 the C library has no symbols for those of pidfds. */
    static native long syscall(long number, long first, long second, long third, long fourth) throws LastErrorException;

    /** kcmp(2) by number: the C library has no symbol for it. */
    static native long syscall(long number, long first, long second, long kind, long firstIndex, long secondIndex)
            throws LastErrorException;
}
