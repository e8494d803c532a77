package io.gpunode.agent.simulation;

import io.gpunode.agent.log.Log;
import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.net.SocketFile;
import io.gpunode.agent.net.UnixSockets;
import io.gpunode.pluginregistration.v1.InfoRequest;
import io.gpunode.pluginregistration.v1.PluginInfo;
import io.gpunode.pluginregistration.v1.RegistrationGrpc;
import io.gpunode.pluginregistration.v1.RegistrationStatus;
import io.gpunode.pluginregistration.v1.RegistrationStatusResponse;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import io.netty.util.concurrent.ScheduledFuture;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A kubelet's plugin manager: looks again and again which sockets lie in its directory, asks each new one what it is, has it registered, says
 * how that went, and has those deregistered that are gone or were made anew. Names that begin with a dot are skipped. What failed is tried
 * again on the next look. Lives on the event loop, but for {@link #start} and {@link #stop}.
 */
final class PluginsRegistry {
    private static final Log LOG = Log.of(PluginsRegistry.class);
    private static final Duration INFO_LIMIT = Duration.ofSeconds(1);
    private static final Duration NOTIFY_LIMIT = Duration.ofSeconds(5);

    /** Who does the registering. Called on the event loop. */
    interface Registrar {
        /** Registers; fails with the kubelet's own words. */
        CompletionStage<Void> register(PluginInfo info, Path socket);

        /** Ends what was registered at a socket. */
        void deregister(String resource, Path socket);
    }

    private final Path directory;
    private final Duration interval;
    private final EventLoops loops;
    private final Registrar registrar;
    private final Map<Path, Known> known = new HashMap<>();
    private @Nullable ScheduledFuture<?> looking;

    PluginsRegistry(Path directory, Duration interval, EventLoops loops, Registrar registrar) {
        this.directory = directory;
        this.interval = interval;
        this.loops = loops;
        this.registrar = registrar;
    }

    /** Makes the directory when it is missing, and begins to look. */
    void start() throws IOException {
        Files.createDirectories(directory);
        looking = loops.loop().scheduleWithFixedDelay(this::look, 0, interval.toNanos(), TimeUnit.NANOSECONDS);
    }

    /** Looks no more and forgets everything; the sockets stay. */
    void stop() {
        if (looking != null) {
            looking.cancel(false);
            looking = null;
        }
        loops.loop().execute(() -> {
            known.values().forEach(Known::close);
            known.clear();
        });
    }

    private void look() {
        Set<Path> found = new HashSet<>();
        try (DirectoryStream<Path> files = Files.newDirectoryStream(directory)) {
            for (Path file : files) {
                if (!file.getFileName().toString().startsWith(".")
                        && SocketFile.look(file) instanceof SocketFile.Present present) {
                    found.add(file);
                    meet(file, present);
                }
            }
        } catch (IOException e) {
            LOG.debug("cannot look into the plugins' directory", "socket", directory, "error", e);
        }
        known.entrySet().removeIf(entry -> {
            boolean gone = !found.contains(entry.getKey());
            if (gone) {
                entry.getValue().forget();
            }
            return gone;
        });
    }

    private void meet(Path socket, SocketFile.Present file) {
        Known before = known.get(socket);
        if (before != null && before.file.equals(file)) {
            return;
        }
        if (before != null) {
            before.forget();
        }
        Known plugin = new Known(socket, file);
        known.put(socket, plugin);
        plugin.ask();
    }

    /** One socket. */
    private final class Known {
        private final Path socket;
        private final SocketFile.Present file;
        private final ManagedChannel channel;
        private String resource = "";

        Known(Path socket, SocketFile.Present file) {
            this.socket = socket;
            this.file = file;
            this.channel = UnixSockets.channel(socket, loops).disableRetry().build();
        }

        void ask() {
            RegistrationGrpc.newStub(channel)
                    .withDeadlineAfter(INFO_LIMIT.toNanos(), TimeUnit.NANOSECONDS)
                    .getInfo(
                            InfoRequest.getDefaultInstance(),
                            new One<>(this::register, error -> again("failed to get plugin info", error)));
        }

        private void register(PluginInfo info) {
            var _ = registrar.register(info, socket).whenComplete((_, error) -> {
                if (error == null) {
                    resource = info.getName();
                    tell(true, "");
                } else {
                    Throwable cause = error.getCause() == null ? error : error.getCause();
                    tell(false, String.valueOf(cause.getMessage()));
                }
            });
        }

        private void tell(boolean registered, String problem) {
            RegistrationGrpc.newStub(channel)
                    .withDeadlineAfter(NOTIFY_LIMIT.toNanos(), TimeUnit.NANOSECONDS)
                    .notifyRegistrationStatus(
                            RegistrationStatus.newBuilder()
                                    .setPluginRegistered(registered)
                                    .setError(problem)
                                    .build(),
                            new One<RegistrationStatusResponse>(
                                    _ -> {
                                        if (!registered) {
                                            again(problem, Status.OK);
                                        }
                                    },
                                    error -> again("failed to send registration status", error)));
        }

        private void again(String what, Status status) {
            LOG.debug("plugin not registered", "socket", socket, "error", what, "code", status.getCode());
            if (known.remove(socket, this)) {
                close();
            }
        }

        void forget() {
            if (!resource.isEmpty()) {
                registrar.deregister(resource, socket);
            }
            close();
        }

        void close() {
            channel.shutdownNow();
        }
    }

    /** One answer, or why there is none. */
    private record One<T>(Consumer<T> answered, Consumer<Status> failed) implements StreamObserver<T> {
        @Override
        public void onNext(T value) {
            answered.accept(value);
        }

        @Override
        public void onError(Throwable error) {
            failed.accept(Status.fromThrowable(error));
        }

        @Override
        public void onCompleted() {}
    }
}
