package io.gpunode.agent.attribution;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;

/** A container runtime's API on a unix socket: pages that were set, byte for byte; it can hang, drip and end in the middle. It answers one after another. */
final class FakeRuntime implements AutoCloseable {
    private final ServerSocketChannel server;
    private final Thread thread;
    private final Map<String, String> containers = new ConcurrentHashMap<>();
    private final Map<String, byte[]> pages = new ConcurrentHashMap<>();
    private final List<String> asked = new CopyOnWriteArrayList<>();
    private final CountDownLatch closed = new CountDownLatch(1);
    private volatile boolean hanging;

    FakeRuntime(Path socket) throws IOException {
        server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        server.bind(UnixDomainSocketAddress.of(socket));
        thread = Thread.ofPlatform().daemon().name("fake-runtime").start(this::serve);
    }

    /** A container in the list, and what it was started with. */
    void container(String id, String name, String inspected) {
        containers.put(id, "{\"Id\":\"" + id + "\",\"Names\":[\"/" + name + "\"],\"Labels\":{}}");
        list();
        page("/v1.40/containers/" + id + "/json", inspected);
    }

    void remove(String id) {
        containers.remove(id);
        list();
    }

    private void list() {
        page("/v1.40/containers/json", "[" + String.join(",", containers.values()) + "]");
    }

    void page(String path, String body) {
        raw(path, "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + body);
    }

    void raw(String path, String answer) {
        pages.put(path, answer.getBytes(StandardCharsets.UTF_8));
    }

    /** Accepts, and says nothing. */
    void hang(boolean hangs) {
        hanging = hangs;
    }

    /** The paths that were asked for. */
    List<String> asked() {
        return asked;
    }

    private void serve() {
        while (true) {
            try (SocketChannel channel = server.accept()) {
                ByteBuffer request = ByteBuffer.allocate(4_096);
                channel.read(request);
                String path =
                        new String(request.array(), 0, request.position(), StandardCharsets.UTF_8).split(" ", -1)[1];
                asked.add(path);
                if (hanging) {
                    closed.await();
                }
                byte[] page = pages.getOrDefault(
                        path,
                        "HTTP/1.0 404 Not Found\r\n\r\n{\"message\":\"no such page\"}"
                                .getBytes(StandardCharsets.UTF_8));
                channel.write(ByteBuffer.wrap(page));
            } catch (ClosedChannelException e) {
                return;
            } catch (IOException e) {
                // The one who asked has gone.
            } catch (InterruptedException e) {
                return;
            }
        }
    }

    @Override
    public void close() {
        closed.countDown();
        try {
            server.close();
            thread.interrupt();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
