package io.gpunode.agent.kubernetes;

import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.json.JsonWriter;
import io.gpunode.agent.lifecycle.Backoff;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.io.IOException;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * Keeps labels in the NodeFeature object from which node-feature-discovery labels the node: {@code nvidia-features-for-NODE}, by server-side apply.
 * The object has the name of GPU feature discovery's and takes its place, with all that it holds. It belongs to the Node object, so it goes with it.
 *
 * <p>Nothing watches it: it is read once after the start, and again when labels that the node has had of it disappear. So at rest nothing is sent.
 *
 * <p>Wanting and asking are for any thread and never block; requests are the connection's thread's.
 */
public final class NodeFeatureWriter implements Errand {
    private static final Log LOG = Log.of(NodeFeatureWriter.class);

    /** Whether the API server has NodeFeature objects and lets the agent write one. */
    public enum Usability {
        /** Nobody has asked yet, or the server has not answered. */
        UNKNOWN("unknown"),
        /** As far as was tried. */
        USABLE("usable"),
        /** It has none: node-feature-discovery is not installed, or very old. */
        NOT_SERVED("not-served"),
        /** It has, and forbids it. */
        FORBIDDEN("forbidden");

        private final String text;

        Usability(String text) {
            this.text = text;
        }

        @Override
        public String toString() {
            return text;
        }
    }

    static final Duration BETWEEN_WRITES = Duration.ofSeconds(10);
    static final Duration WHILE_REFUSED = Duration.ofMinutes(10);
    /** Where the labels go elsewhere meanwhile; a random time of the same length comes on top. */
    static final Duration WHILE_UNUSABLE = Duration.ofHours(1);

    private static final String GROUP = "/apis/nfd.k8s-sigs.io/v1alpha1";
    private static final String NAMESPACE_WITHOUT_ANY = "default";
    private static final String JSON = "application/json";

    /** All agents of a cluster may start at the same moment. */
    private static final Duration SPREAD_OF_FIRST = Duration.ofSeconds(5);

    private static final Duration SPREAD_OF_CHANGED_AT_START = Duration.ofSeconds(30);
    private static final Duration SPREAD_OF_CHANGES = Duration.ofSeconds(1);

    private final OwnNode ownNode;
    private final String namespace;
    private final MonotonicClock clock;
    private final RandomGenerator random;
    private final Runnable wake;
    private final Backoff backoff;
    private final List<Runnable> listeners = new CopyOnWriteArrayList<>();

    private volatile @Nullable SortedMap<String, String> wish;
    private volatile boolean asked;
    private volatile NodeFeatureStatus status =
            new NodeFeatureStatus(Usability.UNKNOWN, "", 0, false, false, Collections.emptySortedMap(), "", 0);

    private Usability usability = Usability.UNKNOWN;
    /** What the object holds, as far as the agent knows; null while it must be read. */
    private @Nullable Held held;

    private @Nullable SortedMap<String, String> applied;
    private @Nullable Tick dueAt;
    private Tick retryAt;
    private Tick readAt;
    private boolean taken;
    private boolean wroteBefore;
    private String refusal = "";
    private long writes;

    /**
     * @param namespace in which the object is; empty for that of the credentials
     * @param wake asks for a turn
     */
    NodeFeatureWriter(OwnNode ownNode, String namespace, MonotonicClock clock, RandomGenerator random, Runnable wake) {
        this.ownNode = ownNode;
        this.namespace = namespace;
        this.clock = clock;
        this.random = random;
        this.wake = wake;
        this.backoff = new Backoff(Duration.ofSeconds(2), Duration.ofMinutes(5), random);
        this.retryAt = clock.now();
        this.readAt = clock.now();
    }

    /** Which labels the object is to hold from now on: these and no others. Any thread, never blocks. */
    public void want(SortedMap<String, String> labels) {
        SortedMap<String, String> copy = Collections.unmodifiableSortedMap(new TreeMap<>(labels));
        if (!copy.equals(wish)) {
            wish = copy;
            wake.run();
        }
    }

