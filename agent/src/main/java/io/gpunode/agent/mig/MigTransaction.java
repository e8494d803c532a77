package io.gpunode.agent.mig;

import io.gpunode.agent.log.Log;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.MigGeometry;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.JournalFile;
import io.gpunode.agent.os.OwnerLock;
import io.gpunode.agent.os.WriteFailure;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Carries out a plan so that every GPU of it ends as planned, or all of them as they were. Each step is announced in the {@link MigJournal}
 * before it is made and looked at afterwards; when one fails, what was done is taken back. After a crash {@link #recover} ends the change, from
 * the journal and from what it sees of the hardware: forward first, else back.
 *
 * <p>One process at a time, which holds a lock in the state directory. A change runs on the calling thread, and each of its operations has a
 * bound. An interrupt leaves it as a crash does.
 */
public final class MigTransaction {
    /** Where a node keeps journal and lock: it has to last longer than a boot. */
    public static final Path STATE_DIRECTORY = Path.of("/var/lib/gpu-node-agent");

    private static final Log LOG = Log.of(MigTransaction.class);
    private static final Path LOCK = Path.of("mig.lock");
    /** A step back that fails is tried again from what is there then; a GPU that is lost does not come back by trying for longer. */
    private static final int TRIES_BACK = 3;

    private final HostFiles files;
    private final Path lockFile;
    private final MigJournal journal;
    private final MigOperations operations;
    private final Listener listener;

    /** Told of each step before it is made, on the changing thread. */
    @FunctionalInterface
    public interface Listener {
        /**
         * @param gpu of which GPU
         * @param back whether it takes something back
         */
        void beginning(GpuId gpu, MigStep step, boolean back);
    }

    /** @param stateDirectory where journal and lock lie, as the host sees it; made where it is missing */
    public MigTransaction(HostFiles files, Path stateDirectory, MigOperations operations, Listener listener) {
        this.files = files;
        this.lockFile = stateDirectory.resolve(LOCK);
        this.journal = new MigJournal(files, stateDirectory);
        this.operations = operations;
        this.listener = listener;
    }

    /** The work of one call, under the lock. */
    private interface Work {
        MigOutcome run() throws InterruptedException;
    }

    /** A step that did not do what it should. */
    private static final class StepFailed extends Exception {
        private static final long serialVersionUID = 1L;

        private final MigOutcome.Why why;
        private final String step;
        private final String reason;

        StepFailed(String step, String reason, @Nullable Throwable cause) {
            this(MigOutcome.Why.OTHER, step, reason, cause);
        }

        StepFailed(MigOutcome.Why why, String step, String reason, @Nullable Throwable cause) {
            super(step + ": " + reason, cause);
            this.why = why;
            this.step = step;
            this.reason = reason;
        }
    }

    /** Carries out a plan. What the GPUs are meanwhile has to be what they were when it was made, and nobody may use what it destroys. */
    public MigOutcome apply(MigPlan plan) throws InterruptedException {
        if (plan.isEmpty()) {
            return new MigOutcome.Done(0, plan.needsRestart());
        }
        return locked(() -> {
            MigOutcome interrupted = endInterrupted();
            if (interrupted instanceof MigOutcome.Stuck && isApartFromWhatIsLeft(plan)) {
                return begin(plan).noted(interrupted.message());
            }
            if (interrupted != null) {
                return untouched(
                        interrupted instanceof MigOutcome.Done || interrupted instanceof MigOutcome.RolledBack
                                ? "a change that was interrupted was ended first (" + interrupted.message()
                                        + "): plan again"
                                : "a change that was interrupted comes first: " + interrupted.message()
                                        + "; nothing of this plan was made");
            }
            return begin(plan);
        });
    }

    /** Whether a plan is about none of the GPUs that could not be brought back yet: those do not hold up the others. */
    private boolean isApartFromWhatIsLeft(MigPlan plan) {
        Set<GpuId> left = journal.gpus();
        return !left.isEmpty()
                && plan.gpus().stream()
                        .filter(gpu -> !gpu.steps().isEmpty())
                        .noneMatch(gpu -> left.contains(gpu.gpu()));
    }

    /** Whether a change is under way or was interrupted, as the journal says. */
    public boolean isInterrupted() {
        try {
            return journal.read().filter(entry -> !entry.isEmpty()).isPresent();
        } catch (IOException | JournalFile.UnreadableException e) {
            return true;
        }
    }

    /** Ends a change that was interrupted; empty when there is none. */
    public Optional<MigOutcome> recover() throws InterruptedException {
        if (!isInterrupted()) {
            return Optional.empty();
        }
        return Optional.of(locked(() -> {
            MigOutcome ended = endInterrupted();
            return ended == null ? new MigOutcome.Done(0, false) : ended;
        }));
    }

    private MigOutcome locked(Work work) throws InterruptedException {
        Optional<OwnerLock> taken;
        try {
            taken = OwnerLock.take(files, lockFile);
        } catch (IOException e) {
            return untouched("nothing was changed: the lock " + lockFile + " cannot be taken: " + WriteFailure.text(e));
        }
        if (taken.isEmpty()) {
            return untouched("MIG is being changed by " + OwnerLock.owner(files, lockFile)
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
            LOG.warn("the lock of MIG changes was not closed well", "file", lockFile, "error", e);
        }
    }

    private MigOutcome begin(MigPlan plan) throws InterruptedException {
        List<MigJournal.Target> targets = new ArrayList<>();
        for (MigPlan.OfGpu gpu : plan.gpus()) {
            if (gpu.steps().isEmpty()) {
                continue;
            }
            targets.add(new MigJournal.Target(gpu.gpu(), gpu.index(), gpu.before(), gpu.after()));
            try {
                Optional<MigOutcome> obstacle = obstacle(gpu);
                if (obstacle.isPresent()) {
                    return obstacle.get();
                }
            } catch (MigOperationException e) {
                return new MigOutcome.Untouched(
                        e.kind() == MigOperationException.Kind.IN_USE ? MigOutcome.Why.IN_USE : MigOutcome.Why.OTHER,
                        label(gpu.index(), gpu.gpu()) + " cannot be looked at: " + e.text());
            }
        }
        List<MigJournal.Target> left;
        try {
            left = journal.read().map(MigJournal.Entry::gpus).orElse(List.of());
        } catch (IOException | JournalFile.UnreadableException e) {
            return untouched("the journal cannot be read: " + e.getMessage());
        }
        return forward(new MigJournal.Entry(false, "", "", 0, "", targets, left));
    }

    /** What has changed since the plan was made so that it cannot be carried out. */
    private Optional<MigOutcome> obstacle(MigPlan.OfGpu plan) throws MigOperationException, InterruptedException {
        MigGpu gpu = operations.read(plan.gpu());
        MigGeometry now = geometryOf(gpu);
        if (!MigLayout.of(now).equals(plan.before())
                || !Steps.between(gpu, now, plan.after()).equals(plan.steps())) {
            return Optional.of(untouched(label(plan.index(), plan.gpu())
                    + " was changed by somebody else since the plan was made: plan again"));
        }
        MigUse use = operations.use(plan.gpu());
        Set<String> inTheWay = new LinkedHashSet<>();
        plan.steps().forEach(step -> holders(use, step, now).forEach(holder -> inTheWay.add(holder.who())));
        return inTheWay.isEmpty()
                ? Optional.empty()
                : Optional.of(new MigOutcome.Untouched(
                        MigOutcome.Why.IN_USE,
                        label(plan.index(), plan.gpu()) + " is in use by " + String.join(", ", inTheWay)
                                + ": nothing was changed; end them, or wait until they have ended, and try again"));
    }

    private static MigOutcome untouched(String message) {
        return new MigOutcome.Untouched(MigOutcome.Why.OTHER, message);
    }

    /** Who uses what a step takes away. */
    private static List<MigUse.Holder> holders(MigUse use, MigStep step, MigGeometry now) {
        return switch (step) {
            case MigStep.DestroyPart part -> use.of(part.instanceId(), part.partId());
            case MigStep.DestroyInstance instance -> use.of(instance.instanceId());
            case MigStep.SetMode mode -> mode.enabled() == now.enabled() ? List.of() : use.holders();
            case MigStep.CreateInstance _, MigStep.CreatePart _ -> List.of();
        };
    }

    private MigOutcome forward(MigJournal.Entry entry) throws InterruptedException {
        List<MigJournal.Target> touched = new ArrayList<>();
        int steps = 0;
        boolean restart = false;
        try {
            for (MigJournal.Target target : entry.gpus()) {
                touched.add(target);
                steps += bring(entry, target, target.after(), steps);
                restart |= geometry(target.gpu()).enabled() != target.after().pending();
            }
        } catch (StepFailed e) {
            LOG.warn("a MIG change failed and is taken back", "step", e.step, "error", e.reason);
            return back(new MigJournal.Entry(true, e.step, e.reason, 0, "", touched, entry.left()), e.why);
        }
        return new MigOutcome.Done(steps, restart).noted(forgetJournal(entry.left()));
    }

    private MigOutcome back(MigJournal.Entry entry, MigOutcome.Why why) throws InterruptedException {
        List<String> left = new ArrayList<>();
        List<MigJournal.Target> targetsLeft = new ArrayList<>(entry.left());
        int steps = 0;
        for (MigJournal.Target target : entry.gpus().reversed()) {
            String failure = "";
            for (int i = 0; i < TRIES_BACK; i++) {
                try {
                    steps += bring(entry, target, reachable(target), steps);
                    failure = "";
                    break;
                } catch (StepFailed e) {
                    failure = label(target.index(), target.gpu()) + ": could not " + e.step + ": " + e.reason;
                }
            }
            if (!failure.isEmpty()) {
                left.add(failure);
                targetsLeft.add(target);
            }
        }
        String note = forgetJournal(entry.failedStep(), entry.reason(), targetsLeft);
        return (left.isEmpty()
                        ? new MigOutcome.RolledBack(why, entry.failedStep(), entry.reason())
                        : new MigOutcome.Stuck(entry.failedStep(), entry.reason(), left, journal.file()))
                .noted(note);
    }

    /** What was before; a mode that was pending then and has come into force since cannot be made pending again. */
    private MigLayout reachable(MigJournal.Target target) throws InterruptedException, StepFailed {
        MigLayout before = target.before();
        return geometry(target.gpu()).enabled() == before.enabled()
                ? before
                : new MigLayout(before.enabled(), before.enabled(), before.instances());
    }

    /** Ends the change that the journal tells of; null when there is none. */
    private @Nullable MigOutcome endInterrupted() throws InterruptedException {
        Optional<MigJournal.Entry> found;
        try {
            found = journal.read();
        } catch (IOException | JournalFile.UnreadableException e) {
            return untouched("a change of MIG was interrupted, and its journal is of no use: " + e.getMessage());
        }
        if (found.isEmpty()) {
            return null;
        }
        MigJournal.Entry entry = found.get();
        if (entry.isEmpty()) {
            forgetJournal(List.of());
            return null;
        }
        if (entry.gpus().isEmpty()) {
            entry = new MigJournal.Entry(true, entry.failedStep(), entry.reason(), 0, "", entry.left(), List.of());
        }
        List<MigJournal.Target> ours = new ArrayList<>();
        List<String> others = new ArrayList<>();
        StepFailed unreadable = null;
        for (MigJournal.Target target : entry.gpus()) {
            try {
                if (!isBetween(target, MigLayout.of(geometry(target.gpu())))) {
                    others.add(label(target.index(), target.gpu()));
                    continue;
                }
            } catch (StepFailed e) {
                unreadable = e;
            }
            ours.add(target);
        }
        String note = others.isEmpty()
                ? ""
                : String.join(", ", others) + ": changed by somebody else since a change was interrupted, and left so";
        if (ours.isEmpty()) {
            return untouched(note).noted(forgetJournal(entry.left()));
        }
        // The new geometry cannot be had as a whole, and a GPU that cannot be read does not hold up the others.
        MigJournal.Entry rest = unreadable == null || entry.back()
                ? new MigJournal.Entry(
                        entry.back(),
                        entry.failedStep(),
                        entry.reason(),
                        entry.step(),
                        entry.next(),
                        ours,
                        entry.left())
                : new MigJournal.Entry(
                        true, unreadable.step, unreadable.reason, entry.step(), entry.next(), ours, entry.left());
        LOG.info("a MIG change that was interrupted is ended", "direction", rest.back() ? "back" : "forward");
        return (rest.back() ? back(rest, MigOutcome.Why.OTHER) : forward(rest)).noted(note);
    }

    /** Whether a layout can be seen on the way from one to the other: it has nothing that neither of them has. */
    private static boolean isBetween(MigJournal.Target target, MigLayout now) {
        List<MigLayout.Instance> known = new ArrayList<>(target.before().instances());
        known.addAll(target.after().instances());
        return now.instances().stream()
                .allMatch(instance ->
                        known.stream().anyMatch(each -> isPartOf(instance, each)) || isMixed(instance, known));
    }

    private static boolean isPartOf(MigLayout.Instance some, MigLayout.Instance whole) {
        return some.profileId() == whole.profileId()
                && some.placement().equals(whole.placement())
                && whole.parts().containsAll(some.parts());
    }

    /** An instance that stays, some of whose parts are still the old ones and some the new ones already. */
    private static boolean isMixed(MigLayout.Instance instance, List<MigLayout.Instance> known) {
        List<MigLayout.Part> parts = known.stream()
                .filter(each -> each.profileId() == instance.profileId()
                        && each.placement().equals(instance.placement()))
                .flatMap(each -> each.parts().stream())
                .toList();
        return !parts.isEmpty() && parts.containsAll(instance.parts());
    }

    /** Brings one GPU to a layout, step by step, and returns how many. */
    private int bring(MigJournal.Entry entry, MigJournal.Target target, MigLayout goal, int done)
            throws StepFailed, InterruptedException {
        MigGpu gpu = read(target.gpu());
        MigGeometry now = geometry(gpu);
        List<MigStep> steps = Steps.between(gpu, now, goal);
        int number = done;
        for (MigStep step : steps) {
            requireFree(gpu, steps.subList(number - done, steps.size()));
            number++;
            announce(entry, number, label(target.index(), target.gpu()) + ": " + step.text());
            listener.beginning(target.gpu(), step, entry.back());
            perform(gpu, step);
            gpu = verified(target.gpu(), step, Steps.after(MigLayout.of(geometry(gpu)), step));
        }
        return steps.size();
    }

    /**
     * Fails when somebody holds what the steps that are left take away, and the next one takes something. A pod that was admitted since the change
     * began holds what it was given, and as long as it has no process the driver would let it go.
     */
    private void requireFree(MigGpu gpu, List<MigStep> left) throws StepFailed, InterruptedException {
        if (left.getFirst() instanceof MigStep.CreateInstance || left.getFirst() instanceof MigStep.CreatePart) {
            return;
        }
        MigUse use;
        try {
            use = operations.use(gpu.id());
        } catch (MigOperationException e) {
            boolean inUse = e.kind() == MigOperationException.Kind.IN_USE;
            throw new StepFailed(
                    inUse ? MigOutcome.Why.IN_USE : MigOutcome.Why.OTHER,
                    left.getFirst().text(),
                    "who uses it cannot be asked: " + e.text(),
                    e);
        }
        MigGeometry now = geometry(gpu);
        for (MigStep step : left) {
            List<MigUse.Holder> holders = holders(use, step, now);
            if (!holders.isEmpty()) {
                throw new StepFailed(MigOutcome.Why.IN_USE, step.text(), "in use by " + MigUse.names(holders), null);
            }
        }
    }

    private void announce(MigJournal.Entry entry, int number, String next) throws StepFailed {
        try {
            journal.write(new MigJournal.Entry(
                    entry.back(), entry.failedStep(), entry.reason(), number, next, entry.gpus(), entry.left()));
        } catch (IOException e) {
            if (!entry.back()) {
                throw new StepFailed(
                        "write the journal " + journal.file(), "the step would not survive a crash: " + e, e);
            }
            // The journal of the way forward is still there: a crash now ends in the new geometry, not in between.
            LOG.error("the journal of MIG changes cannot be written; the change is taken back all the same", e);
        }
    }

    private void perform(MigGpu gpu, MigStep step) throws StepFailed, InterruptedException {
        try {
            operations.perform(gpu, step);
        } catch (MigOperationException e) {
            throw refused(gpu, step, e);
        } catch (RuntimeException e) {
            throw new StepFailed(step.text(), String.valueOf(e), e);
        }
    }

    private StepFailed refused(MigGpu gpu, MigStep step, MigOperationException failure) throws InterruptedException {
        boolean inUse = failure.kind() == MigOperationException.Kind.IN_USE;
        MigOutcome.Why why = step instanceof MigStep.SetMode mode && mode.reset()
                ? MigOutcome.Why.MODE_REFUSED
                : inUse ? MigOutcome.Why.IN_USE : MigOutcome.Why.OTHER;
        String users = "";
        if (inUse) {
            try {
                List<MigUse.Holder> holders =
                        holders(operations.use(gpu.id()), step, geometryOf(operations.read(gpu.id())));
                users = holders.isEmpty() ? ", and nobody can be named" : ", by " + MigUse.names(holders);
                why = holders.isEmpty() ? why : MigOutcome.Why.IN_USE;
            } catch (MigOperationException e) {
                users = ", and who it is cannot be asked: " + e.text();
            }
        }
        return new StepFailed(why, step.text(), failure.text() + users, failure);
    }

    /** Looks at the GPU after a step. */
    private MigGpu verified(GpuId id, MigStep step, MigLayout expected) throws StepFailed, InterruptedException {
        MigGpu gpu = read(id);
        MigLayout now = MigLayout.of(geometry(gpu));
        boolean modeAlreadyInForce = step instanceof MigStep.SetMode mode
                && now.enabled() == mode.enabled()
                && now.pending() == mode.enabled()
                && now.instances().equals(expected.instances());
        if (!now.equals(expected) && !modeAlreadyInForce) {
            throw new StepFailed(
                    step.text(),
                    "the driver reported success, but the GPU is split as " + now + ", not " + expected,
                    null);
        }
        return gpu;
    }

    private MigGpu read(GpuId gpu) throws StepFailed, InterruptedException {
        try {
            return operations.read(gpu);
        } catch (MigOperationException e) {
            throw new StepFailed("look at " + gpu, e.text(), e);
        } catch (RuntimeException e) {
            throw new StepFailed("look at " + gpu, String.valueOf(e), e);
        }
    }

    private MigGeometry geometry(GpuId gpu) throws StepFailed, InterruptedException {
        return geometry(read(gpu));
    }

    private static MigGeometry geometry(MigGpu gpu) throws StepFailed {
        try {
            return geometryOf(gpu);
        } catch (MigOperationException e) {
            throw new StepFailed("look at " + gpu.id(), e.text(), e);
        }
    }

    private static MigGeometry geometryOf(MigGpu gpu) throws MigOperationException {
        Optional<MigGeometry> geometry = gpu.geometry().asOptional();
        if (geometry.isEmpty()) {
            throw new MigOperationException(
                    MigOperationException.Kind.FAILED,
                    "how it is split cannot be read: " + gpu.geometry().describe());
        }
        return geometry.get();
    }

    private String forgetJournal(List<MigJournal.Target> left) {
        return forgetJournal("bring it back", "it could not be reached", left);
    }

    /**
     * Removes the journal of a change that has ended, but for what could not be brought back yet; what people have to do where that fails, or
     * empty.
     */
    private String forgetJournal(String failedStep, String reason, List<MigJournal.Target> left) {
        if (!left.isEmpty()) {
            try {
                journal.write(new MigJournal.Entry(true, failedStep, reason, 0, "", left, List.of()));
                return "";
            } catch (IOException e) {
                // The one that is there names them among others, which are as they should be by now.
                LOG.error("the journal of MIG changes cannot be written", e, "file", journal.file());
                return "the journal " + journal.file() + " cannot be written (" + e + ")";
            }
        }
        try {
            journal.remove();
            return "";
        } catch (IOException e) {
            LOG.error("the journal of a MIG change that has ended cannot be removed", e, "file", journal.file());
        }
        try {
            // One without GPUs: there is nothing to end.
            journal.write(new MigJournal.Entry(false, "", "", 0, "", List.of(), List.of()));
            return "";
        } catch (IOException e) {
            return "the journal " + journal.file() + " can be neither removed nor written (" + e
                    + "): remove it, or the next change begins with ending this one again";
        }
    }

    private static String label(int index, GpuId gpu) {
        return "GPU " + index + " (" + gpu + ")";
    }
}
