package io.gpunode.agent.labels;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.AgentConfig.LabelOutput;
import io.gpunode.agent.config.NodeLabels;
import io.gpunode.agent.inventory.SnapshotSource;
import io.gpunode.agent.kubernetes.ApiConnection;
import io.gpunode.agent.kubernetes.KubernetesStatus;
import io.gpunode.agent.lifecycle.Backoff;
import io.gpunode.agent.lifecycle.DutyCycle;
import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.lifecycle.Service;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * Keeps the node's labels equal to the picture: computes them when the picture's structure, the settings or the host's own facts have changed, and
 * tells every place what is wanted there: the labels in one, nothing of ours in the others, once the one has them. Labels outlive the agent and a
 * short absence of the driver, so that a restart or a driver reload does not move pods about.
 *
 * <p>Its loop owns everything but the status, which is for any thread.
 */
public final class LabelPublisher implements Service {
    private static final Log LOG = Log.of(LabelPublisher.class);

    /** Registering with the kubelet comes first, and the two share the processors. */
    private static final Duration FIRST_TURN = Duration.ofMillis(500);

    /** A directory can appear, a file be changed by others, a virtual GPU be plugged in; looking costs some small files. */
    static final Duration RECHECK = Duration.ofMinutes(2);

    /** The worker of node-feature-discovery reads the file once a minute unless it is set otherwise. */
    static final Duration FILE_IS_READ_WITHIN = Duration.ofMinutes(2);

    /** A new layout is made in steps, and a picture may be taken after each. */
    static final Duration SETTLED = Duration.ofSeconds(3);
    /** A layout that never comes to rest is told nevertheless. */
    static final Duration LONGEST_UNSETTLED = Duration.ofSeconds(30);

    /** The API server is asked a while after the start. */
    private static final int TRIES_UNTOLD = 5;

    private static final Duration BOUND = Duration.ofMinutes(5);
    private static final SortedMap<String, String> NONE = Collections.emptySortedMap();

    private final SnapshotSource snapshots;
    private final Supplier<AgentConfig> config;
    private final HostFiles files;
    private final HostFactsReader factsReader;
    private final Optional<LabelSink> nodeFeature;
    private final Optional<LabelSink> node;
    private final NodeLabels nodeLabels;
    private final MonotonicClock clock;
    private final InstantSource wall;
    private final Meters meters;
    private final Backoff backoff;
    private final DutyCycle loop;

    /** Of the picture that was last looked at. */
    private volatile long structureSeen = -1;

    private volatile boolean whole;

    private volatile Outcome outcome = new Outcome("undecided", Optional.empty(), "");
    private volatile SortedMap<String, String> labels = NONE;
    /** Whether {@link #labels} are those of a picture. */
    private volatile boolean computed;

    private Tick notBefore;
    private Certainty certainty = Certainty.UNKNOWN;
    private Tick certaintySince;
    private Tick factsDue;
    private HostFacts facts = HostFacts.NONE;
    private String machineTypeFile = "";
    private @Nullable LabelSettings settingsSeen;
    private long configuredAt;
    private @Nullable Basis basis;
    private Optional<FeatureFileSink> file = Optional.empty();
    private final List<FeatureFileSink> formerFiles = new ArrayList<>(1);
    private SnapshotSource.@Nullable Subscription subscription;
    /** Where labels went before, until the place that was chosen since has them. */
    private Optional<LabelSink> former = Optional.empty();
    /** Since when the chosen place has been found to hold what it should. */
    private @Nullable Tick heldSince;
    /** How GPUs are split, of the picture that labels were last made of. */
    private Map<GpuId, List<String>> labelledLayout = Map.of();
    /** Another layout, which is not labelled yet, and since when it has been so. */
    private @Nullable NewLayout newLayout;

    /** A layout that has to prove itself. */
    private record NewLayout(Map<GpuId, List<String>> layout, Tick since, Tick firstChange) {}

