package io.gpunode.agent.lifecycle;

import io.gpunode.agent.log.Log;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * Services that start in order and stop in reverse. When one cannot start, those before it are stopped and its failure is thrown. Every stop
 * gets its share of the time that is left, on a thread of its own, so one that never returns delays the others by its share and no more. No
 * failure is lost: the first is thrown, the others are suppressed in it.
 *
 * <p>Owned by the thread that starts and stops it.
 */
public final class ServiceGroup implements Service {
    private static final Log LOG = Log.of(ServiceGroup.class);

    private final String name;
    private final List<Service> services;
    private final MonotonicClock clock;
    private final Duration stopLimitAfterFailedStart;
    private final Deque<Service> started = new ArrayDeque<>();

    /**
     * @param services in the order of starting
     * @param stopLimitAfterFailedStart how long stopping may take when a start failed
     */
    public ServiceGroup(
            String name, List<? extends Service> services, MonotonicClock clock, Duration stopLimitAfterFailedStart) {
        this.name = name;
        this.services = List.copyOf(services);
        this.clock = clock;
        this.stopLimitAfterFailedStart = stopLimitAfterFailedStart;
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public void start() throws Exception {
        for (Service service : services) {
            try {
                service.start();
            } catch (Exception e) {
                try {
                    stop(stopLimitAfterFailedStart);
                } catch (Exception alsoFailed) {
                    e.addSuppressed(alsoFailed);
                }
                throw e;
            }
            started.push(service);
        }
    }

    @Override
    public void stop(Duration limit) throws Exception {
        Tick deadline = clock.now().plus(limit);
        Exception first = null;
        while (!started.isEmpty()) {
            Duration left = deadline.since(clock.now());
            Duration share = left.isNegative() ? Duration.ZERO : Duration.ofNanos(left.toNanos() / started.size());
            Service service = started.pop();
            Exception failure = stopOne(service, share);
            if (failure != null) {
                LOG.warn("a service did not stop cleanly", "service", service.name(), "error", failure);
                if (first == null) {
                    first = failure;
                } else {
                    first.addSuppressed(failure);
                }
            }
        }
        if (first != null) {
            throw first;
        }
    }

    private static @Nullable Exception stopOne(Service service, Duration share) {
        AtomicReference<@Nullable Exception> failure = new AtomicReference<>();
        Thread stopper = Thread.ofPlatform()
                .daemon()
                .name("stop-" + service.name())
                .start(() -> {
                    try {
                        service.stop(share);
                    } catch (Exception e) {
                        failure.set(e);
                    } catch (Error e) {
                        failure.set(new IllegalStateException(service.name() + " failed to stop", e));
                    }
                });
        try {
            if (!stopper.join(share.plusMillis(100))) {
                stopper.interrupt();
                TimeoutException timeout = new TimeoutException(
                        service.name() + " did not stop within its share of " + share.toMillis() + " ms");
                timeout.setStackTrace(stopper.getStackTrace());
                return timeout;
            }
            return failure.get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return e;
        }
    }
}
