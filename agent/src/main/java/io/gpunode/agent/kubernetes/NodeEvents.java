package io.gpunode.agent.kubernetes;

import io.gpunode.agent.json.JsonWriter;
import io.gpunode.agent.lifecycle.Backoff;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * Events on the Node object, of the API group that a kubelet's own credentials may write, too (core {@code v1}). They wait in a short queue in which
 * the same event again is counted and not repeated; one that was sent already is counted on the server. A burst is sent at once, a flood is slowed
 * down, and when the queue is full the oldest is dropped and counted.
 *
 * <p>Announcing is for any thread and never blocks; sending is the connection's thread's.
 */
public final class NodeEvents implements Errand {
    private static final Log LOG = Log.of(NodeEvents.class);

    static final int LONGEST_QUEUE = 64;
    static final int BURST = 20;
    static final Duration ONE_EVERY = Duration.ofSeconds(15);

    /** Where events about objects without a namespace are kept. */
    private static final String PATH = "/api/v1/namespaces/default/events";

    private static final String COMPONENT = "gpu-node-agent";
    private static final int REMEMBERED = 128;
    private static final int LONGEST_MESSAGE = 1_024;
    /** Names have 253 characters at most. */
    private static final int LONGEST_PREFIX = 200;
    /** The API server forgets events after an hour by default; older news is none. */
    private static final Duration STALE = Duration.ofHours(1);

    private static final Duration WHILE_FORBIDDEN = Duration.ofMinutes(10);

