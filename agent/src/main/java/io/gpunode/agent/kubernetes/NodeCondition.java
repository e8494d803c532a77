package io.gpunode.agent.kubernetes;

import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.json.JsonWriter;
import io.gpunode.agent.lifecycle.Backoff;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.io.IOException;
import java.time.Duration;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.Optional;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * One condition in the status of the Node object: written when it differs from what the object says, at most every few seconds, and never
 * otherwise. {@code Unknown} is written only when it lasts. Wishing is for any thread and never blocks; writing is the connection's thread's.
 */
public final class NodeCondition implements Errand {
    private static final Log LOG = Log.of(NodeCondition.class);

    static final Duration SHORTEST_INTERVAL = Duration.ofSeconds(10);

    /** A driver that takes its time to open after a start of the agent, or is loaded anew, is no news: nothing is taken back for that. */
    static final Duration UNKNOWN_FOR = Duration.ofSeconds(30);

    /** A fleet that was started together reads its nodes one after the other. */
    private static final Duration SPREAD_OF_FIRST = Duration.ofSeconds(5);

    private static final int LONGEST_MESSAGE = 1_024;
    private static final Duration WHILE_FORBIDDEN = Duration.ofMinutes(10);

    /** Whether what the condition's name says is so. */
    public enum Status {
        TRUE("True"),
        FALSE("False"),
        UNKNOWN("Unknown");

        private final String text;

        Status(String text) {
            this.text = text;
        }

        @Override
        public String toString() {
            return text;
        }
    }

    /**
     * What it is to say.
     *
     * @param reason one word in CamelCase
     * @param message for people
     */
    public record Wish(Status status, String reason, String message) {}

    private final String type;
    private final OwnNode ownNode;
    private final MonotonicClock clock;
    private final InstantSource wall;
    private final Runnable wake;
    private final Backoff backoff;
    private volatile @Nullable Wanted wanting;
    private @Nullable Written written;
    private boolean forbidden;
    /** What the log says of the write that has not succeeded yet. */
    private String told = "";

    private final RandomGenerator random;
    private boolean begun;
    private Tick retryAt;

    /**
     * @param type the condition's name
     * @param wake asks for a turn
     */
    NodeCondition(
            String type,
            OwnNode ownNode,
            MonotonicClock clock,
            InstantSource wall,
            RandomGenerator random,
            Runnable wake) {
        this.type = type;
        this.ownNode = ownNode;
        this.clock = clock;
        this.wall = wall;
        this.wake = wake;
        this.backoff = new Backoff(Duration.ofSeconds(2), Duration.ofMinutes(5), random);
        this.random = random;
        this.retryAt = clock.now();
    }

    /** What it is to say from now on. Any thread, never blocks. */
    public void want(Wish changed) {
        // Cut here, so that it equals what the server says it is.
        Wish cut = new Wish(changed.status, changed.reason, Texts.shortened(changed.message, LONGEST_MESSAGE));
        synchronized (this) {
            Wanted before = wanting;
            if (before != null && cut.equals(before.wish)) {
                return;
            }
            Tick since = before != null && before.wish.status == cut.status ? before.since : clock.now();
            wanting = new Wanted(cut, since);
        }
        wake.run();
    }