    /**
     * Finds out whether the object can be written, without writing it. Any thread, never blocks.
     *
     * @param changed called when the answer of {@link #usability} has changed; quick, on the connection's thread
     */
    public void find(Runnable changed) {
        listeners.add(changed);
        asked = true;
        wake.run();
    }

    /** Whether the object can be written, as far as is known. Any thread. */
    public Usability usability() {
        return status.usability();
    }

    /** How it stands. Any thread. */
    public NodeFeatureStatus status() {
        return status;
    }

    @Override
    public Duration turn(ApiClient api, String node) throws IOException, InterruptedException {
        SortedMap<String, String> wanted = wish;
        if (wanted == null && !asked) {
            return NOTHING;
        }
        Tick now = clock.now();
        try {
            Duration pause = retryAt.since(now);
            return pause.isPositive() ? pause : turn(api, node, wanted, now);
        } catch (IOException e) {
            refusal = String.valueOf(e.getMessage());
            throw e;
        } finally {
            tell(api, node, wanted);
        }
    }

    private Duration turn(ApiClient api, String node, @Nullable SortedMap<String, String> wanted, Tick now)
            throws IOException, InterruptedException {
        if (usability != Usability.USABLE) {
            return discover(api, node, now);
        }
        Optional<NodeObject> seen = ownNode.present();
        if (wanted == null || seen.isEmpty()) {
            dueAt = null;
            return NOTHING;
        }
        String uid = seen.get().uid();
        SortedMap<String, String> valid = valid(wanted);
        if (held != null && disappeared(seen.get(), valid) && !readAt.since(now).isPositive()) {
            held = null;
        }
        Held known = held;
        if (known == null) {
            return read(api, node, now);
        }
        if (known.right(uid, node, valid)) {
            dueAt = null;
            refusal = "";
            return NOTHING;
        }
        Tick due = dueAt;
        if (due == null) {
            due = now.plus(spread(known));
            dueAt = due;
        }
        Duration pause = due.since(now);
        if (pause.isPositive()) {
            return pause;
        }
        String path = path(api, node) + "?fieldManager=" + NodeLabelWriter.FIELD_MANAGER;
        // What is left after the agent's own was applied is somebody else's, of before.
        boolean removes = valid.equals(applied) && known.owners.contains(uid) && known.surplus(valid);
        ApiAnswer answer = removes
                ? api.patch(path, "application/merge-patch+json", removal(known, valid))
                : api.apply(path + "&force=true", JSON, json(api, node, uid, valid));
        if (!answer.ok()) {
            refused(answer, now);
            return Duration.ZERO;
        }
        Held after = held(answer.object());
        held = after;
        applied = valid;
        taken = false;
        wroteBefore = true;
        writes++;
        refusal = "";
        backoff.reset();
        readAt = now.plus(WHILE_REFUSED);
        dueAt = null;
        if (!after.right(uid, node, valid)) {
            if (!removes && after.surplus(valid)) {
                dueAt = now;
                return Duration.ZERO;
            }
            refusal = "the API server holds other labels than it was given; look for an admission webhook";
            retryAt = now.plus(WHILE_REFUSED);
            return Duration.ZERO;
        }
        retryAt = now.plus(BETWEEN_WRITES);
        LOG.info("the NodeFeature object is written", "object", objectName(api, node), "labels", valid.size());
        return Duration.ZERO;
    }

    private Duration discover(ApiClient api, String node, Tick now) throws IOException, InterruptedException {
        ApiAnswer answer = api.get(GROUP, JSON);
        if (answer.status() == ApiAnswer.NOT_FOUND || (answer.ok() && !serves(answer.object()))) {
            held = null;
            refusal =
                    "the API server has no NodeFeature objects; install node-feature-discovery 0.14 or later, or set labels.sink to node";
            retryAt = now.plus(whileUnusable());
            changed(Usability.NOT_SERVED);
            return Duration.ZERO;
        }
        if (!answer.ok()) {
            refused(answer, now);
            return Duration.ZERO;
        }
        return read(api, node, now);
    }

    private Duration whileUnusable() {
        return WHILE_UNUSABLE.plus(Duration.ofMillis(random.nextLong(WHILE_UNUSABLE.toMillis())));
    }

