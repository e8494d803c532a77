package io.gpunode.agent.kubernetes;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.ConfigMapSource;
import io.gpunode.agent.config.NodeLabels;
import io.gpunode.agent.lifecycle.Backoff;
import io.gpunode.agent.lifecycle.DutyCycle;
import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.lifecycle.Service;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.io.IOException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * The way to the API server, kept open for as long as the agent runs: finds credentials, keeps the watch of the own node, and lets what others want
 * done have its turn. Everything else in the agent works without it; while nothing describes an API server, it looks at a handful of files twice a
 * minute and has loaded no HTTP client.
 *
 * <p>One loop owns it; what it shows is for any thread.
 */
public final class ApiConnection implements Service {
    private static final Log LOG = Log.of(ApiConnection.class);

    /** Registering with the kubelet comes first, and the two share the processors. */
    private static final Duration FIRST_LOOK = Duration.ofMillis(1_500);

    /** A node may be joined to its cluster, or get its kubeconfig, long after the agent was started. */
    private static final Duration LOOK_AGAIN = Duration.ofSeconds(30);

    private static final Duration FIRST_PAUSE = Duration.ofSeconds(1);
    /** As much again at most: a whole fleet loses a server in the same moment, and is not to come back in one. */
    private static final Duration LONGEST_PAUSE = Duration.ofMinutes(1);

    /** After this no errand is begun in the same turn: a server that is slow with everything is not to look like a loop that hangs. */
    static final Duration LONGEST_TURN = Duration.ofSeconds(30);

    /** A turn is at most two calls for the watch, and three of the errand that was begun last, after {@link #LONGEST_TURN}; ten seconds each. */
    private static final Duration BOUND = Duration.ofMinutes(2);

    private enum State {
        /** {@code kubernetes.api} is off. */
        OFF("off"),
        /** Nothing describes an API server. */
        NOT_CONFIGURED("not-configured"),
        /** Something does that cannot be used. */
        UNUSABLE("unusable"),
        /** The server cannot be reached, or does not know the agent. */
        FAILING("failing"),
        /** The server answers. */
        CONNECTED(KubernetesStatus.CONNECTED);

        private final String text;

        State(String text) {
            this.text = text;
        }
    }

    private final boolean enabled;
    private final String nodeName;
    private final String userAgent;
    private final AccessSearch search;
    private final MonotonicClock clock;
    private final RandomGenerator random;
    private final Backoff backoff;
    private final RequestMeters requests;
    private final OwnNode ownNode;
    private final Optional<NodeEvents> events;
    private final Optional<NodeCondition> condition;
    private final Optional<NodeLabelWriter> labelWriter;
    private final Optional<NodeFeatureWriter> featureWriter;
    private final Optional<StartupTaint> startupTaint;
    private final Optional<StateLabelWriter> migState;
    private final Optional<FieldConfigMap> fieldConfigMap;
    private final List<Waiting> errands = new ArrayList<>();
    /** Whose turn it is: the first, unless the last turn took too long for all. */
    private int nextErrand;

    private final DutyCycle cycle;
    private final Duration callLimit;
    private final Meters meters;
    private @Nullable OwnPods ownPods;
    private Optional<RejectedPods> rejectedPods = Optional.empty();
    private boolean waited;
    private @Nullable ApiClient api;
    private volatile String node;
    private Tick retryAt;
    private volatile boolean stopping;
    private volatile State state;
    private volatile String reason = "";
    private volatile String server = "";
    private volatile String origin = "";

    /**
     * @param nodeName of the own Node object, unless the credentials are those of its kubelet
     * @param conditionType the name of the node condition
     * @param labels where labels are written, as far as it is the API server's matter
     * @param fieldConfigMap namespace and name of the ConfigMap of the metric fields, with a colon between them; empty for none
     * @param version the agent's own, for the server's logs
     * @param environment of this process
     * @param own files as this process sees them
     * @param host the host's files
     */
    public ApiConnection(
            AgentConfig.Kubernetes config,
            String nodeName,
            String conditionType,
            AgentConfig.Labels labels,
            String fieldConfigMap,
            String version,
            Map<String, String> environment,
            HostFiles own,
            HostFiles host,
            MonotonicClock clock,
            InstantSource wall,
            RandomGenerator random,
            Heartbeats heartbeats,
            Meters meters) {
        this(
                config,
                nodeName,
                conditionType,
                labels,
                fieldConfigMap,
                version,
                new AccessSearch(config, environment, own, host),
                ApiClient.CALL_LIMIT,
                clock,
                wall,
                random,
                heartbeats,
                meters);
    }

