package io.gpunode.agent.mig;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.NodeLabels;
import io.gpunode.agent.gpu.GpuAccess;
import io.gpunode.agent.inventory.Inventory;
import io.gpunode.agent.inventory.SnapshotSource;
import io.gpunode.agent.kubernetes.ApiConnection;
import io.gpunode.agent.kubernetes.NodeEvent;
import io.gpunode.agent.lifecycle.Backoff;
import io.gpunode.agent.lifecycle.DutyCycle;
import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.lifecycle.Service;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.NvmlState;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.podresources.PodResourcesSource;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.time.Duration;
import java.time.InstantSource;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.random.RandomGenerator;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Keeps the node's GPUs split as a layout wants it, which the label {@value #LABEL} names, else {@code mig.layout}. Acts when the wish becomes another
 * one, when NVML was opened anew and when a GPU joins; what somebody changes by hand in between is left to them. A change that has begun is not interrupted by a new
 * wish: the newest one is looked at when it has ended.
 *
 * <p>One loop owns it; what it shows is for any thread.
 */
public final class MigManager implements Service {
    /** The label that names the layout; NVIDIA's MIG manager reads it, too. */
    public static final String LABEL = "nvidia.com/mig.config";

    private static final Log LOG = Log.of(MigManager.class);

    /** A label that was changed may be changed again at once: by a script, by two of them. */
    static final Duration SETTLE = Duration.ofMillis(200);
    /** A label that is changed without end is followed all the same. */
    static final Duration LONGEST_SETTLE = Duration.ofSeconds(2);

    /** systemd gives a start 30 s, and other things happen in it, too. */
    private static final Duration RESTORE_LIMIT = Duration.ofSeconds(15);

    /** A change of eight GPUs with their resets, and as much again to take it back. */
    private static final Duration BOUND = Duration.ofMinutes(20);

    private static final String UNKNOWN = "the GPUs are not known yet";

    /** The picture follows within the inventory's pause between two looks; one that does not is offered as it is. */
    private static final Duration GIVE_BACK_LIMIT = Duration.ofSeconds(5);

    /** By then the inventory has looked again. */
    private static final Duration LOOKED_AGAIN = Duration.ofSeconds(1);

    /** From one look at the file of layouts to the next while the layout is there. */
    static final Duration FILE_LOOK = Duration.ofSeconds(10);

    private static final Duration NOTHING = Duration.ofMinutes(10);

    private final SnapshotSource snapshots;
    private final MigDoor door;
    private final MigChanger changer;
    private final PodResourcesSource pods;
    private final NodeLabels labels;
    private final Consumer<String> stateLabel;
    private final Consumer<NodeEvent> events;
    private final Consumer<Set<GpuId>> withhold;
    private final AgentConfig.Mig config;
    private final LayoutMemory memory;
    private final MigJournal journal;
    private final MonotonicClock clock;
    private final InstantSource wall;
    private final Backoff afterFailure;
    private final Backoff whileInUse;
    private final DutyCycle loop;
    private final CountDownLatch firstLook = new CountDownLatch(1);
    private final Object pictures = new Object();

    private volatile MigManagerStatus status;
    /** How many MIG devices the picture is to show of each GPU that was changed. */
    private volatile Map<GpuId, Integer> expected = Map.of();

    private volatile long generationSeen = -1;
    /** The GPUs that were shown since NVML was opened: one that says late who it is has not been split yet. */
    private volatile Set<GpuId> gpusSeen = Set.of();

    private @Nullable Wish wish;
    private @Nullable Tick changingSince;
    private Tick changedAt;
    private @Nullable Basis done;
    /** Whether the GPUs are as the wish has them since it was looked into. */
    private boolean settled;

    private final Object withholding = new Object();
    /** Written under {@link #withholding}. */
    private volatile Set<GpuId> withheld = Set.of();

    /** Whether what is to be restored was looked into, or nothing is: until then no GPU is given to containers. */
    private volatile boolean looked;

    private Tick giveBackBy;
    private Tick notBefore;
    private String tookAlone = "";
    private SnapshotSource.@Nullable Subscription subscription;

