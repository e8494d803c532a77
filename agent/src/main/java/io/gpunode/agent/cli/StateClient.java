package io.gpunode.agent.cli;

import io.gpunode.agent.json.JsonException;
import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.time.Duration;

/**
 * Asks the running agent for {@code /state}: one HTTP/1.0 request over a plain or a unix socket, bounded in time and size. The JDK's HTTP client would
 * take longer to load than the answer takes.
 */
final class StateClient {
    private static final int MOST_BYTES = 16 << 20;

    private final String host;
    /** 0 when the host is the path of a unix socket. */
    private final int port;

    private final Duration limit;
    private final MonotonicClock clock;

    /**
     * @param address {@code host:port} as the agent listens, where every address means this machine, or the path of its local socket
     * @param limit how long the whole exchange may take
     */
    StateClient(String address, Duration limit, MonotonicClock clock) {
        this.limit = limit;
        this.clock = clock;
        if (address.startsWith("/")) {
            this.host = address;
            this.port = 0;
            return;
        }
        int colon = address.lastIndexOf(':');
        if (colon < 0) {
            throw new IllegalArgumentException(
                    "\"" + address + "\" has no port; write host:port, such as 127.0.0.1:9400");
        }
        String name = address.substring(0, colon);
        this.host = switch (name) {
            case "", "0.0.0.0" -> "127.0.0.1";
            case "[::]" -> "::1";
            default -> name.startsWith("[") && name.endsWith("]") ? name.substring(1, name.length() - 1) : name;
        };
        this.port = port(address, address.substring(colon + 1));
    }

    private static int port(String address, String text) {
        try {
            int port = Integer.parseInt(text);
            if (port > 0 && port <= 65535) {
                return port;
            }
        } catch (NumberFormatException e) {
            // Told below.
        }
        throw new IllegalArgumentException(
                "\"" + address + "\" has no port from 1 to 65535; write host:port, such as 127.0.0.1:9400");
    }

    /** Where it asks. */
    String url() {
        return port == 0
                ? host
                : "http://" + (host.indexOf(':') >= 0 ? "[" + host + "]" : host) + ":" + port + "/state";
    }

    /**
     * Asks.
     *
     * @throws IOException when nothing answers, or what answers is not the agent; the message says which
     */
    JsonValue state() throws IOException {
        String answer = exchange();
        int statusEnd = answer.indexOf("\r\n");
        int headersEnd = answer.indexOf("\r\n\r\n");
        if (!answer.startsWith("HTTP/1.") || headersEnd < 0) {
            throw new IOException("what answers is not HTTP");
        }
        String status = answer.substring(0, statusEnd).substring(answer.indexOf(' ') + 1);
        if (!status.startsWith("200")) {
            throw new IOException(
                    "the answer is \"" + Text.printable(status) + "\", which is not that of an agent's /state");
        }
        try {
            return JsonValue.parse(answer.substring(headersEnd + 4));
        } catch (JsonException e) {
            throw new IOException("the answer is not that of an agent's /state: " + e.getMessage(), e);
        }
    }

    private String exchange() throws IOException {
        Tick deadline = clock.now().plus(limit);
        if (port == 0) {
            return exchangeLocally(deadline);
        }
        try (Socket socket = new Socket()) {
            socket.connect(new InetSocketAddress(host, port), Math.toIntExact(limit.toMillis()));
            socket.getOutputStream()
                    .write(("GET /state HTTP/1.0\r\nHost: " + host + "\r\nAccept: application/json\r\n\r\n")
                            .getBytes(StandardCharsets.US_ASCII));
            InputStream in = socket.getInputStream();
            ByteArrayOutputStream all = new ByteArrayOutputStream();
            byte[] buffer = new byte[16 << 10];
            while (true) {
                long left = deadline.since(clock.now()).toMillis();
                if (left <= 0) {
                    throw new SocketTimeoutException();
                }
                socket.setSoTimeout(Math.toIntExact(left));
                int count = in.read(buffer);
                if (count < 0) {
                    return all.toString(StandardCharsets.UTF_8);
                }
                all.write(buffer, 0, count);
                if (all.size() > MOST_BYTES) {
                    throw new IOException("the answer is larger than " + (MOST_BYTES >> 20) + " MiB");
                }
            }
        } catch (SocketTimeoutException e) {
            throw new IOException("no answer within " + limit.toSeconds() + " s", e);
        } catch (java.net.UnknownHostException e) {
            throw new IOException("the host " + host + " is not known", e);
        }
    }

    /** Over a unix socket, which the runtime has as a channel only. */
    private String exchangeLocally(Tick deadline) throws IOException {
        try (SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(host));
                Selector selector = Selector.open()) {
            channel.write(ByteBuffer.wrap(
                    "GET /state HTTP/1.0\r\nAccept: application/json\r\n\r\n".getBytes(StandardCharsets.US_ASCII)));
            channel.configureBlocking(false);
            channel.register(selector, SelectionKey.OP_READ);
            ByteArrayOutputStream all = new ByteArrayOutputStream();
            ByteBuffer buffer = ByteBuffer.allocate(16 << 10);
            while (true) {
                long left = deadline.since(clock.now()).toMillis();
                if (left <= 0) {
                    throw new IOException("no answer within " + limit.toSeconds() + " s");
                }
                selector.select(left);
                selector.selectedKeys().clear();
                int count = channel.read(buffer.clear());
                if (count < 0) {
                    return all.toString(StandardCharsets.UTF_8);
                }
                all.write(buffer.array(), 0, count);
                if (all.size() > MOST_BYTES) {
                    throw new IOException("the answer is larger than " + (MOST_BYTES >> 20) + " MiB");
                }
            }
        }
    }
}
