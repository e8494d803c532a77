package io.gpunode.agent.os;

import com.sun.jna.LastErrorException;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.time.MonotonicClock;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Optional;

/**
 * Sends to {@code NOTIFY_SOCKET}, a unix datagram socket. The JDK has no such sockets, hence libc. The descriptor is opened for each message:
 * they are rare, and systemd's socket may be replaced by a daemon-reexec.
 */
final class SystemdSocketNotifier implements SystemdNotifier {
    /** {@code sun_path} has 108 bytes; a path needs its terminator. */
    static final int PATH_LIMIT = 107;

    private static final Log LOG = Log.of(SystemdNotifier.class);

    private final String socket;
    private final byte[] address;
    private final Optional<Duration> watchdogInterval;
    private final MonotonicClock clock;

    SystemdSocketNotifier(String socket, Optional<Duration> watchdogInterval, MonotonicClock clock) {
        this.socket = socket;
        this.address = address(socket);
        this.watchdogInterval = watchdogInterval;
        this.clock = clock;
    }

    @Override
    public void ready() {
        send("READY=1");
    }

    @Override
    public void reloading() {
        send("RELOADING=1\nMONOTONIC_USEC=" + clock.now().nanos() / 1000);
    }

    @Override
    public void stopping() {
        send("STOPPING=1");
    }

    @Override
    public void status(String text) {
        // A line break would begin another assignment.
        send("STATUS=" + text.replace('\n', ' '));
    }

    @Override
    public void watchdog() {
        send("WATCHDOG=1");
    }

    @Override
    public Optional<Duration> watchdogInterval() {
        return watchdogInterval;
    }

    /** {@code struct sockaddr_un} up to the end of the name: family, then a path with its terminator or NUL and an abstract name. */
    static byte[] address(String socket) {
        byte[] name = socket.getBytes(StandardCharsets.UTF_8);
        boolean isAbstract = socket.startsWith("@");
        if (isAbstract) {
            name[0] = 0;
        }
        return ByteBuffer.allocate(2 + name.length + (isAbstract ? 0 : 1))
                .order(ByteOrder.nativeOrder())
                .putShort((short) LibC.AF_UNIX)
                .put(name)
                .array();
    }

    private void send(String message) {
        byte[] bytes = message.getBytes(StandardCharsets.UTF_8);
        try {
            int descriptor = LibC.socket(LibC.AF_UNIX, LibC.SOCK_DGRAM | LibC.SOCK_CLOEXEC, 0);
            try {
                LibC.sendto(
                        descriptor,
                        bytes,
                        bytes.length,
                        LibC.MSG_NOSIGNAL | LibC.MSG_DONTWAIT,
                        address,
                        address.length);
            } finally {
                LibC.close(descriptor);
            }
        } catch (LastErrorException e) {
            LOG.warn("systemd could not be notified", "socket", socket, "message", message, "error", e);
        }
    }
}