    /**
     * What is wanted.
     *
     * @param layout its name; empty for none
     * @param origin who wants it; empty for nobody
     */
    private record Wish(String layout, String origin) {
        static final String OF_LABEL = "label";
        static final String OF_CONFIGURATION = "configuration";
        static final String OF_MEMORY = "memory";
        static final Wish NONE = new Wish("", "");
    }

    /** What a try was made from. */
    private record Basis(String layout, long generation) {}

    /**
     * @param withhold told of which GPUs nothing is to be given to containers; empty for none
     * @param host the host's files, among which are the agent's state
     */
    public MigManager(
            AgentConfig config,
            Inventory inventory,
            GpuAccess access,
            PodResourcesSource pods,
            ApiConnection api,
            Consumer<Set<GpuId>> withhold,
            HostFiles host,
            MonotonicClock clock,
            InstantSource wall,
            RandomGenerator random,
            Heartbeats heartbeats,
            Meters meters) {
        this(
                config.mig(),
                inventory,
                new InventoryDoor(config, inventory, access, host, clock, wall),
                pods,
                api.labels(),
                state -> api.migState().ifPresent(writer -> writer.want(state)),
                event -> api.events().ifPresent(sender -> sender.announce(event)),
                withhold,
                host,
                clock,
                wall,
                random,
                heartbeats,
                meters);
    }

    /**
     * @param stateLabel told what the node's label is to say of the state; empty for no label
     * @param withhold told of which GPUs nothing is to be given to containers; empty for none
     * @param host the host's files, among which are the agent's state
     */
    MigManager(
            AgentConfig.Mig config,
            SnapshotSource snapshots,
            MigDoor door,
            PodResourcesSource pods,
            NodeLabels labels,
            Consumer<String> stateLabel,
            Consumer<NodeEvent> events,
            Consumer<Set<GpuId>> withhold,
            HostFiles host,
            MonotonicClock clock,
            InstantSource wall,
            RandomGenerator random,
            Heartbeats heartbeats,
            Meters meters) {
        this.config = config;
        this.snapshots = snapshots;
        this.door = door;
        this.pods = pods;
        this.labels = labels;
        this.stateLabel = stateLabel;
        this.events = events;
        this.withhold = withhold;
        this.clock = clock;
        this.wall = wall;
        this.memory = new LayoutMemory(host, MigTransaction.STATE_DIRECTORY);
        this.journal = new MigJournal(host, MigTransaction.STATE_DIRECTORY);
        this.looked = memory.layout().isEmpty() && config.layout().isEmpty() && !journal.exists();
        this.changer = new MigChanger(
                config,
                host,
                (gpu, step, back) -> LOG.debug(
                        back ? "a step of a MIG change is taken back" : "a step of a MIG change",
                        "gpu",
                        gpu,
                        "step",
                        step.text()));
        this.afterFailure = new Backoff(Duration.ofSeconds(2), Duration.ofMinutes(5), random);
        this.whileInUse = new Backoff(Duration.ofSeconds(1), Duration.ofSeconds(15), random);
        this.loop = new DutyCycle("mig", BOUND, heartbeats, this::turn);
        this.status = new MigManagerStatus(MigManagerStatus.State.IDLE, "", "", "", wall.instant(), 0, 0);
        Tick now = clock.now();
        this.changedAt = now;
        this.notBefore = now;
        this.giveBackBy = now;
        meters.gauge(
                "gpu_node_agent_mig_layout_applied",
                "1 while the GPUs are split as the wanted layout says, else 0; the reason is in /state. No number while no"
                        + " layout is wanted.",
                this::applied);
    }

    private double applied() {
        return switch (status.state()) {
            case IDLE -> Double.NaN;
            case SUCCESS -> 1;
            case PENDING, FAILED -> 0;
        };
    }

    @Override
    public String name() {
        return "mig";
    }

    @Override
    public void start() {
        watch();
        loop.start();
    }

