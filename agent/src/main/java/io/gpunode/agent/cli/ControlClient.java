package io.gpunode.agent.cli;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.function.Consumer;

/** Has the running agent do something, over its local socket, and reads what it says of it until it is done. One thread. */
final class ControlClient implements AutoCloseable {
    private final SocketChannel channel;

    private ControlClient(SocketChannel channel) {
        this.channel = channel;
    }

    /** Empty when no agent listens there. */
    static Optional<ControlClient> open(String socket) {
        if (socket.isEmpty()) {
            return Optional.empty();
        }
        try {
            return Optional.of(new ControlClient(SocketChannel.open(UnixDomainSocketAddress.of(socket))));
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    /**
     * Asks, and waits for the end: as long as the agent lives there is one.
     *
     * @param told hears each line but the last
     * @return the last line; empty when the agent ended before it was done
     * @throws IOException when what answers does not do such things; the message has the next step
     */
    String post(String path, Consumer<String> told) throws IOException {
        channel.write(ByteBuffer.wrap(("POST " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                .getBytes(StandardCharsets.US_ASCII)));
        BufferedReader in =
                new BufferedReader(new InputStreamReader(Channels.newInputStream(channel), StandardCharsets.UTF_8));
        String status = in.readLine();
        if (status == null || !status.startsWith("HTTP/1.1 200 ")) {
            throw new IOException("the agent does not manage the driver (its answer is \"" + status
                    + "\"): restart it after driver.manage was changed: systemctl restart gpu-node-agent");
        }
        String header = in.readLine();
        while (header != null && !header.isEmpty()) {
            header = in.readLine();
        }
        String last = null;
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            if (last != null) {
                told.accept(last);
            }
            last = line;
        }
        return last == null ? "" : last;
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
