package io.gpunode.agent.inventory;

import io.gpunode.agent.gpu.CloseOutcome;
import io.gpunode.agent.gpu.GpuAccess;
import io.gpunode.agent.gpu.GpuCondition;
import io.gpunode.agent.gpu.GpuProbe;
import io.gpunode.agent.gpu.GpuReading;
import io.gpunode.agent.gpu.GpuSession;
import io.gpunode.agent.gpu.Lane;
import io.gpunode.agent.gpu.NvmlWaits;
import io.gpunode.agent.gpu.Step;
import io.gpunode.agent.lifecycle.DutyCycle;
import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.lifecycle.Service;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.model.Finding;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.HealthVerdict;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.NvmlFault;
import io.gpunode.agent.model.NvmlState;
import io.gpunode.agent.model.Topology;
import io.gpunode.agent.model.XidCounts;
import io.gpunode.agent.model.XidEvent;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Owns the picture of the node: opens NVML, finds out which GPUs there are, samples them and publishes. One thread, the loop
 * {@code inventory}, owns everything here but what is marked otherwise; it never waits for a native call. What it is about to do next is its
 * {@link Activity}; a turn takes in what others reported, moves the activity on as far as it goes, and publishes if anything changed.
 */
public final class Inventory implements SnapshotSource, HealthReports, Service {
    private static final Log LOG = Log.of(Inventory.class);
    /** Turns do not block, so a turn that is late by this much is stuck. */
    private static final Duration STUCK = Duration.ofSeconds(30);

    private static final Duration FOREVER = Duration.ofHours(1);
    /** An open call that takes longer is told of; it is not given up, since nothing ends it. */
    private static final Duration OPEN_PATIENCE = Duration.ofSeconds(10);
    /** Between two looks that were asked for, so that a burst of events costs one. */
    private static final Duration LOOK_SPACING = Duration.ofMillis(250);
    /** How many times the count may change under an enumeration before its result is taken as it is. */
    private static final int COUNT_TRIES = 3;
    /** The identity of every GPU is read again after this many samplings, whether or not anything hinted at a change. */
    private static final int SAMPLINGS_PER_LOOK = 12;
    /** How long a round waits for those that are late, once there is a picture: they are taken in when they come. */
    private static final Duration LATE = Duration.ofMillis(500);
    /** A lane begins a little after it was asked to. */
    private static final Duration ROUND_SLACK = Duration.ofMillis(10);

    /** How long calls may take to return where nobody waits for the end. */
    private static final Duration BEGIN_LIMIT = Duration.ofSeconds(10);

    private static final Duration CLOSE_LIMIT = Duration.ofSeconds(3);

    /** What the inventory does between two turns. */
    private sealed interface Activity {
        /** Nothing is open; a try follows. */
        record Waiting(Tick nextTry) implements Activity {}

        /** NVML is being opened. */
        record Opening(Step<GpuSession> step, Tick since) implements Activity {}

        /** The GPUs are being counted, before or after they are identified. */
        record Counting(GpuSession session, Step<Integer> step, Tick deadline, int before, int tries)
                implements Activity {}

        /** Each index is asked who it is. */
        record Identifying(GpuSession session, long round, int count, int tries, Tick deadline) implements Activity {}

        /** The GPUs are known; how they are connected is being read. */
        record Connecting(GpuSession session, Step<Topology> step, Tick deadline) implements Activity {}

        /** All lanes sample. */
        record Sampling(GpuSession session, long round, Step<Integer> count, Tick deadline) implements Activity {}

        /** Until the next sampling. */
        record Resting(GpuSession session) implements Activity {}

        /** A session is being closed. */
        record Closing(Step<CloseOutcome> step) implements Activity {}

        /** Somebody has asked for the GPUs to be let go; they have been. */
        record Withdrawn(CloseOutcome outcome) implements Activity {}
    }

    private record Suspension(String reason, Duration limit) {}

    private final GpuAccess access;
    private final MonotonicClock clock;
    private final InstantSource wall;
    private final Duration retryInterval;
    private final DutyCycle cycle;
    private final Subscribers subscribers;
    private final Meters.Timer samplingTimer;
    private final Roster roster;
    private final MigLayoutWatch migLayout;

