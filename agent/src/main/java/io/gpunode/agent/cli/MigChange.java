package io.gpunode.agent.cli;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.Problem;
import io.gpunode.agent.config.Report;
import io.gpunode.agent.config.TextFile;
import io.gpunode.agent.json.JsonWriter;
import io.gpunode.agent.mig.HooksFile;
import io.gpunode.agent.mig.MigConfigWishes.Wanted;
import io.gpunode.agent.mig.MigDecision;
import io.gpunode.agent.mig.MigGpu;
import io.gpunode.agent.mig.MigHooks;
import io.gpunode.agent.mig.MigOperationException;
import io.gpunode.agent.mig.MigOperations;
import io.gpunode.agent.mig.MigOutcome;
import io.gpunode.agent.mig.MigPlan;
import io.gpunode.agent.mig.MigPlanner;
import io.gpunode.agent.mig.MigReader;
import io.gpunode.agent.mig.MigRefusal;
import io.gpunode.agent.mig.MigRequest;
import io.gpunode.agent.mig.MigStep;
import io.gpunode.agent.mig.MigTransaction;
import io.gpunode.agent.mig.MigUse;
import io.gpunode.agent.mig.MigWish;
import io.gpunode.agent.mig.ModeFirst;
import io.gpunode.agent.mig.PodAwareOperations;
import io.gpunode.agent.os.SystemCommandRunner;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** What the commands that change MIG geometry do once they know what is wanted: plan, show, and carry out. */
final class MigChange {
    private static final String WHO_HOLDS =
            ". A reset needs the GPU to itself: programs that only watch it are in the way, too, and NVML does not name"
                    + " them. The agent itself is one where it runs: systemctl stop gpu-node-agent, apply, systemctl start"
                    + " gpu-node-agent; or have it make the change (mig.manage), for which it lets go of the GPUs by itself."
                    + " Others are nvidia-persistenced, nv-hostengine, dcgm-exporter and display servers";

    private final Shell shell;
    private final MigNode node;
    private final boolean json;
    private final boolean modeOnly;
    private final boolean dryRun;
    private final boolean skipReset;

    /** Finds out what is wanted of each GPU; empty when that is impossible, which is then reported. */
    @FunctionalInterface
    interface Wishes {
        Optional<List<Wanted>> of(List<MigGpu> gpus, Report report);
    }

    /**
     * @param modeOnly whether instances are left as they are where the mode stays
     * @param dryRun whether nothing is carried out
     * @param skipReset whether a mode may be left pending where NVML cannot bring it into force
     */
    MigChange(Shell shell, MigNode node, boolean json, boolean modeOnly, boolean dryRun, boolean skipReset) {
        this.shell = shell;
        this.node = node;
        this.json = json;
        this.modeOnly = modeOnly;
        this.dryRun = dryRun;
        this.skipReset = skipReset;
    }

    /** The hooks of a file; empty, with what is wrong reported, when it is of no use. */
    static Optional<HooksFile> hooks(String name, Report report) {
        return name.isEmpty()
                ? Optional.of(new HooksFile(Map.of()))
                : TextFile.read(Path.of(name), report).flatMap(text -> HooksFile.read(name, text, report));
    }

    /** Does it all; the exit status. */
    int run(Wishes wishes, HooksFile hooks, Map<String, String> variables, Report report) throws Exception {
        Optional<AgentConfig> config = node.effective(shell);
        Optional<MigReader> opened = config.isEmpty() ? Optional.empty() : node.open(shell);
        if (config.isEmpty() || opened.isEmpty()) {
            return ExitCode.FAILURE.code();
        }
        try (MigReader reader = opened.get();
                MigPods pods = MigPods.open(config.get(), this::tell)) {
            List<MigGpu> gpus = reader.read();
            MigOperations operations = new PodAwareOperations(reader.operations(gpus), pods);
            MigTransaction transaction = node.transaction(shell, operations, this::tell);
            if (transaction.isInterrupted()) {
                if (!endInterrupted(transaction)) {
                    return ExitCode.FAILURE.code();
                }
                gpus = reader.read();
            }
            Optional<List<Wanted>> wanted = wishes.of(gpus, report);
            if (wanted.isEmpty()) {
                return problems(report);
            }
            report.notices().forEach(shell.err()::println);
            if (dryRun || hooks.hooks().isEmpty()) {
                return planned(wanted.get(), operations, transaction, () -> anew(wishes, reader, report));
            }
            // Hooks stop those who use the GPUs, so they count only afterwards.
            MigDecision decision = plan(wanted.get(), operations, false);
            if (!(decision instanceof MigDecision.Planned(MigPlan plan)) || plan.isEmpty()) {
                return decided(decision, transaction, false);
            }
            MigHooks runner = new MigHooks(hooks, new SystemCommandRunner(), variables, shell.err()::println);
            return withHooks(runner, plan, wanted.get(), operations, transaction, () -> anew(wishes, reader, report));
        }
    }

