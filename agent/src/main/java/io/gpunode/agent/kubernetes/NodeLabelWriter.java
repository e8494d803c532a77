package io.gpunode.agent.kubernetes;

import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.json.JsonWriter;
import io.gpunode.agent.lifecycle.Backoff;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.io.IOException;
import java.time.Duration;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * Keeps labels on the own Node object, by server-side apply under a field manager of its own: labels that are wanted no more are removed by the
 * server, and those of others are never touched. What the object holds, and what of it the agent has applied, comes with the watch of the node; a
 * request is sent only where that differs from what is wanted, so a restart of the agent sends none.
 *
 * <p>A label that somebody else manages with another value is left to them and told, unless the writer is to take it. One that was written and is
 * then changed or removed by somebody is put right once an hour at most: two writers of different minds end up with a write an hour each.
 *
 * <p>Wanting is for any thread and never blocks; writing is the connection's thread's.
 */
public final class NodeLabelWriter implements Errand {
    private static final Log LOG = Log.of(NodeLabelWriter.class);

    /** Known to the server for as long as a label of the agent is on the object; renaming it would leave them there for ever. */
    static final String FIELD_MANAGER = "gpu-node-agent-labels";

    static final Duration BETWEEN_WRITES = Duration.ofSeconds(10);
    static final Duration BETWEEN_CORRECTIONS = Duration.ofHours(1);
    /** The same where whoever had a label lets it go: that is what the log has asked for. */
    static final Duration BEFORE_TAKING_BACK = Duration.ofMinutes(1);

    static final Duration WHILE_REFUSED = Duration.ofMinutes(10);

    /** All agents of a cluster may see the same thing at the same moment: their start, an upgrade, somebody who removes a label from all nodes. */
    private static final Duration SPREAD_OF_FIRST = Duration.ofSeconds(5);

    private static final Duration SPREAD_OF_CHANGED_AT_START = Duration.ofSeconds(30);
    private static final Duration SPREAD_OF_CHANGES = Duration.ofSeconds(1);
    private static final Duration SPREAD_OF_CORRECTIONS = Duration.ofSeconds(10);

    private static final String FORBIDDEN_LABELS = "is not allowed to modify labels: ";
    private static final String LABELS_FIELD = ".metadata.labels.";
    private static final int NAMED = 8;

    private final OwnNode ownNode;
    private final boolean force;
    private final MonotonicClock clock;
    private final RandomGenerator random;
    private final Runnable wake;
    private final Backoff backoff;

    private volatile @Nullable SortedMap<String, String> wish;
    /** What node-feature-discovery is to keep on the object; null while labels are wanted here. */
    private volatile @Nullable SortedMap<String, String> left;

    private volatile LabelWriterStatus status =
            new LabelWriterStatus(0, 0, Collections.emptySortedMap(), Collections.emptySortedMap(), "", 0);

    private final Map<String, Withheld> withheld = new HashMap<>();
    private final Map<String, Tick> corrections = new HashMap<>();
    /** What the object of this uid was last seen to have of the agent, or was given: what differs from it was changed by somebody else. */
    private final Map<String, String> had = new HashMap<>();

    private String uid = "";
    /** Whether the object of this uid has been as it should. */
    private boolean settled;
    /** The answer to the last write. */
    private @Nullable NodeObject last;

    private @Nullable Tick dueAt;
    private Tick retryAt;
    private String refusal = "";
    private SortedMap<String, String> toldLeftOut = Collections.emptySortedMap();
    private Set<String> toldContested = Set.of();
    private long writes;

    /**
     * @param force whether labels are taken from whoever else manages them
     * @param wake asks for a turn
     */
    NodeLabelWriter(
            OwnNode ownNode,
            boolean force,
            MonotonicClock clock,
            RandomGenerator random,
            Meters meters,
            Runnable wake) {
        this.ownNode = ownNode;
        this.force = force;
        this.clock = clock;
        this.random = random;
        this.wake = wake;
        this.backoff = new Backoff(Duration.ofSeconds(2), Duration.ofMinutes(5), random);
        this.retryAt = clock.now();
        String name = "gpu_node_agent_kubernetes_node_labels";
        String help = "Labels for the Node object by how they stand; no number while none are to be written there.";
        meters.gauge(name, help, () -> shown(status.applied()), "state", "applied");
        meters.gauge(name, help, () -> shown(status.conflicts().size()), "state", "conflict");
        meters.gauge(name, help, () -> shown(status.leftOut().size()), "state", "left-out");
    }

