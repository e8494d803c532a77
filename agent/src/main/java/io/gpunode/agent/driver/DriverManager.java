package io.gpunode.agent.driver;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.kubernetes.NodeEvent;
import io.gpunode.agent.lifecycle.Backoff;
import io.gpunode.agent.lifecycle.DutyCycle;
import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.lifecycle.Service;
import io.gpunode.agent.log.Log;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * Brings the driver up before NVML is opened, and keeps it as the configuration wants it: looks again and again what is there, puts in place what is
 * missing, and exchanges what differs where it may. Does what commands ask for, one after the other.
 *
 * <p>All changes are made on its own thread, under the node's driver lock.
 */
public final class DriverManager implements Service {
    private static final Log LOG = Log.of(DriverManager.class);
    /** From one look to the next while everything is as it is wanted. */
    static final Duration LOOK = Duration.ofSeconds(30);
    /** From one look to the next while another process changes the driver. */
    static final Duration BETWEEN_LOCKS = Duration.ofSeconds(5);
    /** For how long a driver that was found ready is taken to be so: asking the source again reads many files. */
    static final Duration STAGED_FOR = Duration.ofMinutes(10);

    private static final String NOT_FOUND = ". Until then no GPU can be used: the driver's files are looked for in "
            + DriverRoot.POINT + ", and nothing is there";

    private static final Duration BOUND_BEYOND_A_BUILD = Duration.ofHours(1);
    private static final Duration FIRST_TRY_LIMIT = Duration.ofSeconds(75);
    private static final String UNLOADED = "somebody has unloaded it; it comes back by: gpu-node-agent driver load";

    private final DriverDoor door;
    private final Function<AgentConfig.Driver, DriverChanger> changers;
    private final Consumer<NodeEvent> events;
    private final MonotonicClock clock;
    private final InstantSource wall;
    private final Backoff afterFailure;
    private final Backoff betweenSettling;
    private final DutyCycle loop;
    private final CountDownLatch firstTry = new CountDownLatch(1);
    private final Meters meters;
    private final Consumer<String> keepClosed;

    private final Object mailbox = new Object();
    /** Written under {@link #mailbox}. */
    private @Nullable Request request;

    private volatile AgentConfig.Driver settings;
    private volatile DriverManagerStatus status;

    // Owned by the loop.
    private AgentConfig.Driver usedSettings;
    private DriverChanger changer;
    private @Nullable DriverTarget staged;
    private Tick stagedUntil;
    private Tick notBefore;
    private Tick settleNotBefore;
    /** Whether the last look has found the wanted driver. */
    private boolean fits;

    private int changes;
    /** What was shown last, without what is being done meanwhile. */
    private DriverManagerStatus settled;
    /** How the last change has failed; empty after one that has not. */
    private String lastFailure = "";

    /** Why the driver that ran last is what is brought up; empty when the wanted one can be had. */
    private String standIn = "";

    /** Whether nothing that is left of a change, if its journal is there, takes the driver away: it could not be removed, or a last piece is missing. */
    private boolean quiet;

    /** What somebody asks for. */
    public interface Request extends DriverListener {
        /** What is to be done. */
        DriverCommand command();

        /** It has ended. Called once, on the manager's thread. */
        void ended(DriverOutcome outcome);
    }

    /**
     * @param changers makes what carries changes out with some settings
     * @param keepClosed told why NVML is not to be opened, at the start and while there is no driver
     * @param events told what is worth an event
     */
    DriverManager(
            AgentConfig.Driver settings,
            DriverDoor door,
            Function<AgentConfig.Driver, DriverChanger> changers,
            Consumer<String> keepClosed,
            Consumer<NodeEvent> events,
            MonotonicClock clock,
            InstantSource wall,
            RandomGenerator random,
            Heartbeats heartbeats,
            Meters meters) {
        this.settings = settings;
        this.usedSettings = settings;
        this.door = door;
        this.changers = changers;
        this.changer = changers.apply(settings);
        this.keepClosed = keepClosed;
        this.events = events;
        this.clock = clock;
        this.wall = wall;
        this.meters = meters;
        this.afterFailure = new Backoff(Duration.ofSeconds(2), Duration.ofMinutes(5), random);
        this.betweenSettling = new Backoff(Duration.ofSeconds(2), Duration.ofMinutes(30), random);
        Duration bound = settings.build()
                .timeLimit()
                .plus(settings.change().drainLimit())
                .plus(BOUND_BEYOND_A_BUILD);
        this.loop = new DutyCycle("driver", bound, heartbeats, this::turn);
        this.status = new DriverManagerStatus(
                DriverManagerStatus.State.STARTING, "", "", List.of(), "", "", wall.instant(), 0);
        this.settled = status;
        Tick now = clock.now();
        this.stagedUntil = now;
        this.notBefore = now;
        this.settleNotBefore = now;
        meters.gauge(
                "gpu_node_agent_driver_as_wanted",
                "1 while the NVIDIA driver is as the configuration wants it, else 0; the reason is in /state.",
                () -> status.state() == DriverManagerStatus.State.READY ? 1 : 0);
    }