    private Optional<List<Wanted>> anew(Wishes wishes, MigReader reader, Report report)
            throws MigReader.UnreadableException, InterruptedException {
        Optional<List<Wanted>> wanted = wishes.of(reader.read(), report);
        if (wanted.isEmpty()) {
            problems(report);
        }
        return wanted;
    }

    /** What is wanted of the GPUs as they are by now; empty when that is impossible, which is then reported. */
    @FunctionalInterface
    private interface Anew {
        Optional<List<Wanted>> wanted() throws MigReader.UnreadableException, InterruptedException;
    }

    /** Ends a change that was interrupted, unless this is a dry run; whether the way is free. */
    private boolean endInterrupted(MigTransaction transaction) throws InterruptedException {
        if (dryRun) {
            shell.err().println("a change was interrupted, or is under way: apply and restore end it first");
            return true;
        }
        Optional<MigOutcome> ended = transaction.recover();
        ended.ifPresent(
                outcome -> tell((outcome instanceof MigOutcome.Untouched ? "" : "a change that was interrupted: ")
                        + outcome.message()));
        // What is left of a GPU that cannot be reached holds up no change of the others.
        return ended.isEmpty() || !(ended.get() instanceof MigOutcome.Untouched) || !transaction.isInterrupted();
    }

    private int withHooks(
            MigHooks hooks,
            MigPlan plan,
            List<Wanted> wanted,
            MigOperations operations,
            MigTransaction transaction,
            Anew anew)
            throws Exception {
        int code = ExitCode.FAILURE.code();
        try {
            hooks.run(HooksFile.Point.APPLY_START);
            if (has(plan, true)) {
                hooks.run(HooksFile.Point.PRE_APPLY_MODE);
            }
            if (has(plan, false)) {
                hooks.run(HooksFile.Point.PRE_APPLY_CONFIG);
            }
            code = planned(wanted, operations, transaction, anew);
        } catch (MigHooks.FailedException e) {
            shell.err().println(e.getMessage() + ": nothing was changed");
        } finally {
            code = atExit(hooks, code);
        }
        return code;
    }

    private int atExit(MigHooks hooks, int code) throws InterruptedException {
        try {
            hooks.run(HooksFile.Point.APPLY_EXIT);
            return code;
        } catch (MigHooks.FailedException e) {
            shell.err().println(e.getMessage());
            return ExitCode.FAILURE.code();
        }
    }

    private static boolean has(MigPlan plan, boolean modes) {
        return plan.gpus().stream()
                .flatMap(gpu -> gpu.steps().stream())
                .anyMatch(step -> (step instanceof MigStep.SetMode) == modes);
    }

    private int planned(List<Wanted> wanted, MigOperations operations, MigTransaction transaction, Anew anew)
            throws MigOperationException, MigReader.UnreadableException, InterruptedException {
        MigDecision decision;
        try {
            decision = plan(wanted, operations, true);
        } catch (MigOperationException e) {
            if (e.kind() != MigOperationException.Kind.IN_USE) {
                throw e;
            }
            return refused(List.of(), String.valueOf(e.getMessage()), plan(wanted, operations, false));
        }
        if (dryRun && decision instanceof MigDecision.Refused(List<MigRefusal> reasons)) {
            boolean inUse = reasons.stream().allMatch(MigRefusal.InUse.class::isInstance);
            return refused(reasons, "", inUse ? plan(wanted, operations, false) : decision);
        }
        List<MigGpu> modeFirst = ModeFirst.of(wanted);
        if (dryRun) {
            modeFirst.forEach(gpu -> tell("GPU " + gpu.index() + " (" + gpu.id()
                    + ") tells what it can be split into when MIG is on; the rest is planned then"));
        }
        // A mode that might have stayed pending has come into force.
        boolean pended = skipReset && decision instanceof MigDecision.Planned(MigPlan plan) && plan.needsRestart();
        boolean more = !modeOnly && !dryRun && (!modeFirst.isEmpty() || pended);
        int code = decided(decision, transaction, more);
        if (!more || code != ExitCode.OK.code()) {
            return code;
        }
        Optional<List<Wanted>> rest = anew.wanted();
        int next = rest.isEmpty() ? ExitCode.FAILURE.code() : planned(rest.get(), operations, transaction, anew);
        if (next != ExitCode.OK.code() && !modeFirst.isEmpty()) {
            tell("MIG is turned off again: "
                    + ModeFirst.takeBack(modeFirst, operations, transaction)
                            .map(MigOutcome::message)
                            .orElse("not possible, a GPU is in use"));
        }
        return next;
    }

    private MigDecision plan(List<Wanted> wanted, MigOperations operations, boolean withUse)
            throws MigOperationException, InterruptedException {
        List<MigRequest> requests = new ArrayList<>();
        for (Wanted each : wanted) {
            if (each.wish().isEmpty()) {
                continue;
            }
            MigWish wish = each.wish().get();
            MigUse use =
                    withUse && each.gpu().capable() ? operations.use(each.gpu().id()) : MigUse.NOBODY;
            requests.add(new MigRequest(
                    each.gpu(),
                    modeOnly && !(wish instanceof MigWish.Disabled) ? new MigWish.ModeOnly() : wish,
                    use,
                    skipReset));
        }
        return MigPlanner.plan(requests);
    }