    private double shown(int count) {
        return wish == null ? Double.NaN : count;
    }

    /** Which labels the object is to have of the agent from now on: these and no others. Any thread, never blocks. */
    public void want(SortedMap<String, String> labels) {
        SortedMap<String, String> copy = Collections.unmodifiableSortedMap(new TreeMap<>(labels));
        if (!copy.equals(wish)) {
            left = null;
            wish = copy;
            wake.run();
        }
    }

    /**
     * Gives up the labels on the object once node-feature-discovery says that they are its: those that it keeps stay, so that no pod sees them go,
     * and the others are removed. Until then all stays as it is. Any thread, never blocks.
     *
     * @param kept what node-feature-discovery was given
     */
    public void leave(SortedMap<String, String> kept) {
        SortedMap<String, String> copy = Collections.unmodifiableSortedMap(new TreeMap<>(kept));
        if (!copy.equals(left)) {
            left = copy;
            wish = null;
            wake.run();
        }
    }

    /** How it stands. Any thread. */
    public LabelWriterStatus status() {
        return status;
    }

    @Override
    public Duration turn(ApiClient api, String node) throws IOException, InterruptedException {
        SortedMap<String, String> wanted = wish;
        if (wanted == null) {
            SortedMap<String, String> kept = left;
            Duration pause = retryAt.since(clock.now());
            return kept == null ? NOTHING : pause.isPositive() ? pause : release(api, node, kept);
        }
        Optional<NodeObject> seen = ownNode.present();
        if (seen.isEmpty()) {
            dueAt = null;
            refusal = "the Node object is not known";
            tell(new Plan(wanted.size()));
            return NOTHING;
        }
        try {
            return write(api, node, wanted, seen.get());
        } catch (IOException e) {
            refusal = String.valueOf(e.getMessage());
            tell(plan(wanted, newest(seen.get()), clock.now()));
            throw e;
        }
    }

    private Duration release(ApiClient api, String node, SortedMap<String, String> kept)
            throws IOException, InterruptedException {
        Optional<NodeObject> seen = ownNode.present().map(this::newest);
        if (seen.isEmpty() || !NodeLabelRelease.due(seen.get(), kept)) {
            return NOTHING;
        }
        ApiAnswer answer = NodeLabelRelease.patch(api, node, seen.get().uid(), kept);
        if (!answer.ok()) {
            // In the meantime somebody else may have changed what managers the object has.
            retryAt = clock.now().plus(answer.status() == ApiAnswer.INVALID ? backoff.next() : WHILE_REFUSED);
            LOG.warn(
                    "the node's labels are not given over to node-feature-discovery; tried again later",
                    "error",
                    answer.reason());
            return Duration.ZERO;
        }
        last = NodeObject.of(answer.object());
        retryAt = clock.now().plus(BETWEEN_WRITES);
        backoff.reset();
        had.clear();
        tell(new Plan(0));
        LOG.info("the node's labels are node-feature-discovery's now", "labels", kept.size());
        return Duration.ZERO;
    }

    private Duration write(ApiClient api, String node, SortedMap<String, String> wanted, NodeObject seen)
            throws IOException, InterruptedException {
        Tick now = clock.now();
        NodeObject object = newest(seen);
        if (!uid.equals(object.uid())) {
            uid = object.uid();
            last = null;
            settled = false;
            had.clear();
            corrections.clear();
            withheld.clear();
        }
        Plan plan = plan(wanted, object, now);
        if (!plan.due) {
            settled = true;
            dueAt = null;
            refusal = "";
            tell(plan);
            return plan.next;
        }
        tell(plan);
        Tick due = dueAt;
        if (due == null) {
            due = now.plus(spread(plan, object));
            dueAt = due;
        }
        Duration pause = longer(due.since(now), retryAt.since(now));
        if (pause.isPositive()) {
            return pause;
        }
        ApiAnswer answer = api.apply(
                "/api/v1/nodes/" + node + "?fieldManager=" + FIELD_MANAGER
                        + (force || plan.takesBack ? "&force=true" : ""),
                ApiClient.METADATA,
                json(node, object.uid(), plan.send));
        if (!answer.ok()) {
            refused(answer, plan, now);
            return Duration.ZERO;
        }
        NodeObject after = NodeObject.of(answer.object());
        if (!after.name().equals(node)) {
            throw new IOException(
                    api.access().server() + " answered the node's labels with another object; is this an API server?");
        }
        written(plan, after, now);
        return Duration.ZERO;
    }

