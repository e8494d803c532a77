package io.gpunode.agent.admin;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.time.MonotonicClock;
import io.netty.channel.EventLoop;
import io.netty.util.concurrent.ScheduledFuture;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * All open connections and what they may cost. Owned by the event loop: every method runs there.
 *
 * <p>There is room for {@link #limit} of them. When it is full, a new connection takes the place of the oldest that never sent a complete request, or else of one whose
 * password is being checked, or else of the one whose last request is longest ago, so that clients that only hold connections cannot shut Prometheus out. A connection has
 * a deadline in each state: for a request that has begun, for an answer that is being read, and for doing nothing. Answers that clients do not read may hold
 * {@link #ANSWER_LIMIT_BYTES} in all; beyond it the oldest of them gives way, and the short ones of probes do not count.
 */
final class Connections {
    /** More than any number of Prometheus servers, probes and people. */
    static final int MOST = 256;

    /** With TLS, where each holds some 100 KiB of the heap. */
    static final int MOST_ENCRYPTED = 64;

    /** Half of the direct memory that the process has. */
    static final long ANSWER_LIMIT_BYTES = 8 << 20;

    /** An answer of this size always finds room; those of all connections together are a fraction of the limit. */
    static final int SHORT_ANSWER_BYTES = 4_096;

    private static final Duration SWEEP = Duration.ofMillis(500);

    /**
     * What a client may take.
     *
     * @param request how long from a request's first byte to its last
     * @param answer how long until it has taken the answer
     * @param idle how long between two requests; longer than usual scrape intervals
     * @param scrapes answers of {@code /metrics} on their way to all clients
     */
    record Limits(Duration request, Duration answer, Duration idle, int scrapes) {
        private static final Duration IDLE = Duration.ofMinutes(2);

        static Limits of(AgentConfig.Http http) {
            return new Limits(http.readTimeout(), http.writeTimeout(), IDLE, http.maxConcurrentScrapes());
        }
    }

    private final EventLoop loop;
    private final MonotonicClock clock;
    private final Meters.Counter refusedScrapes;
    private final Supplier<WebConfig> web;
    private Limits limits;

    /** In the order of their last complete request. */
    private final Set<HttpConnection> open = new LinkedHashSet<>();

    private long answerBytes;
    private int scrapes;
    private @Nullable ScheduledFuture<?> sweeping;

    /** @param web the newest web configuration */
    Connections(EventLoop loop, MonotonicClock clock, Limits limits, Supplier<WebConfig> web, Meters meters) {
        this.web = web;
        this.loop = loop;
        this.clock = clock;
        this.limits = limits;
        this.refusedScrapes = meters.counter(
                "gpu_node_agent_http_refused_scrapes", "Scrapes that were answered with 503: too many at one time.");
    }

    Limits limits() {
        return limits;
    }

    /** Other limits from now on; deadlines that run stay. */
    void limits(Limits next) {
        limits = next;
    }

    /** How many may be open. */
    private int limit() {
        // However many scrapes are allowed, a probe and a person still find a place; but not more than the heap has
        // room for.
        return web.get().tls().isPresent() ? MOST_ENCRYPTED : Math.max(MOST, limits.scrapes() + 16);
    }

    MonotonicClock clock() {
        return clock;
    }

    /** How many are open. */
    int count() {
        return open.size();
    }

    /** A connection was accepted. */
    void opened(HttpConnection connection) {
        // More than one has to go when TLS has come since the others were opened.
        while (open.size() >= limit()) {
            evict();
        }
        open.add(connection);
        if (sweeping == null) {
            sweeping = loop.scheduleWithFixedDelay(this::sweep, SWEEP.toNanos(), SWEEP.toNanos(), TimeUnit.NANOSECONDS);
        }
    }

    /** A connection is gone; idempotent. */
    void closed(HttpConnection connection) {
        open.remove(connection);
        ScheduledFuture<?> sweep = sweeping;
        if (open.isEmpty() && sweep != null) {
            sweep.cancel(false);
            sweeping = null;
        }
    }

    /** A connection has sent a complete request: it is the last to be given up. */
    void served(HttpConnection connection) {
        if (open.remove(connection)) {
            open.add(connection);
        }
    }

    /** Whether a further answer of {@code /metrics} may be made now; if so it counts until {@link #scraped}. */
    boolean admitScrape() {
        if (scrapes >= limits.scrapes()) {
            refusedScrapes.increment();
            return false;
        }
        scrapes++;
        return true;
    }

    /** An admitted answer of {@code /metrics} has left, or its connection is gone. */
    void scraped() {
        scrapes--;
    }

    /**
     * Makes room for an answer, which counts until {@link #answered}: over the limit, the connections give way whose answers have been on their way
     * longest.
     *
     * @return how many bytes count
     */
    long admit(long bytes) {
        if (bytes <= SHORT_ANSWER_BYTES) {
            return 0;
        }
        while (answerBytes > 0 && answerBytes + bytes > ANSWER_LIMIT_BYTES) {
            HttpConnection victim = null;
            for (HttpConnection connection : open) {
                if (connection.answerBytes() > 0) {
                    victim = connection;
                    break;
                }
            }
            if (victim == null) {
                break;
            }
            giveUp(victim);
        }
        answerBytes += bytes;
        return bytes;
    }

    /** An admitted answer has left, or its connection is gone. */
    void answered(long bytes) {
        answerBytes -= bytes;
    }

    /** Closes all. */
    void closeAll() {
        for (HttpConnection connection : List.copyOf(open)) {
            connection.close();
        }
    }

    /** Gives up the oldest of those that are worth least. */
    private void evict() {
        HttpConnection victim = null;
        for (HttpConnection connection : open) {
            if (victim == null || connection.worth() < victim.worth()) {
                victim = connection;
            }
        }
        if (victim != null) {
            giveUp(victim);
        }
    }

    private void giveUp(HttpConnection victim) {
        // Its channel tells of its end later; it has no place from now on.
        open.remove(victim);
        victim.abort();
    }

    private void sweep() {
        List<HttpConnection> late = new ArrayList<>();
        for (HttpConnection connection : open) {
            if (connection.late()) {
                late.add(connection);
            }
        }
        late.forEach(HttpConnection::close);
    }
}
