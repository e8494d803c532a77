package io.gpunode.agent.kubernetes;

import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.lifecycle.Backoff;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.io.IOException;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * The pods of the own node, kept up to date by one watch: a list in pages, then a watch from there. What was seen last stays known while the server cannot
 * be reached. Of each pod only what is wanted is kept, and of no more pods than a node runs.
 *
 * <p>{@link #turn} is called by the connection's thread alone and owns the watch; lines come on the HTTP client's thread. What is known is under a lock
 * while it is changed, and an immutable map for readers.
 */
public final class OwnPods implements Errand {
    private static final Log LOG = Log.of(OwnPods.class);

    /** More than any kubelet runs. */
    private static final int MOST_PODS = 2_048;

    /** Servers send bookmarks each minute. */
    private static final Duration LONGEST_SILENCE = Duration.ofMinutes(10);

    /** A watch that ends sooner did not work. */
    private static final Duration SHORTEST_WATCH = Duration.ofSeconds(5);

    private static final Duration FIRST_PAUSE = Duration.ofSeconds(1);
    private static final Duration LONGEST_PAUSE = Duration.ofMinutes(1);

    private final Predicate<String> wantedLabels;
    private final MonotonicClock clock;
    private final RandomGenerator random;
    private final RequestMeters meters;
    private final Runnable wake;
    private final Backoff backoff;
    private final PodPages<NodePod> pages = new PodPages<>(true);
    /** Guarded by this, as {@link #resourceVersion}: by the UID, which the API server gives and nobody else. */
    private final Map<String, NodePod> known = new HashMap<>();

    private String resourceVersion = "";
    private volatile Map<String, NodePod> current = Map.of();
    private volatile @Nullable Open open;
    private volatile String problem = "";
    private Tick retryAt;

    /**
     * @param wantedLabels names of the labels that are kept
     * @param wake asks for a turn
     */
    OwnPods(
            Predicate<String> wantedLabels,
            MonotonicClock clock,
            RandomGenerator random,
            RequestMeters meters,
            Runnable wake) {
        this.wantedLabels = wantedLabels;
        this.clock = clock;
        this.random = random;
        this.meters = meters;
        this.wake = wake;
        this.backoff = new Backoff(FIRST_PAUSE, LONGEST_PAUSE, random);
        this.retryAt = clock.now();
    }

    /**
     * The pods as they were last seen, by the kubelet's UID of them; empty until the server has told. A static pod whose kubelet's UID is that of
     * another pod is found by its own. Any thread.
     */
    public Map<String, NodePod> current() {
        return current;
    }

    /** Whether a watch is open. Any thread. */
    public boolean watching() {
        Open now = open;
        return now != null && !now.ended;
    }

    /** What stands in the way of the watch; empty when nothing does. Any thread. */
    public String problem() {
        return problem;
    }

    @Override
    public Duration turn(ApiClient api, String node) throws IOException, InterruptedException {
        Tick now = clock.now();
        Open last = open;
        if (last != null) {
            if (!last.ended) {
                Duration silence = now.since(last.heard);
                if (silence.compareTo(LONGEST_SILENCE) < 0) {
                    return LONGEST_SILENCE.minus(silence);
                }
                last.abandon();
                last.why = "nothing came for " + LONGEST_SILENCE.toMinutes() + " minutes";
                last.stale = true;
            }
            open = null;
            ended(last, now);
        }
        Duration left = retryAt.since(now);
        if (left.isPositive()) {
            return left;
        }
        String version = resourceVersion();
        return version.isEmpty() ? list(api, node) : watch(api, node, version);
    }

    /** The connection is given up: the next may be to another server, for which a version means nothing. */
    void disconnected() {
        Open last = open;
        open = null;
        if (last != null) {
            last.abandon();
        }
        pages.restart();
        resourceVersion("");
        retryAt = clock.now();
    }

    private Duration list(ApiClient api, String node) throws IOException, InterruptedException {
        switch (pages.next(api, node, pod -> NodePod.of(pod, wantedLabels))) {
            case PodPages.Page.More<NodePod> _ -> {
                return Duration.ZERO;
            }
            case PodPages.Page.Refused<NodePod>(ApiAnswer answer) -> {
                pages.restart();
                refused("list", answer);
                return retryAt.since(clock.now());
            }
            case PodPages.Page.Last<NodePod>(List<NodePod> all, String version) -> {
                if (version.isEmpty()) {
                    throw new IOException(
                            api.access().server() + " answered with no list of pods; is this an API server?");
                }
                replace(all, version);
                return Duration.ZERO;
            }
        }
    }

    private Duration watch(ApiClient api, String node, String version) throws IOException, InterruptedException {
        Open next = new Open();
        String path = "/api/v1/pods?watch=true&allowWatchBookmarks=true&fieldSelector="
                + encoded("spec.nodeName=" + node) + "&resourceVersion=" + encoded(version);
        switch (api.watch(path, "application/json", next, ApiClient.LARGEST_POD_BYTES)) {
            case WatchStart.Refused(ApiAnswer answer) -> {
                refused("watch", answer);
                return retryAt.since(clock.now());
            }
            case WatchStream stream -> {
                next.stream = stream;
                open = next;
                problem = "";
                return LONGEST_SILENCE;
            }
        }
    }

    private void ended(Open last, Tick now) {
        if (last.stale) {
            resourceVersion("");
        }
        boolean worked = now.since(last.opened).compareTo(SHORTEST_WATCH) >= 0;
        if (worked) {
            backoff.reset();
        }
        if (worked && (last.expired || last.why.isEmpty())) {
            // Servers end the watches of a whole fleet together when they restart.
            retryAt = now.plus(Duration.ofMillis(random.nextInt(1_000)));
            return;
        }
        pause(
                last.why.isEmpty() ? "the watch of the pods ended at once" : "the watch of the pods ended: " + last.why,
                now);
    }

    private void refused(String verb, ApiAnswer answer) {
        Tick now = clock.now();
        if (answer.status() == ApiAnswer.FORBIDDEN) {
            say("the API server forbids to " + verb + " the node's pods (" + answer.reason()
                    + "); allow the verbs get, list and watch on the resource pods (docs/kubernetes.md has the role)");
            retryAt = now.plus(OwnNode.WHILE_FORBIDDEN);
            return;
        }
        if (answer.status() != 429 && answer.status() < 500) {
            resourceVersion("");
        }
        pause("the API server refused to " + verb + " the node's pods: " + answer.reason(), now);
        answer.retryAfter().ifPresent(wait -> {
            Tick asked = now.plus(wait).plus(Duration.ofMillis(random.nextLong(wait.toMillis() / 4 + 1)));
            retryAt = asked.since(retryAt).isPositive() ? asked : retryAt;
        });
    }

    private void pause(String why, Tick now) {
        say(why);
        Duration wait = backoff.next();
        retryAt = now.plus(wait).plus(Duration.ofMillis(random.nextLong(wait.toMillis() + 1)));
    }

    private void say(String why) {
        if (!why.equals(problem)) {
            LOG.warn("the node's pods are not watched; what was last known of them stays", "error", why);
        }
        problem = why;
    }

    private synchronized String resourceVersion() {
        return resourceVersion;
    }

    private synchronized void resourceVersion(String version) {
        resourceVersion = version;
    }

    private synchronized void replace(List<NodePod> all, String version) {
        known.clear();
        for (NodePod pod : all) {
            if (known.size() < MOST_PODS) {
                known.put(pod.uid(), pod);
            }
        }
        current = byKubeletUid();
        resourceVersion = version;
    }

    /** What an annotation says takes no pod's place. */
    private Map<String, NodePod> byKubeletUid() {
        Map<String, NodePod> pods = HashMap.newHashMap(known.size());
        for (NodePod pod : known.values()) {
            NodePod other = known.containsKey(pod.kubeletUid()) ? pod : pods.putIfAbsent(pod.kubeletUid(), pod);
            if (other != null) {
                pods.put(pod.uid(), pod);
            }
        }
        return Map.copyOf(pods);
    }

    /** A pod is so now, or is gone when {@code deleted}; false when the server has gone back, after which only a list says what is. */
    private synchronized boolean seen(Open by, Optional<NodePod> pod, boolean deleted, String version) {
        if (by.abandoned) {
            return true;
        }
        if (OwnNode.older(version, resourceVersion)) {
            return false;
        }
        resourceVersion = version.isEmpty() ? resourceVersion : version;
        if (pod.isPresent()) {
            NodePod found = pod.get();
            NodePod before = deleted
                    ? known.remove(found.uid())
                    : known.size() < MOST_PODS || known.containsKey(found.uid())
                            ? known.put(found.uid(), found)
                            : found;
            if (deleted || !found.equals(before)) {
                current = byKubeletUid();
            }
        }
        return true;
    }

    private static String encoded(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }

    /** An open watch. */
    private final class Open implements WatchStream.Reader {
        private final Tick opened = clock.now();
        private volatile Tick heard = opened;
        private volatile boolean ended;
        /** The server keeps no news from that long ago. */
        private volatile boolean expired;
        /** What it told is not to be gone on from. */
        private volatile boolean stale;

        private volatile String why = "";
        private volatile boolean abandoned;
        private @Nullable WatchStream stream;

        /** Only the connection's thread, which has set the stream. */
        private void abandon() {
            abandoned = true;
            WatchStream last = stream;
            if (last != null) {
                last.close();
            }
        }

        @Override
        public boolean line(String line) {
            if (abandoned) {
                return false;
            }
            heard = clock.now();
            meters.heard();
            try {
                return event(Texts.json(line));
            } catch (IOException e) {
                why = "a line that is no event (" + e.getMessage() + ")";
                stale = true;
                return false;
            }
        }

        private boolean event(JsonValue event) throws IOException {
            JsonValue object = event.member("object");
            String type = event.member("type").textOr("");
            String version = object.member("metadata").member("resourceVersion").textOr("");
            return switch (type) {
                case "ADDED", "MODIFIED", "DELETED", "BOOKMARK" -> {
                    Optional<NodePod> pod =
                            type.equals("BOOKMARK") ? Optional.empty() : NodePod.of(object, wantedLabels);
                    if (!seen(this, pod, type.equals("DELETED"), version)) {
                        why = "the server went back to version " + Texts.shortened(version, 40);
                        stale = true;
                        yield false;
                    }
                    yield true;
                }
                case "ERROR" -> {
                    long code = object.member("code").wholeNumber().orElse(0);
                    expired = code == ApiAnswer.GONE;
                    stale = true;
                    why = code + ": " + Texts.shortened(object.member("message").textOr("no message"), 300);
                    yield false;
                }
                default -> throw new IOException("an unknown type \"" + Texts.shortened(type, 40) + "\"");
            };
        }

        @Override
        public void tooLong() {
            stale = true;
        }

        @Override
        public void ended(String reason) {
            if (!ended) {
                why = why.isEmpty() ? reason : why;
                ended = true;
                wake.run();
            }
        }
    }
}
