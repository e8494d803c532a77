package io.gpunode.agent.kubernetes;

import io.gpunode.agent.config.NodeLabels;
import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.lifecycle.Backoff;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.io.IOException;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * The own Node object, kept up to date by one watch: a list once, then a watch from there, which the server ends every half hour to hour and which
 * goes on where it ended. What was seen last stays known while the server cannot be reached, and when the node is deleted until it is made again: a
 * configuration is not thrown over because an object is away for a moment.
 *
 * <p>{@link #turn} is called by the connection's thread alone and owns the watch; lines come on the HTTP client's thread. The last picture is under
 * a lock, in which listeners are called in order.
 */
public final class OwnNode implements NodeLabels {
    private static final Log LOG = Log.of(OwnNode.class);

    /** Only the metadata: the status of a node lists every image on it. Servers that do not know this send the whole object. */
    private static final String LIST =
            "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

    /** A kubelet reports at least every five minutes: longer silence is a dead connection, or a server that went back in time. */
    static final Duration LONGEST_SILENCE = Duration.ofMinutes(10);

    /** Servers send bookmarks each minute. Where they come, a connection whose other end is gone without a word shows sooner. */
    static final Duration LONGEST_SILENCE_AMONG_BOOKMARKS = Duration.ofMinutes(3);

    /** Two bookmarks no further apart than this are regular. */
    private static final Duration REGULAR = Duration.ofSeconds(90);

    static final Duration WHILE_FORBIDDEN = Duration.ofMinutes(5);

    /** A watch that ends sooner did not work. */
    private static final Duration SHORTEST_WATCH = Duration.ofSeconds(5);

    /** The configuration names one, and labels of NVIDIA's operator are a dozen. */
    private static final int MOST_ASKED = 16;

    private static final Duration FIRST_PAUSE = Duration.ofSeconds(1);
    /** As much again at most. */
    private static final Duration LONGEST_PAUSE = Duration.ofMinutes(1);

    private final MonotonicClock clock;
    private final RandomGenerator random;
    private final Backoff backoff;
    private final RequestMeters meters;
    private final Runnable wake;
    private final List<Runnable> listeners = new CopyOnWriteArrayList<>();
    private final Set<String> asked = ConcurrentHashMap.newKeySet();

    private volatile @Nullable NodeObject current;
    private volatile boolean nobodyToAsk;
    private volatile String problem = "";
    /** That the server has no such node; empty since the node was seen. */
    private volatile String absent = "";

    private volatile @Nullable Open open;
    private volatile String resourceVersion = "";
    private Tick retryAt;

    /** @param wake asks for a turn */
    OwnNode(MonotonicClock clock, RandomGenerator random, RequestMeters meters, Runnable wake) {
        this.clock = clock;
        this.random = random;
        this.backoff = new Backoff(FIRST_PAUSE, LONGEST_PAUSE, random);
        this.meters = meters;
        this.wake = wake;
        this.retryAt = clock.now();
    }

    /** What was last seen of it; empty until the server has said. Any thread. */
    public Optional<NodeObject> current() {
        return Optional.ofNullable(current);
    }

    /** The same, but empty while there is no such object: writing to one that is gone would be a mistake. */
    Optional<NodeObject> present() {
        return absent.isEmpty() ? current() : Optional.empty();
    }

    @Override
    public Answer label(String name) {
        if (asked.size() < MOST_ASKED) {
            asked.add(name);
        }
        NodeObject node = current;
        if (node == null) {
            String why = problem();
            return new Answer.Unknown(why.isEmpty() ? "the API server has not told of the node yet" : why);
        }
        String value = node.labels().get(name);
        return value == null ? new Answer.NotSet() : new Answer.Value(value);
    }

    @Override
    public boolean pending() {
        return current == null && !nobodyToAsk;
    }

    /** Whether nothing says where the API server is, so that nobody should wait for it. */
    void nobodyToAsk(boolean nobody) {
        nobodyToAsk = nobody;
    }

    /**
     * {@inheritDoc} Told are changes of labels that somebody has asked for; on the HTTP client's thread.
     */
    @Override
    public void onChange(Runnable changed) {
        listeners.add(changed);
    }

    /** Whether a watch is open. */
    boolean watching() {
        Open now = open;
        return now != null && !now.ended;
    }

    /** What stands in the way of the watch, or that the server has no such node; empty when it is watched. */
    String problem() {
        String ofWatch = problem;
        return ofWatch.isEmpty() ? absent : ofWatch;
    }

    /**
     * Keeps the watch open.
     *
     * @return until when there is nothing to do
     * @throws IOException when the server cannot be reached or does not know the agent
     */
    Duration turn(ApiClient api, String node) throws IOException, InterruptedException {
        Tick now = clock.now();
        Open last = open;
        if (last != null) {
            if (!last.ended) {
                Duration longest = last.regular ? LONGEST_SILENCE_AMONG_BOOKMARKS : LONGEST_SILENCE;
                Duration silence = now.since(last.heard);
                if (silence.compareTo(longest) < 0) {
                    return longest.minus(silence);
                }
                last.abandon();
                last.why = "nothing came for " + longest.toMinutes() + " minutes";
                // Whoever was silent may have missed something: the list says what is.
                last.stale = true;
            }
            open = null;
            ended(last, now);
        }
        Duration left = retryAt.since(now);
        if (left.isPositive()) {
            return left;
        }
        String selector = "fieldSelector=" + encoded("metadata.name=" + node);
        if (resourceVersion.isEmpty() && !list(api, node, selector)) {
            return retryAt.since(now);
        }
        return watch(api, node, selector) ? LONGEST_SILENCE : retryAt.since(now);
    }

    /** The connection is given up; the next turn begins another. */
    void disconnected() {
        Open last = open;
        open = null;
        if (last != null) {
            last.abandon();
        }
        // The next connection may be to another server, for which the version means nothing.
        listAgain();
        retryAt = clock.now();
    }

    /** No watch is open. */
    private synchronized void listAgain() {
        resourceVersion = "";
    }

    private boolean list(ApiClient api, String node, String selector) throws IOException, InterruptedException {
        ApiAnswer answer = api.get("/api/v1/nodes?" + selector, LIST);
        if (!answer.ok()) {
            refused("list", answer);
            return false;
        }
        JsonValue list = answer.object();
        String version = list.member("metadata").member("resourceVersion").textOr("");
        if (version.isEmpty()) {
            throw new IOException(api.access().server() + " answered with no list of nodes; is this an API server?");
        }
        boolean there = false;
        for (JsonValue item : list.member("items").elements()) {
            NodeObject found = NodeObject.of(item);
            if (found.name().equals(node)) {
                there = true;
                seen(found);
            }
        }
        if (!there) {
            absent = "there is no Node " + node
                    + "; set host.nodeName (NODE_NAME) if the kubelet registers under another name";
            LOG.warn("the node is not registered; waiting for it", "error", absent);
        }
        resourceVersion = version;
        return true;
    }

    private boolean watch(ApiClient api, String node, String selector) throws IOException, InterruptedException {
        Open next = new Open(node);
        String path = "/api/v1/nodes?watch=true&allowWatchBookmarks=true&" + selector + "&resourceVersion="
                + encoded(resourceVersion);
        switch (api.watch(path, ApiClient.METADATA, next, ApiClient.LARGEST_BODY_BYTES)) {
            case WatchStart.Refused(ApiAnswer answer) -> {
                refused("watch", answer);
                return false;
            }
            case WatchStream stream -> {
                next.stream = stream;
                open = next;
                if (!problem.isEmpty()) {
                    LOG.info("the node is watched again", "node", node);
                }
                problem = "";
                return true;
            }
        }
    }

    private void ended(Open last, Tick now) {
        if (last.stale) {
            listAgain();
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
                last.why.isEmpty() ? "the watch of the node ended at once" : "the watch of the node ended: " + last.why,
                now);
    }

    private void refused(String verb, ApiAnswer answer) {
        Tick now = clock.now();
        switch (answer.status()) {
            case ApiAnswer.FORBIDDEN -> {
                String why = "the API server forbids to " + verb + " the node (" + answer.reason()
                        + "); allow the verbs get, list and watch on the resource nodes (docs/kubernetes.md has the role)";
                say(why);
                retryAt = now.plus(WHILE_FORBIDDEN);
            }
            case ApiAnswer.GONE -> {
                listAgain();
                pause("the watch was too old", now);
            }
            default -> {
                if (answer.status() != 429 && answer.status() < 500) {
                    // Asked the same again it would refuse the same.
                    listAgain();
                }
                pause("the API server refused to " + verb + " the node: " + answer.reason(), now);
                answer.retryAfter().ifPresent(wait -> {
                    // A fleet that is told the same second is not to come back in step.
                    Tick asked = now.plus(wait).plus(Duration.ofMillis(random.nextLong(wait.toMillis() / 4 + 1)));
                    retryAt = asked.since(retryAt).isPositive() ? asked : retryAt;
                });
            }
        }
    }

    private void pause(String why, Tick now) {
        say(why);
        Duration wait = backoff.next();
        // The watches of a whole fleet end together when a server does.
        retryAt = now.plus(wait).plus(Duration.ofMillis(random.nextLong(wait.toMillis() + 1)));
    }

    private void say(String why) {
        if (!why.equals(problem)) {
            LOG.warn("the own node is not watched; its last labels stay in force", "error", why);
        }
        problem = why;
    }

    private synchronized void seen(NodeObject node) {
        NodeObject before = current;
        current = node;
        absent = "";
        if (before == null || !before.sameLabels(node)) {
            wake.run();
        }
        if (before == null || differs(before, node)) {
            for (Runnable listener : listeners) {
                try {
                    listener.run();
                } catch (RuntimeException e) {
                    LOG.error("a listener to the node's labels failed", e);
                }
            }
        }
    }

    private synchronized void deleted(String node) {
        absent = "the Node " + node + " was deleted; its last labels stay in force until it is there again";
        LOG.warn("the node object was deleted; its last labels stay in force until it is there again", "node", node);
    }

    /** Versions are whole numbers that grow; about others nothing can be said. */
    static boolean older(String version, String than) {
        return whole(version)
                && whole(than)
                && (version.length() == than.length() ? version.compareTo(than) < 0 : version.length() < than.length());
    }

    private static boolean whole(String version) {
        for (int i = 0; i < version.length(); i++) {
            if (version.charAt(i) < '0' || version.charAt(i) > '9') {
                return false;
            }
        }
        return !version.isEmpty() && version.charAt(0) != '0';
    }

    private boolean differs(NodeObject before, NodeObject now) {
        for (String name : asked) {
            if (!Objects.equals(before.labels().get(name), now.labels().get(name))) {
                return true;
            }
        }
        return false;
    }

    private static String encoded(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }

    /** An open watch. */
    private final class Open implements WatchStream.Reader {
        private final String node;
        private final Tick opened = clock.now();
        private volatile Tick heard = opened;
        private volatile boolean ended;
        /** The server keeps no news from that long ago. */
        private volatile boolean expired;
        /** What it told is not to be gone on from. */
        private volatile boolean stale;
        /** Bookmarks come each minute. */
        private volatile boolean regular;

        private @Nullable Tick lastBookmark;
        private volatile String why = "";
        private volatile boolean abandoned;
        private @Nullable WatchStream stream;

        private Open(String node) {
            this.node = node;
        }

        /** Only the connection's thread, which has set the stream. */
        private void abandon() {
            abandoned = true;
            WatchStream opened = stream;
            if (opened != null) {
                opened.close();
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
                return event(NodeObject.Event.read(line));
            } catch (IOException e) {
                why = "a line that is no event (" + e.getMessage() + ")";
                stale = true;
                return false;
            }
        }

        private boolean event(NodeObject.Event event) {
            switch (event) {
                case NodeObject.Event.Seen(NodeObject found, String version) -> {
                    if (!reached(version)) {
                        return false;
                    }
                    if (found.name().equals(node)) {
                        seen(found);
                    }
                }
                case NodeObject.Event.Bookmark(String version) -> {
                    bookmark();
                    return reached(version);
                }
                case NodeObject.Event.Deleted(String name, String version) -> {
                    if (!reached(version)) {
                        return false;
                    }
                    if (name.equals(node)) {
                        deleted(name);
                    }
                }
                case NodeObject.Event.Failed(long code, String message) -> {
                    expired = code == ApiAnswer.GONE;
                    stale = true;
                    why = code + ": " + message;
                    return false;
                }
            }
            return true;
        }

        private void bookmark() {
            Tick before = lastBookmark;
            lastBookmark = heard;
            if (!regular && before != null && heard.since(before).compareTo(REGULAR) <= 0) {
                regular = true;
                // Whoever waits for the longer silence waits for too long.
                wake.run();
            }
        }

        /** Goes on from a version; false when the server has gone back to one before it, after which only a list says what is. */
        private boolean reached(String version) {
            synchronized (OwnNode.this) {
                if (version.isEmpty() || abandoned) {
                    return true;
                }
                if (older(version, resourceVersion)) {
                    why = "the server went back from version " + resourceVersion + " to "
                            + Texts.shortened(version, 40);
                    stale = true;
                    return false;
                }
                resourceVersion = version;
                return true;
            }
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