    // Written by any thread under the mailbox's lock.
    private final Object mailbox = new Object();
    private Map<GpuId, HealthVerdict> reportedHealth = new HashMap<>();
    private Map<GpuId, XidCounts> reportedXids = new HashMap<>();
    private List<Finding> reportedFindings = List.of();
    /** By owner, in the order in which they asked; NVML is open while there is none. */
    private final Map<String, Suspension> suspensions = new LinkedHashMap<>();
    /** What those who suspend wait for; it outlives {@link #resume} until it is answered. */
    private CompletableFuture<CloseOutcome> letGo = new CompletableFuture<>();

    private boolean lookWanted;
    private Set<GpuId> holdWanted = Set.of();
    /** Who wants that; empty for nobody. */
    private String holder = "";
    /** Completed, and made anew, whenever somebody has done with the GPUs. */
    private CompletableFuture<Void> freed = new CompletableFuture<>();

    // Read by any thread.
    private volatile NodeSnapshot current;
    private volatile Duration samplingInterval;
    private volatile Duration profilingInterval;
    private volatile Map<Integer, String> unidentified = Map.of();

    // Owned by the loop.
    private Activity activity;
    private NvmlState nvml;
    private Topology topology = Topology.EMPTY;
    private List<Finding> findings = List.of();
    private int listedCount = -1;
    private long round;
    private Tick nextSampling;
    private Tick profiledAt;
    private Tick samplingBegan;
    private Tick nextLook;
    private Tick nextReopening;
    private Tick nextMigLook;
    private int samplingsUntilLook;
    private boolean lookDue;
    private Set<GpuId> held = Set.of();
    private boolean structureRead;
    private Set<Integer> splitWhenRead = Set.of();
    private boolean changed;

    /**
     * @param access the door; this inventory becomes its owner
     * @param hostFiles for the NUMA nodes of sysfs
     * @param retryInterval how often a library or driver that is not there yet is looked for
     * @param samplingInterval from one sampling to the next; can be changed later
     */
    public Inventory(
            GpuAccess access,
            HostFiles hostFiles,
            Duration retryInterval,
            Duration samplingInterval,
            MonotonicClock clock,
            InstantSource wall,
            Heartbeats heartbeats,
            Meters meters) {
        this.access = access;
        this.clock = clock;
        this.wall = wall;
        this.retryInterval = retryInterval;
        this.samplingInterval = samplingInterval;
        this.profilingInterval = samplingInterval;
        this.cycle = new DutyCycle("inventory", STUCK, heartbeats, this::turn);
        this.subscribers = new Subscribers(meters);
        this.samplingTimer = meters.timer(
                "gpu_node_agent_sampling_seconds", "Time from asking all GPUs for a sampling to having it.");
        this.roster = new Roster(hostFiles);
        this.migLayout = new MigLayoutWatch(hostFiles);
        this.nvml = NvmlWaits.starting(wall.instant());
        this.current = new NodeSnapshot(0, 0, wall.instant(), nvml, List.of(), Topology.EMPTY);
        Tick now = clock.now();
        this.activity = new Activity.Waiting(now);
        this.nextSampling = now;
        this.samplingBegan = now;
        this.profiledAt = now;
        this.nextLook = now;
        this.nextReopening = now;
        this.nextMigLook = now;
    }

    // --- any thread ---

    @Override
    public String name() {
        return cycle.name();
    }

    @Override
    public void start() {
        cycle.start();
    }

    /** Lets go of the GPUs and ends the loop; a call that does not return cannot hold it up beyond the limit. */
    @Override
    public void stop(Duration limit) throws InterruptedException, TimeoutException {
        Tick deadline = clock.now().plus(limit);
        try {
            Duration patience = Duration.ofNanos(limit.toNanos() / 4 * 3);
            CompletableFuture<CloseOutcome> answer;
            synchronized (mailbox) {
                // Beside whoever has them now.
                answer = ask(name(), new Suspension("the agent is stopping", patience));
            }
            cycle.wake();
            await(answer, patience);
        } finally {
            Duration left = deadline.since(clock.now());
            cycle.stop(left.isNegative() ? Duration.ZERO : left);
        }
    }

    @Override
    public NodeSnapshot current() {
        return current;
    }

    @Override
    public Subscription subscribe(String name, Consumer<NodeSnapshot> consumer) {
        return subscribers.add(name, consumer);
    }

