package io.gpunode.agent.deviceplugin;

import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.net.SocketFile;
import io.gpunode.agent.net.UnixSockets;
import io.gpunode.agent.time.MonotonicClock;
import io.grpc.Server;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/**
 * One resource's gRPC server on one socket file, from bind to close. A kubelet that starts deletes the file: then this server is over and
 * another one is made. Opened and closed by the registration loop; the calls run on the event loop.
 */
final class DevicePluginServer implements AutoCloseable {
    private static final int MOST_CALLS_PER_CONNECTION = 128;
    private static final Duration CLOSE_LIMIT = Duration.ofSeconds(1);

    private final Path socket;
    private final Server server;
    private final DeviceStreams streams;
    private final SocketFile bound;
    private volatile AdvertisedDevices devices;

    private DevicePluginServer(
            Path socket,
            EventLoops loops,
            AdvertisedDevices devices,
            Supplier<HeldDevices> held,
            PluginCounts counts,
            MonotonicClock clock,
            Runnable streamsChanged)
            throws IOException {
        this.socket = socket;
        this.devices = devices;
        this.streams = new DeviceStreams(loops.loop(), counts, devices, streamsChanged);
        this.server = UnixSockets.server(socket, loops)
                .maxConcurrentCallsPerConnection(MOST_CALLS_PER_CONNECTION)
                .addService(new DevicePluginService(this::devices, held, streams, counts, clock))
                .build()
                .start();
        this.bound = SocketFile.look(socket);
    }

    /**
     * Serves on a socket; what a predecessor left there is replaced.
     *
     * @param held what containers hold, for placing others; must not block
     * @param streamsChanged called on the event loop when a ListAndWatch stream begins or ends
     * @throws IOException when the socket cannot be made there; a sentence with the path and the next step
     */
    static DevicePluginServer open(
            Path socket,
            EventLoops loops,
            AdvertisedDevices devices,
            Supplier<HeldDevices> held,
            PluginCounts counts,
            MonotonicClock clock,
            Runnable streamsChanged)
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
            return new DevicePluginServer(socket, loops, devices, held, counts, clock, streamsChanged);
        } catch (IOException e) {
            throw new IOException("cannot serve on " + socket + ": " + reason(e, socket), e);
        }
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

    /** Cancels what runs, closes the socket and removes its file. */
    @Override
    public void close() {
        server.shutdownNow();
        try {
            server.awaitTermination(CLOSE_LIMIT.toMillis(), TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
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
}