    @Override
    public Duration turn(ApiClient api, String node) throws IOException, InterruptedException {
        Wanted latest = wanting;
        Optional<NodeObject> object = ownNode.present();
        if (latest == null || object.isEmpty()) {
            return NOTHING;
        }
        Wish wanted = latest.wish;
        String uid = object.get().uid();
        Written last = written;
        if (last != null && last.uid.equals(uid) && last.wish.equals(wanted)) {
            return NOTHING;
        }
        Tick now = clock.now();
        if (!begun) {
            begun = true;
            retryAt = now.plus(Duration.ofMillis(random.nextLong(SPREAD_OF_FIRST.toMillis())));
        }
        Duration pause = retryAt.since(now);
        if (wanted.status == Status.UNKNOWN) {
            Duration early = UNKNOWN_FOR.minus(now.since(latest.since));
            pause = pause.compareTo(early) >= 0 ? pause : early;
        }
        if (pause.isPositive()) {
            return pause;
        }
        if (last == null || !last.uid.equals(uid)) {
            ApiAnswer answer = api.get("/api/v1/nodes/" + node, "application/json");
            if (!answer.ok()) {
                refused("get", "nodes", answer, now);
                return retryAt.since(now);
            }
            JsonValue read = answer.object();
            if (!NodeObject.of(read).name().equals(node)) {
                throw new IOException(api.access().server() + " answered with another object than the node " + node);
            }
            last = said(read, uid);
        }
        if (last != null && last.wish.equals(wanted)) {
            written = last;
            return NOTHING;
        }
        String time = wall.instant().truncatedTo(ChronoUnit.SECONDS).toString();
        String since = last != null && last.wish.status == wanted.status && !last.since.isEmpty() ? last.since : time;
        ApiAnswer answer = api.patchInBrief(
                "/api/v1/nodes/" + node + "/status?fieldManager=gpu-node-agent",
                "application/strategic-merge-patch+json",
                json(wanted, time, since));
        if (answer.ok()) {
            written = new Written(uid, wanted, since);
            backoff.reset();
            forbidden = false;
            told = "";
            retryAt = now.plus(SHORTEST_INTERVAL);
            return latest.equals(wanting) ? NOTHING : SHORTEST_INTERVAL;
        }
        refused("patch", "nodes/status", answer, now);
        return retryAt.since(now);
    }

    /** What the object says already: a restart of the agent changes nothing then. */
    private @Nullable Written said(JsonValue object, String uid) {
        for (JsonValue condition : object.member("status").member("conditions").elements()) {
            if (condition.member("type").textOr("").equals(type)) {
                for (Status status : Status.values()) {
                    if (condition.member("status").textOr("").equals(status.text)) {
                        Wish said = new Wish(
                                status,
                                condition.member("reason").textOr(""),
                                condition.member("message").textOr(""));
                        return new Written(
                                uid,
                                said,
                                condition.member("lastTransitionTime").textOr(""));
                    }
                }
            }
        }
        return null;
    }

    private void refused(String verb, String resource, ApiAnswer answer, Tick now) {
        if (answer.status() == ApiAnswer.FORBIDDEN) {
            if (!forbidden) {
                LOG.warn(
                        "the node's condition is not written; allow the verb " + verb + " on the resource " + resource
                                + " (docs/kubernetes.md has the role), or set kubernetes.nodeCondition to false",
                        "condition",
                        type,
                        "error",
                        answer.reason());
            }
            forbidden = true;
            retryAt = now.plus(WHILE_FORBIDDEN);
            return;
        }
        Duration pause = backoff.next();
        Duration asked = answer.retryAfter().orElse(Duration.ZERO);
        retryAt = now.plus(pause.compareTo(asked) >= 0 ? pause : asked);
        if (!answer.reason().equals(told)) {
            LOG.warn(
                    "the node's condition was not written; it is tried again",
                    "condition",
                    type,
                    "error",
                    answer.reason());
        }
        told = answer.reason();
    }

    private String json(Wish wanted, String time, String since) {
        return JsonWriter.compact()
                .beginObject()
                .name("status")
                .beginObject()
                .name("conditions")
                .beginArray()
                .beginObject()
                .member("type", type)
                .member("status", wanted.status.text)
                .member("reason", wanted.reason)
                .member("message", wanted.message)
                .member("lastHeartbeatTime", time)
                .member("lastTransitionTime", since)
                .endObject()
                .endArray()
                .endObject()
                .endObject()
                .toString();
    }

    /** @param since when its status was first wanted */
    private record Wanted(Wish wish, Tick since) {}

    private record Written(String uid, Wish wish, String since) {}
}
