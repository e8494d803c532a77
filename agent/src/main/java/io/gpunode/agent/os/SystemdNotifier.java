package io.gpunode.agent.os;

import io.gpunode.agent.log.Log;
import io.gpunode.agent.time.MonotonicClock;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;

/**
 * Tells systemd how the service is doing, by sd_notify(3)'s datagrams. Any thread, never blocks; a datagram that cannot be sent is logged
 * and dropped, since the service's work does not depend on it.
 */
public interface SystemdNotifier {
    /** {@code READY=1}: start-up or a reload is complete. */
    void ready();

    /** {@code RELOADING=1}, with the monotonic time that {@code Type=notify-reload} asks for; {@link #ready()} ends it. */
    void reloading();

    /** {@code STOPPING=1}: shutting down. */
    void stopping();

    /** {@code STATUS=}: one line for {@code systemctl status}. */
    void status(String text);

    /** {@code WATCHDOG=1}: the process is alive. */
    void watchdog();

    /** How often {@link #watchdog()} is to be called, half of what systemd waits; empty when systemd does not watch this process. */
    Optional<Duration> watchdogInterval();

    /** The notifier of this process; one that does nothing when systemd did not start it as a notifying service. Loads libc only otherwise. */
    static SystemdNotifier ofProcess(MonotonicClock clock) {
        return of(System.getenv(), ProcessHandle.current().pid(), clock);
    }

    /**
     * The notifier that an environment asks for ({@code NOTIFY_SOCKET}, {@code WATCHDOG_USEC}, {@code WATCHDOG_PID}).
     *
     * @param pid this process
     */
    static SystemdNotifier of(Map<String, String> environment, long pid, MonotonicClock clock) {
        String socket = environment.getOrDefault("NOTIFY_SOCKET", "");
        if (socket.isEmpty()) {
            return SilentNotifier.INSTANCE;
        }
        int length = socket.getBytes(StandardCharsets.UTF_8).length;
        if (!(socket.startsWith("/") || socket.startsWith("@")) || length > SystemdSocketNotifier.PATH_LIMIT) {
            Log.of(SystemdNotifier.class)
                    .warn(
                            "NOTIFY_SOCKET is neither a path nor an abstract name of at most "
                                    + SystemdSocketNotifier.PATH_LIMIT + " bytes; systemd is not notified",
                            "socket",
                            socket);
            return SilentNotifier.INSTANCE;
        }
        return new SystemdSocketNotifier(socket, watchdogInterval(environment, pid), clock);
    }

    private static Optional<Duration> watchdogInterval(Map<String, String> environment, long pid) {
        String micros = environment.getOrDefault("WATCHDOG_USEC", "");
        String watched = environment.getOrDefault("WATCHDOG_PID", "");
        if (micros.isEmpty() || !(watched.isEmpty() || watched.equals(Long.toString(pid)))) {
            return Optional.empty();
        }
        try {
            long value = Long.parseLong(micros);
            return value > 1 ? Optional.of(Duration.ofNanos(Math.multiplyExact(value, 500L))) : Optional.empty();
        } catch (NumberFormatException | ArithmeticException e) {
            Log.of(SystemdNotifier.class).warn("WATCHDOG_USEC is not a number of µs", "value", micros, "error", e);
            return Optional.empty();
        }
    }
}
