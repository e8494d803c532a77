package io.gpunode.agent.deviceplugin;

import io.gpunode.deviceplugin.v1beta1.ListAndWatchResponse;
import io.grpc.Status;
import io.grpc.stub.ServerCallStreamObserver;
import io.netty.channel.EventLoop;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The ListAndWatch streams of one server. Level-triggered: a stream remembers the last list that it sent and sends the newest when that
 * differs and the client takes more, so equal lists are sent once and a client that never reads costs one flow control window, not memory
 * without end. All state belongs to the event loop.
 */
final class DeviceStreams {
    /** The kubelet opens one; more is a mistake or an attack. */
    private static final int MOST_STREAMS = 16;
    /** Each list makes the kubelet write its checkpoint: a burst of changes becomes two lists. */
    private static final long SPACING_MILLIS = 10;

    private final EventLoop loop;
    private final PluginCounts counts;
    private final Runnable changed;
    private final List<Stream> streams = new ArrayList<>(2);
    private AdvertisedDevices newest;
    private boolean silent;
    private boolean retired;
    private volatile int open;

    /**
     * @param newest the list to begin with
     * @param changed called on the event loop whenever the number of streams changed
     */
    DeviceStreams(EventLoop loop, PluginCounts counts, AdvertisedDevices newest, Runnable changed) {
        this.loop = loop;
        this.counts = counts;
        this.newest = newest;
        this.changed = changed;
    }

    /** How many are open. Any thread. */
    int open() {
        return open;
    }

    /** Makes this the newest list. Any thread; later calls win. */
    void publish(AdvertisedDevices devices) {
        loop.execute(() -> {
            newest = devices;
            for (Stream stream : streams) {
                stream.flush();
            }
        });
    }

    /** Sends nothing from here on; the streams stay open. Any thread; for good. */
    void silence() {
        loop.execute(() -> silent = true);
    }

    /**
     * Tells every client that no device is left and ends its stream in good order, unless {@link #silence} was asked for: then nothing is said, and
     * streams end with the connection. Any thread; for good.
     */
    void retire() {
        loop.execute(() -> {
            if (silent) {
                return;
            }
            retired = true;
            for (Stream stream : streams) {
                stream.retire();
            }
            streams.clear();
            open = 0;
            changed.run();
        });
    }

    /** Takes over a new call. On the event loop. */
    void add(ServerCallStreamObserver<ListAndWatchResponse> call) {
        if (streams.size() >= MOST_STREAMS) {
            call.onError(Status.RESOURCE_EXHAUSTED
                    .withDescription("this server already has " + MOST_STREAMS + " ListAndWatch streams")
                    .asRuntimeException());
            return;
        }
        Stream stream = new Stream(call);
        if (retired) {
            stream.retire();
            return;
        }
        call.setOnCancelHandler(() -> remove(stream));
        call.setOnReadyHandler(stream::flush);
        streams.add(stream);
        open = streams.size();
        counts.streamOpened();
        stream.flush();
        changed.run();
    }

    private void remove(Stream stream) {
        if (streams.remove(stream)) {
            open = streams.size();
            changed.run();
        }
    }

    /** One client. */
    private final class Stream {
        private final ServerCallStreamObserver<ListAndWatchResponse> call;
        private @Nullable ListAndWatchResponse sent;
        private boolean spacing;

        Stream(ServerCallStreamObserver<ListAndWatchResponse> call) {
            this.call = call;
        }

        void flush() {
            ListAndWatchResponse message = newest.message();
            if (silent || spacing || call.isCancelled() || !call.isReady() || (sent != null && message.equals(sent))) {
                return;
            }
            call.onNext(message);
            counts.listSent();
            sent = message;
            spacing = true;
            var _ = loop.schedule(this::spaced, SPACING_MILLIS, TimeUnit.MILLISECONDS);
        }

        void retire() {
            if (!call.isCancelled()) {
                call.onNext(ListAndWatchResponse.getDefaultInstance());
                counts.listSent();
                call.onCompleted();
            }
        }

        private void spaced() {
            spacing = false;
            flush();
        }
    }
}