    private static boolean serves(JsonValue group) {
        for (JsonValue resource : group.member("resources").elements()) {
            if (resource.member("name").textOr("").equals("nodefeatures")) {
                return true;
            }
        }
        return false;
    }

    private Duration read(ApiClient api, String node, Tick now) throws IOException, InterruptedException {
        ApiAnswer answer = api.get(path(api, node), JSON);
        if (!answer.ok() && answer.status() != ApiAnswer.NOT_FOUND) {
            refused(answer, now);
            return Duration.ZERO;
        }
        held = answer.ok() ? held(answer.object()) : Held.NOTHING;
        readAt = now.plus(WHILE_REFUSED);
        taken = false;
        applied = null;
        refusal = "";
        changed(Usability.USABLE);
        return Duration.ZERO;
    }

    private static Held held(JsonValue object) {
        SortedMap<String, String> labels = new TreeMap<>();
        object.member("spec").member("labels").members().forEach((key, value) -> labels.put(key, value.textOr("")));
        JsonValue metadata = object.member("metadata");
        Set<String> owners = new HashSet<>();
        for (JsonValue reference : metadata.member("ownerReferences").elements()) {
            owners.add(reference.member("uid").textOr(""));
        }
        return new Held(
                owners,
                metadata.member("labels")
                        .member("nfd.node.kubernetes.io/node-name")
                        .textOr(""),
                labels);
    }

    /** Whether labels that the node has had of the object are gone: somebody may have removed the object. */
    private boolean disappeared(NodeObject node, SortedMap<String, String> labels) {
        boolean there = !labels.isEmpty() && node.labels().entrySet().containsAll(labels.entrySet());
        if (there) {
            taken = true;
            return false;
        }
        // While the object is about to change the node may be behind.
        return taken && labels.equals(applied == null && held != null ? held.labels : applied);
    }

    private Duration spread(Held known) {
        Duration most = SPREAD_OF_CHANGES;
        if (!wroteBefore) {
            most = known.labels.isEmpty() ? SPREAD_OF_FIRST : SPREAD_OF_CHANGED_AT_START;
        }
        return Duration.ofMillis(random.nextLong(most.toMillis()));
    }

    private void refused(ApiAnswer answer, Tick now) {
        boolean passes = answer.status() == 429 || answer.status() == ApiAnswer.CONFLICT || answer.status() >= 500;
        Duration asks = answer.retryAfter().orElse(Duration.ZERO);
        Duration pause = passes ? backoff.next() : WHILE_REFUSED;
        if (asked && answer.status() == ApiAnswer.FORBIDDEN) {
            pause = whileUnusable();
        }
        retryAt = now.plus(pause.compareTo(asks) >= 0 ? pause : asks);
        String why = "the API server has not taken the NodeFeature object: " + answer.reason();
        if (answer.status() == ApiAnswer.FORBIDDEN) {
            why = "the API server forbids the NodeFeature object (" + answer.reason() + "); allow the verbs get,"
                    + " create and patch on the resource nodefeatures of nfd.k8s-sigs.io (docs/kubernetes.md has the role), or set labels.sink to node or file";
        }
        if (!why.equals(refusal)) {
            LOG.warn("the NodeFeature object is not written; tried again later", "error", why);
        }
        refusal = why;
        if (answer.status() == ApiAnswer.FORBIDDEN) {
            changed(Usability.FORBIDDEN);
        } else if (answer.status() == ApiAnswer.NOT_FOUND) {
            // The namespace, or the whole kind of objects, has gone.
            changed(Usability.UNKNOWN);
        }
    }

    private void changed(Usability now) {
        if (now == usability) {
            return;
        }
        usability = now;
        NodeFeatureStatus before = status;
        status = new NodeFeatureStatus(
                now,
                before.object(),
                before.wanted(),
                before.written(),
                before.taken(),
                before.leftOut(),
                refusal,
                before.writes());
        for (Runnable listener : listeners) {
            try {
                listener.run();
            } catch (RuntimeException e) {
                LOG.error("a listener to the NodeFeature object's usability failed", e);
            }
        }
    }

