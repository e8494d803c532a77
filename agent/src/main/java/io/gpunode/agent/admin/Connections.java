package io.gpunode.agent.admin;

import io.gpunode.agent.time.MonotonicClock;
import io.netty.channel.EventLoop;
import io.netty.util.concurrent.ScheduledFuture;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * All open connections and what they may cost. Owned by the event loop: every method runs there.
 *
 * <p>There is room for {@link #LIMIT}. When it is full, a new connection takes the place of the oldest that never sent a complete request, or else of the one
 * whose last request is longest ago, so that clients that only hold connections cannot shut Prometheus out. A connection has a deadline in each state: for a request that has
 * begun, for an answer that is being read, and for doing nothing. Answers that clients do not read may hold {@link #ANSWER_LIMIT_BYTES} in all.
 */
final class Connections {
    /** More than any number of Prometheus servers, probes and people. */
    static final int LIMIT = 64;

    /** Half of the direct memory that the process has. */
    static final long ANSWER_LIMIT_BYTES = 8 << 20;

    private static final Duration SWEEP = Duration.ofSeconds(1);

    /**
     * How long a connection may stay in a state.
     *
     * @param request from a request's first byte to its last
     * @param answer until the client has taken the answer
     * @param idle between two requests; longer than usual scrape intervals
     */
    record Deadlines(Duration request, Duration answer, Duration idle) {
        static final Deadlines USUAL =
                new Deadlines(Duration.ofSeconds(10), Duration.ofSeconds(10), Duration.ofSeconds(120));
    }

    private final EventLoop loop;
    private final MonotonicClock clock;
    private final Deadlines deadlines;

    /** In the order of their last complete request. */
    private final Set<HttpConnection> open = new LinkedHashSet<>();

    private long answerBytes;
    private @Nullable ScheduledFuture<?> sweeping;

    Connections(EventLoop loop, MonotonicClock clock, Deadlines deadlines) {
        this.loop = loop;
        this.clock = clock;
        this.deadlines = deadlines;
    }

    Deadlines deadlines() {
        return deadlines;
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
        if (open.size() >= LIMIT && !evict()) {
            connection.close();
            return;
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

    /** Whether an answer of this size may be sent now; if so it counts until {@link #answered}. */
    boolean admit(long bytes) {
        if (answerBytes + bytes > ANSWER_LIMIT_BYTES && answerBytes > 0) {
            return false;
        }
        answerBytes += bytes;
        return true;
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

    private boolean evict() {
        HttpConnection victim = null;
        for (HttpConnection connection : open) {
            if (!connection.answering()) {
                if (!connection.served()) {
                    victim = connection;
                    break;
                }
                victim = victim == null ? connection : victim;
            }
        }
        if (victim == null) {
            return false;
        }
        // Its channel tells of its end later; it has no place from now on.
        open.remove(victim);
        victim.close();
        return true;
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