    /** Follows pictures and labels from now on. */
    void watch() {
        subscription = snapshots.subscribe("mig", this::pictured);
        labels.onChange(loop::wake);
    }

    /** A change that is being made is left as a crash leaves it when it takes too long; the next start ends it. */
    @Override
    public void stop(Duration limit) throws Exception {
        SnapshotSource.Subscription subscribed = subscription;
        if (subscribed != null) {
            subscribed.close();
        }
        loop.stop(limit);
    }

    /** How it stands. Any thread. */
    public MigManagerStatus status() {
        return status;
    }

    /**
     * Waits until the GPUs are split as they were before the machine was restarted, or as the configuration wants it, and the picture shows it; not
     * where nothing is to be restored, and for a bounded time. Before anything of the node is offered.
     */
    public void awaitRestored() throws InterruptedException {
        if (looked) {
            return;
        }
        Tick limit = clock.now().plus(RESTORE_LIMIT);
        if (firstLook.await(RESTORE_LIMIT.toMillis(), TimeUnit.MILLISECONDS)) {
            synchronized (pictures) {
                long left = limit.since(clock.now()).toMillis();
                while (!follows(snapshots.current()) && left > 0) {
                    pictures.wait(left);
                    left = limit.since(clock.now()).toMillis();
                }
            }
        }
        LOG.info(
                "MIG layout at the start",
                "layout",
                status.layout(),
                "state",
                status.state(),
                "reason",
                status.reason());
    }

    private boolean follows(NodeSnapshot picture) {
        for (Map.Entry<GpuId, Integer> changed : expected.entrySet()) {
            Optional<Gpu> gpu = picture.gpu(changed.getKey());
            if (gpu.isEmpty() || gpu.get().migDevices().size() != changed.getValue()) {
                return false;
            }
        }
        return true;
    }

    /** On the inventory's thread. */
    private void pictured(NodeSnapshot picture) {
        synchronized (withholding) {
            if (!looked && !picture.gpus().isEmpty()) {
                withholdAlso(picture.gpus().stream().map(Gpu::id).collect(Collectors.toSet()));
            }
        }
        if (generation(picture) != generationSeen || !withheld.isEmpty() || hasNewGpu(picture)) {
            loop.wake();
        }
        synchronized (pictures) {
            pictures.notifyAll();
        }
    }

    private boolean hasNewGpu(NodeSnapshot picture) {
        Set<GpuId> seen = gpusSeen;
        for (Gpu gpu : picture.gpus()) {
            if (!seen.contains(gpu.id())) {
                return true;
            }
        }
        return false;
    }

    /** Of the session with NVML that shows GPUs; -1 while there is none. */
    private static long generation(NodeSnapshot picture) {
        return picture.nvml() instanceof NvmlState.Open open && !picture.gpus().isEmpty() ? open.generation() : -1;
    }

    /** One look at everything. Only the loop's thread, or a test's before {@link #start}. */
    Duration turn() throws InterruptedException {
        Duration next = look();
        Duration untilBack = giveBack(clock.now());
        if (looked) {
            firstLook.countDown();
        }
        return untilBack.compareTo(next) < 0 ? untilBack : next;
    }