    /** All that labels are made from. */
    private record Basis(long structure, LabelSettings settings, HostFacts facts) {}

    /** Where labels go, or why they go nowhere. */
    private record Outcome(String sink, Optional<LabelSink> chosen, String reason) {}

    /**
     * @param config read at each turn, so that a reload takes effect with the next
     * @param api where labels may be written, too
     */
    public LabelPublisher(
            SnapshotSource snapshots,
            Supplier<AgentConfig> config,
            HostFiles files,
            ApiConnection api,
            MonotonicClock clock,
            InstantSource wall,
            RandomGenerator random,
            Heartbeats heartbeats,
            Meters meters) {
        this(
                snapshots,
                config,
                files,
                api.featureWriter().map(writer -> new NodeFeatureSink(writer, () -> unreachable(api))),
                api.labelWriter().map(writer -> new NodeSink(writer, () -> unreachable(api))),
                api.labels(),
                clock,
                wall,
                random,
                heartbeats,
                meters);
    }

    /**
     * @param config read at each turn, so that a reload takes effect with the next
     * @param nodeFeature writes the NodeFeature object; empty where no API server is used
     * @param node writes labels of the Node object; empty where no API server is used
     * @param nodeLabels what the Node object has now; labels of NVIDIA's operator yield to it
     */
    LabelPublisher(
            SnapshotSource snapshots,
            Supplier<AgentConfig> config,
            HostFiles files,
            Optional<LabelSink> nodeFeature,
            Optional<LabelSink> node,
            NodeLabels nodeLabels,
            MonotonicClock clock,
            InstantSource wall,
            RandomGenerator random,
            Heartbeats heartbeats,
            Meters meters) {
        this.snapshots = snapshots;
        this.config = config;
        this.files = files;
        this.factsReader = new HostFactsReader(files);
        this.nodeFeature = nodeFeature;
        this.node = node;
        this.nodeLabels = nodeLabels;
        this.clock = clock;
        this.wall = wall;
        this.meters = meters;
        this.backoff = new Backoff(Duration.ofSeconds(1), RECHECK, random);
        this.loop = new DutyCycle("labels", BOUND, heartbeats, this::turn);
        Tick now = clock.now();
        this.notBefore = now;
        this.certaintySince = now;
        this.factsDue = now;
        meters.gauge("gpu_node_agent_labels", "Feature labels that the node is to have.", () -> labels.size());
        meters.gauge(
                "gpu_node_agent_labels_current",
                "1 while the node's feature labels are written where they belong, else 0; the reason is in /state. No number"
                        + " while labels.sink is off.",
                this::current);
    }

    /** Why the API server is not reached; empty while it is, or nothing has been tried. */
    private static String unreachable(ApiConnection api) {
        KubernetesStatus status = api.status();
        return status.state().equals(KubernetesStatus.CONNECTED) ? "" : status.reason();
    }

    @Override
    public String name() {
        return "labels";
    }

    @Override
    public void start() {
        notBefore = clock.now().plus(FIRST_TURN);
        subscription = snapshots.subscribe("labels", snapshot -> {
            if (snapshot.structureVersion() != structureSeen) {
                loop.wake();
            }
        });
        nodeLabels.onChange(loop::wake);
        loop.start();
    }

    /** Labels stay as they are: they are the node's, and not this process's. */
    @Override
    public void stop(Duration limit) throws Exception {
        SnapshotSource.Subscription subscribed = subscription;
        if (subscribed != null) {
            subscribed.close();
        }
        loop.stop(limit);
    }

    /** The configuration is another one. Never blocks, any thread. */
    public void configured() {
        loop.wake();
    }