    /** What the server has answered to the last write, until the watch has come that far. */
    private NodeObject newest(NodeObject seen) {
        NodeObject written = last;
        return written != null && written.laterThan(seen) ? written : seen;
    }

    private Plan plan(SortedMap<String, String> wanted, NodeObject object, Tick now) {
        withheld.values().removeIf(one -> !one.until.since(now).isPositive());
        corrections.values().removeIf(at -> now.since(at).compareTo(BETWEEN_CORRECTIONS) >= 0);
        Plan plan = new Plan(wanted.size());
        Set<String> applied = object.applied().orElse(Set.of());
        for (Map.Entry<String, String> label : wanted.entrySet()) {
            String key = label.getKey();
            String value = label.getValue();
            String wrong = LabelRules.problem(key, value);
            if (!wrong.isEmpty()) {
                plan.leftOut.put(key, wrong);
                continue;
            }
            String is = object.labels().get(key);
            if (value.equals(is) && (object.applied().isEmpty() || applied.contains(key))) {
                plan.send.put(key, value);
                had.put(key, value);
                plan.right++;
                continue;
            }
            Withheld refused = withheld.get(key);
            if (refused != null && refused.value.equals(value)) {
                Duration left = refused.until.since(now);
                if (refused.conflict && is == null && left.compareTo(BEFORE_TAKING_BACK) > 0) {
                    left = BEFORE_TAKING_BACK;
                    withheld.put(key, new Withheld(value, refused.why, true, now.plus(left)));
                }
                (refused.conflict ? plan.conflicts : plan.leftOut).put(key, refused.why);
                plan.again(left);
                continue;
            }
            String owner = object.owners().get(key);
            boolean foreign = owner != null && is != null && !is.equals(value);
            boolean wasThere = value.equals(had.get(key));
            Tick corrected = corrections.get(key);
            if (corrected != null
                    && is == null
                    && status.conflicts().containsKey(key)
                    && now.since(corrected).compareTo(BEFORE_TAKING_BACK) >= 0) {
                corrections.remove(key);
                corrected = null;
            }
            if (foreign && !force && (!wasThere || corrected != null)) {
                plan.conflicts.put(key, owner);
                if (corrected != null) {
                    plan.again(BETWEEN_CORRECTIONS.minus(now.since(corrected)));
                }
                continue;
            }
            plan.send.put(key, value);
            if (wasThere && corrected != null) {
                plan.contested.add(key);
                plan.again(BETWEEN_CORRECTIONS.minus(now.since(corrected)));
                continue;
            }
            plan.due = true;
            plan.takesBack |= foreign;
            if (wasThere) {
                plan.corrected.add(key);
            }
        }
        for (String key : applied) {
            if (!wanted.containsKey(key) || plan.leftOut.containsKey(key)) {
                surplus(key, plan, now);
            }
        }
        return plan;
    }

    /** A label that the agent is a manager of and that nobody wants: left over from before, or another agent's under the same name. */
    private void surplus(String key, Plan plan, Tick now) {
        boolean wasRemoved = settled && !had.containsKey(key);
        Tick corrected = corrections.get(key);
        if (wasRemoved && corrected != null) {
            plan.contested.add(key);
            plan.again(BETWEEN_CORRECTIONS.minus(now.since(corrected)));
            return;
        }
        plan.due = true;
        if (wasRemoved) {
            plan.corrected.add(key);
        }
    }

