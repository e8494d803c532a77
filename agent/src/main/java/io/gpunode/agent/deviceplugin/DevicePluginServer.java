package io.gpunode.agent.deviceplugin;

import io.gpunode.agent.log.Log;
import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.net.SocketFile;
import io.gpunode.agent.net.UnixSockets;
import io.gpunode.agent.time.MonotonicClock;
import io.grpc.Attributes;
import io.grpc.BindableService;
import io.grpc.Server;
import io.grpc.ServerTransportFilter;
import io.grpc.netty.NettyServerBuilder;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * One resource's gRPC server on one socket file, from bind to close. A kubelet that starts deletes the file: then this server is over and
 * another one is made. Opened and closed by the registration loop; the calls run on the event loop.
 */
final class DevicePluginServer implements AutoCloseable {
    private static final Log LOG = Log.of(DevicePluginServer.class);
    /** The kubelet has one, for a moment two. */
    private static final int MOST_CONNECTIONS = 32;
    /** A gRPC client begins to speak at once. */
    private static final Duration SILENCE_LIMIT = Duration.ofSeconds(2);

    private static final Duration CLOSE_LIMIT = Duration.ofSeconds(1);

    private volatile Path socket;
    private final Server server;
    private final DeviceStreams streams;
    private final Connections connections;
    private volatile SocketFile bound;
    private volatile AdvertisedDevices devices;

    private DevicePluginServer(
            Path socket,
            EventLoops loops,
            AdvertisedDevices devices,
            Supplier<HeldDevices> held,
            PluginCounts counts,
            MonotonicClock clock,
            Runnable changed,
            @Nullable BindableService registration,
            Duration silence)
            throws IOException {
        this.socket = socket;
        this.devices = devices;
        this.streams = new DeviceStreams(loops.loop(), counts, devices, changed);
        this.connections = new Connections(changed);
        NettyServerBuilder builder = UnixSockets.boundedServer(socket, loops, MOST_CONNECTIONS, silence)
                .addTransportFilter(connections)
                .addService(new DevicePluginService(this::devices, held, streams, counts, clock));
        if (registration != null) {
            builder.addService(registration);
        }
        this.server = builder.build().start();
        this.bound = SocketFile.look(socket);
    }

    /**
     * Serves on a socket; what a predecessor left there is replaced.
     *
     * @param held what containers hold, for placing others; must not block
     * @param changed called on the event loop when a ListAndWatch stream begins or ends, and when the last connection ends
     * @param registration what a kubelet that finds the socket asks beside; null where the kubelet is called
     * @throws IOException when the socket cannot be made there; a sentence with the path and the next step
     */
    static DevicePluginServer open(
            Path socket,
            EventLoops loops,
            AdvertisedDevices devices,
            Supplier<HeldDevices> held,
            PluginCounts counts,
            MonotonicClock clock,
            Runnable changed,
            @Nullable BindableService registration)
            throws IOException {
        return open(socket, loops, devices, held, counts, clock, changed, registration, SILENCE_LIMIT);
    }

    static DevicePluginServer open(
            Path socket,
            EventLoops loops,
            AdvertisedDevices devices,
            Supplier<HeldDevices> held,
            PluginCounts counts,
            MonotonicClock clock,
            Runnable changed,
            @Nullable BindableService registration,
            Duration silence)
            throws IOException {
        try {
            UnixSockets.checkPath(socket, DevicePlugin.DIRECTORY_SETTING);
        } catch (IllegalArgumentException e) {
            throw new IOException("cannot serve: " + e.getMessage(), e);
        }
        if (Files.isDirectory(socket)) {
            throw new IOException("cannot serve on " + socket + ": there is a directory; remove it");
        }
        try {
            Files.deleteIfExists(socket);
            DevicePluginServer opened =
                    new DevicePluginServer(socket, loops, devices, held, counts, clock, changed, registration, silence);
            if (opened.bound() instanceof SocketFile.Present) {
                return opened;
            }
            // A kubelet that starts deletes sockets while this one is being made: nobody would ever find it.
            opened.close();
            throw new IOException("it was removed as soon as it was made");
        } catch (IOException e) {
            throw new IOException("cannot serve on " + socket + ": " + reason(e, socket), e);
        }
    }

    /**
     * Gives the socket another name in the same directory, in one step. Who has connected stays connected.
     *
     * @throws IOException when it cannot be renamed; a sentence with the path
     */
    void showAs(Path name) throws IOException {
        try {
            Files.move(socket, name, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            throw new IOException("cannot rename " + socket + " to " + name.getFileName() + ": " + e.getMessage(), e);
        }
        socket = name;
        bound = SocketFile.look(name);
    }

    /** The newest list for streams and calls. Any thread. */
    void publish(AdvertisedDevices newest) {
        if (newest != devices) {
            devices = newest;
            streams.publish(newest);
        }
    }

    /** Sends no list from here on, and goes on answering calls. */
    void silence() {
        streams.silence();
    }

    /**
     * Tells the kubelet that no device is left, ends its streams in good order and takes no new connection; the socket file is removed. What
     * is still running may end; {@link #close} ends it.
     */
    void retire() {
        streams.retire();
        server.shutdown();
        removeFile();
    }

    /** Whether everything has ended after {@link #retire}. */
    boolean ended() {
        return server.isTerminated();
    }

    /** Where it serves. */
    Path socket() {
        return socket;
    }

    /** The socket file as it was made. */
    SocketFile bound() {
        return bound;
    }

    /** Open ListAndWatch streams. */
    int openStreams() {
        return streams.open();
    }

    /** Whether somebody connected and spoke gRPC, and nobody is connected any more. Any thread. */
    boolean left() {
        return connections.left;
    }

    /** Cancels what runs, closes the socket and removes its file; does not wait for it. */
    void shutDown() {
        server.shutdownNow();
        removeFile();
    }

    /** The same, and waits. */
    @Override
    public void close() {
        shutDown();
        try {
            server.awaitTermination(CLOSE_LIMIT.toMillis(), TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** The server itself removes only the name that it was bound to. */
    private void removeFile() {
        try {
            if (SocketFile.look(socket).equals(bound)) {
                Files.deleteIfExists(socket);
            }
        } catch (IOException e) {
            LOG.warn("cannot remove a socket", "socket", socket, "error", e);
        }
    }

    private AdvertisedDevices devices() {
        return devices;
    }

    private static String reason(IOException e, Path socket) {
        Throwable cause = e;
        while (cause.getCause() != null) {
            cause = cause.getCause();
        }
        String message = String.valueOf(cause.getMessage());
        Path directory = socket.getParent();
        if (cause instanceof AccessDeniedException || message.contains("Permission denied")) {
            return "permission denied; the agent must be allowed to write to " + directory;
        }
        if (message.contains("No such file")) {
            return "there is no directory " + directory + "; it is the kubelet's, is the kubelet installed?";
        }
        if (message.contains("Read-only file system")) {
            return "the file system is read-only; mount " + directory + " writable";
        }
        return message;
    }

    /** Who is connected. Changes on the event loop alone. */
    private static final class Connections extends ServerTransportFilter {
        private final Runnable changed;
        private int open;
        private volatile boolean left;

        Connections(Runnable changed) {
            this.changed = changed;
        }

        @Override
        public Attributes transportReady(Attributes attributes) {
            open++;
            left = false;
            return attributes;
        }

        @Override
        public void transportTerminated(@Nullable Attributes attributes) {
            // Without attributes: it never spoke gRPC, as another agent that only looked who listens.
            if (attributes != null && --open == 0) {
                left = true;
                changed.run();
            }
        }
    }
}