    /** How the labels stand. Any thread. */
    public LabelStatus status() {
        Outcome now = outcome;
        SortedMap<String, String> wanted = labels;
        if (now.chosen.isEmpty()) {
            boolean off = now.sink.equals("off");
            return new LabelStatus(
                    now.sink,
                    "",
                    off ? LabelStatus.State.OFF : LabelStatus.State.WAITING,
                    now.reason,
                    wanted,
                    Optional.empty());
        }
        LabelSink.Standing standing = now.chosen.get().standing();
        LabelStatus.State state;
        String reason = now.reason;
        if (!computed) {
            state = LabelStatus.State.WAITING;
            reason = "the GPUs are not known yet";
        } else if (standing.problem().isEmpty()) {
            state = standing.current() ? LabelStatus.State.CURRENT : LabelStatus.State.PENDING;
        } else {
            state = LabelStatus.State.FAILED;
            reason = standing.problem();
        }
        return new LabelStatus(
                now.sink,
                standing.place(),
                state,
                reason,
                wanted,
                standing.written().map(at -> clock.now().since(at)));
    }

    private double current() {
        return switch (status().state()) {
            case OFF -> Double.NaN;
            case CURRENT -> 1;
            case WAITING, PENDING, FAILED -> 0;
        };
    }

    /** What the picture shows is how somebody wanted the GPUs split and no step on the way there: it needs no rest. Any thread. */
    public void layoutIsWhole() {
        whole = true;
        loop.wake();
    }

    /** One look at everything. Only the loop's thread, or a test's before {@link #start}. */
    Duration turn() {
        Tick now = clock.now();
        Duration early = notBefore.since(now);
        if (early.isPositive()) {
            return early;
        }
        AgentConfig current = config.get();
        NodeSnapshot snapshot = snapshots.current();
        structureSeen = snapshot.structureVersion();
        if (snapshot.open()) {
            lookAtHost(current, now);
        }
        Duration patience = patience(snapshot, now);
        if (!patience.isPositive()) {
            patience = unsettled(snapshot, now);
        }
        if (!patience.isPositive()) {
            compute(snapshot, current, now);
        }
        Duration retry = publish(current.labels(), now);
        return patience.isPositive() && patience.compareTo(retry) < 0 ? patience : retry;
    }

    /** For how long labels are to be left as they are because the picture does not say what the node has; zero for not at all. */
    private Duration patience(NodeSnapshot snapshot, Tick now) {
        Certainty next = Certainty.of(snapshot, facts);
        if (next != certainty) {
            certainty = next;
            certaintySince = now;
        }
        return switch (next) {
            case KNOWN -> Duration.ZERO;
            case UNKNOWN -> RECHECK;
            case NO_DRIVER, INCOMPLETE ->
                certaintySince.plus(Certainty.DRIVER_PATIENCE).since(now);
        };
    }

    /** For how long labels are to be left as they are because GPUs are being split anew; zero for not at all. */
    private Duration unsettled(NodeSnapshot snapshot, Tick now) {
        Map<GpuId, List<String>> seen = new HashMap<>();
        for (Gpu gpu : snapshot.gpus()) {
            seen.put(gpu.id(), layout(gpu));
        }
        NewLayout before = newLayout;
        boolean otherGpus = !seen.keySet().equals(labelledLayout.keySet());
        boolean needsNoRest = whole;
        whole = false;
        if (!computed || otherGpus || needsNoRest || seen.equals(labelledLayout)) {
            labelledLayout = seen;
            newLayout = null;
            return Duration.ZERO;
        }
        NewLayout after = before != null && before.layout.equals(seen)
                ? before
                : new NewLayout(seen, now, before == null ? now : before.firstChange);
        newLayout = after;
        Duration left = after.since.plus(SETTLED).since(now);
        if (left.isPositive() && !now.reached(after.firstChange.plus(LONGEST_UNSETTLED))) {
            return left;
        }
        labelledLayout = seen;
        newLayout = null;
        return Duration.ZERO;
    }

