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
 * An object that others write, too, is put right at once and then once an hour.
 *
 * <p>Wanting and asking are for any thread and never block; requests are the connection's thread's.
 */
public final class NodeFeatureWriter implements Errand {
    private static final Log LOG = Log.of(NodeFeatureWriter.class);

    /** Whether the API server has NodeFeature objects and lets the agent write one. */
    public enum Usability {
        /** Nobody has asked yet, or the server has not answered. */
        UNKNOWN("unknown"),
        /** It has them and, where somebody has asked, would take one of this agent. */
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
    /** Where others write the object, too. */
    static final Duration BETWEEN_CORRECTIONS = Duration.ofHours(1);
    /** Within which node-feature-discovery puts onto the node what an object holds; it takes seconds. */
    static final Duration UNTIL_TAKEN = Duration.ofMinutes(10);
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
    private volatile boolean leftoverSought;
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
    /** Since when the object has held labels that the node does not show. */
    private @Nullable Tick untakenSince;

    private String untaken = "";
    /** When the object was last found to hold something else than it was given. */
    private @Nullable Tick overwrittenAt;

    private boolean contested;
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
     * Finds out whether the object can be written, by a write that the server only tries. Any thread, never blocks.
     *
     * @param changed called when the answer of {@link #usability} has changed; quick, on the connection's thread
     */
    public void find(Runnable changed) {
        listeners.add(changed);
        asked = true;
        wake.run();
    }

    /**
     * Takes away what an earlier life of the agent has left in the object, which is told by its managers; looked for once, and only while nothing
     * is wanted there. Any thread, never blocks.
     */
    public void clearLeftover() {
        leftoverSought = true;
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
        if (wanted == null && !asked && !leftoverSought) {
            return NOTHING;
        }
        Tick now = clock.now();
        try {
            Duration pause = retryAt.since(now);
            if (pause.isPositive()) {
                return pause;
            }
            if (leftoverSought) {
                return leftover(api, node, wanted, now);
            }
            return turn(api, node, wanted, now);
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
        Duration untilUntaken = untaken(seen.get(), valid, now);
        if (held != null && disappeared(seen.get(), valid) && !readAt.since(now).isPositive()) {
            held = null;
        }
        Held known = held;
        if (known == null) {
            return read(api, node, now);
        }
        boolean nothingOfOurs = valid.isEmpty() && (known.labels.isEmpty() || valid.equals(applied));
        if (nothingOfOurs || known.right(uid, node, valid)) {
            dueAt = null;
            refusal = untaken;
            Duration untilRead = readAt.since(now);
            boolean reads = taken && untakenSince != null && untilRead.isPositive();
            return reads && untilRead.compareTo(untilUntaken) < 0 ? untilRead : untilUntaken;
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
        boolean removes =
                !valid.isEmpty() && valid.equals(applied) && known.owners.contains(uid) && known.surplus(valid);
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
        readAt = now.plus(contested ? BETWEEN_CORRECTIONS : WHILE_REFUSED);
        untakenSince = null;
        dueAt = null;
        if (!valid.isEmpty() && !after.right(uid, node, valid)) {
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
        return tried(api, node, now) ? read(api, node, now) : retryAt.since(now);
    }

    /** Whether the server would take the object; one that may be read need not be one that may be written. Where nobody has the choice, writing tells. */
    private boolean tried(ApiClient api, String node, Tick now) throws IOException, InterruptedException {
        if (!asked) {
            return true;
        }
        Optional<NodeObject> seen = ownNode.present();
        if (seen.isEmpty()) {
            retryAt = now.plus(BETWEEN_WRITES);
            return false;
        }
        ApiAnswer answer = api.apply(
                path(api, node) + "?fieldManager=" + NodeLabelWriter.FIELD_MANAGER + "&dryRun=All&force=true",
                JSON,
                json(api, node, seen.get().uid(), Collections.emptySortedMap()));
        // Admission webhooks may refuse what is only tried.
        if (!answer.ok() && answer.status() != ApiAnswer.BAD_REQUEST) {
            refused(answer, now);
            return false;
        }
        return true;
    }

    /** One read, and where it is the agent's one write. */
    private Duration leftover(ApiClient api, String node, @Nullable SortedMap<String, String> wanted, Tick now)
            throws IOException, InterruptedException {
        Optional<NodeObject> seen = ownNode.present();
        if (wanted == null && seen.isEmpty()) {
            return NOTHING;
        }
        if (wanted == null) {
            ApiAnswer answer = api.get(path(api, node), JSON);
            if (answer.ok() && isOwn(answer.object())) {
                answer = api.apply(
                        path(api, node) + "?fieldManager=" + NodeLabelWriter.FIELD_MANAGER + "&force=true",
                        JSON,
                        json(api, node, seen.get().uid(), Collections.emptySortedMap()));
                if (answer.ok()) {
                    LOG.info("the NodeFeature object of an earlier life is emptied", "object", objectName(api, node));
                } else {
                    LOG.warn(
                            "the NodeFeature object of an earlier life stays; delete it with kubectl delete nodefeature",
                            "object",
                            objectName(api, node),
                            "error",
                            answer.reason());
                }
            }
            if (answer.status() == 429 || answer.status() >= 500) {
                retryAt = now.plus(backoff.next());
                return Duration.ZERO;
            }
        }
        leftoverSought = false;
        return Duration.ZERO;
    }

    /** Whether labels in the object are of this agent, and not of GPU feature discovery, whose object has the same name. */
    private static boolean isOwn(JsonValue object) {
        for (JsonValue entry : object.member("metadata").member("managedFields").elements()) {
            if (NodeObject.isOfLabelWriter(entry)
                    && !entry.member("fieldsV1")
                            .member("f:spec")
                            .member("f:labels")
                            .members()
                            .isEmpty()) {
                return true;
            }
        }
        return false;
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
        Held found = answer.ok() ? held(answer.object()) : Held.NOTHING;
        overwritten(found, answer.ok(), api, node, now);
        held = found;
        readAt = now.plus(contested ? BETWEEN_CORRECTIONS : WHILE_REFUSED);
        taken = false;
        if (!found.labels.equals(applied)) {
            applied = null;
        }
        refusal = "";
        changed(Usability.USABLE);
        return Duration.ZERO;
    }

    private void overwritten(Held found, boolean there, ApiClient api, String node, Tick now) {
        SortedMap<String, String> given = applied;
        Tick before = overwrittenAt;
        boolean lately = before != null && now.since(before).compareTo(BETWEEN_CORRECTIONS.multipliedBy(2)) < 0;
        if (!there || given == null || found.labels.equals(given)) {
            contested &= lately;
            return;
        }
        if (!lately) {
            LOG.warn(
                    "somebody else has changed the NodeFeature object; it is put right, and the next time after an hour. If NVIDIA's"
                            + " gpu-feature-discovery runs on this node, stop it",
                    "object",
                    objectName(api, node));
        }
        contested = lately;
        overwrittenAt = now;
    }

    /**
     * Notices that the node does not show what the object holds.
     *
     * @return until when there is nothing to notice
     */
    private Duration untaken(NodeObject node, SortedMap<String, String> labels, Tick now) {
        Held known = held;
        String missing = "";
        if (known != null && known.labels.equals(labels)) {
            for (Map.Entry<String, String> label : labels.entrySet()) {
                if (!label.getValue().equals(node.labels().get(label.getKey()))) {
                    missing = label.getKey();
                    break;
                }
            }
        }
        if (missing.isEmpty()) {
            untakenSince = null;
            untaken = "";
            return NOTHING;
        }
        Tick since = untakenSince;
        if (since == null) {
            since = now;
            untakenSince = now;
        }
        Duration left = since.plus(UNTIL_TAKEN).since(now);
        if (left.isPositive()) {
            return left;
        }
        if (untaken.isEmpty()) {
            untaken = contested
                    ? "another process writes the NodeFeature object, too; stop NVIDIA's gpu-feature-discovery on this node"
                    : "the object is written and the node does not have " + missing + " of it after "
                            + UNTIL_TAKEN.toMinutes()
                            + " minutes; look at node-feature-discovery's master: whether it runs, watches this namespace and allows the label";
            LOG.warn("the labels of the NodeFeature object are not on the node", "error", untaken);
        }
        return NOTHING;
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