    private final MonotonicClock clock;
    private final InstantSource wall;
    private final RandomGenerator random;
    private final Runnable wake;
    private final Backoff backoff;
    private final Meters.Counter sent;
    private final Meters.Counter dropped;
    private final Meters.Counter refused;
    private final Map<String, Pending> queue = new LinkedHashMap<>();
    private final Map<String, Known> known = new LinkedHashMap<>(16, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<String, Known> eldest) {
            return size() > REMEMBERED;
        }
    };
    private boolean forbidden;
    private Tick retryAt;
    /** When the bucket of permissions will be full again. */
    private Tick fullAt;

    /** @param wake asks for a turn */
    NodeEvents(MonotonicClock clock, InstantSource wall, RandomGenerator random, Meters meters, Runnable wake) {
        this.clock = clock;
        this.wall = wall;
        this.random = random;
        this.wake = wake;
        this.backoff = new Backoff(Duration.ofSeconds(2), Duration.ofMinutes(5), random);
        String name = "gpu_node_agent_kubernetes_events";
        String help = "Events for the Node object by what became of them.";
        this.sent = meters.counter(name, help, "result", "sent");
        this.dropped = meters.counter(name, help, "result", "dropped");
        this.refused = meters.counter(name, help, "result", "refused");
        this.retryAt = clock.now();
        this.fullAt = clock.now();
    }

    /** Tells it when the server can be reached. Any thread, never blocks. */
    public void announce(NodeEvent event) {
        synchronized (queue) {
            Pending waiting = queue.remove(event.key());
            Instant at = wall.instant();
            queue.put(
                    event.key(),
                    waiting == null
                            ? new Pending(event, at, at, clock.now(), 1, "")
                            : new Pending(event, waiting.first, at, clock.now(), waiting.count + 1, waiting.name));
            if (queue.size() > LONGEST_QUEUE) {
                Iterator<Pending> oldest = queue.values().iterator();
                oldest.next();
                oldest.remove();
                dropped.increment();
            }
        }
        wake.run();
    }

    /** How many wait. */
    int waiting() {
        synchronized (queue) {
            return queue.size();
        }
    }

    @Override
    public Duration turn(ApiClient api, String node) throws IOException, InterruptedException {
        Tick now = clock.now();
        Duration pause = longer(retryAt.since(now), fullAt.since(now).minus(ONE_EVERY.multipliedBy(BURST - 1L)));
        if (waiting() == 0) {
            return NOTHING;
        }
        if (pause.isPositive()) {
            return pause;
        }
        Pending next = takeOldest();
        if (next == null) {
            return NOTHING;
        }
        // By the clock that nobody sets: a machine whose time is set forward after the start has no old news for that.
        if (now.since(next.announced).compareTo(STALE) > 0) {
            dropped.increment();
            return Duration.ZERO;
        }
        boolean done = false;
        try {
            ApiAnswer answer = send(api, node, next);
            done = answered(answer, next, now);
        } finally {
            if (!done) {
                putBack(next);
            }
        }
        return waiting() == 0 ? NOTHING : Duration.ZERO;
    }

    private ApiAnswer send(ApiClient api, String node, Pending next) throws IOException, InterruptedException {
        Known before = known.get(next.event.key());
        if (before != null) {
            ApiAnswer answer = count(api, before.name, before.count + next.count, next);
            if (answer.status() != ApiAnswer.NOT_FOUND) {
                return answer;
            }
            // It is older than the server keeps events.
            known.remove(next.event.key());
        }
        String name = prefix(node) + "." + next.name;
        ApiAnswer answer = api.create(PATH + "?fieldManager=" + COMPONENT, json(name, node, next));
        if (answer.status() == ApiAnswer.CONFLICT) {
            // The server has kept an earlier try whose answer did not come; by now it may have happened more often.
            return count(api, name, next.count, next);
        }
        if (answer.ok()) {
            known.put(next.event.key(), new Known(name, next.count));
        }
        return answer;
    }

    /** Sets how often it came by now. */
    private ApiAnswer count(ApiClient api, String name, int count, Pending next)
            throws IOException, InterruptedException {
        ApiAnswer answer = api.patch(
                PATH + "/" + name + "?fieldManager=" + COMPONENT,
                "application/merge-patch+json",
                JsonWriter.compact()
                        .beginObject()
                        .member("count", count)
                        .member("lastTimestamp", time(next.at))
                        .member("message", Texts.shortened(next.event.message(), LONGEST_MESSAGE))
                        .endObject()
                        .toString());
        if (answer.ok()) {
            known.put(next.event.key(), new Known(name, count));
        }
        return answer;
    }

    /** As much of the node's name as leaves room in an event's, which ends with a letter or a digit before each dot as all names do. */
    private static String prefix(String node) {
        int end = Math.min(node.length(), LONGEST_PREFIX);
        while (end > 0 && (node.charAt(end - 1) == '.' || node.charAt(end - 1) == '-')) {
            end--;
        }
        return node.substring(0, end);
    }

    private boolean answered(ApiAnswer answer, Pending next, Tick now) {
        if (answer.ok()) {
            sent.increment();
            backoff.reset();
            forbidden = false;
            Tick from = fullAt.since(now).isPositive() ? fullAt : now;
            fullAt = from.plus(ONE_EVERY);
            return true;
        }
        if (answer.status() == ApiAnswer.FORBIDDEN) {
            if (!forbidden) {
                LOG.warn(
                        "events about the node are not sent; allow the verbs create and patch on the resource events in the namespace"
                                + " default (docs/kubernetes.md has the role), or set kubernetes.events to false",
                        "error",
                        answer.reason());
            }
            forbidden = true;
            retryAt = now.plus(WHILE_FORBIDDEN);
            return false;
        }
        if (answer.status() == 429 || answer.status() >= 500) {
            retryAt = now.plus(longer(backoff.next(), answer.retryAfter().orElse(Duration.ZERO)));
            return false;
        }
        LOG.warn("the API server refused an event", "reason", next.event.reason(), "error", answer.reason());
        refused.increment();
        return true;
    }

    private static String json(String name, String node, Pending next) {
        return JsonWriter.compact()
                .beginObject()
                .member("apiVersion", "v1")
                .member("kind", "Event")
                .name("metadata")
                .beginObject()
                .member("name", name)
                .member("namespace", "default")
                .endObject()
                .name("involvedObject")
                .beginObject()
                .member("apiVersion", "v1")
                .member("kind", "Node")
                .member("name", node)
                // What kubelets write and kubectl describe looks for.
                .member("uid", node)
                .endObject()
                .member("type", next.event.warning() ? "Warning" : "Normal")
                .member("reason", next.event.reason())
                .member("message", Texts.shortened(next.event.message(), LONGEST_MESSAGE))
                .name("source")
                .beginObject()
                .member("component", COMPONENT)
                .member("host", node)
                .endObject()
                .member("firstTimestamp", time(next.first))
                .member("lastTimestamp", time(next.at))
                .member("count", next.count)
                .member("reportingComponent", COMPONENT)
                .member("reportingInstance", node)
                .endObject()
                .toString();
    }

    private @Nullable Pending takeOldest() {
        synchronized (queue) {
            Iterator<Pending> oldest = queue.values().iterator();
            if (!oldest.hasNext()) {
                return null;
            }
            Pending next = oldest.next();
            oldest.remove();
            return next.named(random);
        }
    }

    /** To where it was, unless the same has been announced again meanwhile. */
    private void putBack(Pending unsent) {
        synchronized (queue) {
            Map<String, Pending> others = new LinkedHashMap<>(queue);
            Pending newer = others.remove(unsent.event.key());
            queue.clear();
            queue.put(
                    unsent.event.key(),
                    newer == null
                            ? unsent
                            : new Pending(
                                    newer.event,
                                    unsent.first,
                                    newer.at,
                                    newer.announced,
                                    newer.count + unsent.count,
                                    unsent.name));
            queue.putAll(others);
        }
    }

    private static String time(Instant at) {
        return at.truncatedTo(ChronoUnit.SECONDS).toString();
    }

    private static Duration longer(Duration one, Duration other) {
        return one.compareTo(other) >= 0 ? one : other;
    }

    /**
     * What waits.
     *
     * @param first when it was announced first
     * @param at when it was announced last, by the wall clock
     * @param announced the same by the clock that nobody sets
     * @param name the end of the object's name, empty before the first try; the same for each, so that the server tells of one that it has kept
     */
    private record Pending(NodeEvent event, Instant first, Instant at, Tick announced, int count, String name) {
        Pending named(RandomGenerator random) {
            return name.isEmpty()
                    ? new Pending(event, first, at, announced, count, Long.toHexString(random.nextLong()))
                    : this;
        }
    }

    private record Known(String name, int count) {}
}