    private static List<String> layout(Gpu gpu) {
        List<String> layout = new ArrayList<>();
        layout.add(gpu.migEnabled() ? "on" : "off");
        for (MigDevice mig : gpu.migDevices()) {
            layout.add(mig.profile());
        }
        return layout;
    }

    private void compute(NodeSnapshot snapshot, AgentConfig current, Tick now) {
        LabelSettings undated = LabelSettings.of(current, 0);
        if (!undated.equals(settingsSeen)) {
            settingsSeen = undated;
            configuredAt = wall.instant().getEpochSecond();
        }
        lookAtHost(current, now);
        Basis next = new Basis(snapshot.structureVersion(), LabelSettings.of(current, configuredAt), facts);
        if (!next.equals(basis)) {
            labels = FeatureLabels.of(snapshot, next.settings, next.facts);
            basis = next;
            computed = true;
        }
    }

    private void lookAtHost(AgentConfig current, Tick now) {
        String machine = current.labels().machineTypeFile();
        if (now.reached(factsDue) || !machine.equals(machineTypeFile)) {
            facts = factsReader.read(machine);
            machineTypeFile = machine;
            factsDue = now.plus(RECHECK);
        }
    }

    /**
     * Tells the places what is wanted of them.
     *
     * @return when to try again
     */
    private Duration publish(AgentConfig.Labels wanted, Tick now) {
        openFile(wanted.outputFile());
        Outcome next = choose(wanted.sink());
        tell(next);
        if (!next.chosen.equals(outcome.chosen)) {
            former = outcome.chosen.isPresent() ? outcome.chosen : former;
            heldSince = null;
        }
        outcome = next;
        if (basis == null && !next.sink.equals("off")) {
            // What an earlier life has written stays, wherever that is.
            return RECHECK;
        }
        if (next.chosen.isEmpty()) {
            if (next.sink.equals("off")) {
                places().forEach(place -> place.want(NONE));
                former = Optional.empty();
                removeFormerFiles();
                backoff.reset();
                return RECHECK;
            }
            Duration pause = backoff.next();
            if (backoff.failures() == TRIES_UNTOLD) {
                LOG.info("feature labels are written nowhere", "reason", next.reason);
            }
            return pause;
        }
        LabelSink sink = next.chosen.get();
        boolean told = want(sink, wanted.operatorLabels());
        Duration untilTaken = untilTaken(sink, told, now);
        if (untilTaken.isPositive()) {
            former.filter(place -> !place.equals(sink) && places().contains(place))
                    .ifPresent(place -> want(place, wanted.operatorLabels()));
        } else {
            leaveOthers(sink);
        }
        if (isFile(sink) ? sink.standing().current() : !untilTaken.isPositive()) {
            removeFormerFiles();
        }
        if (sink.standing().problem().isEmpty()) {
            backoff.reset();
            return untilTaken.compareTo(RECHECK) < 0 && untilTaken.isPositive() ? untilTaken : RECHECK;
        }
        return backoff.next();
    }

    /** How long until the node can be expected to have its labels by way of the chosen place; zero once it has. */
    private Duration untilTaken(LabelSink sink, boolean told, Tick now) {
        if (!told || !sink.standing().current()) {
            heldSince = null;
            return RECHECK;
        }
        Tick since = heldSince;
        if (since == null) {
            since = now;
            heldSince = now;
        }
        return isFile(sink) ? since.plus(FILE_IS_READ_WITHIN).since(now) : Duration.ZERO;
    }

    /** Pods that are selected by labels are not to see them go and come back: what was elsewhere is taken away last. */
    private void leaveOthers(LabelSink sink) {
        former = Optional.empty();
        SortedMap<String, String> held = node.equals(Optional.of(sink)) ? NONE : ofFeatureDiscovery();
        for (LabelSink other : places()) {
            if (!other.equals(sink)) {
                other.leave(held);
            }
        }
    }

    private boolean isFile(LabelSink sink) {
        return file.isPresent() && file.get().equals(sink);
    }