    private Duration spread(Plan plan, NodeObject object) {
        Duration most = SPREAD_OF_CHANGES;
        if (!settled) {
            boolean first = object.applied().isEmpty() || object.applied().get().isEmpty();
            most = first ? SPREAD_OF_FIRST : SPREAD_OF_CHANGED_AT_START;
        } else if (!plan.corrected.isEmpty()) {
            most = SPREAD_OF_CORRECTIONS;
        }
        return Duration.ofMillis(random.nextLong(most.toMillis()));
    }

    private void written(Plan plan, NodeObject after, Tick now) {
        for (String key : plan.corrected) {
            corrections.put(key, now);
        }
        last = after;
        settled = true;
        had.clear();
        had.putAll(plan.send);
        writes++;
        refusal = "";
        backoff.reset();
        retryAt = now.plus(BETWEEN_WRITES);
        dueAt = null;
        if (plan.corrected.isEmpty()) {
            LOG.info("the node's labels are written", "labels", plan.send.size());
        } else {
            LOG.warn(
                    "somebody has changed the node's labels; they are put right, which is done once an hour at most",
                    "labels",
                    few(plan.corrected));
        }
    }

    private void refused(ApiAnswer answer, Plan plan, Tick now) {
        if (answer.status() == ApiAnswer.CONFLICT && withholdConflicts(answer, plan, now)) {
            return;
        }
        if (answer.status() == ApiAnswer.FORBIDDEN && withholdForbidden(answer, plan, now)) {
            return;
        }
        if (answer.status() == ApiAnswer.INVALID && withholdInvalid(answer, plan, now)) {
            return;
        }
        boolean passes = switch (answer.status()) {
            // The object has just been deleted or made anew, as the watch will tell.
            case ApiAnswer.NOT_FOUND, ApiAnswer.CONFLICT, 429 -> true;
            case ApiAnswer.INVALID -> isOfAnotherNode(answer);
            default -> answer.status() >= 500;
        };
        Duration pause = passes ? longer(backoff.next(), answer.retryAfter().orElse(Duration.ZERO)) : WHILE_REFUSED;
        retryAt = now.plus(pause);
        String why = switch (answer.status()) {
            case ApiAnswer.FORBIDDEN ->
                "the API server forbids to write the node's labels (" + answer.reason()
                        + "); allow the verb patch on the resource nodes (docs/kubernetes.md has the role)";
            case 415 ->
                "the API server has no server-side apply (" + answer.reason()
                        + "); it needs Kubernetes 1.16 or later, or set labels.sink to file";
            default -> "the API server has not taken the node's labels: " + answer.reason();
        };
        if (!why.equals(refusal)) {
            LOG.warn("the node's labels are not written; tried again later", "error", why);
        }
        refusal = why;
    }

    /** Servers say so in two ways: as a conflict, and as a change of what cannot be changed. */
    private static boolean isOfAnotherNode(ApiAnswer answer) {
        for (JsonValue cause : answer.causes()) {
            if (cause.member("field").textOr("").equals("metadata.uid")) {
                return true;
            }
        }
        return false;
    }

    /** Server-side apply names each label that somebody else manages, and who. */
    private boolean withholdConflicts(ApiAnswer answer, Plan plan, Tick now) {
        boolean found = false;
        for (JsonValue cause : answer.causes()) {
            String field = cause.member("field").textOr("");
            String key = field.startsWith(LABELS_FIELD) ? field.substring(LABELS_FIELD.length()) : "";
            if (cause.member("reason").textOr("").equals("FieldManagerConflict")) {
                found |= withhold(key, quoted(cause.member("message").textOr("")), true, plan, now);
            }
        }
        return found;
    }

    /** NodeRestriction lists those that a kubelet may not set: of kubernetes.io and k8s.io, but for those of kubelet and node. */
    private boolean withholdForbidden(ApiAnswer answer, Plan plan, Tick now) {
        String reason = answer.message();
        int list = reason.indexOf(FORBIDDEN_LABELS);
        if (list < 0) {
            return false;
        }
        boolean found = false;
        String why =
                "a kubelet's credentials may not set it (NodeRestriction); give the agent a service account of its own";
        for (String key : reason.substring(list + FORBIDDEN_LABELS.length()).split(", ", -1)) {
            found |= withhold(key, why, false, plan, now);
        }
        return found;
    }

