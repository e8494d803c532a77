package io.gpunode.agent.kubernetes;

import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/** Counts requests by verb and how they were answered, and remembers when the server was last heard. Counters are made when first needed. */
final class RequestMeters {
    private final Meters meters;
    private final MonotonicClock clock;
    private final Map<String, Meters.Counter> counters = new HashMap<>();
    private final AtomicLong requests = new AtomicLong();
    private volatile @Nullable Tick lastContact;

    RequestMeters(Meters meters, MonotonicClock clock) {
        this.meters = meters;
        this.clock = clock;
    }

    /** The server answered. */
    void answered(String verb, int status) {
        heard();
        count(
                verb,
                switch (status) {
                    case 200, 201, 401, 403, 404, 409, 410, 422, 429 -> Integer.toString(status);
                    default -> status / 100 + "xx";
                });
    }

    /** There was no answer. */
    void unanswered(String verb) {
        count(verb, "none");
    }

    /** The server sent something. Any thread. */
    void heard() {
        lastContact = clock.now();
    }

    /** Seconds since the server was last heard; NaN while it never was. */
    double ageSeconds() {
        return age().map(age -> age.toNanos() / 1e9).orElse(Double.NaN);
    }

    /** Since the server was last heard. */
    Optional<Duration> age() {
        return Optional.ofNullable(lastContact).map(last -> clock.now().since(last));
    }

    /** Requests so far. */
    long requests() {
        return requests.get();
    }

    private synchronized void count(String verb, String code) {
        requests.incrementAndGet();
        counters.computeIfAbsent(
                        verb + code,
                        _ -> meters.counter(
                                "gpu_node_agent_kubernetes_requests",
                                "Requests to the API server by verb and HTTP status; code none where there was no answer.",
                                "verb",
                                verb,
                                "code",
                                code))
                .increment();
    }
}
