package io.gpunode.agent.kubernetes;

import io.gpunode.agent.json.JsonWriter;
import io.gpunode.agent.lifecycle.Backoff;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.io.IOException;
import java.time.Duration;
import java.util.Optional;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * Keeps one label of the own Node object that tells how something stands, by server-side apply under a field manager of its own. It is written at
 * once when the state changes, since people and scripts wait for it, and taken from whoever wrote it before; when somebody else changes it, it is put
 * right once a minute at most.
 *
 * <p>Wanting is for any thread and never blocks; writing is the connection's thread's.
 */
public final class StateLabelWriter implements Errand {
    private static final Log LOG = Log.of(StateLabelWriter.class);

    /** What NVIDIA's MIG manager calls it, and others wait for. */
    static final String MIG_STATE = "nvidia.com/mig.config.state";

    /** Renaming it would leave the label for ever. */
    static final String MIG_MANAGER = "gpu-node-agent-mig";

    static final Duration BETWEEN_CORRECTIONS = Duration.ofMinutes(1);
    static final Duration WHILE_REFUSED = Duration.ofMinutes(10);

    /** Only the metadata of the node is sent back. */
    private static final String ACCEPT =
            "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";

    private final String key;
    private final String manager;
    private final OwnNode ownNode;
    private final MonotonicClock clock;
    private final Runnable wake;
    private final Backoff backoff;

    private volatile @Nullable String wish;
    private volatile String problem = "";
    private @Nullable Written last;
    private Tick retryAt;

    private record Written(String value, NodeObject after, Tick at) {}

    /**
     * @param key the label
     * @param manager the field manager
     * @param wake asks for a turn
     */
    StateLabelWriter(
            String key, String manager, OwnNode ownNode, MonotonicClock clock, RandomGenerator random, Runnable wake) {
        this.key = key;
        this.manager = manager;
        this.ownNode = ownNode;
        this.clock = clock;
        this.wake = wake;
        this.backoff = new Backoff(Duration.ofSeconds(2), Duration.ofMinutes(5), random);
        this.retryAt = clock.now();
    }

    /** What the label is to say from now on; empty for no label. Any thread, never blocks. */
    public void want(String value) {
        if (!value.equals(wish)) {
            wish = value;
            wake.run();
        }
    }

    /** Why it is not written; empty when nothing stands in the way. Any thread. */
    public String problem() {
        return problem;
    }

    @Override
    public Duration turn(ApiClient api, String node) throws IOException, InterruptedException {
        String wanted = wish;
        Optional<NodeObject> seen = ownNode.present();
        if (wanted == null || seen.isEmpty()) {
            return NOTHING;
        }
        Tick now = clock.now();
        Written written = last;
        NodeObject object = written != null && written.after.laterThan(seen.get()) ? written.after : seen.get();
        if (wanted.equals(object.labels().getOrDefault(key, ""))) {
            problem = "";
            return NOTHING;
        }
        Duration pause = retryAt.since(now);
        if (written != null
                && written.value.equals(wanted)
                && written.after.uid().equals(object.uid())) {
            if (wanted.isEmpty()) {
                // It is somebody else's by now.
                return NOTHING;
            }
            Duration since = BETWEEN_CORRECTIONS.minus(now.since(written.at));
            pause = since.compareTo(pause) > 0 ? since : pause;
        }
        if (pause.isPositive()) {
            return pause;
        }
        ApiAnswer answer = api.apply(
                "/api/v1/nodes/" + node + "?fieldManager=" + manager + "&force=true",
                ACCEPT,
                json(node, object.uid(), wanted));
        if (!answer.ok()) {
            refused(answer, now);
            return Duration.ZERO;
        }
        NodeObject after = NodeObject.of(answer.object());
        if (!after.name().equals(node)) {
            throw new IOException(
                    api.access().server() + " answered the node's labels with another object; is this an API server?");
        }
        last = new Written(wanted, after, now);
        problem = "";
        backoff.reset();
        return Duration.ZERO;
    }

    private void refused(ApiAnswer answer, Tick now) {
        boolean passes = switch (answer.status()) {
            // The object has just been deleted or made anew, as the watch will tell.
            case ApiAnswer.NOT_FOUND, ApiAnswer.CONFLICT, 429 -> true;
            default -> answer.status() >= 500;
        };
        Duration pause = WHILE_REFUSED;
        if (passes) {
            Duration asked = answer.retryAfter().orElse(Duration.ZERO);
            Duration own = backoff.next();
            pause = asked.compareTo(own) > 0 ? asked : own;
        }
        retryAt = now.plus(pause);
        String why = "the API server has not taken the label " + key + ": " + answer.reason()
                + (answer.status() == ApiAnswer.FORBIDDEN
                        ? "; allow the verb patch on the resource nodes (docs/kubernetes.md has the role)"
                        : "");
        if (!why.equals(problem)) {
            LOG.warn("a label of the node is not written; tried again later", "error", why);
        }
        problem = why;
    }

    private String json(String node, String uid, String value) {
        JsonWriter json = JsonWriter.compact()
                .beginObject()
                .member("apiVersion", "v1")
                .member("kind", "Node")
                .name("metadata")
                .beginObject()
                .member("name", node)
                // Without it the server would make a Node where there is none.
                .member("uid", uid)
                .name("labels")
                .beginObject();
        if (!value.isEmpty()) {
            json.member(key, value);
        }
        return json.endObject().endObject().endObject().toString();
    }
}
