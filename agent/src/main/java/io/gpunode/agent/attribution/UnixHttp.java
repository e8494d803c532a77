package io.gpunode.agent.attribution;

import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;

/**
 * Asks for one page over a unix socket, with a limit for time and size. HTTP 1.0: the answer ends with the connection and comes in one piece. For one
 * thread at a time.
 */
final class UnixHttp {
    private static final int BUFFER = 16 << 10;
    private static final String END_OF_HEAD = "\r\n\r\n";

    private final MonotonicClock clock;
    private final int limit;

    /** @param limit of an answer in bytes */
    UnixHttp(MonotonicClock clock, int limit) {
        this.clock = clock;
        this.limit = limit;
    }

    /**
     * The body of a page.
     *
     * @param path with its query; no blanks
     * @param deadline for all of it
     * @throws IOException when there is no answer in time, it is too large, or it is not the page; the message says which
     */
    String get(Path socket, String path, Tick deadline) throws IOException {
        try (Selector selector = Selector.open();
                SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            channel.configureBlocking(false);
            SelectionKey key = channel.register(selector, SelectionKey.OP_CONNECT);
            if (!channel.connect(UnixDomainSocketAddress.of(socket))) {
                await(selector, deadline);
                channel.finishConnect();
            }
            key.interestOps(SelectionKey.OP_WRITE);
            ByteBuffer request = StandardCharsets.US_ASCII.encode(
                    "GET " + path + " HTTP/1.0\r\nHost: localhost\r\nAccept: application/json\r\n\r\n");
            while (request.hasRemaining()) {
                await(selector, deadline);
                channel.write(request);
            }
            key.interestOps(SelectionKey.OP_READ);
            return body(read(selector, channel, deadline), path);
        } catch (UnsupportedOperationException | IllegalArgumentException e) {
            throw new IOException(socket + " is no unix socket", e);
        }
    }

    private String read(Selector selector, SocketChannel channel, Tick deadline) throws IOException {
        ByteArrayOutputStream answer = new ByteArrayOutputStream(BUFFER);
        ByteBuffer buffer = ByteBuffer.allocate(BUFFER);
        while (true) {
            await(selector, deadline);
            int count = channel.read(buffer);
            if (count < 0) {
                return answer.toString(StandardCharsets.UTF_8);
            }
            if (answer.size() + count > limit) {
                throw new IOException("the answer is larger than " + limit + " bytes");
            }
            answer.write(buffer.array(), 0, count);
            buffer.clear();
        }
    }

    private void await(Selector selector, Tick deadline) throws IOException {
        selector.selectedKeys().clear();
        Duration left = deadline.since(clock.now());
        if (!left.isPositive() || selector.select(Math.max(1, left.toMillis())) == 0) {
            throw new IOException(
                    Thread.currentThread().isInterrupted() ? "interrupted" : "there was no answer in time");
        }
    }

    private static String body(String answer, String path) throws IOException {
        int head = answer.indexOf(END_OF_HEAD);
        int blank = answer.indexOf(' ');
        if (!answer.startsWith("HTTP/1.") || head < 0 || blank < 0 || blank + 4 > head) {
            throw new IOException("the answer is no HTTP; is this the socket of a container runtime's API?");
        }
        String status = answer.substring(blank + 1, blank + 4);
        if (!status.equals("200")) {
            throw new IOException(path + " answers with HTTP status " + status);
        }
        return answer.substring(head + END_OF_HEAD.length());
    }
}