    ApiConnection(
            AgentConfig.Kubernetes config,
            String nodeName,
            String conditionType,
            AgentConfig.Labels labels,
            String fieldConfigMap,
            String version,
            AccessSearch search,
            Duration callLimit,
            MonotonicClock clock,
            InstantSource wall,
            RandomGenerator random,
            Heartbeats heartbeats,
            Meters meters) {
        this.enabled = config.api() == AgentConfig.ApiServer.AUTO;
        this.nodeName = nodeName;
        this.node = nodeName;
        this.userAgent = "gpu-node-agent/" + version;
        this.search = search;
        this.callLimit = callLimit;
        this.meters = meters;
        this.clock = clock;
        this.random = random;
        this.backoff = new Backoff(FIRST_PAUSE, LONGEST_PAUSE, random);
        this.requests = new RequestMeters(meters, clock);
        this.retryAt = clock.now();
        this.cycle = new DutyCycle("kubernetes", BOUND, heartbeats, this::turn);
        this.ownNode = new OwnNode(clock, random, requests, cycle::wake);
        this.state = enabled ? State.NOT_CONFIGURED : State.OFF;
        if (enabled && config.events()) {
            NodeEvents made = new NodeEvents(clock, wall, random, meters, cycle::wake);
            events = Optional.of(made);
            errands.add(new Waiting(made));
        } else {
            events = Optional.empty();
        }
        if (enabled && config.nodeCondition()) {
            NodeCondition made = new NodeCondition(conditionType, ownNode, clock, wall, random, cycle::wake);
            condition = Optional.of(made);
            errands.add(new Waiting(made));
        } else {
            condition = Optional.empty();
        }
        if (enabled && !config.startupTaint().isEmpty()) {
            StartupTaint made = new StartupTaint(config.startupTaint(), ownNode, clock, random, cycle::wake);
            startupTaint = Optional.of(made);
            errands.add(new Waiting(made));
        } else {
            startupTaint = Optional.empty();
        }
        if (enabled) {
            NodeLabelWriter made = new NodeLabelWriter(ownNode, labels.force(), clock, random, meters, cycle::wake);
            labelWriter = Optional.of(made);
            errands.add(new Waiting(made));
            NodeFeatureWriter features = new NodeFeatureWriter(ownNode, labels.namespace(), clock, random, cycle::wake);
            featureWriter = Optional.of(features);
            errands.add(new Waiting(features));
            StateLabelWriter state = new StateLabelWriter(
                    StateLabelWriter.MIG_STATE, StateLabelWriter.MIG_MANAGER, ownNode, clock, random, cycle::wake);
            migState = Optional.of(state);
            errands.add(new Waiting(state));
        } else {
            labelWriter = Optional.empty();
            featureWriter = Optional.empty();
            migState = Optional.empty();
        }
        if (enabled && !fieldConfigMap.isEmpty()) {
            FieldConfigMap made = new FieldConfigMap(fieldConfigMap, clock);
            this.fieldConfigMap = Optional.of(made);
            errands.add(new Waiting(made));
        } else {
            this.fieldConfigMap = Optional.empty();
        }
        if (enabled) {
            meters.gauge(
                    "gpu_node_agent_kubernetes_watch_up",
                    "1 while the watch of the own node at the API server is open, else 0.",
                    () -> ownNode.watching() ? 1 : 0);
            meters.gauge(
                    "gpu_node_agent_kubernetes_last_contact_age_seconds",
                    "How long ago the API server was last heard, in seconds; no number before it was.",
                    requests::ageSeconds);
        }
    }

    /** The own Node object; nothing is known of it while the API server is switched off. */
    public OwnNode ownNode() {
        return ownNode;
    }

    /** Its labels; {@link NodeLabels#NONE} when the API server is switched off. */
    public NodeLabels labels() {
        return enabled ? ownNode : NodeLabels.NONE;
    }