    /** The server names the value or the name that it does not take, in quotation marks, but not the label. */
    private boolean withholdInvalid(ApiAnswer answer, Plan plan, Tick now) {
        boolean found = false;
        for (JsonValue cause : answer.causes()) {
            String message = cause.member("message").textOr("");
            String text = quoted(message);
            if (cause.member("field").textOr("").endsWith("metadata.labels") && !text.isEmpty()) {
                for (Map.Entry<String, String> label : Map.copyOf(plan.send).entrySet()) {
                    if (label.getKey().equals(text) || label.getValue().equals(text)) {
                        found |= withhold(label.getKey(), Texts.shortened(message, 200), false, plan, now);
                    }
                }
            }
        }
        return found;
    }

    private boolean withhold(String key, String why, boolean conflict, Plan plan, Tick now) {
        String value = plan.send.get(key);
        if (value == null) {
            return false;
        }
        withheld.put(key, new Withheld(value, why, conflict, now.plus(BETWEEN_CORRECTIONS)));
        return true;
    }

    private static String quoted(String message) {
        int from = message.indexOf('"');
        int to = message.indexOf('"', from + 1);
        return from < 0 || to < 0 ? "" : Texts.shortened(message.substring(from + 1, to), 128);
    }

    /** Says what has changed since it last said something. */
    private void tell(Plan plan) {
        SortedMap<String, String> toldConflicts = status.conflicts();
        status = new LabelWriterStatus(plan.wanted, plan.right, plan.conflicts, plan.leftOut, refusal, writes);
        if (!plan.conflicts.isEmpty() && !plan.conflicts.equals(toldConflicts)) {
            LOG.warn(
                    "labels of the Node object belong to somebody else and are left as they are; end what writes them (an older GPU feature"
                            + " discovery?), remove them with kubectl label, or set labels.force",
                    "labels",
                    few(plan.conflicts.entrySet()));
        }
        if (!plan.leftOut.isEmpty() && !plan.leftOut.equals(toldLeftOut)) {
            LOG.warn("labels cannot be written; the others are", "labels", few(plan.leftOut.entrySet()));
        }
        if (!plan.contested.isEmpty() && !plan.contested.equals(toldContested)) {
            LOG.warn(
                    "labels of the Node object were changed again after they had been put right; tried again after an hour. Look for another"
                            + " writer, or a second agent with the same host.nodeName",
                    "labels",
                    few(plan.contested));
        }
        toldLeftOut = plan.leftOut;
        toldContested = plan.contested;
    }

    private static String few(Set<?> all) {
        StringBuilder text = new StringBuilder();
        int named = 0;
        for (Object one : all) {
            if (named++ == NAMED) {
                return text.append(" and ")
                        .append(all.size() - NAMED)
                        .append(" more")
                        .toString();
            }
            text.append(text.isEmpty() ? "" : ", ").append(one);
        }
        return text.toString();
    }

    private static String json(String node, String uid, Map<String, String> labels) {
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
        labels.forEach(json::member);
        return json.endObject().endObject().endObject().toString();
    }

    private static Duration longer(Duration one, Duration other) {
        return one.compareTo(other) >= 0 ? one : other;
    }

    /** What the object should be given, and what stands in the way. */
    private static final class Plan {
        final int wanted;
        final SortedMap<String, String> send = new TreeMap<>();
        final SortedMap<String, String> conflicts = new TreeMap<>();
        final SortedMap<String, String> leftOut = new TreeMap<>();
        /** Changed after they had been put right, and not by a manager of their own. */
        final Set<String> contested = new TreeSet<>();

        final Set<String> corrected = new TreeSet<>();
        int right;
        boolean due;
        boolean takesBack;
        Duration next = NOTHING;

        Plan(int wanted) {
            this.wanted = wanted;
        }

        void again(Duration pause) {
            next = pause.compareTo(next) < 0 ? pause : next;
        }
    }

    /** A label with a value that the server has not taken. */
    private record Withheld(String value, String why, boolean conflict, Tick until) {}
}
