package io.gpunode.agent.driver;

import io.gpunode.agent.log.Log;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.JournalFile;
import io.gpunode.agent.os.LoadedModule;
import io.gpunode.agent.os.OwnerLock;
import io.gpunode.agent.os.WriteFailure;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Brings a node to a driver so that it ends with that driver or with the one before it. Each step is announced in the {@link DriverJournal} before it is
 * made. After a crash or a loss of power {@link #recover} ends the change, from the journal and from what it sees of the node.
 *
 * <p>One process at a time, which holds a lock in the state directory; the lock's file is never removed. A change runs on the calling thread, and each
 * step has a bound. An interrupt leaves it as a crash does.
 */
final class DriverTransaction {
    /** Where a node keeps journal, lock and memory: it has to last longer than a boot. */
    static final Path STATE_DIRECTORY = Path.of("/var/lib/gpu-node-agent");

    private static final Log LOG = Log.of(DriverTransaction.class);
    static final Path LOCK = Path.of("driver.lock");
    private static final int TRIES_BACK = 3;
    /** A driver that has taken the machine down in so many boots is not tried by itself any more. */
    private static final int MOST_BOOTS = 3;

    private final HostFiles files;
    private final Path lockFile;
    private final DriverJournal journal;
    private final DriverMemory memory;
    private final BootTally tally;
    private final DriverOperations operations;
    private final Listener listener;
    private final MonotonicClock clock;
    /** Whether a step forward is made although it cannot be written down. */
    private boolean unwritten;

    /** Told of each step, on the changing thread. */
    interface Listener {
        /**
         * A step is about to be made.
         *
         * @param back whether it is one on the way back
         */
        void beginning(DriverStep step, boolean back);

        /** It was made. */
        default void ended(DriverStep step, Duration took) {}
    }

    /** @param stateDirectory where journal, lock and memory lie, as the host sees it; made where it is missing */
    DriverTransaction(
            HostFiles files,
            Path stateDirectory,
            DriverOperations operations,
            Listener listener,
            MonotonicClock clock) {
        this.files = files;
        this.lockFile = stateDirectory.resolve(LOCK);
        this.journal = new DriverJournal(files, stateDirectory);
        this.memory = new DriverMemory(files, stateDirectory);
        this.tally = new BootTally(files, stateDirectory);
        this.operations = operations;
        this.listener = listener;
        this.clock = clock;
    }

    /** The work of one call, under the lock. */
    private interface Work {
        DriverOutcome run() throws InterruptedException;
    }

    /** A step that failed, with its text. */
    private record Failure(String step, DriverStepException cause) {}

    /** What came of steps. */
    private record Made(int steps, Duration took, Duration outage, List<String> notes, Optional<Failure> failure) {}

    /** Whether a change is under way or was interrupted. */
    boolean isInterrupted() {
        return journal.exists();
    }

    /** What is remembered of earlier changes. */
    DriverMemory.Content remembered() {
        return memory.read();
    }

    /**
     * Ends what was interrupted, then brings the node to a driver.
     *
     * @param drain whether GPU pods are evicted first where they are in the way
     */
    DriverOutcome change(DriverTarget to, boolean drain) throws InterruptedException {
        return change(to, drain, true);
    }

    /**
     * The same, but a driver that runs is not exchanged, unless a way back that does not come to its end has left it there. One that was given up is not loaded.
     */
    DriverOutcome complete(DriverTarget to, boolean drain) throws InterruptedException {
        return change(to, drain, false);
    }

    private DriverOutcome change(DriverTarget to, boolean drain, boolean mayDisrupt) throws InterruptedException {
        return locked(() -> {
            Optional<DriverOutcome> ended = endInterrupted();
            if (ended.isPresent() && ended.get() instanceof DriverOutcome.Untouched && journal.exists()) {
                // What cannot be read is not written over: it may be a way back.
                return ended.get();
            }
            DriverPicture picture = operations.observe();
            DriverTarget wanted = to.keeping(picture.daemons());
            DriverMemory.Content known = memory.read();
            if (!mayDisrupt
                    && known.hasGivenUp(to)
                    && DriverPlanner.plan(picture, wanted).bringsUp()) {
                return ended.filter(
                                how -> how instanceof DriverOutcome.RolledBack || how instanceof DriverOutcome.Stuck)
                        .orElseGet(() -> untouched(known.refusal()));
            }
            if (ended.isPresent() && ended.get() instanceof DriverOutcome.Stuck) {
                Optional<DriverJournal.Entry> left = left();
                // What is there is nothing that anybody wants back.
                return left.isPresent() ? begin(picture, left.get().from(), wanted, left, drain, true) : ended.get();
            }
            DriverTarget from = DriverTarget.of(picture, memory.read().current());
            return begin(picture, from, wanted, Optional.empty(), drain, mayDisrupt);
        });
    }

    /** The wanted driver runs: what was given up may be tried again when it is wanted again. */
    void forgive() throws InterruptedException {
        DriverOutcome outcome = locked(() -> {
            try {
                memory.write(memory.read().forgiven());
                return new DriverOutcome.Done("the driver", 0, Duration.ZERO, Duration.ZERO, List.of());
            } catch (IOException e) {
                return untouched("the driver's state cannot be written: " + WriteFailure.text(e));
            }
        });
        if (!outcome.ok()) {
            LOG.debug("what was given up stays so until the next look", "reason", outcome.message());
        }
    }

    /** Ends a change that was interrupted; empty when there is none. */
    Optional<DriverOutcome> recover() throws InterruptedException {
        if (!isInterrupted()) {
            return Optional.empty();
        }
        DriverOutcome outcome = locked(() -> endInterrupted()
                .orElseGet(() -> new DriverOutcome.Done("the driver", 0, Duration.ZERO, Duration.ZERO, List.of())));
        return Optional.of(outcome);
    }

    /** The same for somebody who wants the driver before: an exchange that was interrupted, or an unloading, is taken back. */
    Optional<DriverOutcome> takeBack() throws InterruptedException {
        if (!isInterrupted()) {
            return Optional.empty();
        }
        DriverOutcome outcome = locked(() -> {
            Optional<DriverJournal.Entry> exchange = left().filter(DriverTransaction::isExchange);
            DriverPicture picture = operations.observe();
            if (exchange.isEmpty() || isOfAnotherKernel(exchange.get().from(), picture)) {
                return endInterrupted()
                        .orElseGet(
                                () -> new DriverOutcome.Done("the driver", 0, Duration.ZERO, Duration.ZERO, List.of()));
            }
            DriverJournal.Entry entry = exchange.get();
            String reason = "the driver before was asked for";
            DriverJournal.Entry now = entry.bootId().equals(picture.bootId()) ? entry : entry.inBoot(picture.bootId());
            return back(now.back(entry.next(), reason), new DriverStepException(reason, true, List.of()), true);
        });
        return Optional.of(outcome);
    }

    /** The driver to which {@link #takeBack} leads; empty where that changes nothing. */
    Optional<DriverTarget> takenBackTo() throws InterruptedException {
        Optional<DriverJournal.Entry> left = left();
        if (left.isEmpty()) {
            return Optional.empty();
        }
        DriverJournal.Entry entry = left.get();
        DriverPicture picture = operations.observe();
        DriverTarget goal =
                isExchange(entry) && !isOfAnotherKernel(entry.from(), picture) ? entry.from() : entry.goal();
        boolean begun = entry.back() || entry.step() > 0;
        return begun && !isOfAnotherKernel(goal, picture) ? Optional.of(goal) : Optional.empty();
    }

    /** Whether a driver, or what of it is loaded, was there before and is taken away. */
    private static boolean isExchange(DriverJournal.Entry entry) {
        return !entry.back() && entry.step() > 0 && !entry.from().isNone();
    }

    /**
     * While nothing is exchanged: gives back what earlier changes could not, and has the node's label say that the driver is the wanted one, or takes it away
     * where none is wanted any more.
     *
     * @param fits whether the driver is the wanted one
     * @return false when that is to be tried again
     */
    boolean settle(boolean fits) throws InterruptedException {
        if (!isOpen(fits)) {
            return true;
        }
        DriverOutcome outcome = locked(() -> journal.exists() || !settleNow(fits)
                ? untouched("")
                : new DriverOutcome.Done("", 0, Duration.ZERO, Duration.ZERO, List.of()));
        return outcome.ok();
    }

    private boolean isOpen(boolean fits) {
        DriverMemory.Content known = memory.read();
        return !known.owed().isNothing() || isOpen(known.label(), fits);
    }

    private boolean isOpen(DriverMemory.Label label, boolean fits) {
        return switch (label) {
            case NONE -> false;
            case OPEN -> fits || !operations.asks().label();
            case DONE -> !operations.asks().label();
        };
    }

    /** Under the lock. */
    private boolean settleNow(boolean fits) throws InterruptedException {
        DriverMemory.Content known = memory.read();
        DriverMemory.Content now = known;
        DriverMemory.Owed owed = known.owed();
        if (!owed.isNothing()) {
            ClusterTurn.Asked asked = new ClusterTurn.Asked(owed.slotNamespaces(), false);
            ClusterTurn.Asked left = asked.isNothing() ? asked : operations.endTurn(asked, ClusterTurn.State.REQUIRED);
            boolean cordoned = owed.cordoned() && !operations.undrain(true);
            now = now.owing(new DriverMemory.Owed(cordoned, left.slotNamespaces()));
        }
        boolean told = true;
        if (isOpen(known.label(), fits)) {
            told = operations.settleLabel();
            now = !told
                    ? now
                    : now.labelled(operations.asks().label() ? DriverMemory.Label.DONE : DriverMemory.Label.NONE);
        }
        return note(known, now) && told && now.owed().isNothing();
    }

    /** Writes down what is owed to others; false when that was not possible. */
    private boolean note(DriverMemory.Content before, DriverMemory.Content after) {
        if (after.equals(before)) {
            return true;
        }
        try {
            memory.write(after);
            return true;
        } catch (IOException e) {
            LOG.error(
                    "what is to be given back cannot be written down; see: gpu-node-agent node status",
                    e,
                    "what",
                    after.owed());
            return false;
        }
    }

    /** Whether what is left of a change takes something away that is there; not so where nothing is left. */
    boolean isToDisrupt(DriverPicture picture) {
        return left().map(entry -> DriverPlanner.plan(picture, entry.goal()).disrupts())
                .orElse(false);
    }

    /** The way back that is still to be made. */
    private Optional<DriverJournal.Entry> left() {
        try {
            return journal.read(operations.asks());
        } catch (IOException | JournalFile.UnreadableException e) {
            return Optional.empty();
        }
    }

    private DriverOutcome locked(Work work) throws InterruptedException {
        Optional<OwnerLock> taken;
        try {
            taken = OwnerLock.take(files, lockFile);
        } catch (IOException e) {
            return untouched("nothing was changed: the lock " + lockFile + " cannot be taken: " + WriteFailure.text(e));
        }
        if (taken.isEmpty()) {
            return DriverOutcome.Untouched.of(
                    DriverOutcome.Why.BUSY,
                    "the driver is being changed by " + OwnerLock.owner(files, lockFile)
                            + ": wait until it has ended, and try again");
        }
        try {
            return work.run();
        } finally {
            release(taken.get());
        }
    }

    private void release(OwnerLock lock) {
        try {
            lock.close();
        } catch (IOException e) {
            // What was done was done; the kernel takes the lock back when the process ends.
            LOG.warn("the lock of driver changes was not closed well", "file", lockFile, "error", e);
        }
    }

    private static DriverOutcome untouched(String message) {
        return DriverOutcome.Untouched.of(DriverOutcome.Why.OTHER, message);
    }

    private DriverOutcome notBegun(String why) {
        return untouched("nothing was changed, since it would not survive a crash: " + journal.file()
                + " cannot be written: " + why);
    }

    // ---- a new change

    /** @param left the way back in whose place it is; what that has asked others for is this one's, too */
    private DriverOutcome begin(
            DriverPicture picture,
            DriverTarget from,
            DriverTarget to,
            Optional<DriverJournal.Entry> left,
            boolean drain,
            boolean mayDisrupt)
            throws InterruptedException {
        DriverPlan plan = DriverPlanner.plan(picture, to);
        if (plan.isEmpty() && left.isEmpty()) {
            List<String> notes = remember(to, picture.bootId());
            return new DriverOutcome.Done(to.text(), 0, Duration.ZERO, Duration.ZERO, notes);
        }
        DriverJournal.Entry entry = new DriverJournal.Entry(
                from, to, false, "", "", 0, "", false, picture.bootId(), 1, false, ClusterTurn.Asked.NOTHING);
        if (left.isPresent()) {
            entry = entry.asking(left.get());
        }
        if (plan.disrupts()) {
            DriverMemory.Owed owed = memory.read().owed();
            if (!owed.isNothing()) {
                entry = entry.owing(owed);
            }
            if (!mayDisrupt) {
                return untouched(
                        String.join("; ", plan.differences()) + "; exchange it with: gpu-node-agent driver upgrade");
            }
            Optional<DriverOutcome> blocked = blocked(picture, plan);
            if (blocked.isPresent()) {
                return blocked.get();
            }
            HolderTable holders = operations.holders();
            if (!holders.isEmpty() && (!drain || !operations.canDrain())) {
                return inUse(holders);
            }
            ClusterTurn.Asked asks = operations.asks();
            if (!to.isNone() && !asks.isNothing()) {
                entry = entry.inTurn(asks);
                Optional<DriverOutcome> waits = takeTurn(entry, left);
                if (waits.isPresent()) {
                    return waits.get();
                }
            }
            if (!holders.isEmpty()) {
                entry = entry.cordoned();
                Optional<DriverOutcome> stays = drain(entry, left);
                if (stays.isPresent()) {
                    return stays.get();
                }
            }
            // Others were waited for: a module or a daemon may have come meanwhile.
            DriverPicture now = operations.observe();
            plan = DriverPlanner.plan(now, to);
            Optional<DriverOutcome> blockedNow = blocked(now, plan);
            if (blockedNow.isPresent()) {
                abandon(entry, left);
                return blockedNow.get();
            }
        }
        boolean takesNothing = left.isEmpty() && !to.isNone() && !plan.disrupts();
        try {
            DriverMemory.Content before = memory.read();
            operations.keep(to.isNone() ? before.current() : to, List.of(from, before.current(), before.previous()));
        } catch (DriverStepException e) {
            if (!takesNothing) {
                abandon(entry, left);
                return untouched("nothing was changed, since it would not survive a crash: " + e.reason());
            }
            // No way back needs what may be pruned now.
            LOG.warn("a driver is loaded that is not kept from being pruned", "reason", e.reason());
        }
        try {
            // With its first step, so that it is written once.
            journal.write(before(entry, 1, withAnnouncement(plan).steps().getFirst()));
            reserveTally();
        } catch (IOException e) {
            if (takesNothing) {
                return unwritten(entry, plan, WriteFailure.text(e));
            }
            abandon(entry, left);
            return notBegun(WriteFailure.text(e));
        }
        return forward(entry, plan, false);
    }

    /**
     * Takes nothing away, so that a crash in the middle leaves no driver before to go back to: what is seen then says it all, but how many boots have tried it.
     * Those are counted where that needs no room; else it is not begun.
     */
    private DriverOutcome unwritten(DriverJournal.Entry entry, DriverPlan plan, String why)
            throws InterruptedException {
        try {
            if (entry.bootId().isEmpty()) {
                return notBegun(why);
            }
            List<String> boots = new ArrayList<>(tally.boots());
            boots.remove(entry.bootId());
            if (boots.size() >= MOST_BOOTS) {
                return notBegun(why + ". In " + boots.size()
                        + " boots the machine went down while or after a driver was loaded without it");
            }
            boots.add(entry.bootId());
            tally.write(boots);
        } catch (IOException e) {
            LOG.debug("boots cannot be counted either", "error", e);
            return notBegun(why);
        }
        String note =
                "the journal " + journal.file() + " could not be written (" + why + "), and it was done all the same";
        LOG.warn("a change of the driver that takes nothing away is made without a journal", "error", why);
        unwritten = true;
        DriverOutcome outcome = forward(entry, plan, false);
        unwritten = false;
        // However it ended, the machine did not.
        countNoBoots();
        return outcome instanceof DriverOutcome.Done done ? done.noting(note) : outcome;
    }

    private void countNoBoots() {
        try {
            if (!tally.boots().isEmpty()) {
                tally.write(List.of());
            }
        } catch (IOException e) {
            LOG.warn(
                    "boots in which a driver was loaded without a journal stay counted", "error", WriteFailure.text(e));
        }
    }

    private void reserveTally() {
        try {
            tally.reserve();
        } catch (IOException e) {
            LOG.debug("on a full disk no driver will be loaded", "error", e);
        }
    }

    /** Writes down what others are about to be asked for; where a way back is still to be made, the journal goes on to say so. */
    private void announceAsking(DriverJournal.Entry entry, Optional<DriverJournal.Entry> left) throws IOException {
        DriverMemory.Content known = memory.read();
        if (entry.asked().label() && known.label() != DriverMemory.Label.OPEN) {
            memory.write(known.labelled(DriverMemory.Label.OPEN));
        }
        journal.write(left.isPresent() ? left.get().asking(entry) : entry);
    }

    /** Nothing was changed: others get back what they were asked for, unless there is a way back that needs it still. */
    private void abandon(DriverJournal.Entry entry, Optional<DriverJournal.Entry> left) throws InterruptedException {
        if (left.isEmpty()) {
            letGo(entry, ClusterTurn.State.REQUIRED);
            forgetJournal();
        }
    }

    private Optional<DriverOutcome> takeTurn(DriverJournal.Entry entry, Optional<DriverJournal.Entry> left)
            throws InterruptedException {
        try {
            announceAsking(entry, left);
            operations.takeTurn();
            return Optional.empty();
        } catch (IOException e) {
            return Optional.of(notBegun(WriteFailure.text(e)));
        } catch (ClusterTurn.UnsureException e) {
            abandon(entry, left);
            return Optional.of(DriverOutcome.Untouched.of(DriverOutcome.Why.NOT_ITS_TURN, e.reason()));
        } catch (DriverStepException e) {
            if (left.isEmpty()) {
                forgetJournal();
            }
            return Optional.of(DriverOutcome.Untouched.of(DriverOutcome.Why.NOT_ITS_TURN, e.reason()));
        }
    }

    private Optional<DriverOutcome> drain(DriverJournal.Entry entry, Optional<DriverJournal.Entry> left)
            throws InterruptedException {
        try {
            announceAsking(entry, left);
        } catch (IOException e) {
            abandon(entry, left);
            return Optional.of(notBegun(WriteFailure.text(e)));
        }
        DriverOutcome stays;
        try {
            operations.drain(entry.asked().label());
            HolderTable holders = operations.holders();
            if (holders.isEmpty()) {
                return Optional.empty();
            }
            stays = inUse(holders);
        } catch (DriverStepException e) {
            stays = DriverOutcome.Untouched.of(DriverOutcome.Why.IN_USE, e.reason());
        }
        abandon(entry, left);
        return Optional.of(stays);
    }

    private static Optional<DriverOutcome> blocked(DriverPicture picture, DriverPlan plan) {
        List<String> foreign = names(picture.modules().foreign());
        if (plan.unloads().stream().anyMatch(foreign::contains)) {
            return Optional.of(DriverOutcome.Untouched.of(
                    DriverOutcome.Why.IN_USE,
                    "kernel modules that are not the driver's use it: " + String.join(", ", foreign)
                            + "; unload them first: modprobe -r " + String.join(" ", foreign)));
        }
        List<String> unsettled = names(picture.modules().unsettled());
        return unsettled.isEmpty()
                ? Optional.empty()
                : Optional.of(DriverOutcome.Untouched.of(
                        DriverOutcome.Why.IN_USE,
                        "on their way into the kernel or out of it: " + String.join(", ", unsettled)
                                + "; see: grep nvidia /proc/modules, and try again when they are Live or gone"));
    }

    private static List<String> names(List<LoadedModule> modules) {
        return modules.stream().map(LoadedModule::name).toList();
    }

    private static DriverOutcome inUse(HolderTable holders) {
        String who = holders.holders().stream()
                .map(holder -> holder.pid() == 0
                        ? "something in the kernel (" + holder.module() + ")"
                        : holder.executable() + " (pid " + holder.pid() + ")")
                .distinct()
                .limit(5)
                .collect(Collectors.joining(", "));
        return new DriverOutcome.Untouched(
                DriverOutcome.Why.IN_USE,
                "the driver is in use by " + who
                        + "; nothing was changed. See all: gpu-node-agent driver holders; free the node of GPU pods:"
                        + " gpu-node-agent node drain",
                Optional.of(holders));
    }

    /** @param gone whether the driver before was taken away already, by whoever began */
    private DriverOutcome forward(DriverJournal.Entry entry, DriverPlan plan, boolean gone)
            throws InterruptedException {
        Made made = make(entry, withAnnouncement(plan));
        if (made.failure.isPresent()) {
            Failure failure = made.failure.get();
            LOG.warn(
                    "a change of the driver failed and is taken back",
                    "step",
                    failure.step,
                    "error",
                    failure.cause.reason());
            if (!failure.cause.inUse() && !entry.to().isNone() && (gone || hasTakenAway(plan, made.steps))) {
                // Each try takes the driver away from the node: the next one is somebody's decision.
                giveUp(entry.to(), failure.cause.reason());
            }
            return back(entry.back(failure.step, failure.cause.reason()), failure.cause, false);
        }
        letGo(entry, ClusterTurn.State.DONE);
        List<String> notes = new ArrayList<>(made.notes);
        notes.addAll(remember(entry.to(), entry.bootId()));
        notes.addAll(forgetJournal());
        countNoBoots();
        return new DriverOutcome.Done(entry.to().text(), made.steps, made.took, made.outage, notes);
    }

    /** @param failed the number of the step that failed, from 1 */
    private static boolean hasTakenAway(DriverPlan plan, int failed) {
        return plan.steps().stream().limit(failed - 1).anyMatch(DriverStep.UnloadModule.class::isInstance);
    }

    /** @param wanted whether somebody has asked for it, so that it is what was wanted */
    private DriverOutcome back(DriverJournal.Entry first, @Nullable DriverStepException cause, boolean wanted)
            throws InterruptedException {
        List<String> evidence = cause == null ? List.of() : cause.evidence();
        DriverJournal.Entry entry = first;
        String instead = "";
        String left = "";
        for (int i = 0; i < TRIES_BACK; i++) {
            DriverPlan plan = withAnnouncement(DriverPlanner.plan(operations.observe(), entry.from()));
            Made made = make(entry, plan);
            if (made.failure.isEmpty()) {
                letGo(entry, cause != null && cause.inUse() ? ClusterTurn.State.REQUIRED : ClusterTurn.State.FAILED);
                List<String> told = new ArrayList<>(evidence);
                if (!instead.isEmpty()
                        || hasReplaced(entry.from(), memory.read().current())) {
                    // The next boot is to find what there is, and not what lies on the disk no more.
                    told.addAll(remember(entry.from(), entry.bootId()));
                }
                told.addAll(forgetJournal());
                DriverMemory.Content known = memory.read();
                settle(new DriverMemory.Content(
                        entry.from().isNone() ? known.current() : entry.from(),
                        known.previous(),
                        "",
                        "",
                        known.label(),
                        known.owed()));
                if (wanted) {
                    told.addAll(made.notes);
                    return new DriverOutcome.Done(
                            entry.from().text() + instead, made.steps, made.took, made.outage, told);
                }
                return new DriverOutcome.RolledBack(
                        cause != null && cause.inUse(),
                        entry.failedStep(),
                        entry.reason(),
                        entry.from().text() + instead,
                        told);
            }
            Optional<DriverTarget> installed =
                    installedInstead(entry.from(), plan.steps().subList(0, made.steps - 1));
            if (installed.isPresent()) {
                instead = ", since " + entry.from().text() + " lies on the disk no more";
                LOG.warn(
                        "the way back leads to what is installed",
                        "driver",
                        installed.get().text() + instead);
                entry = entry.leadingBackTo(installed.get());
            }
            Failure failure = made.failure.get();
            left = "could not " + failure.step + ": " + failure.cause.reason();
            LOG.warn("a step back failed", "step", failure.step, "error", failure.cause.reason());
        }
        return new DriverOutcome.Stuck(entry.failedStep(), entry.reason(), left, journal.file(), evidence);
    }

    /**
     * What modprobe has loaded on the way back to a driver of the host that the distribution has replaced since: there is no other to go back to. Empty where it is
     * the one before, or none.
     */
    private Optional<DriverTarget> installedInstead(DriverTarget before, List<DriverStep> done)
            throws InterruptedException {
        boolean byName = done.stream()
                .anyMatch(step -> step instanceof DriverStep.LoadModule load
                        && load.name().equals(ModuleGraph.CORE)
                        && load.file().isEmpty());
        DriverPicture picture = operations.observe();
        if (!byName || picture.running().isEmpty() || picture.text().equals(before.text())) {
            return Optional.empty();
        }
        return Optional.of(new DriverTarget(
                DriverTarget.of(picture, DriverTarget.NONE).driver(),
                before.modules(),
                before.firmwarePath(),
                before.daemons(),
                before.attach()));
    }

    /** The same where another process, or another try, has found it. */
    private static boolean hasReplaced(DriverTarget runs, DriverTarget known) {
        return isOfHost(runs) && isOfHost(known) && !runs.text().equals(known.text());
    }

    private static boolean isOfHost(DriverTarget target) {
        return target.driver().filter(driver -> driver.key().isEmpty()).isPresent();
    }

    /** Others hear how it ended even where nothing had to be done any more: they may have been told of its beginning. */
    private static DriverPlan withAnnouncement(DriverPlan plan) {
        if (!plan.isEmpty()) {
            return plan;
        }
        return new DriverPlan(plan.target(), plan.differences(), List.of(new DriverStep.Announce(plan.target())));
    }

    private Made make(DriverJournal.Entry entry, DriverPlan plan) throws InterruptedException {
        Tick began = clock.now();
        Tick withoutDriver = null;
        List<String> notes = new ArrayList<>();
        DriverJournal.Entry last = entry;
        int number = 0;
        for (DriverStep step : plan.steps()) {
            number++;
            try {
                last = before(last, number, step);
                announce(last);
                if (step instanceof DriverStep.Announce) {
                    verify(plan.target());
                }
                if (step instanceof DriverStep.UnloadModule && withoutDriver == null) {
                    withoutDriver = clock.now();
                }
                listener.beginning(step, entry.back());
                Tick before = clock.now();
                notes.addAll(operations.perform(step));
                listener.ended(step, clock.now().since(before));
            } catch (DriverStepException e) {
                return new Made(number, Duration.ZERO, Duration.ZERO, notes, Optional.of(new Failure(step.text(), e)));
            } catch (RuntimeException e) {
                return new Made(
                        number,
                        Duration.ZERO,
                        Duration.ZERO,
                        notes,
                        Optional.of(new Failure(step.text(), new DriverStepException(String.valueOf(e), e))));
            }
        }
        Tick end = clock.now();
        return new Made(
                number,
                end.since(began),
                withoutDriver == null ? Duration.ZERO : end.since(withoutDriver),
                notes,
                Optional.empty());
    }

    private static DriverJournal.Entry before(DriverJournal.Entry entry, int number, DriverStep step) {
        return entry.before(number, step, step instanceof DriverStep.LoadModule);
    }

    private void announce(DriverJournal.Entry entry) throws DriverStepException {
        try {
            journal.write(entry);
        } catch (IOException e) {
            if (unwritten) {
                return;
            }
            if (!entry.back()) {
                throw new DriverStepException(
                        "the journal " + journal.file() + " cannot be written, and the step would not survive a crash: "
                                + WriteFailure.text(e),
                        e);
            }
            // What was written last is still there, and what is seen of the node decides.
            LOG.error("the journal of driver changes cannot be written; the way back goes on all the same", e);
        }
    }

    private void verify(DriverTarget target) throws DriverStepException, InterruptedException {
        DriverPicture picture = operations.observeModules();
        if (!DriverPlanner.hasModules(picture, target)) {
            throw new DriverStepException(
                    "every step reported success, and yet "
                            + String.join(
                                    "; ", DriverPlanner.plan(picture, target).differences()),
                    false,
                    List.of());
        }
    }

    /** What others were asked for is given back. */
    private void letGo(DriverJournal.Entry entry, ClusterTurn.State state) throws InterruptedException {
        ClusterTurn.Asked asked = entry.asked();
        if (asked.isNothing() && !entry.drained()) {
            // What earlier changes owe is none of this one's.
            return;
        }
        ClusterTurn.Asked left = asked.isNothing() ? asked : operations.endTurn(asked, state);
        boolean cordoned = entry.drained() && !operations.undrain(true);
        DriverMemory.Content known = memory.read();
        DriverMemory.Content now = known.owing(new DriverMemory.Owed(cordoned, left.slotNamespaces()));
        if (asked.label() && !left.label() && state == ClusterTurn.State.DONE) {
            now = now.labelled(DriverMemory.Label.DONE);
        }
        note(known, now);
    }

    // ---- after a crash

    private Optional<DriverOutcome> endInterrupted() throws InterruptedException {
        Optional<DriverJournal.Entry> found;
        try {
            found = journal.read(operations.asks());
        } catch (IOException e) {
            return Optional.of(untouched("the journal " + journal.file() + " cannot be read: " + WriteFailure.text(e)));
        } catch (JournalFile.UnreadableException e) {
            LOG.error("the journal of a driver change that was interrupted is of no use", e);
            ClusterTurn.Asked asks = operations.asks();
            ClusterTurn.Asked left = operations.endTurn(asks, ClusterTurn.State.REQUIRED);
            boolean cordoned = !operations.undrain(false);
            DriverMemory.Content known = memory.read();
            note(
                    known,
                    known.owing(known.owed().and(new DriverMemory.Owed(cordoned, left.slotNamespaces())))
                            .labelled(asks.label() ? DriverMemory.Label.OPEN : known.label()));
            forgetJournal();
            return Optional.empty();
        }
        if (found.isEmpty()) {
            return Optional.empty();
        }
        return Optional.of(end(found.get(), operations.observe()));
    }

    private DriverOutcome end(DriverJournal.Entry entry, DriverPicture picture) throws InterruptedException {
        boolean sameBoot = entry.bootId().equals(picture.bootId());
        LOG.info(
                "a change of the driver that was interrupted is ended",
                "direction",
                entry.back() ? "back" : "forward",
                "from",
                entry.from().text(),
                "to",
                entry.to().text(),
                "step",
                entry.next(),
                "boot",
                sameBoot ? "the same" : "another");
        DriverJournal.Entry now = sameBoot ? entry : entry.inBoot(picture.bootId());
        if (!sameBoot && isOfAnotherKernel(entry.goal(), picture)) {
            letGo(entry, ClusterTurn.State.REQUIRED);
            forgetJournal();
            return untouched("a change was interrupted by a start of another kernel, for which a driver is made ready"
                    + " anew");
        }
        if (now.back()) {
            return back(now, null, false);
        }
        if (!sameBoot && now.to().isNone()) {
            // Nobody unloads a driver for longer than until the machine starts anew, and by that it is gone.
            letGo(now, ClusterTurn.State.REQUIRED);
            return new DriverOutcome.Done(now.to().text(), 0, Duration.ZERO, Duration.ZERO, forgetJournal());
        }
        if (entry.step() == 0) {
            // It waited for others, or pods were still leaving: whether the driver is free now nobody has looked.
            letGo(entry, ClusterTurn.State.REQUIRED);
            forgetJournal();
            return untouched("a change was interrupted before its first step; it begins anew");
        }
        if (!sameBoot && entry.loading()) {
            String reason = "the machine went down while or after it was loaded";
            if (!entry.from().isNone() && !isOfAnotherKernel(entry.from(), picture)) {
                giveUp(entry.to(), reason + " in place of " + entry.from().text());
                return back(now.back(entry.next(), reason), null, false);
            }
            if (entry.boots() >= MOST_BOOTS) {
                giveUp(entry.to(), reason + ", in " + entry.boots() + " boots one after the other");
                return back(now.back(entry.next(), reason), null, false);
            }
        }
        return forward(now, DriverPlanner.plan(picture, now.to()), isGone(now.from(), picture));
    }

    /** Whether a driver that was there is there no more, or another one in its place. */
    private static boolean isGone(DriverTarget before, DriverPicture picture) {
        return !before.isNone()
                && (!picture.loaded() || DriverPlanner.plan(picture, before).disrupts());
    }

    private static boolean isOfAnotherKernel(DriverTarget target, DriverPicture picture) {
        return target.driver()
                .map(driver -> !driver.kernel().equals(picture.kernel()))
                .orElse(false);
    }

    private void giveUp(DriverTarget target, String reason) {
        try {
            memory.write(memory.read().havingGivenUp(target, reason));
        } catch (IOException e) {
            LOG.error("it cannot be written down that a driver is not to be tried again", e, "driver", target.text());
        }
    }

    private List<String> remember(DriverTarget to, String bootId) {
        DriverMemory.Content before = memory.read();
        DriverMemory.Content after = to.isNone() ? before.unloadedIn(bootId) : before.with(to);
        try {
            if (!after.equals(before)) {
                memory.write(after);
            }
            settle(after);
            return List.of();
        } catch (IOException e) {
            LOG.error("which driver was brought up cannot be written down", e);
            return List.of("which driver it is could not be written down (" + WriteFailure.text(e)
                    + "), so that rollback will not know it");
        }
    }

    /** What is at rest needs less kept than a change does. */
    private void settle(DriverMemory.Content now) {
        try {
            operations.keep(now.current(), List.of(now.previous()));
        } catch (DriverStepException e) {
            LOG.warn("drivers that nobody needs any more stay in the store", "reason", e.reason());
        }
    }

    private List<String> forgetJournal() {
        try {
            journal.remove();
            return List.of();
        } catch (IOException e) {
            // It says what is there already: the next change finds nothing left of it to do.
            LOG.error("the journal of a driver change that has ended cannot be removed", e, "file", journal.file());
            return List.of("the journal " + journal.file() + " could not be removed (" + WriteFailure.text(e) + ")");
        }
    }
}