    /** @param more whether this is the first part of it: a program is told of the last one */
    private int decided(MigDecision decision, MigTransaction transaction, boolean more) throws InterruptedException {
        return switch (decision) {
            case MigDecision.Refused refused -> refused(refused.reasons(), "", refused);
            case MigDecision.Planned(MigPlan plan) -> dryRun ? shown(plan) : carriedOut(plan, transaction, more);
        };
    }

    /** Tells what is wrong with the files; the exit status. */
    int problems(Report report) {
        report.notices().forEach(shell.err()::println);
        for (Problem problem : report.problems()) {
            shell.err().println(problem);
        }
        if (json) {
            JsonWriter out = JsonWriter.pretty().beginObject().member("ok", false);
            ConfigCheckCommand.list(out.name("problems"), report.problems());
            shell.out().println(out.endObject());
        }
        return ExitCode.FAILURE.code();
    }

    /**
     * Tells why nothing is done; the exit status.
     *
     * @param other a reason that is not about one GPU; empty for none
     * @param otherwise what would be done if nobody used the GPUs, which a dry run shows
     */
    private int refused(List<MigRefusal> reasons, String other, MigDecision otherwise) {
        Optional<MigPlan> steps =
                dryRun && otherwise instanceof MigDecision.Planned(MigPlan plan) ? Optional.of(plan) : Optional.empty();
        if (json) {
            JsonWriter out = JsonWriter.pretty()
                    .beginObject()
                    .member("ok", false)
                    .name("refused")
                    .beginArray();
            for (MigRefusal reason : reasons) {
                out.beginObject()
                        .member("uuid", reason.gpu().uuid())
                        .member("message", reason.message())
                        .endObject();
            }
            if (!other.isEmpty()) {
                out.beginObject().member("message", other).endObject();
            }
            out.endArray();
            steps.ifPresent(plan -> gpus(out, plan));
            shell.out().println(out.endObject());
        } else {
            steps.ifPresent(this::printed);
            reasons.forEach(reason -> tell(reason.message()));
            if (!other.isEmpty()) {
                tell(other);
            }
            shell.err().println("nothing was changed");
        }
        return ExitCode.FAILURE.code();
    }

    private int shown(MigPlan plan) {
        if (json) {
            JsonWriter out = JsonWriter.pretty().beginObject().member("ok", true);
            gpus(out, plan);
            shell.out().println(out.endObject());
            return ExitCode.OK.code();
        }
        printed(plan);
        return ExitCode.OK.code();
    }

    private void printed(MigPlan plan) {
        for (MigPlan.OfGpu gpu : plan.gpus()) {
            int steps = gpu.steps().size();
            shell.out()
                    .println("GPU " + gpu.index() + " (" + gpu.gpu() + "): "
                            + (steps == 0 ? "nothing to do" : steps == 1 ? "1 step" : steps + " steps"));
            gpu.steps().forEach(step -> shell.out().println("  " + Text.printable(step.text())));
        }
    }

    private static void gpus(JsonWriter out, MigPlan plan) {
        out.name("gpus").beginArray();
        for (MigPlan.OfGpu gpu : plan.gpus()) {
            out.beginObject()
                    .member("gpu", gpu.index())
                    .member("uuid", gpu.gpu().uuid())
                    .member("needsRestart", gpu.needsRestart())
                    .member("steps", gpu.steps().stream().map(MigStep::text).toList())
                    .endObject();
        }
        out.endArray();
    }

    private int carriedOut(MigPlan plan, MigTransaction transaction, boolean more) throws InterruptedException {
        MigOutcome outcome = transaction.apply(plan);
        boolean modeRefused =
                outcome instanceof MigOutcome.RolledBack back && back.why() == MigOutcome.Why.MODE_REFUSED;
        String message = outcome.message() + (modeRefused ? WHO_HOLDS : "");
        boolean ok = outcome instanceof MigOutcome.Done done && (!done.restartNeeded() || (skipReset && modeOnly));
        if (json && more && ok) {
            return ExitCode.OK.code();
        }
        if (json) {
            JsonWriter out = JsonWriter.pretty()
                    .beginObject()
                    .member("ok", ok)
                    .member("outcome", word(outcome))
                    .member("message", message);
            gpus(out, plan);
            shell.out().println(out.endObject());
        } else {
            (ok ? shell.out() : shell.err()).println(Text.printable(message));
        }
        return (ok ? ExitCode.OK : ExitCode.FAILURE).code();
    }

    private static String word(MigOutcome outcome) {
        return switch (outcome) {
            case MigOutcome.Done done -> done.restartNeeded() ? "restart-needed" : "done";
            case MigOutcome.Untouched _ -> "untouched";
            case MigOutcome.RolledBack _ -> "rolled-back";
            case MigOutcome.Stuck _ -> "stuck";
        };
    }

    private void tell(String step) {
        shell.err().println(Text.printable(step));
    }
}
