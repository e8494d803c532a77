package io.gpunode.benchmarks;

import java.io.BufferedInputStream;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.zip.GZIPInputStream;

/**
 * Asks for {@code /metrics} over one connection that is kept, in the text format or as Prometheus does: OpenMetrics in gzip. Plain HTTP/1.1 by hand, so that the
 * client costs next to nothing.
 */
final class ScrapeClient implements AutoCloseable {
    private static final int CONNECT_MILLIS = 1_000;
    private static final int ANSWER_MILLIS = 10_000;
    private static final int BUFFER_BYTES = 1 << 18;
    private static final int LONGEST_LINE = 1_000;
    private static final String LENGTH_HEADER = "content-length:";
    private static final String TEXT = "Accept: text/plain; version=0.0.4\r\n";
    private static final String ACCEPTED =
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    private static final String PROMETHEUS = "Accept: " + ACCEPTED + "\r\nAccept-Encoding: gzip\r\n";

    private final Socket socket = new Socket();
    private final InputStream in;
    private final OutputStream out;
    private final byte[] request;
    private final boolean compressed;
    private byte[] body = new byte[BUFFER_BYTES];
    private int length;

    ScrapeClient(int port) throws IOException {
        this(port, false);
    }

    /** One that asks as Prometheus does. */
    static ScrapeClient prometheus(int port) throws IOException {
        return new ScrapeClient(port, true);
    }

    private ScrapeClient(int port, boolean prometheus) throws IOException {
        compressed = prometheus;
        socket.setTcpNoDelay(true);
        socket.setSoTimeout(ANSWER_MILLIS);
        socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), CONNECT_MILLIS);
        in = new BufferedInputStream(socket.getInputStream(), BUFFER_BYTES);
        out = socket.getOutputStream();
        request = ("GET /metrics HTTP/1.1\r\nHost: localhost:" + port + "\r\n" + (prometheus ? PROMETHEUS : TEXT)
                        + "\r\n")
                .getBytes(StandardCharsets.US_ASCII);
    }

    /** One scrape; nanoseconds from the request to the last byte. */
    long scrape() throws IOException {
        long before = System.nanoTime();
        String status = answer();
        if (!status.contains(" 200 ")) {
            throw new IOException("/metrics answered " + status);
        }
        return System.nanoTime() - before;
    }

    /** One scrape that may be refused; nanoseconds, or -1 when there were too many at one time. */
    long scrapeUnlessBusy() throws IOException {
        long before = System.nanoTime();
        String status = answer();
        if (status.contains(" 503 ")) {
            return -1;
        }
        if (!status.contains(" 200 ")) {
            throw new IOException("/metrics answered " + status);
        }
        return System.nanoTime() - before;
    }

    /** Asks once and reads the answer; its first line. */
    private String answer() throws IOException {
        out.write(request);
        String status = line();
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
        return status;
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
    String text() throws IOException {
        if (!compressed) {
            return new String(body, 0, length, StandardCharsets.UTF_8);
        }
        try (GZIPInputStream page = new GZIPInputStream(new ByteArrayInputStream(body, 0, length))) {
            return new String(page.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    /** Of the newest answer, as they were sent. */
    int bytes() {
        return length;
    }

    /** Series in the newest answer, all or those whose line begins so. */
    long series(String prefix) throws IOException {
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
