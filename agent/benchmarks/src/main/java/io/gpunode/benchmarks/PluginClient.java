package io.gpunode.benchmarks;

import io.gpunode.agent.net.EventLoops;
import io.gpunode.agent.net.UnixSockets;
import io.gpunode.deviceplugin.v1beta1.AllocateRequest;
import io.gpunode.deviceplugin.v1beta1.ContainerAllocateRequest;
import io.gpunode.deviceplugin.v1beta1.ContainerPreferredAllocationRequest;
import io.gpunode.deviceplugin.v1beta1.DevicePluginGrpc;
import io.gpunode.deviceplugin.v1beta1.Empty;
import io.gpunode.deviceplugin.v1beta1.PreferredAllocationRequest;
import io.gpunode.deviceplugin.v1beta1.PreferredAllocationResponse;
import io.grpc.CallOptions;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.StreamObserver;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.IntFunction;

/**
 * Calls a device plugin as the kubelet does, over its unix socket on one connection, and times each call in the client. The next call of a caller is
 * made on the event loop when the answer to the one before has come, so no hand-over between threads of the client is in the figures.
 */
final class PluginClient implements AutoCloseable {
    private static final long LIMIT_SECONDS = 300;

    private final EventLoops loops = EventLoops.open("client");
    private final ManagedChannel channel;

    PluginClient(Path socket) {
        channel = UnixSockets.channel(socket, loops).disableRetry().build();
    }

    /** Allocate of one device each, one after the other. */
    Latencies allocate(List<String> ids, int callers, int count) throws Exception {
        return time(DevicePluginGrpc.getAllocateMethod(), call -> allocation(ids, call), callers, count);
    }

    /** GetDevicePluginOptions: an empty request, an answer without work. */
    Latencies nothing(int callers, int count) throws Exception {
        return time(
                DevicePluginGrpc.getGetDevicePluginOptionsMethod(), _ -> Empty.getDefaultInstance(), callers, count);
    }

    /** GetPreferredAllocation with all devices available. */
    Latencies preferred(List<String> ids, int size, int count) throws Exception {
        PreferredAllocationRequest request = preference(ids, size);
        return time(DevicePluginGrpc.getGetPreferredAllocationMethod(), _ -> request, 1, count);
    }

    /** The same once, nanoseconds; checks that as many devices are preferred as were asked for. */
    long preferredOnce(List<String> ids, int size) {
        PreferredAllocationRequest request = preference(ids, size);
        long before = System.nanoTime();
        PreferredAllocationResponse answer = ClientCalls.blockingUnaryCall(
                channel, DevicePluginGrpc.getGetPreferredAllocationMethod(), CallOptions.DEFAULT, request);
        long nanos = System.nanoTime() - before;
        int chosen = answer.getContainerResponses(0).getDeviceIDsCount();
        if (chosen != size) {
            throw new IllegalStateException("asked for " + size + " devices, preferred were " + chosen);
        }
        return nanos;
    }

    @Override
    public void close() {
        channel.shutdownNow();
        loops.close();
    }

    private static PreferredAllocationRequest preference(List<String> ids, int size) {
        return PreferredAllocationRequest.newBuilder()
                .addContainerRequests(ContainerPreferredAllocationRequest.newBuilder()
                        .addAllAvailableDeviceIDs(ids)
                        .setAllocationSize(size))
                .build();
    }

    private static AllocateRequest allocation(List<String> ids, int call) {
        return AllocateRequest.newBuilder()
                .addContainerRequests(ContainerAllocateRequest.newBuilder().addDevicesIds(ids.get(call % ids.size())))
                .build();
    }

    private <Q, A> Latencies time(MethodDescriptor<Q, A> method, IntFunction<Q> requests, int callers, int count)
            throws Exception {
        Run<Q, A> run = new Run<>(method, requests, callers, count);
        loops.loop().execute(() -> {
            for (int caller = 0; caller < callers; caller++) {
                run.next();
            }
        });
        return run.done.get(LIMIT_SECONDS, TimeUnit.SECONDS);
    }

    /** A number of calls by a number of callers. Its state belongs to the event loop. */
    private final class Run<Q, A> {
        private final MethodDescriptor<Q, A> method;
        private final IntFunction<Q> requests;
        private final int count;
        private final Latencies latencies;
        private final CompletableFuture<Latencies> done = new CompletableFuture<>();
        private int started;
        private int running;

        private Run(MethodDescriptor<Q, A> method, IntFunction<Q> requests, int callers, int count) {
            if (count < callers) {
                throw new IllegalArgumentException(callers + " callers cannot share " + count + " calls");
            }
            this.method = method;
            this.requests = requests;
            this.count = count;
            this.latencies = new Latencies(count);
        }

        private void next() {
            if (started == count) {
                if (running == 0) {
                    done.complete(latencies);
                }
                return;
            }
            Q request = requests.apply(started++);
            running++;
            long before = System.nanoTime();
            ClientCalls.asyncUnaryCall(channel.newCall(method, CallOptions.DEFAULT), request, new StreamObserver<>() {
                @Override
                public void onNext(A answer) {
                    latencies.add(System.nanoTime() - before);
                }

                @Override
                public void onError(Throwable error) {
                    done.completeExceptionally(error);
                }

                @Override
                public void onCompleted() {
                    running--;
                    next();
                }
            });
        }
    }
}