    @Override
    public void health(HealthVerdict verdict) {
        synchronized (mailbox) {
            reportedHealth.put(verdict.gpu(), verdict);
        }
        cycle.wake();
    }

    @Override
    public void xid(XidEvent event, HealthVerdict verdict) {
        synchronized (mailbox) {
            reportedXids.merge(event.gpu(), XidCounts.NONE.plus(event), XidCounts::plus);
            reportedHealth.put(verdict.gpu(), verdict);
        }
        cycle.wake();
    }

    @Override
    public void node(List<Finding> found) {
        synchronized (mailbox) {
            reportedFindings = List.copyOf(found);
        }
        cycle.wake();
    }

    /** Asks for every GPU's identity to be read again soon: something hinted at a change. */
    public void lookAgain() {
        synchronized (mailbox) {
            lookWanted = true;
        }
        cycle.wake();
    }

    /**
     * Keeps what these GPUs are in the picture as it is, since they are being split anew and what they are in between is nobody's business; their
     * samples and whether they answer are shown all the same. Those that were held and are not named are identified anew, and that is shown.
     *
     * @param owner who splits them; nobody else is let to {@link #suspend} meanwhile
     * @param gpus empty for none
     */
    public void hold(String owner, Set<GpuId> gpus) {
        synchronized (mailbox) {
            lookWanted |= gpus.isEmpty() || !gpus.containsAll(holdWanted);
            holdWanted = Set.copyOf(gpus);
            holder = gpus.isEmpty() ? "" : owner;
            tellFreed();
        }
        cycle.wake();
    }

    /**
     * Lets go of the GPUs for one owner alone: publishes that they are withdrawn, drains the lanes and closes NVML. They stay withdrawn until that owner
     * {@linkplain #resume resumes}.
     *
     * @param owner who does something with them that nobody else may do meanwhile
     * @param reason in words, shown in the picture
     * @param limit how long to wait for it, and for others who have them before that
     * @return {@code WEDGED} when a call did not return in time: the driver cannot be unloaded then
     * @throws GpusTakenException when somebody else has them for longer than the limit; nothing has changed then
     */
    public CloseOutcome suspend(String owner, String reason, Duration limit)
            throws GpusTakenException, InterruptedException {
        Tick deadline = clock.now().plus(limit);
        CompletableFuture<CloseOutcome> answer = null;
        while (answer == null) {
            String other;
            CompletableFuture<Void> change;
            synchronized (mailbox) {
                other = othersWork(owner);
                change = freed;
                if (other.isEmpty()) {
                    answer = ask(owner, new Suspension(reason, limit));
                }
            }
            if (answer == null) {
                try {
                    change.get(Math.max(0, deadline.since(clock.now()).toMillis()), TimeUnit.MILLISECONDS);
                } catch (TimeoutException e) {
                    throw new GpusTakenException(other, e);
                } catch (ExecutionException e) {
                    throw new IllegalStateException("waiting for others failed", e.getCause());
                }
            }
        }
        cycle.wake();
        return await(answer, limit);
    }

    /** What somebody else does with the GPUs; empty for nothing. Under the mailbox's lock. */
    private String othersWork(String owner) {
        for (Map.Entry<String, Suspension> each : suspensions.entrySet()) {
            if (!each.getKey().equals(owner)) {
                return each.getValue().reason;
            }
        }
        return holder.isEmpty() || holder.equals(owner) ? "" : "GPUs are being split anew";
    }

    /** Asks the loop, and gives what it answers to. Under the mailbox's lock. */
    private CompletableFuture<CloseOutcome> ask(String owner, Suspension asked) {
        if (suspensions.isEmpty() && letGo.isDone()) {
            letGo = new CompletableFuture<>();
        }
        suspensions.put(owner, asked);
        return letGo;
    }

    private void tellFreed() {
        freed.complete(null);
        freed = new CompletableFuture<>();
    }

