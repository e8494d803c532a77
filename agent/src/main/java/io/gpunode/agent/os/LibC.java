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

    static {
        Native.register(LibC.class, "c");
    }

    private LibC() {}

    static native int socket(int domain, int type, int protocol) throws LastErrorException;

    static native long sendto(int descriptor, byte[] message, long length, int flags, byte[] address, int addressLength)
            throws LastErrorException;

    static native int bind(int descriptor, byte[] address, int addressLength) throws LastErrorException;

    static native long recv(int descriptor, byte[] buffer, long length, int flags) throws LastErrorException;

    static native int close(int descriptor) throws LastErrorException;

    /** mknodat(2) by number: before glibc 2.33 the C library has no symbol for it. */
    static native long syscall(long number, long directory, String path, long mode, long device)
            throws LastErrorException;
}
