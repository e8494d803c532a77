package io.gpunode.agent.kubernetes;

import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.json.JsonWriter;
import io.gpunode.agent.lifecycle.Backoff;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * Takes a taint off the Node object once its GPUs can be scheduled: when the agent offers resources to the kubelet and the object says that they are
 * allocatable. Whoever makes the node puts the taint there ({@code --register-with-taints}, a node pool); the agent never does. Once for each Node
 * object, which an annotation on it remembers: a taint of the same key that comes later is somebody's wish.
 *
 * <p>While it waits it looks at what the agent offers more and more seldom and whenever the watch says that the node has changed, and reads the node
 * then. Owned by the connection's thread.
 */
public final class StartupTaint implements Errand {
    private static final Log LOG = Log.of(StartupTaint.class);

    /** The annotation: its value names the Node object and the taint that was taken off it, or was not there. */
    static final String ANNOTATION = "gpunode.io/startup-taint";

    static final Duration LOOK = Duration.ofSeconds(1);
    /** Between two looks, and two reads, while the watch says nothing new. */
    static final Duration READ_ANYWAY = Duration.ofSeconds(30);

    static final Duration WHILE_REFUSED = Duration.ofMinutes(10);

    private final String key;
    private final OwnNode ownNode;
    private final MonotonicClock clock;
    private final Runnable wake;
    private final Backoff backoff;
    private final Backoff looks;
    private volatile @Nullable Supplier<Set<String>> offered;
    private volatile StartupTaintStatus status;
    private String doneFor = "";
    private String readVersion = "";
    private Tick readAgainAt;
    private Tick retryAt;

    /**
     * @param key the taint's
     * @param wake asks for a turn
     */
    StartupTaint(String key, OwnNode ownNode, MonotonicClock clock, RandomGenerator random, Runnable wake) {
        this.key = key;
        this.ownNode = ownNode;
        this.clock = clock;
        this.wake = wake;
        this.backoff = new Backoff(Duration.ofSeconds(2), Duration.ofMinutes(5), random);
        this.looks = new Backoff(LOOK, READ_ANYWAY, random);
        this.status = new StartupTaintStatus(key, "waiting", "the agent is starting");
        this.readAgainAt = clock.now();
        this.retryAt = clock.now();
    }

    /**
     * Says what it waits for. Any thread.
     *
     * @param resources the extended resources that the kubelet has taken from the agent with at least one device that may be given away; empty while
     *     there is none. Quick, never blocks, for any thread
     */
    public void waitFor(Supplier<Set<String>> resources) {
        offered = resources;
        wake.run();
    }

    /** How it stands. Any thread. */
    public StartupTaintStatus status() {
        return status;
    }

    @Override
    public Duration turn(ApiClient api, String node) throws IOException, InterruptedException {
        Supplier<Set<String>> source = offered;
        Optional<NodeObject> seen = ownNode.present();
        if (source == null || seen.isEmpty() || doneFor.equals(seen.get().uid())) {
            return NOTHING;
        }
        Tick now = clock.now();
        Duration pause = retryAt.since(now);
        if (pause.isPositive()) {
            return pause;
        }
        Set<String> resources = source.get();
        if (resources.isEmpty()) {
            say("waiting", "the kubelet has not taken a resource with a device that may be given away");
            return looks.next();
        }
        looks.reset();
        NodeObject object = seen.get();
        Duration early = readAgainAt.since(now);
        if (object.resourceVersion().equals(readVersion) && early.isPositive()) {
            return early;
        }
        ApiAnswer read = api.get("/api/v1/nodes/" + node, "application/json");
        if (!read.ok()) {
            return refused("get", read, now);
        }
        JsonValue found = read.object();
        readVersion = object.resourceVersion();
        readAgainAt = now.plus(READ_ANYWAY);
        JsonValue metadata = found.member("metadata");
        String uid = metadata.member("uid").textOr("");
        if (metadata.member("annotations").member(ANNOTATION).textOr("").equals(done(uid))) {
            doneFor = uid;
            say("absent", "it was done with before the agent started; a taint that is there now was set later");
            return NOTHING;
        }
        List<JsonValue> taints = found.member("spec").member("taints").elements();
        boolean present = isIn(taints);
        String missing = present ? missing(resources, found) : "";
        if (!missing.isEmpty()) {
            say("waiting", "the Node does not say yet that " + missing + " is allocatable");
            return READ_ANYWAY;
        }
        ApiAnswer answer = api.patchInBrief(
                "/api/v1/nodes/" + node + "?fieldManager=gpu-node-agent",
                "application/json-patch+json",
                removal(uid, metadata, taints));
        if (!present) {
            // Where it may not be remembered, it is for as long as the agent runs.
            doneFor = uid;
            say("absent", "the Node has no such taint");
            return NOTHING;
        }
        if (!answer.ok()) {
            // What was tested is not so any more, perhaps: the next turn reads again.
            readVersion = "";
            return refused("patch", answer, now);
        }
        doneFor = uid;
        backoff.reset();
        say("removed", "the GPUs are allocatable");
        LOG.info("the start-up taint is removed: the node's GPUs are allocatable", "taint", key);
        return NOTHING;
    }