    /** Where events about the node go; empty when they are switched off. */
    public Optional<NodeEvents> events() {
        return events;
    }

    /** The node's condition; empty when it is switched off. */
    public Optional<NodeCondition> condition() {
        return condition;
    }

    /** What keeps labels on the Node object; empty when the API server is switched off. */
    public Optional<NodeLabelWriter> labelWriter() {
        return labelWriter;
    }

    /** What keeps labels in the node's NodeFeature object; empty when the API server is switched off. */
    public Optional<NodeFeatureWriter> featureWriter() {
        return featureWriter;
    }

    /** What keeps the label that tells how a change of MIG stands; empty when the API server is switched off. */
    public Optional<StateLabelWriter> migState() {
        return migState;
    }

    /** The ConfigMap of the metric fields; empty when there is none or the API server is switched off. */
    public Optional<FieldConfigMap> fieldConfigMap() {
        return fieldConfigMap;
    }

    /** The text of the ConfigMap of the metric fields, or why there is none. */
    public ConfigMapSource fields() {
        if (fieldConfigMap.isPresent()) {
            return fieldConfigMap.get();
        }
        return _ -> new ConfigMapSource.Answer.Unknown(
                enabled ? "it is read from the next start on" : "no API server is used (kubernetes.api is off)");
    }

    /** What takes the start-up taint off the Node object; empty when there is none to take off. */
    public Optional<StartupTaint> startupTaint() {
        return startupTaint;
    }

    /**
     * Watches the node's pods, too, from the start on. Before {@link #start}, once.
     *
     * @param labels names of the labels that are wanted of them
     */
    public OwnPods watchPods(Predicate<String> labels) {
        OwnPods made = new OwnPods(labels, clock, random, requests, cycle::wake);
        if (enabled) {
            ownPods = made;
            errands.add(new Waiting(made));
            meters.gauge(
                    "gpu_node_agent_kubernetes_pod_watch_up",
                    "1 while the watch of the own node's pods at the API server is open, else 0.",
                    () -> made.watching() ? 1 : 0);
        }
        return made;
    }

    /**
     * Deletes pods that the kubelet has turned away while the GPUs were not there; nothing happens where the API server is switched off. Before
     * {@link #start}, once.
     *
     * @param there whether the kubelet may give GPUs away. Quick, never blocks, for any thread
     */
    public RejectedPods deleteRejectedPods(GpuResources resources, BooleanSupplier there) {
        RejectedPods made = new RejectedPods(resources, there, clock, random, cycle::wake);
        if (enabled) {
            rejectedPods = Optional.of(made);
            errands.add(new Waiting(made));
        }
        return made;
    }

    /** What deletes pods that the kubelet has turned away; empty when nothing does. */
    public Optional<RejectedPods> rejectedPods() {
        return rejectedPods;
    }

    /** Does not let the start of the rest go first, because something waits for what the server says. Before {@link #start}. */
    public void lookAtOnce() {
        waited = true;
    }

    /** How it stands. Any thread. */
    public KubernetesStatus status() {
        Optional<NodeObject> seen = ownNode.current();
        String problem = ownNode.problem();
        return new KubernetesStatus(
                state.text,
                state == State.CONNECTED && !problem.isEmpty() ? problem : reason,
                server,
                origin,
                node,
                ownNode.watching(),
                seen.map(found -> OptionalLong.of(found.labels().size())).orElse(OptionalLong.empty()),
                requests.age(),
                requests.requests(),
                events.map(NodeEvents::waiting).orElse(0));
    }

    @Override
    public String name() {
        return "kubernetes";
    }

    @Override
    public void start() {
        if (enabled) {
            cycle.start();
        }
    }

    @Override
    public void stop(Duration limit) throws Exception {
        stopping = true;
        cycle.wake();
        // A call in flight is interrupted after half of it.
        try {
            cycle.stop(limit);
        } finally {
            disconnect();
        }
    }

