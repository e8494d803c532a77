package io.gpunode.agent.cli;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;

/** Answers one request with fixed bytes, or with none while it is open; a stand-in for the agent's listener. */
final class FakeAgent implements AutoCloseable {
    private final ServerSocket server;

    /** The answer is written as it is; with an empty one the request is accepted and never answered. */
    FakeAgent(String answer) throws IOException {
        server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
        // Ends by itself: with the listener, or with the only client.
        Thread.ofPlatform().daemon().start(() -> serve(answer));
    }

    static FakeAgent ofState(String json) throws IOException {
        return new FakeAgent("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + json);
    }

    String address() {
        return "127.0.0.1:" + server.getLocalPort();
    }

    private void serve(String answer) {
        try (Socket client = server.accept()) {
            InputStream in = client.getInputStream();
            int newlines = 0;
            while (newlines < 2) {
                int c = in.read();
                newlines = c == '\n' ? newlines + 1 : c == '\r' ? newlines : 0;
                if (c < 0) {
                    return;
                }
            }
            if (answer.isEmpty()) {
                in.transferTo(OutputStream.nullOutputStream());
                return;
            }
            client.getOutputStream().write(answer.getBytes(StandardCharsets.UTF_8));
        } catch (IOException e) {
            // The test has closed it, or the client went away: either is what a test asked for.
        }
    }

    @Override
    public void close() throws IOException {
        server.close();
    }
}
