package io.gpunode.agent.deviceplugin;

import io.gpunode.agent.log.Log;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.PciAddress;
import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.net.UnixSockets;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import io.gpunode.deviceplugin.v1beta1.AllocateRequest;
import io.gpunode.deviceplugin.v1beta1.ContainerAllocateRequest;
import io.gpunode.deviceplugin.v1beta1.ContainerPreferredAllocationRequest;
import io.gpunode.deviceplugin.v1beta1.DevicePluginGrpc;
import io.gpunode.deviceplugin.v1beta1.Empty;
import io.gpunode.deviceplugin.v1beta1.ListAndWatchResponse;
import io.gpunode.deviceplugin.v1beta1.PreferredAllocationRequest;
import io.grpc.ManagedChannel;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * Calls each method once and more through a real server, socket and client before the kubelet may: the first call of a fresh process loads
 * classes and runs interpreted, about 200 ms that a pod's admission would wait for. Uses invented devices, so it need not wait for NVML, and
 * counts nowhere.
 */
final class WarmUp {
    private static final Log LOG = Log.of(WarmUp.class);
    /** The first round loads the classes, two more link what only a second call does; further ones gain the first Allocate less than they cost the start. */
    private static final int ROUNDS = 3;
    /** No further round begins after it. */
    private static final Duration ENOUGH = Duration.ofMillis(150);
    /** Of one call: on a busy machine the first one can take long, and is then worth all the more. */
    private static final Duration CALL_LIMIT = Duration.ofSeconds(2);

    private WarmUp() {}

    /**
     * Warms up; a failure is logged and costs nothing but the first calls' time.
     *
     * @param socket free to use; nothing is left there
     */
    static void run(Path socket, EventLoops loops, AllocationRules rules, MonotonicClock clock)
            throws InterruptedException {
        Tick began = clock.now();
        List<AdvertisedDevice> invented = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
            invented.add(AdvertisedDevice.gpu(
                    new GpuId("GPU-00000000-0000-0000-0000-00000000000" + i),
                    i,
                    i,
                    new PciAddress(0, i, 0, 0),
                    OptionalInt.of(i / 4),
                    ""));
        }
        List<String> ids = invented.stream().map(AdvertisedDevice::id).toList();
        AdvertisedDevices devices =
                new AdvertisedDevices("warm-up", "", invented, PairScores.unknown(invented.size()), rules);
        PluginCounts uncounted = new PluginCounts(Meters.NONE, "warm-up", AllocationTroubles.UNHEARD);
        try (DevicePluginServer _ = DevicePluginServer.open(
                socket, loops, devices, () -> HeldDevices.UNKNOWN, uncounted, clock, () -> {}, null)) {
            ManagedChannel channel = UnixSockets.channel(socket, loops).build();
            try {
                int rounds = 0;
                while (rounds < ROUNDS && clock.now().since(began).compareTo(ENOUGH) < 0) {
                    round(channel, ids, 1 + rounds % ids.size());
                    rounds++;
                }
                LOG.debug(
                        "warmed up",
                        "rounds",
                        rounds,
                        "milliseconds",
                        clock.now().since(began).toMillis());
            } finally {
                channel.shutdownNow();
            }
        } catch (IOException | ExecutionException | TimeoutException e) {
            LOG.debug("could not warm up", "error", e);
        }
    }

    private static void round(ManagedChannel channel, List<String> ids, int size)
            throws ExecutionException, TimeoutException, InterruptedException {
        FirstList list = new FirstList();
        DevicePluginGrpc.newStub(channel).listAndWatch(Empty.getDefaultInstance(), list);
        await(list.received);
        list.cancel();
        DevicePluginGrpc.DevicePluginFutureStub stub = DevicePluginGrpc.newFutureStub(channel);
        await(stub.getDevicePluginOptions(Empty.getDefaultInstance()));
        await(stub.getPreferredAllocation(PreferredAllocationRequest.newBuilder()
                .addContainerRequests(ContainerPreferredAllocationRequest.newBuilder()
                        .addAllAvailableDeviceIDs(ids)
                        .setAllocationSize(size))
                .build()));
        await(stub.allocate(AllocateRequest.newBuilder()
                .addContainerRequests(ContainerAllocateRequest.newBuilder().addAllDevicesIds(ids.subList(0, size)))
                .build()));
    }

    private static void await(java.util.concurrent.Future<?> call)
            throws ExecutionException, TimeoutException, InterruptedException {
        call.get(CALL_LIMIT.toMillis(), TimeUnit.MILLISECONDS);
    }

    /** Takes one list. */
    private static final class FirstList implements ClientResponseObserver<Empty, ListAndWatchResponse> {
        private final CompletableFuture<ListAndWatchResponse> received = new CompletableFuture<>();
        private @Nullable ClientCallStreamObserver<Empty> call;

        void cancel() {
            if (call != null) {
                call.cancel("warmed up", null);
            }
        }

        @Override
        public void beforeStart(ClientCallStreamObserver<Empty> started) {
            call = started;
        }

        @Override
        public void onNext(ListAndWatchResponse list) {
            received.complete(list);
        }

        @Override
        public void onError(Throwable error) {
            received.completeExceptionally(error);
        }

        @Override
        public void onCompleted() {
            received.completeExceptionally(new IllegalStateException("the stream ended"));
        }
    }
}