    @Override
    public String name() {
        return "driver";
    }

    /** NVML stays closed until the driver was looked at and brought up, or that has failed. */
    @Override
    public void start() {
        keepClosed.accept("the driver is being made ready");
        loop.start();
    }

    /** A change that takes too long is left as a crash leaves it; the next start ends it. */
    @Override
    public void stop(Duration limit) throws Exception {
        loop.stop(limit);
    }

    /** How it stands. Any thread. */
    public DriverManagerStatus status() {
        return status;
    }

    /** Follows other settings from now on; whether the driver is managed at all needs a restart. Any thread. */
    public void configure(AgentConfig.Driver next) {
        settings = next;
        loop.wake();
    }

    /** Waits until the driver was brought up for the first time, or that has failed; for a bounded time, since a build may be needed. */
    public void awaitFirstTry() throws InterruptedException {
        if (!firstTry.await(FIRST_TRY_LIMIT.toMillis(), TimeUnit.MILLISECONDS)) {
            LOG.warn("the driver is not ready yet; the start goes on without it", "step", status.step());
        }
    }

    /**
     * Asks for something to be done. Any thread.
     *
     * @return false when something else is asked for already: nothing will be done then
     */
    public boolean ask(Request wanted) {
        synchronized (mailbox) {
            if (request != null) {
                return false;
            }
            request = wanted;
        }
        loop.wake();
        return true;
    }

    private Optional<Request> asked() {
        synchronized (mailbox) {
            return Optional.ofNullable(request);
        }
    }

    /** One look, and what follows from it. */
    Duration turn() throws InterruptedException {
        AgentConfig.Driver current = settings;
        if (!current.equals(usedSettings)) {
            usedSettings = current;
            changer = changers.apply(current);
            staged = null;
            notBefore = clock.now();
            settleNotBefore = notBefore;
            betweenSettling.reset();
        }
        Optional<Request> wanted = asked();
        if (wanted.isPresent()) {
            serve(wanted.get());
        }
        Duration left = notBefore.since(clock.now());
        if (left.isPositive()) {
            return left;
        }
        Duration next;
        try {
            next = look();
        } finally {
            // The picture first: who begins a change after it asks who has the GPUs open.
            boolean loaded = changer.picture().loaded();
            if (changer.isInterrupted() && !quiet) {
                keepClosed.accept("a change of the driver has not come to its end");
            } else if (loaded) {
                // Also one that somebody else has loaded. Without one NVML stays closed: opening it could load another.
                door.takeUp();
            }
            firstTry.countDown();
        }
        settle();
        notBefore = clock.now().plus(next);
        return next;
    }

    private void settle() throws InterruptedException {
        if (!clock.now().reached(settleNotBefore)) {
            return;
        }
        if (changer.settle(fits)) {
            betweenSettling.reset();
        } else {
            settleNotBefore = clock.now().plus(betweenSettling.next());
        }
    }

    private void serve(Request wanted) throws InterruptedException {
        DriverOutcome outcome = DriverOutcome.Untouched.of(
                DriverOutcome.Why.OTHER,
                "the agent is being stopped; what was begun is ended by its next start, or by the next driver command");
        try {
            outcome = made(changer.run(wanted.command(), new Watch(wanted)));
        } catch (RuntimeException e) {
            outcome = DriverOutcome.Untouched.of(
                    DriverOutcome.Why.OTHER, "it failed unexpectedly (" + e + "); see: journalctl -u gpu-node-agent");
            throw e;
        } finally {
            synchronized (mailbox) {
                request = null;
            }
            staged = null;
            notBefore = clock.now();
            wanted.ended(outcome);
        }
    }