    private void tell(ApiClient api, String node, @Nullable SortedMap<String, String> wanted) {
        SortedMap<String, String> leftOut = new TreeMap<>();
        SortedMap<String, String> labels = wanted == null ? Collections.emptySortedMap() : wanted;
        labels.forEach((key, value) -> {
            String wrong = LabelRules.problem(key, value);
            if (!wrong.isEmpty()) {
                leftOut.put(key, wrong);
            }
        });
        Held known = held;
        boolean written = wanted != null && known != null && known.labels.equals(valid(wanted));
        if (!leftOut.isEmpty() && !leftOut.equals(status.leftOut())) {
            LOG.warn("labels cannot be written; the others are", "labels", leftOut);
        }
        status = new NodeFeatureStatus(
                usability, objectName(api, node), labels.size(), written, written && taken, leftOut, refusal, writes);
    }

    private static SortedMap<String, String> valid(SortedMap<String, String> wanted) {
        SortedMap<String, String> valid = new TreeMap<>(wanted);
        valid.entrySet()
                .removeIf(label ->
                        !LabelRules.problem(label.getKey(), label.getValue()).isEmpty());
        return valid;
    }

    private String namespace(ApiClient api) {
        if (!namespace.isEmpty()) {
            return namespace;
        }
        String own = api.access().namespace();
        return own.isEmpty() ? NAMESPACE_WITHOUT_ANY : own;
    }

    private String objectName(ApiClient api, String node) {
        return namespace(api) + "/nvidia-features-for-" + node;
    }

    private String path(ApiClient api, String node) {
        // A kubeconfig's context may hold anything; the server says what it is not.
        return GROUP + "/namespaces/" + URLEncoder.encode(namespace(api), StandardCharsets.UTF_8)
                + "/nodefeatures/nvidia-features-for-" + node;
    }

    private String json(ApiClient api, String node, String uid, SortedMap<String, String> labels) {
        JsonWriter json = JsonWriter.compact()
                .beginObject()
                .member("apiVersion", "nfd.k8s-sigs.io/v1alpha1")
                .member("kind", "NodeFeature")
                .name("metadata")
                .beginObject()
                .member("name", "nvidia-features-for-" + node)
                .member("namespace", namespace(api))
                .name("labels")
                .beginObject()
                .member("nfd.node.kubernetes.io/node-name", node)
                .endObject()
                .name("ownerReferences")
                .beginArray()
                .beginObject()
                .member("apiVersion", "v1")
                .member("kind", "Node")
                .member("name", node)
                .member("uid", uid)
                .endObject()
                .endArray()
                .endObject()
                .name("spec")
                .beginObject()
                .name("labels")
                .beginObject();
        labels.forEach(json::member);
        return json.endObject().endObject().endObject().toString();
    }

    /** Takes away what is not wanted, whoever has put it there. */
    private static String removal(Held known, SortedMap<String, String> wanted) {
        JsonWriter json = JsonWriter.compact()
                .beginObject()
                .name("spec")
                .beginObject()
                .name("labels")
                .beginObject();
        for (String key : known.labels.keySet()) {
            if (!wanted.containsKey(key)) {
                json.name(key).nullValue();
            }
        }
        return json.endObject().endObject().endObject().toString();
    }

    /**
     * What an object holds.
     *
     * @param owners the uids of the objects that it belongs to
     * @param node whose features it says these are
     */
    private record Held(Set<String> owners, String node, SortedMap<String, String> labels) {
        static final Held NOTHING = new Held(Set.of(), "", new TreeMap<>());

        boolean right(String owner, String ofNode, SortedMap<String, String> wanted) {
            return owners.contains(owner) && node.equals(ofNode) && labels.equals(wanted);
        }

        boolean surplus(SortedMap<String, String> wanted) {
            Map<String, String> rest = new HashMap<>(labels);
            rest.keySet().removeAll(wanted.keySet());
            return !rest.isEmpty() && labels.entrySet().containsAll(wanted.entrySet());
        }
    }
}
