package io.gpunode.agent.kubernetes;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * An HTTP proxy that leads every request to one port of this machine, whatever host it names: plain requests as they are, and tunnels.
 */
final class ForwardingProxy implements AutoCloseable {
    private final int target;
    private final ServerSocket listening;
    private final ExecutorService executor = Executors.newCachedThreadPool();
    private final List<String> firstLines = new CopyOnWriteArrayList<>();
    private final List<Socket> open = new CopyOnWriteArrayList<>();

    ForwardingProxy(int target) throws IOException {
        this.target = target;
        this.listening = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        executor.execute(this::accept);
    }

    int port() {
        return listening.getLocalPort();
    }

    /** The first line of each connection. */
    List<String> firstLines() {
        return firstLines;
    }

    @Override
    public void close() throws IOException {
        listening.close();
        for (Socket socket : open) {
            socket.close();
        }
        executor.shutdownNow();
    }

    private void accept() {
        while (!listening.isClosed()) {
            try {
                Socket client = listening.accept();
                Socket server = new Socket(InetAddress.getLoopbackAddress(), target);
                open.addAll(List.of(client, server));
                executor.execute(() -> forward(client, server));
            } catch (IOException e) {
                // Closed, or the server is away: whoever asked sees that.
            }
        }
    }

    private void forward(Socket client, Socket server) {
        try (client;
                server) {
            ByteArrayOutputStream head = new ByteArrayOutputStream();
            InputStream in = client.getInputStream();
            while (!head.toString(StandardCharsets.US_ASCII).endsWith("\r\n\r\n")) {
                int next = in.read();
                if (next < 0) {
                    return;
                }
                head.write(next);
            }
            String text = head.toString(StandardCharsets.US_ASCII);
            firstLines.add(text.substring(0, text.indexOf('\r')));
            OutputStream out = server.getOutputStream();
            if (text.startsWith("CONNECT ")) {
                client.getOutputStream().write("HTTP/1.1 200 OK\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
            } else {
                out.write(head.toByteArray());
            }
            executor.execute(() -> copy(server, client));
            copy(client, server);
        } catch (IOException e) {
            // One of the two has ended.
        }
    }

    private static void copy(Socket from, Socket to) {
        try (from;
                to) {
            from.getInputStream().transferTo(to.getOutputStream());
        } catch (IOException e) {
            // One of the two has ended.
        }
    }
}