    /** One look at everything that may be due. Only the loop's thread, or a test's before {@link #start}. */
    Duration turn() throws InterruptedException {
        if (!waited) {
            waited = true;
            retryAt = clock.now().plus(FIRST_LOOK).plus(Duration.ofMillis(random.nextInt(1_000)));
        }
        Duration left = retryAt.since(clock.now());
        if (left.isPositive() || stopping) {
            return left.isPositive() ? left : LOOK_AGAIN;
        }
        try {
            ApiClient open = api;
            if (open == null) {
                open = connect();
                if (open == null) {
                    return again(LOOK_AGAIN);
                }
            }
            Tick began = clock.now();
            Duration next = ownNode.turn(open, node);
            for (int i = 0; i < errands.size(); i++) {
                if (clock.now().since(began).compareTo(LONGEST_TURN) >= 0) {
                    next = Duration.ZERO;
                    break;
                }
                Waiting errand = errands.get(nextErrand);
                nextErrand = (nextErrand + 1) % errands.size();
                Duration due = errand.turn(open);
                next = due.compareTo(next) < 0 ? due : next;
            }
            reached(open);
            return next.isNegative() ? Duration.ZERO : next;
        } catch (AccessException e) {
            changed(State.UNUSABLE, String.valueOf(e.getMessage()));
            return again(LOOK_AGAIN);
        } catch (IOException e) {
            disconnect();
            changed(State.FAILING, String.valueOf(e.getMessage()));
            Duration pause = backoff.next();
            return again(pause.plusMillis(random.nextLong(pause.toMillis() + 1)));
        }
    }

    private @Nullable ApiClient connect() throws AccessException, IOException {
        Optional<ApiAccess> access = search.find();
        if (access.isEmpty()) {
            server = "";
            origin = "";
            changed(State.NOT_CONFIGURED, "there is no kubeconfig, no service account and no kubelet's credentials");
            return null;
        }
        ownNode.nobodyToAsk(false);
        server = access.get().server().toString();
        origin = access.get().origin();
        ApiClient opened = new ApiClient(access.get(), userAgent, requests, callLimit);
        api = opened;
        node = opened.nodeName().orElse(nodeName);
        if (!node.equals(nodeName) && state != State.FAILING) {
            LOG.warn(
                    "the kubelet's credentials are of another node than host.nodeName says; theirs is used towards the API server",
                    "node",
                    node,
                    "nodeName",
                    nodeName);
        }
        return opened;
    }

    /** An errand, which waits by itself after a request of it has failed: the watch and the other errands have nothing to do with that. */
    private final class Waiting {
        private final Errand errand;
        private final Backoff pauses = new Backoff(FIRST_PAUSE, LONGEST_PAUSE, random);
        private Tick notBefore = clock.now();
        /** What the log says of the request that has not succeeded yet. */
        private String told = "";

        private Waiting(Errand errand) {
            this.errand = errand;
        }

        private Duration turn(ApiClient open) throws UnreachableException, InterruptedException {
            Duration left = notBefore.since(clock.now());
            if (left.isPositive()) {
                return left;
            }
            try {
                Duration due = errand.turn(open, node);
                pauses.reset();
                told = "";
                return due;
            } catch (UnreachableException e) {
                throw e;
            } catch (IOException e) {
                String why = String.valueOf(e.getMessage());
                if (!why.equals(told)) {
                    LOG.warn("a request to the API server failed; it is tried again", "error", why);
                }
                told = why;
                Duration pause = pauses.next();
                notBefore = clock.now().plus(pause);
                return pause;
            }
        }
    }

    private Duration again(Duration pause) {
        retryAt = clock.now().plus(pause);
        return pause;
    }

    private void reached(ApiClient open) {
        backoff.reset();
        if (state != State.CONNECTED) {
            LOG.info("connected to the API server", "server", open.access().server(), "as", origin, "node", node);
        }
        reason = "";
        state = State.CONNECTED;
    }

    private void disconnect() {
        ownNode.disconnected();
        if (ownPods != null) {
            ownPods.disconnected();
        }
        ApiClient open = api;
        api = null;
        if (open != null) {
            open.close();
        }
    }

    private void changed(State next, String why) {
        if (next != State.NOT_CONFIGURED && (state != next || !why.equals(reason)) && !stopping) {
            LOG.warn("the API server is not reached; the node works on without it", "error", why);
        }
        reason = why;
        state = next;
        ownNode.nobodyToAsk(next == State.NOT_CONFIGURED || next == State.UNUSABLE);
    }
}