    private static CloseOutcome await(CompletableFuture<CloseOutcome> answer, Duration limit)
            throws InterruptedException {
        try {
            return answer.get(limit.toMillis() + 200, TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            return CloseOutcome.WEDGED;
        } catch (ExecutionException e) {
            throw new IllegalStateException("withdrawing the GPUs failed", e.getCause());
        }
    }

    /**
     * Keeps NVML closed until the owner {@linkplain #resume resumes}: for who makes the driver ready first. Returns at once.
     *
     * @param reason in words, shown in the picture
     */
    public void beginSuspended(String owner, String reason) {
        synchronized (mailbox) {
            var _ = ask(owner, new Suspension(reason, BEGIN_LIMIT));
        }
        cycle.wake();
    }

    /** Whether somebody keeps NVML closed; the picture follows the end of that when NVML is open again, or cannot be opened. */
    public boolean isSuspended() {
        return suspension() != null;
    }

    /** Ends what the owner has asked for: NVML is opened again when nobody else keeps it closed, at once and then at the retry interval. */
    public void resume(String owner) {
        synchronized (mailbox) {
            suspensions.remove(owner);
            tellFreed();
        }
        cycle.wake();
    }

    /** Changes the time from one sampling to the next, from the next one on. */
    public void samplingInterval(Duration interval) {
        samplingInterval = interval;
        cycle.wake();
    }

    /**
     * Changes the time over which profiling averages; before the first change it is that from one sampling to the next. A period ends with the
     * sampling that is nearest to its end: an average that comes between two pictures would be seen by nobody.
     */
    public void profilingInterval(Duration interval) {
        profilingInterval = interval;
    }

    /** The faults that NVML answered last. */
    public List<NvmlFault> recentFaults() {
        return access.record().recentFaults();
    }

    /** NVML indices at which no GPU could be identified, with the reason; such a GPU cannot be in the picture. */
    public Map<Integer, String> unidentified() {
        return unidentified;
    }

    /** Turns of the loop so far. */
    long turns() {
        return cycle.turns();
    }

    // --- the loop's thread ---

    private Duration turn() {
        takeReports();
        Activity before;
        do {
            before = activity;
            activity = step(before);
        } while (!activity.equals(before));
        publishIfChanged();
        return untilDue();
    }

    private void takeReports() {
        Map<GpuId, HealthVerdict> verdicts;
        Map<GpuId, XidCounts> xids;
        synchronized (mailbox) {
            if (lookWanted) {
                lookWanted = false;
                lookDue = true;
            }
            if (!held.containsAll(holdWanted)) {
                // At once; those that are let go are when the next round begins, since one in flight may have seen them
                // before their end.
                Set<GpuId> both = new HashSet<>(held);
                both.addAll(holdWanted);
                held = Set.copyOf(both);
                roster.hold(held);
            }
            if (!holdWanted.containsAll(held)) {
                // What they have become is waited for.
                nextLook = clock.now();
            }
            if (!reportedFindings.equals(findings)) {
                findings = reportedFindings;
                changed = true;
            }
            if (reportedHealth.isEmpty() && reportedXids.isEmpty()) {
                return;
            }
            verdicts = reportedHealth;
            xids = reportedXids;
            reportedHealth = new HashMap<>();
            reportedXids = new HashMap<>();
        }
        for (HealthVerdict verdict : verdicts.values()) {
            changed |= roster.health(verdict);
        }
        for (Map.Entry<GpuId, XidCounts> each : xids.entrySet()) {
            changed |= roster.xids(each.getKey(), each.getValue());
        }
    }

    /** Moves the activity on by one step; the same object when it has to wait. */
    private Activity step(Activity now) {
        Suspension asked = suspension();
        GpuSession open = sessionOf(now);
        if (asked != null && open != null) {
            return withdraw(open, asked);
        }
        return switch (now) {
            case Activity.Waiting waiting -> stepWaiting(waiting, asked);
            case Activity.Opening opening -> stepOpening(opening);
            case Activity.Counting counting -> stepCounting(counting);
            case Activity.Identifying identifying -> stepIdentifying(identifying);
            case Activity.Connecting connecting -> stepConnecting(connecting);
            case Activity.Sampling sampling -> stepSampling(sampling);
            case Activity.Resting resting -> stepResting(resting);
            case Activity.Closing closing -> stepClosing(closing, asked);
            case Activity.Withdrawn withdrawn -> stepWithdrawn(withdrawn, asked);
        };
    }

    private Activity stepWithdrawn(Activity.Withdrawn withdrawn, @Nullable Suspension asked) {
        if (asked == null) {
            return new Activity.Waiting(clock.now());
        }
        if (nvml instanceof NvmlState.Withdrawn(String reason, Instant since) && !reason.equals(asked.reason())) {
            // They stay away for another reason than that for which they went.
            become(new NvmlState.Withdrawn(asked.reason(), since));
        }
        // Somebody may have resumed and asked again in between.
        answer(withdrawn.outcome());
        return withdrawn;
    }

    /** Tells those who wait in {@link #suspend}. */
    private void answer(CloseOutcome outcome) {
        CompletableFuture<CloseOutcome> waiting;
        synchronized (mailbox) {
            waiting = letGo;
        }
        waiting.complete(outcome);
    }

    private @Nullable Suspension suspension() {
        synchronized (mailbox) {
            return suspensions.isEmpty()
                    ? null
                    : suspensions.values().iterator().next();
        }
    }

    private static @Nullable GpuSession sessionOf(Activity activity) {
        return switch (activity) {
            case Activity.Counting counting -> counting.session();
            case Activity.Identifying identifying -> identifying.session();
            case Activity.Connecting connecting -> connecting.session();
            case Activity.Sampling sampling -> sampling.session();
            case Activity.Resting resting -> resting.session();
            case Activity.Waiting _, Activity.Opening _, Activity.Closing _, Activity.Withdrawn _ -> null;
        };
    }

    private Activity withdraw(GpuSession session, Suspension asked) {
        become(new NvmlState.Withdrawn(asked.reason(), wall.instant()));
        forgetGpus();
        // Told before the lanes drain: consumers let go of the GPUs first.
        publishIfChanged();
        return new Activity.Closing(session.close(asked.limit()));
    }

    private Activity stepWaiting(Activity.Waiting waiting, @Nullable Suspension asked) {
        if (asked != null) {
            become(new NvmlState.Withdrawn(asked.reason(), wall.instant()));
            answer(CloseOutcome.CLOSED);
            return new Activity.Withdrawn(CloseOutcome.CLOSED);
        }
        Tick now = clock.now();
        return now.reached(waiting.nextTry()) ? new Activity.Opening(access.open(cycle::wake), now) : waiting;
    }

    private Activity stepOpening(Activity.Opening opening) {
        return switch (opening.step().outcome()) {
            case null -> {
                if (clock.now().since(opening.since()).compareTo(OPEN_PATIENCE) >= 0) {
                    waitFor(NvmlWaits.openHangs(wall.instant()));
                }
                yield opening;
            }
            case Step.Outcome.Done<GpuSession>(GpuSession session) -> opened(session);
            case Step.Outcome.Failed<GpuSession>(Exception cause) -> {
                waitFor(NvmlWaits.failed(cause, wall.instant()));
                yield new Activity.Waiting(clock.now().plus(retryInterval));
            }
        };
    }

    private Activity opened(GpuSession session) {
        NvmlState.Open open = session.state(wall.instant());
        LOG.info(
                "NVML is open",
                "driver",
                open.driverVersion(),
                "library",
                open.libraryPath(),
                "generation",
                open.generation(),
                "absentSymbols",
                open.absent().size());
        listedCount = -1;
        structureRead = false;
        nextSampling = clock.now();
        return look(session, COUNT_TRIES);
    }

    private Activity look(GpuSession session, int tries) {
        lookDue = false;
        samplingsUntilLook = SAMPLINGS_PER_LOOK;
        nextLook = clock.now().plus(LOOK_SPACING);
        return new Activity.Counting(session, session.count(), deadline(), -1, tries);
    }

    /** Until when a round waits: before the first picture as long as a call may take, then not long enough to hold up the others. */
    private Tick deadline() {
        Duration patience = access.callDeadline().plus(ROUND_SLACK);
        boolean shortened = nvml instanceof NvmlState.Open && LATE.compareTo(patience) < 0;
        return clock.now().plus(shortened ? LATE : patience);
    }

    private Activity stepCounting(Activity.Counting counting) {
        GpuSession session = counting.session();
        return switch (counting.step().outcome()) {
            case null -> {
                Tick now = clock.now();
                Lane.Overdue overdue = session.overdue(now);
                if (roster.gpus().isEmpty()) {
                    if (overdue != null) {
                        waitFor(NvmlWaits.unresponsive(overdue.function(), wall.instant()));
                    }
                    yield counting;
                }
                if (overdue == null && !now.reached(counting.deadline())) {
                    yield counting;
                }
                yield uncounted(counting);
            }
            case Step.Outcome.Done<Integer>(Integer count) -> {
                if (counting.before() < 0) {
                    yield identify(session, count, counting.tries());
                }
                if (count != counting.before() && counting.tries() > 1) {
                    LOG.info(
                            "the number of GPUs changed while they were identified",
                            "before",
                            counting.before(),
                            "now",
                            count);
                    yield identify(session, count, counting.tries() - 1);
                }
                yield identified(session, counting.before());
            }
            case Step.Outcome.Failed<Integer>(Exception cause) -> {
                String returned = GpuSession.driverGone(cause);
                if (returned != null) {
                    yield giveUp(session, NvmlWaits.driverGone(returned, wall.instant()));
                }
                LOG.warn("the GPUs cannot be counted", "error", cause);
                yield roster.gpus().isEmpty()
                        ? giveUp(session, NvmlWaits.failed(cause, wall.instant()))
                        : uncounted(counting);
            }
        };
    }

    /** Goes on without a count: the GPUs that are known can be sampled, and those just identified are shown. */
    private Activity uncounted(Activity.Counting counting) {
        return counting.before() < 0 ? sample(counting.session()) : identified(counting.session(), counting.before());
    }

    private Activity identify(GpuSession session, int count, int tries) {
        round++;
        letGoOfHeld();
        migLayout.begin();
        for (int index = 0; index < count; index++) {
            session.probe(index).identify(round);
        }
        return new Activity.Identifying(session, round, count, tries, deadline());
    }

    private void letGoOfHeld() {
        Set<GpuId> wanted;
        synchronized (mailbox) {
            wanted = holdWanted;
        }
        if (!held.equals(wanted)) {
            held = wanted;
            roster.hold(held);
        }
    }

    private Activity stepIdentifying(Activity.Identifying identifying) {
        GpuSession session = identifying.session();
        Tick now = clock.now();
        if (!now.reached(identifying.deadline())) {
            for (int index = 0; index < identifying.count(); index++) {
                GpuProbe probe = session.probe(index);
                GpuProbe.Identification found = probe.identification();
                if ((found == null || found.round() < identifying.round()) && probe.overdue(now) == null) {
                    return identifying;
                }
            }
        }
        roster.take(session, identifying.count(), identifying.round());
        return new Activity.Counting(session, session.count(), deadline(), identifying.count(), identifying.tries());
    }

    private Activity identified(GpuSession session, int count) {
        listedCount = count;
        roster.settle();
        unidentified = roster.unidentified();
        List<GpuProbe> probes = new ArrayList<>();
        List<GpuId> ids = new ArrayList<>();
        Set<Integer> splitMinors = new HashSet<>();
        for (KnownGpu gpu : roster.gpus()) {
            ids.add(gpu.id());
            if (gpu.probe() != null) {
                probes.add(gpu.probe());
            }
            if (gpu.identity().migEnabled()) {
                splitMinors.add(gpu.identity().minor());
            }
        }
        migLayout.follow(splitMinors);
        session.identified(probes);
        if (structureRead && ids.equals(topology.gpus()) && splitMinors.equals(splitWhenRead)) {
            return becomeOpen(session);
        }
        splitWhenRead = splitMinors;
        return new Activity.Connecting(session, session.topology(probes), deadline());
    }

    private Activity stepConnecting(Activity.Connecting connecting) {
        Step.Outcome<Topology> outcome = connecting.step().outcome();
        if (outcome == null && !clock.now().reached(connecting.deadline())) {
            return connecting;
        }
        List<GpuId> ids = new ArrayList<>();
        roster.gpus().forEach(gpu -> ids.add(gpu.id()));
        if (outcome instanceof Step.Outcome.Done<Topology>(Topology read)) {
            topology = Topologies.ordered(read, ids);
            structureRead = true;
        } else {
            LOG.warn("how the GPUs are connected could not be read", "outcome", String.valueOf(outcome));
            // Asked for again at the next look.
            structureRead = false;
            topology = Topologies.ordered(topology, ids);
        }
        return becomeOpen(connecting.session());
    }

    private Activity becomeOpen(GpuSession session) {
        if (!(nvml instanceof NvmlState.Open)) {
            become(session.state(wall.instant()));
            // The first picture does not wait for the first sampling: what registers with the kubelet needs no numbers.
            publishIfChanged();
        }
        changed = true;
        return sample(session);
    }

    private Activity sample(GpuSession session) {
        round++;
        Tick now = clock.now();
        samplingBegan = now;
        boolean profile = profilingDue(now);
        if (profile) {
            profiledAt = now;
        }
        for (KnownGpu gpu : roster.gpus()) {
            gpu.sample(round, profile);
        }
        return new Activity.Sampling(session, round, session.count(), deadline());
    }

    private boolean profilingDue(Tick now) {
        return now.since(profiledAt).plus(samplingInterval.dividedBy(2)).compareTo(profilingInterval) >= 0;
    }

    private Activity stepSampling(Activity.Sampling sampling) {
        Tick now = clock.now();
        if (!now.reached(sampling.deadline())) {
            for (KnownGpu gpu : roster.gpus()) {
                if (!gpu.doneWith(sampling.round(), now)) {
                    return sampling;
                }
            }
            if (sampling.count().outcome() == null && sampling.session().overdue(now) == null) {
                return sampling;
            }
        }
        samplingTimer.record(now.since(samplingBegan).toNanos());
        collect();
        changed = true;
        GpuSession session = sampling.session();
        Step.Outcome<Integer> count = sampling.count().outcome();
        String gone =
                count instanceof Step.Outcome.Failed<Integer>(Exception cause) ? GpuSession.driverGone(cause) : null;
        gone = gone == null ? roster.driverGone() : gone;
        if (gone != null) {
            return giveUp(session, NvmlWaits.driverGone(gone, wall.instant()));
        }
        if (count instanceof Step.Outcome.Done<Integer>(Integer listed) && listed != listedCount) {
            LOG.info("the number of GPUs changed", "before", listedCount, "now", listed);
            lookDue = true;
        }
        samplingsUntilLook--;
        Tick next = nextSampling.plus(samplingInterval);
        nextSampling = next.reached(now) ? next : now.plus(samplingInterval);
        return new Activity.Resting(session);
    }

    /** Takes in what the lanes have read; whether there was anything new. */
    private boolean collect() {
        boolean any = false;
        for (KnownGpu gpu : roster.gpus()) {
            boolean answered = gpu.condition() instanceof GpuCondition.Answering;
            if (!gpu.collect()) {
                continue;
            }
            any = true;
            boolean answers = gpu.condition() instanceof GpuCondition.Answering;
            GpuReading reading = gpu.reading();
            // A change of condition is looked into once; a GPU that stays lost is looked at with all the others.
            lookDue |= answered != answers || (reading != null && reading.identityStale());
            if (gpu.takeLinksChanged()) {
                // Who is connected to whom is read again with the identities.
                structureRead = false;
                lookDue = true;
            }
        }
        return any;
    }

    /** A GPU that had not said who it is when the others did, and has now. */
    private boolean someoneIdentifiedLate(GpuSession session) {
        for (Integer index : unidentified.keySet()) {
            if (session.probe(index).identification() instanceof GpuProbe.Identification.Identified found
                    && found.round() > roster.lastIdentified(found.identity().id())) {
                return true;
            }
        }
        return false;
    }

    private Activity stepResting(Activity.Resting resting) {
        // Those that were late for their round.
        changed |= collect();
        lookDue |= someoneIdentifiedLate(resting.session());
        Tick now = clock.now();
        if (!migLayout.isIdle() && !lookDue && now.reached(nextMigLook)) {
            nextMigLook = now.plus(MigLayoutWatch.INTERVAL);
            lookDue = migLayout.changed();
        }
        if (lookDue && now.reached(nextLook)) {
            return look(resting.session(), COUNT_TRIES);
        }
        if (!now.reached(nextSampling)) {
            return resting;
        }
        return samplingsUntilLook <= 0 ? look(resting.session(), COUNT_TRIES) : sample(resting.session());
    }

    private Activity giveUp(GpuSession session, NvmlState.Waiting why) {
        waitFor(why);
        forgetGpus();
        publishIfChanged();
        return new Activity.Closing(session.close(CLOSE_LIMIT));
    }

    private Activity stepClosing(Activity.Closing closing, @Nullable Suspension asked) {
        Step.Outcome<CloseOutcome> outcome = closing.step().outcome();
        if (outcome == null) {
            return closing;
        }
        CloseOutcome closed =
                outcome instanceof Step.Outcome.Done<CloseOutcome>(CloseOutcome done) ? done : CloseOutcome.WEDGED;
        LOG.info("NVML is closed", "outcome", closed);
        // Who has asked is told even when somebody has resumed meanwhile: it is closed all the same.
        answer(closed);
        if (asked != null) {
            if (!(nvml instanceof NvmlState.Withdrawn)) {
                become(new NvmlState.Withdrawn(asked.reason(), wall.instant()));
            }
            return new Activity.Withdrawn(closed);
        }
        // At once, since a driver that was replaced is usually there already; but not again and again.
        Tick now = clock.now();
        Tick next = now.reached(nextReopening) ? now : nextReopening;
        nextReopening = now.plus(retryInterval);
        return new Activity.Waiting(next);
    }

    private void forgetGpus() {
        roster.clear();
        unidentified = Map.of();
        topology = Topology.EMPTY;
        changed = true;
    }

    /** Goes on waiting; the time since when it waits for the same thing is kept. */
    private void waitFor(NvmlState.Waiting waiting) {
        if (nvml instanceof NvmlState.Waiting before && before.kind().equals(waiting.kind())) {
            if (before.reason().equals(waiting.reason())) {
                return;
            }
            become(new NvmlState.Waiting(waiting.kind(), waiting.reason(), waiting.nextStep(), before.since()));
            return;
        }
        LOG.warn("waiting for NVML", "kind", waiting.kind(), "reason", waiting.reason(), "next", waiting.nextStep());
        become(waiting);
    }

    private void become(NvmlState state) {
        nvml = state;
        changed = true;
    }

    private void publishIfChanged() {
        Tick now = clock.now();
        Instant wallNow = wall.instant();
        boolean open = nvml instanceof NvmlState.Open;
        for (KnownGpu gpu : roster.gpus()) {
            changed |= gpu.updateLane(now, wallNow);
        }
        if (!changed) {
            return;
        }
        changed = false;
        List<Gpu> gpus = new ArrayList<>(open ? roster.gpus().size() : 0);
        if (open) {
            roster.gpus().forEach(gpu -> gpus.add(gpu.picture()));
        }
        NodeSnapshot next = PicturePublisher.next(
                current,
                wallNow,
                nvml,
                gpus,
                open ? topology : Topology.EMPTY,
                findings,
                open ? unidentified.size() : 0);
        current = next;
        subscribers.tell(next);
    }

    private Duration untilDue() {
        Tick now = clock.now();
        Duration next = untilNextStep(now);
        for (KnownGpu gpu : roster.gpus()) {
            Tick overdueAt = gpu.probe() == null ? null : gpu.probe().overdueAt();
            // A lane that is overdue already has been told of; it wakes the loop when its call returns.
            if (overdueAt != null && !now.reached(overdueAt)) {
                Duration left = until(overdueAt, now);
                next = left.compareTo(next) < 0 ? left : next;
            }
        }
        return next;
    }

    private Duration untilNextStep(Tick now) {
        return switch (activity) {
            case Activity.Waiting waiting -> until(waiting.nextTry(), now);
            case Activity.Opening _ -> OPEN_PATIENCE;
            // Past its deadline nothing but its return moves it on, and that wakes the loop.
            case Activity.Counting counting ->
                now.reached(counting.deadline()) ? access.callDeadline() : until(counting.deadline(), now);
            case Activity.Identifying identifying -> until(identifying.deadline(), now);
            case Activity.Connecting connecting -> until(connecting.deadline(), now);
            case Activity.Sampling sampling -> until(sampling.deadline(), now);
            case Activity.Resting _ -> until(restUntil(), now);
            case Activity.Closing _, Activity.Withdrawn _ -> FOREVER;
        };
    }

    private Tick restUntil() {
        Tick next = lookDue ? nextLook : migLayout.isIdle() ? nextSampling : nextMigLook;
        return nextSampling.reached(next) ? next : nextSampling;
    }

    /** At least a little: a deadline that has passed without moving anything on must not become a spin. */
    private static Duration until(Tick due, Tick now) {
        Duration left = due.since(now);
        return left.toNanos() > 1_000_000 ? left : Duration.ofMillis(1);
    }
}