    private Duration look() throws InterruptedException {
        Tick now = clock.now();
        Wish wanted = newest(now);
        Duration unsettled = unsettled(now);
        if (unsettled.isPositive()) {
            return unsettled;
        }
        changingSince = null;
        NodeSnapshot picture = snapshots.current();
        long generation = generation(picture);
        if (generation != generationSeen) {
            gpusSeen = Set.of();
            generationSeen = generation;
        }
        if (hasNewGpu(picture)) {
            Set<GpuId> seen = new HashSet<>(gpusSeen);
            picture.gpus().forEach(gpu -> seen.add(gpu.id()));
            gpusSeen = Set.copyOf(seen);
            done = null;
        }
        if (wanted.layout.isEmpty()) {
            return unwanted(wanted, picture, now);
        }
        if (generation < 0) {
            if (done == null || !done.layout.equals(wanted.layout)) {
                show(MigManagerStatus.State.PENDING, wanted, UNKNOWN, 0);
            }
            lookedWithoutDriver(picture);
            return NOTHING;
        }
        Basis basis = new Basis(wanted.layout, generation);
        if (!basis.equals(done)) {
            done = basis;
            settled = false;
            notBefore = now;
            afterFailure.reset();
            whileInUse.reset();
        } else if (settled) {
            remember(wanted);
            if (!changer.redefined(wanted.layout)) {
                Duration next = journal.exists() ? finishWhatIsLeft(picture, now) : NOTHING;
                return config.configFile().isEmpty() || next.compareTo(FILE_LOOK) < 0 ? next : FILE_LOOK;
            }
            LOG.info("the MIG layout is another one in its file", "layout", wanted.layout, "file", config.configFile());
            settled = false;
            notBefore = now;
        }
        Duration left = notBefore.since(now);
        if (left.isPositive()) {
            return left;
        }
        Duration next;
        try {
            inDoubt(journal.gpus());
            next = attempt(wanted, picture);
        } catch (RuntimeException e) {
            LOG.error("a try to split the GPUs failed", e, "layout", wanted.layout);
            show(MigManagerStatus.State.FAILED, wanted, "the agent failed in the middle of a try: " + e, 0);
            next = afterFailure.next();
        }
        // Whatever came of it may have been seen in between.
        door.changed();
        notBefore = clock.now().plus(next);
        looked = true;
        return next;
    }

    /** The layout is there, and a GPU that it is not about could not be brought back to what it was before another change. */
    private Duration finishWhatIsLeft(NodeSnapshot picture, Tick now) throws InterruptedException {
        Duration left = notBefore.since(now);
        if (left.isPositive()) {
            return left;
        }
        String reason = finish(picture);
        Duration next = journal.exists() ? afterFailure.next() : NOTHING;
        if (!reason.isEmpty()) {
            LOG.debug("a MIG change that was interrupted is not ended yet", "reason", reason);
        }
        notBefore = clock.now().plus(next);
        return next;
    }

    /** Nobody wants a layout; what an earlier life was at is ended all the same. */
    private Duration unwanted(Wish wanted, NodeSnapshot picture, Tick now) throws InterruptedException {
        done = null;
        String reason = "";
        Duration next = NOTHING;
        if (labels.label(LABEL) instanceof NodeLabels.Answer.NotSet) {
            memory.keep("");
        }
        boolean unfinished = journal.exists();
        if (unfinished && generation(picture) < 0) {
            reason = "a change was interrupted, which is ended when the GPUs are known";
            lookedWithoutDriver(picture);
        } else if (unfinished) {
            Duration left = notBefore.since(now);
            if (left.isPositive()) {
                return left;
            }
            reason = finish(picture);
            next = journal.exists() ? afterFailure.next() : NOTHING;
            notBefore = clock.now().plus(next);
            looked = true;
        } else {
            looked = true;
        }
        show(MigManagerStatus.State.IDLE, wanted, reason, 0);
        return next;
    }

    private String finish(NodeSnapshot picture) throws InterruptedException {
        List<Gpu> gpus = picture.gpus();
        try {
            inDoubt(journal.gpus());
            return changer.finish(new PodAwareOperations(
                    door.beside(gpus.stream().map(Gpu::id).toList()), pods));
        } catch (RuntimeException e) {
            LOG.error("ending a MIG change that was interrupted failed", e);
            return "a change that was interrupted: " + e;
        } finally {
            door.changed();
            takenBack();
        }
    }

    /** A start does not wait for a driver that is not there. */
    private void lookedWithoutDriver(NodeSnapshot picture) {
        if (picture.nvml() instanceof NvmlState.Waiting waiting && waiting.withoutDriver()) {
            firstLook.countDown();
        }
    }

