package io.gpunode.agent.os;

import com.sun.jna.LastErrorException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * The listening sockets that systemd passes to a service, by sd_listen_fds(3): descriptors from 3 on, counted by {@code LISTEN_FDS}, named by {@code
 * LISTEN_FDNAMES}, for the process in {@code LISTEN_PID}. They outlive this process: connections wait in them while it is restarted.
 */
public final class SystemdSockets {
    private static final int FIRST_DESCRIPTOR = 3;
    private static final int MOST = 16;
    private static final String NEXT_STEP = "start gpu-node-agent.socket, or unset http.systemdSocket";

    private SystemdSockets() {}

    /**
     * One socket, ready to accept without blocking and closed in programs that this process starts.
     *
     * @param descriptor whoever takes it closes it
     * @param name as the socket unit's {@code FileDescriptorName=} says; empty when it says nothing
     * @param unix whether it is a unix domain socket, and not one of IPv4 or IPv6
     */
    public record Passed(int descriptor, String name, boolean unix) {}

    /**
     * The sockets of this process.
     *
     * @throws IOException when none were passed, or what was passed is not a listening stream socket; says what to do
     */
    public static List<Passed> ofProcess() throws IOException {
        return of(System.getenv(), ProcessHandle.current().pid());
    }

    /** Whether systemd has passed any to this process. Loads nothing. */
    public static boolean arePassed() {
        return count(System.getenv(), ProcessHandle.current().pid()) > 0;
    }

    static List<Passed> of(Map<String, String> environment, long pid) throws IOException {
        int count = count(environment, pid);
        if (count <= 0) {
            throw new IOException("systemd passes no socket to this process"
                    + (environment.containsKey("LISTEN_FDS")
                            ? " (LISTEN_FDS=" + printable(environment, "LISTEN_FDS") + ", LISTEN_PID="
                                    + printable(environment, "LISTEN_PID") + ", own pid " + pid + ")"
                            : " (LISTEN_FDS is not set)")
                    + "; " + NEXT_STEP);
        }
        if (count > MOST) {
            throw new IOException("systemd passes " + count + " sockets; at most " + MOST + " are served");
        }
        String[] names = environment.getOrDefault("LISTEN_FDNAMES", "").split(":", -1);
        List<Passed> passed = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            passed.add(passed(FIRST_DESCRIPTOR + i, i < names.length ? names[i] : ""));
        }
        return passed;
    }

    private static int count(Map<String, String> environment, long pid) {
        try {
            return Long.parseLong(environment.getOrDefault("LISTEN_PID", "0")) == pid
                    ? Integer.parseInt(environment.getOrDefault("LISTEN_FDS", "0"))
                    : 0;
        } catch (NumberFormatException e) {
            return 0;
        }
    }

    private static Passed passed(int descriptor, String name) throws IOException {
        String what =
                "the descriptor " + descriptor + (name.isEmpty() ? "" : " (" + name + ")") + " that systemd passes ";
        try {
            int family = option(descriptor, LibC.SO_DOMAIN);
            if (option(descriptor, LibC.SO_TYPE) != LibC.SOCK_STREAM || option(descriptor, LibC.SO_ACCEPTCONN) != 1) {
                throw new IOException(
                        what + "is not a socket that listens for streams; use ListenStream= and Accept=no");
            }
            if (family != LibC.AF_INET && family != LibC.AF_INET6 && family != LibC.AF_UNIX) {
                throw new IOException(
                        what + "is of address family " + family + "; use a port or a path in ListenStream=");
            }
            LibC.fcntl(descriptor, LibC.F_SETFL, LibC.fcntl(descriptor, LibC.F_GETFL, 0) | LibC.O_NONBLOCK);
            LibC.fcntl(descriptor, LibC.F_SETFD, LibC.FD_CLOEXEC);
            return new Passed(descriptor, name, family == LibC.AF_UNIX);
        } catch (LastErrorException e) {
            throw new IOException(what + "is not a socket: " + e.getMessage() + "; " + NEXT_STEP, e);
        }
    }

    private static int option(int descriptor, int option) throws LastErrorException {
        int[] value = new int[1];
        LibC.getsockopt(descriptor, LibC.SOL_SOCKET, option, value, new int[] {Integer.BYTES});
        return value[0];
    }

    private static String printable(Map<String, String> environment, String name) {
        String value = environment.getOrDefault(name, "unset");
        return value.length() > 20 ? "…" : value.replaceAll("[^0-9a-z-]", "?");
    }
}