    private Duration look() throws InterruptedException {
        fits = false;
        quiet = false;
        if (changer.isInterrupted()) {
            Optional<DriverOutcome> found = changer.recover(new Watch(DriverListener.NONE));
            if (found.isPresent()) {
                DriverOutcome outcome = found.get();
                quiet = outcome.ok()
                        || outcome instanceof DriverOutcome.RolledBack
                        || (outcome instanceof DriverOutcome.Stuck && !changer.isToDisrupt());
                if (outcome instanceof DriverOutcome.Untouched kept && kept.why() == DriverOutcome.Why.BUSY) {
                    show(DriverManagerStatus.State.FAILED, List.of(), outcome.message());
                    // The GPUs are away until whoever changes the driver has ended.
                    return BETWEEN_LOCKS;
                }
                LOG.info("a change of the driver that was interrupted was found", "how", outcome.message());
                if (changer.isInterrupted()) {
                    show(DriverManagerStatus.State.FAILED, List.of(), outcome.message());
                    return afterFailure.next();
                }
            }
        }
        DriverPicture picture = changer.picture();
        DriverMemory.Content remembered = changer.remembered();
        if (!picture.bootId().isEmpty() && remembered.unloadedInBoot().equals(picture.bootId()) && !picture.loaded()) {
            show(DriverManagerStatus.State.UNLOADED, List.of(), UNLOADED);
            keepClosed.accept("the driver: " + UNLOADED);
            return LOOK;
        }
        Optional<DriverTarget> target = staged();
        if (target.isEmpty()) {
            return afterFailure.next();
        }
        Optional<DriverTarget> instead = changer.instead(target.get());
        if (instead.isPresent()) {
            target = instead;
            standIn = "the driver that ran last is used, " + target.get().text() + ": " + remembered.refusal();
        }
        DriverPicture now = changer.picture();
        DriverPlan plan = DriverPlanner.plan(now, target.get().keeping(now.daemons()));
        if (plan.isEmpty()) {
            if (standIn.isEmpty() && !remembered.givenUp().isEmpty()) {
                changer.forgive();
            }
            return asWanted(now);
        }
        if (remembered.hasGivenUp(target.get()) && plan.bringsUp()) {
            show(
                    picture.loaded() ? DriverManagerStatus.State.DIFFERS : DriverManagerStatus.State.FAILED,
                    plan.differences(),
                    remembered.refusal());
            return LOOK;
        }
        if (plan.disrupts() && !usedSettings.change().automatic()) {
            show(
                    DriverManagerStatus.State.DIFFERS,
                    plan.differences(),
                    "exchange it with: gpu-node-agent driver upgrade; or let the agent do so: driver.upgrade.automatic"
                            + (target.get().isApart() && !now.attached() ? NOT_FOUND : ""));
            return LOOK;
        }
        DriverOutcome outcome = changer.bring(target.get(), new Watch(DriverListener.NONE));
        DriverPicture then = changer.picture();
        if (outcome.ok() && plan.startsDaemonsOnly() && then.daemons().equals(now.daemons())) {
            LOG.debug("daemons of the driver did not come up", "outcome", outcome.message());
            return asWanted(then);
        }
        made(outcome);
        if (outcome.ok()) {
            return asWanted(then);
        }
        show(
                changer.picture().loaded() && !(outcome instanceof DriverOutcome.Stuck)
                        ? DriverManagerStatus.State.DIFFERS
                        : DriverManagerStatus.State.FAILED,
                plan.differences(),
                outcome.message());
        return afterFailure.next();
    }

    /** Nothing is left to be done now, as far as the agent can do something. */
    private Duration asWanted(DriverPicture now) throws InterruptedException {
        afterFailure.reset();
        fits = standIn.isEmpty();
        List<String> missing = new ArrayList<>();
        now.daemonsFailed().forEach((kind, why) -> missing.add(kind.program() + " does not run: " + why));
        if (!standIn.isEmpty()) {
            show(DriverManagerStatus.State.DIFFERS, missing, standIn);
        } else if (missing.isEmpty()) {
            show(DriverManagerStatus.State.READY, List.of(), "");
        } else {
            show(
                    DriverManagerStatus.State.DIFFERS,
                    missing,
                    String.join("; ", missing)
                            + ". It is tried again with growing pauses, and at once by: gpu-node-agent driver load");
        }
        return LOOK;
    }

    /** The wanted driver, ready to be loaded; empty, with the reason shown, when it cannot be had. */
    private Optional<DriverTarget> staged() throws InterruptedException {
        standIn = "";
        DriverTarget found = staged;
        if (found != null && !clock.now().reached(stagedUntil)) {
            return Optional.of(found);
        }
        try {
            found = changer.target(DriverCommand.LOAD, new Watch(DriverListener.NONE));
        } catch (DriverChanger.ImpossibleException e) {
            Optional<DriverTarget> last = changer.picture().loaded() ? Optional.empty() : changer.last();
            if (last.isPresent()) {
                // A file that was half replaced must not cost a node that boots its GPUs.
                standIn = e.getMessage() + " (until then the driver that ran last is used: "
                        + last.get().text() + ")";
                LOG.warn("the wanted driver cannot be had; the one that ran last is loaded", "reason", standIn);
                return last;
            }
            show(
                    changer.picture().loaded() ? DriverManagerStatus.State.DIFFERS : DriverManagerStatus.State.FAILED,
                    List.of(),
                    String.valueOf(e.getMessage()));
            return Optional.empty();
        }
        staged = found;
        stagedUntil = clock.now().plus(STAGED_FOR);
        return Optional.of(found);
    }