    /** What is wanted now, and since when. */
    private Wish newest(Tick now) {
        Wish wanted = wanted();
        Wish before = wish;
        if (!wanted.equals(before)) {
            if (before != null && !wanted.layout.equals(before.layout)) {
                changingSince = changingSince == null ? now : changingSince;
                changedAt = now;
                settled = false;
                notBefore = now;
                if (!wanted.layout.isEmpty()) {
                    // Whoever has set the label waits for its end, and must not take that of the layout before for it.
                    show(MigManagerStatus.State.PENDING, wanted, "", 0);
                }
            }
            wish = wanted;
        }
        return wanted;
    }

    private Wish wanted() {
        Wish configured = config.layout().isEmpty() ? Wish.NONE : new Wish(config.layout(), Wish.OF_CONFIGURATION);
        return switch (labels.label(LABEL)) {
            case NodeLabels.Answer.Value(String layout) ->
                layout.isEmpty() ? configured : new Wish(layout, Wish.OF_LABEL);
            case NodeLabels.Answer.NotSet _ -> configured;
            case NodeLabels.Answer.Unknown _ ->
                memory.layout().isEmpty() ? configured : new Wish(memory.layout(), Wish.OF_MEMORY);
        };
    }

    /** For how long it is to be seen whether the wish changes once more. */
    private Duration unsettled(Tick now) {
        Tick since = changingSince;
        if (since == null) {
            return Duration.ZERO;
        }
        Duration settling = SETTLE.minus(now.since(changedAt));
        Duration longest = LONGEST_SETTLE.minus(now.since(since));
        return settling.compareTo(longest) < 0 ? settling : longest;
    }

    /**
     * Tries it once.
     *
     * @return when to look again
     */
    private Duration attempt(Wish wanted, NodeSnapshot picture) throws InterruptedException {
        List<Gpu> gpus = picture.gpus();
        List<GpuId> order = gpus.stream().map(Gpu::id).toList();
        String uncounted = door.uncounted();
        status = new MigManagerStatus(
                status.state(),
                status.layout(),
                status.origin(),
                status.reason(),
                status.since(),
                status.attempts() + 1,
                status.steps());
        MigChanger.Result result = changer.change(
                wanted.layout,
                order,
                uncounted,
                new PodAwareOperations(door.beside(order), pods),
                (steps, changing) -> begun(wanted, steps, changing));
        if (result instanceof MigChanger.Result.Failed(String why, boolean modeRefused)
                && modeRefused
                && !tookAlone.equals(wanted.layout)) {
            // Once for a wish: it takes all GPUs of the node out of the kubelet's hands for a moment.
            tookAlone = wanted.layout;
            LOG.warn("MIG mode could not be switched; tried again with the agent away from the GPUs", "error", why);
            result = door.alone(operations -> changer.change(
                    wanted.layout,
                    order,
                    uncounted,
                    new PodAwareOperations(operations, pods),
                    (steps, changing) -> begun(wanted, steps, changing)));
        }
        giveBackBy = clock.now().plus(GIVE_BACK_LIMIT);
        return switch (result) {
            case MigChanger.Result.Done(int steps, Map<GpuId, Integer> devices) -> {
                tookAlone = "";
                settled = true;
                // Also without a step: the end of an interrupted change may have made them.
                expected = devices;
                remember(wanted);
                show(
                        MigManagerStatus.State.SUCCESS,
                        wanted,
                        steps == 0 ? "the GPUs are split so already" : steps + " steps",
                        steps);
                yield journal.exists() ? afterFailure.next() : NOTHING;
            }
            case MigChanger.Result.InUse(String reason) -> {
                takenBack();
                show(
                        config.whileInUse() == AgentConfig.MigWhileInUse.PENDING
                                ? MigManagerStatus.State.PENDING
                                : MigManagerStatus.State.FAILED,
                        wanted,
                        reason,
                        0);
                yield whileInUse.next();
            }
            case MigChanger.Result.Failed(String reason, boolean _) -> {
                takenBack();
                show(MigManagerStatus.State.FAILED, wanted, reason, 0);
                yield afterFailure.next();
            }
        };
    }

    /** What was taken back may have been seen meanwhile, and instances have new names. */
    private void takenBack() {
        expected = Map.of();
        giveBackBy = clock.now().plus(LOOKED_AGAIN);
    }