    /**
     * A JSON patch that takes out the taints of this key, whatever their values and effects, if they still are where they were, and remembers it. The
     * list has no merge key, so any other patch would write all of it and lose what somebody else has just added.
     */
    private String removal(String uid, JsonValue metadata, List<JsonValue> taints) {
        JsonWriter patch = JsonWriter.compact().beginArray();
        test(patch, "/metadata/uid").value(uid).endObject();
        for (int i = taints.size() - 1; i >= 0; i--) {
            JsonValue taint = taints.get(i);
            if (isOurs(taint)) {
                test(patch, "/spec/taints/" + i);
                taint.writeTo(patch);
                patch.endObject();
                patch.beginObject()
                        .member("op", "remove")
                        .member("path", "/spec/taints/" + i)
                        .endObject();
            }
        }
        if (metadata.member("annotations").members().isEmpty()) {
            // Nobody's first annotation may get lost either.
            test(patch, "/metadata/resourceVersion")
                    .value(metadata.member("resourceVersion").textOr(""))
                    .endObject();
            add(patch, "/metadata/annotations").beginObject().endObject().endObject();
        }
        add(patch, "/metadata/annotations/" + ANNOTATION.replace("/", "~1"))
                .value(done(uid))
                .endObject();
        return patch.endArray().toString();
    }

    private String done(String uid) {
        return uid + " " + key;
    }

    private boolean isIn(List<JsonValue> taints) {
        for (JsonValue taint : taints) {
            if (isOurs(taint)) {
                return true;
            }
        }
        return false;
    }

    private boolean isOurs(JsonValue taint) {
        return taint.member("key").textOr("").equals(key);
    }

    private static JsonWriter add(JsonWriter patch, String path) {
        return patch.beginObject().member("op", "add").member("path", path).name("value");
    }

    private static JsonWriter test(JsonWriter patch, String path) {
        return patch.beginObject().member("op", "test").member("path", path).name("value");
    }

    private static String missing(Set<String> resources, JsonValue node) {
        JsonValue allocatable = node.member("status").member("allocatable");
        for (String resource : resources) {
            String count = allocatable.member(resource).textOr("0");
            if (count.equals("0")) {
                return resource;
            }
        }
        return "";
    }

    private Duration refused(String verb, ApiAnswer answer, Tick now) {
        boolean forbidden = answer.status() == ApiAnswer.FORBIDDEN;
        Duration asks = answer.retryAfter().orElse(Duration.ZERO);
        Duration pause = forbidden ? WHILE_REFUSED : backoff.next();
        pause = pause.compareTo(asks) >= 0 ? pause : asks;
        retryAt = now.plus(pause);
        String why = "the API server has not removed the taint: " + answer.reason();
        if (forbidden && answer.message().contains("not allowed to modify taints")) {
            why =
                    "a kubelet's credentials may not change taints (NodeRestriction); give the agent a service account with the verb patch on the"
                            + " resource nodes, by kubernetes.kubeconfig or as a pod, or remove the taint with: kubectl taint node NODE "
                            + key + "-";
        } else if (forbidden) {
            why = "the API server forbids to remove the taint (" + answer.reason() + "); allow the verb " + verb
                    + " on the resource nodes (docs/kubernetes.md has the role)";
        }
        String before = status.reason();
        say("refused", why);
        if (!why.equals(before)) {
            LOG.warn("the start-up taint stays; tried again later", "taint", key, "error", why);
        }
        return pause;
    }

    private void say(String state, String reason) {
        if (!status.reason().equals(reason) || !status.state().equals(state)) {
            status = new StartupTaintStatus(key, state, reason);
        }
    }
}
