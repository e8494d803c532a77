package io.gpunode.agent.simulation;

import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.net.UnixSockets;
import io.gpunode.deviceplugin.v1beta1.DevicePluginGrpc;
import io.gpunode.deviceplugin.v1beta1.DevicePluginOptions;
import io.gpunode.deviceplugin.v1beta1.Empty;
import io.gpunode.deviceplugin.v1beta1.ListAndWatchResponse;
import io.grpc.ConnectivityState;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import io.grpc.stub.StreamObserver;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The kubelet's one connection to one plugin: dial, options, ListAndWatch. Its fields belong to the event loop; its methods may be called from
 * any thread, and its owner is told on the event loop.
 */
final class PluginConnection {
    /** HTTP/2's initial window, and gRPC's in Go: how much a plugin can send to a kubelet that does not read. */
    private static final int WINDOW_BYTES = 65_535;

    /** Who is told what the plugin sends. */
    interface Owner {
        /** A list came. */
        void listed(PluginConnection connection, ListAndWatchResponse list);

        /** The stream ended, whoever ended it; nothing else comes. */
        void ended(PluginConnection connection, Status status);
    }

    private final String resource;
    private final Path socket;
    private final EventLoops loops;
    private final Owner owner;
    private final ManagedChannel channel;
    private boolean reading;
    private boolean unread;
    private @Nullable ClientCallStreamObserver<Empty> stream;

    PluginConnection(String resource, Path socket, boolean reading, EventLoops loops, Owner owner) {
        this.resource = resource;
        this.socket = socket;
        this.reading = reading;
        this.loops = loops;
        this.owner = owner;
        this.channel = UnixSockets.channel(socket, loops)
                .flowControlWindow(WINDOW_BYTES)
                .disableRetry()
                .build();
    }

    String resource() {
        return resource;
    }

    Path socket() {
        return socket;
    }

    ManagedChannel channel() {
        return channel;
    }

    /** Connects, trying again as gRPC does (after about 1, 2.6, 5.2 s), and fails when the limit is over. */
    CompletableFuture<PluginConnection> dial(Duration limit) {
        CompletableFuture<PluginConnection> ready = new CompletableFuture<>();
        var timer = loops.loop()
                .schedule(
                        () -> ready.completeExceptionally(failed("failed to dial device plugin with socketPath "
                                + socket + ": context deadline exceeded")),
                        limit.toNanos(),
                        TimeUnit.NANOSECONDS);
        follow(ready);
        return ready.whenComplete((_, _) -> timer.cancel(false));
    }

    private void follow(CompletableFuture<PluginConnection> ready) {
        if (ready.isDone()) {
            return;
        }
        ConnectivityState state = channel.getState(true);
        switch (state) {
            case READY -> ready.complete(this);
            case SHUTDOWN -> ready.completeExceptionally(failed("the kubelet stopped"));
            default -> channel.notifyWhenStateChanged(state, () -> follow(ready));
        }
    }

    /** GetDevicePluginOptions, without a deadline. */
    CompletableFuture<DevicePluginOptions> options() {
        CompletableFuture<DevicePluginOptions> answer = new CompletableFuture<>();
        DevicePluginGrpc.newStub(channel).getDevicePluginOptions(Empty.getDefaultInstance(), new StreamObserver<>() {
            @Override
            public void onNext(DevicePluginOptions options) {
                answer.complete(options);
            }

            @Override
            public void onError(Throwable error) {
                answer.completeExceptionally(failed(
                        "failed to get device plugin options: " + KubeletErrors.rpcError(Status.fromThrowable(error))));
            }

            @Override
            public void onCompleted() {
                answer.completeExceptionally(failed("failed to get device plugin options: no answer"));
            }
        });
        return answer;
    }

    /** Opens the stream. Once. */
    void watch() {
        loops.loop()
                .execute(() -> DevicePluginGrpc.newStub(channel).listAndWatch(Empty.getDefaultInstance(), new Lists()));
    }

    /** Whether lists are taken from the stream. */
    void reading(boolean on) {
        loops.loop().execute(() -> {
            reading = on;
            if (on) {
                requestUnread();
            }
        });
    }

    /** Ends the stream alone; the owner is told. */
    void cancelStream() {
        loops.loop().execute(() -> {
            if (stream != null) {
                stream.cancel("cancelled by the kubelet", null);
            }
        });
    }

    /** Ends everything; idempotent. */
    void close() {
        channel.shutdownNow();
    }

    private void requestUnread() {
        if (unread && stream != null) {
            unread = false;
            stream.request(1);
        }
    }

    private static IllegalStateException failed(String message) {
        return new IllegalStateException(message);
    }

    private final class Lists implements ClientResponseObserver<Empty, ListAndWatchResponse> {
        @Override
        public void beforeStart(ClientCallStreamObserver<Empty> started) {
            stream = started;
            unread = !reading;
            started.disableAutoRequestWithInitial(reading ? 1 : 0);
        }

        @Override
        public void onNext(ListAndWatchResponse list) {
            owner.listed(PluginConnection.this, list);
            unread = true;
            if (reading) {
                requestUnread();
            }
        }

        @Override
        public void onError(Throwable error) {
            owner.ended(PluginConnection.this, Status.fromThrowable(error));
        }

        @Override
        public void onCompleted() {
            owner.ended(PluginConnection.this, Status.OK);
        }
    }
}