    private DriverOutcome made(DriverOutcome outcome) {
        if (outcome instanceof DriverOutcome.Done done) {
            if (done.steps() > 0) {
                changes++;
                lastFailure = "";
                LOG.info("the driver was changed", "how", done.message());
                events.accept(new NodeEvent(false, "DriverChanged", done.driver(), done.message()));
                if (!done.outage().isZero()) {
                    meters.timer(
                                    "gpu_node_agent_driver_outage_seconds",
                                    "How long the node was without a driver while it was exchanged.")
                            .record(done.outage().toNanos());
                }
            }
        } else {
            if (outcome instanceof DriverOutcome.Untouched kept
                    && (kept.why() == DriverOutcome.Why.NOT_ITS_TURN || kept.why() == DriverOutcome.Why.BUSY)) {
                // Nothing has failed: it is asked again and again, and the state says so.
                return outcome;
            }
            if (!outcome.message().equals(lastFailure)) {
                lastFailure = outcome.message();
                LOG.warn("the driver was not changed", "reason", lastFailure);
            }
            events.accept(new NodeEvent(true, "DriverChangeFailed", "driver", outcome.message()));
        }
        return outcome;
    }

    private void show(DriverManagerStatus.State state, List<String> differences, String reason)
            throws InterruptedException {
        DriverManagerStatus before = settled;
        DriverTarget target = staged;
        boolean same = before.state() == state && before.reason().equals(reason);
        DriverPicture picture = changer.picture();
        status = new DriverManagerStatus(
                state,
                picture.text(),
                target == null ? before.wanted() : target.text(),
                differences,
                reason,
                "",
                same ? before.since() : wall.instant(),
                changes);
        settled = status;
        if (state == DriverManagerStatus.State.FAILED && !picture.loaded()) {
            // Whoever asks for GPUs hears the reason, and not what was hoped for at the start.
            keepClosed.accept("the driver: " + withoutNextStep(reason));
        }
        if (!same) {
            if (state == DriverManagerStatus.State.READY || state == DriverManagerStatus.State.UNLOADED) {
                LOG.info("driver", "state", state, "running", status.running(), "reason", reason);
            } else {
                LOG.warn(
                        "driver",
                        "state",
                        state,
                        "running",
                        status.running(),
                        "wanted",
                        status.wanted(),
                        "reason",
                        reason);
            }
        }
    }

    /** The reason alone: it is shown in places that have little room, and the next step is in the driver's own section. */
    private static String withoutNextStep(String reason) {
        int next = reason.indexOf(". Next: ");
        return next < 0 ? reason : reason.substring(0, next);
    }

    /** Shows what is being done, and passes it on. */
    private final class Watch implements DriverListener {
        private final DriverListener other;

        Watch(DriverListener other) {
            this.other = other;
        }

        private void doing(String what, boolean changing) {
            DriverManagerStatus before = status;
            status = new DriverManagerStatus(
                    changing ? DriverManagerStatus.State.CHANGING : before.state(),
                    before.running(),
                    before.wanted(),
                    before.differences(),
                    before.reason(),
                    what,
                    changing && before.state() != DriverManagerStatus.State.CHANGING ? wall.instant() : before.since(),
                    changes);
        }

        @Override
        public void beginning(DriverStep step, boolean back) {
            doing((back ? "back: " : "") + step.text(), true);
            LOG.info(back ? "a step back" : "a step", "step", step.text());
            other.beginning(step, back);
        }

        @Override
        public void ended(DriverStep step, Duration took) {
            meters.timer(
                            "gpu_node_agent_driver_step_seconds",
                            "Steps of changes of the driver.",
                            "step",
                            step.getClass().getSimpleName())
                    .record(took.toNanos());
            other.ended(step, took);
        }

        @Override
        public void begins(Phase phase, String what) {
            doing(phase.text() + " " + what, false);
            other.begins(phase, what);
        }

        @Override
        public void at(Phase phase, long done, long total, long perSecond) {
            other.at(phase, done, total, perSecond);
        }
    }
}
