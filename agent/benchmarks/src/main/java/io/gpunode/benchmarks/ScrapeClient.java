package io.gpunode.benchmarks;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Locale;

/** Asks for {@code /metrics} over one connection that is kept. Plain HTTP/1.1 by hand, so that the client costs next to nothing. */
final class ScrapeClient implements AutoCloseable {
    private static final int CONNECT_MILLIS = 1_000;
    private static final int ANSWER_MILLIS = 10_000;
    private static final int BUFFER_BYTES = 1 << 18;
    private static final int LONGEST_LINE = 1_000;
    private static final String LENGTH_HEADER = "content-length:";

    private final Socket socket = new Socket();
    private final InputStream in;
    private final OutputStream out;
    private final byte[] request;
    private byte[] body = new byte[BUFFER_BYTES];
    private int length;

    ScrapeClient(int port) throws IOException {
        socket.setTcpNoDelay(true);
        socket.setSoTimeout(ANSWER_MILLIS);
        socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), CONNECT_MILLIS);
        in = new BufferedInputStream(socket.getInputStream(), BUFFER_BYTES);
        out = socket.getOutputStream();
        request = ("GET /metrics HTTP/1.1\r\nHost: localhost:" + port + "\r\nAccept: text/plain; version=0.0.4\r\n\r\n")
                .getBytes(StandardCharsets.US_ASCII);
    }

    /** One scrape; nanoseconds from the request to the last byte. */
    long scrape() throws IOException {
        long before = System.nanoTime();
        out.write(request);
        String status = line();
        if (!status.contains(" 200 ")) {
            throw new IOException("/metrics answered " + status);
        }
        length = -1;
        for (String header = line(); !header.isEmpty(); header = line()) {
            String lower = header.toLowerCase(Locale.ROOT);
            if (lower.startsWith(LENGTH_HEADER)) {
                length =
                        Integer.parseInt(lower.substring(LENGTH_HEADER.length()).strip());
            }
        }
        if (length < 0) {
            throw new IOException("/metrics answered without Content-Length");
        }
        if (body.length < length) {
            body = new byte[length * 2];
        }
        if (in.readNBytes(body, 0, length) != length) {
            throw new IOException("/metrics ended early");
        }
        return System.nanoTime() - before;
    }

    /** So many scrapes, one after the other. */
    Latencies scrapes(int count) throws IOException {
        Latencies latencies = new Latencies(count);
        for (int i = 0; i < count; i++) {
            latencies.add(scrape());
        }
        return latencies;
    }

    /** The newest answer. */
    String text() {
        return new String(body, 0, length, StandardCharsets.UTF_8);
    }

    int bytes() {
        return length;
    }

    /** Series in the newest answer, all or those whose line begins so. */
    long series(String prefix) {
        return text().lines()
                .filter(line -> !line.isEmpty() && !line.startsWith("#") && line.startsWith(prefix))
                .count();
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }

    private String line() throws IOException {
        StringBuilder line = new StringBuilder();
        for (int read = 0; read < LONGEST_LINE; read++) {
            int c = in.read();
            if (c < 0) {
                throw new IOException("the connection ended");
            }
            if (c == '\n') {
                return line.toString();
            }
            if (c != '\r') {
                line.append((char) c);
            }
        }
        throw new IOException("a header line has more than " + LONGEST_LINE + " bytes");
    }
}