    /** What may go by way of node-feature-discovery. */
    private SortedMap<String, String> ofFeatureDiscovery() {
        return OperatorLabels.yielding(labels, NodeLabels.NONE);
    }

    /**
     * Labels of NVIDIA's operator yield to what others have set, which is known of the Node object alone.
     *
     * @return false while the node's object has not been read: what an earlier life has written there stays until it is
     */
    private boolean want(LabelSink sink, boolean operatorLabels) {
        if (!operatorLabels) {
            sink.want(labels);
        } else if (!node.equals(Optional.of(sink))) {
            sink.want(ofFeatureDiscovery());
        } else if (OperatorLabels.areKnown(nodeLabels)) {
            sink.want(OperatorLabels.yielding(labels, nodeLabels));
        } else {
            return false;
        }
        return true;
    }

    private void tell(Outcome next) {
        if (!next.sink.equals(outcome.sink) && next.chosen.isPresent()) {
            LOG.info("where feature labels are written", "sink", next.sink);
        }
    }

    private List<LabelSink> places() {
        List<LabelSink> places = new ArrayList<>(3);
        file.ifPresent(places::add);
        nodeFeature.ifPresent(places::add);
        node.ifPresent(places::add);
        return places;
    }

    /** A file of another name is taken away when the new one was written. */
    private void openFile(String name) {
        String before = file.map(sink -> sink.path().toString()).orElse("");
        if (name.equals(before)) {
            return;
        }
        file.ifPresent(formerFiles::add);
        file = name.isEmpty()
                ? Optional.empty()
                : Optional.of(new FeatureFileSink(files, Path.of(name), clock, meters));
    }

    private void removeFormerFiles() {
        Optional<Path> present = file.map(FeatureFileSink::path);
        for (FeatureFileSink former : formerFiles) {
            if (!present.equals(Optional.of(former.path()))) {
                former.want(NONE);
            }
        }
        formerFiles.removeIf(former -> former.standing().current());
    }

    private Outcome choose(LabelOutput output) {
        return switch (output) {
            case OFF -> new Outcome("off", Optional.empty(), "");
            case FILE -> given("file", file);
            case NODE_FEATURE -> given("node-feature", nodeFeature);
            case NODE -> given("node", node);
            case AUTO -> found();
        };
    }

    private static Outcome given(String name, Optional<? extends LabelSink> sink) {
        return new Outcome(
                name,
                sink.map(found -> found),
                sink.isPresent() ? "" : "labels.sink is " + name + ", and kubernetes.api is off; set it to auto");
    }

    private Outcome found() {
        if (file.isPresent() && file.get().offer(loop::wake) == LabelSink.Offer.YES) {
            return given("file", file);
        }
        LabelSink.Offer ofFeature = offer(nodeFeature);
        if (ofFeature == LabelSink.Offer.YES) {
            return given("node-feature", nodeFeature);
        }
        return ofFeature == LabelSink.Offer.NO && offer(node) == LabelSink.Offer.YES ? given("node", node) : nowhere();
    }

    /** What was chosen stays so while nobody can be asked. */
    private LabelSink.Offer offer(Optional<LabelSink> sink) {
        if (sink.isEmpty()) {
            return LabelSink.Offer.NO;
        }
        LabelSink.Offer offer = sink.get().offer(loop::wake);
        boolean kept = offer == LabelSink.Offer.UNKNOWN && outcome.chosen.equals(sink);
        return kept ? LabelSink.Offer.YES : offer;
    }

    private Outcome nowhere() {
        return new Outcome(
                "undecided",
                Optional.empty(),
                "there is no directory "
                        + file.map(sink -> sink.path().getParent() + "")
                                .orElse("of feature files (flags.gfd.outputFile is empty)")
                        + " and no API server that takes labels; install node-feature-discovery, or set labels.sink");
    }
}
