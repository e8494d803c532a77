package io.gpunode.agent.admin;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.util.List;

/**
 * Where to listen.
 *
 * @param host a name or address; empty for every address
 * @param port 0 to 65535; 0 lets the kernel choose
 */
record ListenAddress(String host, int port) {
    /**
     * Reads {@code :9400}, {@code 127.0.0.1:9400}, {@code [::1]:9400} or {@code localhost:9400}.
     *
     * @throws IllegalArgumentException when it is none of these
     */
    static ListenAddress parse(String text) {
        int colon = text.lastIndexOf(':');
        if (colon < 0) {
            throw wrong(text, "it has no port");
        }
        String host = text.substring(0, colon);
        if (host.startsWith("[") && host.endsWith("]")) {
            host = host.substring(1, host.length() - 1);
        } else if (host.indexOf(':') >= 0) {
            throw wrong(text, "an IPv6 address stands in brackets");
        }
        int port;
        try {
            port = Integer.parseInt(text.substring(colon + 1));
        } catch (NumberFormatException e) {
            throw wrong(text, "its port is not a number");
        }
        if (port < 0 || port > 65_535) {
            throw wrong(text, "its port is not from 0 to 65535");
        }
        return new ListenAddress(host, port);
    }

    /**
     * For the socket, to be tried in this order; resolves a host name, which may take as long as the machine's resolver. Every address is tried as IPv6 first,
     * which takes IPv4 along, and as IPv4 on a machine without it.
     */
    List<InetSocketAddress> toSocketAddresses() {
        if (!host.isEmpty()) {
            InetSocketAddress address = new InetSocketAddress(host, port);
            if (address.isUnresolved()) {
                throw wrong(
                        toString(),
                        host.indexOf('%') >= 0
                                ? "this machine has no such network interface"
                                : "its host name is not known on this machine");
            }
            return List.of(address);
        }
        try {
            return List.of(
                    new InetSocketAddress(InetAddress.getByAddress(new byte[16]), port),
                    new InetSocketAddress(InetAddress.getByAddress(new byte[4]), port));
        } catch (UnknownHostException e) {
            throw new IllegalStateException("an address of zeros is one", e);
        }
    }

    @Override
    public String toString() {
        return (host.isEmpty() ? "[::]" : host.indexOf(':') >= 0 ? "[" + host + "]" : host) + ":" + port;
    }

    /** An address as this record would be written. */
    static String text(InetSocketAddress address) {
        return new ListenAddress(address.getAddress().getHostAddress(), address.getPort()).toString();
    }

    private static IllegalArgumentException wrong(String text, String why) {
        return new IllegalArgumentException("http.listen: \"" + text + "\" is not an address to listen on: " + why
                + "; write :9400, 127.0.0.1:9400 or [::1]:9400");
    }
}