    /**
     * A change is about to begin: nothing more is given to containers on the GPUs that it is about. Who was given something until
     * now is asked for by the change itself before its first step.
     */
    private void begun(Wish wanted, int steps, Set<GpuId> changing) {
        LOG.info("the GPUs are split anew", "layout", wanted.layout, "by", wanted.origin, "steps", steps);
        show(MigManagerStatus.State.PENDING, wanted, steps + " steps are being made", 0);
        inDoubt(changing);
    }

    /** These are about to change, or may be in the middle of it: no container is given them, and the picture keeps what they were. */
    private void inDoubt(Set<GpuId> gpus) {
        if (gpus.isEmpty()) {
            return;
        }
        synchronized (withholding) {
            withholdAlso(gpus);
        }
        door.changing(gpus);
    }

    private void withholdAlso(Set<GpuId> gpus) {
        if (withheld.containsAll(gpus)) {
            return;
        }
        Set<GpuId> all = new HashSet<>(withheld);
        all.addAll(gpus);
        withheld = Set.copyOf(all);
        withhold.accept(withheld);
    }

    /** What a change was about is given to containers again, once the picture shows what came of it; but nothing that is in the middle of one. */
    private Duration giveBack(Tick now) {
        if (withheld.isEmpty() || !looked) {
            return NOTHING;
        }
        Duration left = giveBackBy.since(now);
        if (left.isPositive() && (expected.isEmpty() || !follows(snapshots.current()))) {
            return left;
        }
        Set<GpuId> interrupted = journal.gpus();
        synchronized (withholding) {
            Set<GpuId> rest = new HashSet<>(withheld);
            rest.retainAll(interrupted);
            if (!rest.equals(withheld)) {
                withheld = Set.copyOf(rest);
                withhold.accept(withheld);
            }
        }
        return NOTHING;
    }

    /** Only what a label has said is kept: the configuration is there at the next start by itself. */
    private void remember(Wish wanted) {
        switch (wanted.origin) {
            case Wish.OF_LABEL -> memory.keep(wanted.layout);
            case Wish.OF_CONFIGURATION -> {
                if (labels.label(LABEL) instanceof NodeLabels.Answer.NotSet) {
                    memory.keep("");
                }
            }
            default -> {}
        }
    }

    private void show(MigManagerStatus.State state, Wish wanted, String reason, int steps) {
        MigManagerStatus before = status;
        boolean same = before.state() == state
                && before.layout().equals(wanted.layout)
                && before.reason().equals(reason);
        status = new MigManagerStatus(
                state,
                wanted.layout,
                wanted.origin,
                reason,
                same ? before.since() : wall.instant(),
                before.attempts(),
                before.steps() + steps);
        // No label is removed before it is known that nobody wants a layout.
        if (state != MigManagerStatus.State.IDLE || labels.label(LABEL) instanceof NodeLabels.Answer.NotSet) {
            stateLabel.accept(state.label());
        }
        if (same) {
            return;
        }
        if (state == MigManagerStatus.State.FAILED) {
            LOG.warn("the MIG layout is not applied; tried again", "layout", wanted.layout, "error", reason);
            events.accept(
                    new NodeEvent(true, "MigLayoutFailed", wanted.layout, text(wanted, "is not applied", reason)));
        } else if (state == MigManagerStatus.State.SUCCESS) {
            LOG.info("the MIG layout is applied", "layout", wanted.layout, "how", reason);
            if (steps > 0) {
                events.accept(
                        new NodeEvent(false, "MigLayoutApplied", wanted.layout, text(wanted, "is applied", reason)));
            }
        } else if (state == MigManagerStatus.State.PENDING
                && config.whileInUse() == AgentConfig.MigWhileInUse.PENDING
                && !reason.isEmpty()) {
            LOG.info("the MIG layout is not applied yet", "layout", wanted.layout, "reason", reason);
        }
    }

    private static String text(Wish wanted, String what, String reason) {
        return "the MIG layout " + wanted.layout + " (wanted by " + wanted.origin + ") " + what + ": " + reason;
    }
}
