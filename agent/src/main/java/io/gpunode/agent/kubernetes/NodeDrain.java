package io.gpunode.agent.kubernetes;

import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.kubernetes.DrainProgress.Outcome;
import io.gpunode.agent.lifecycle.Backoff;
import io.gpunode.agent.time.MonotonicClock;
import io.gpunode.agent.time.Tick;
import java.io.IOException;
import java.time.Duration;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * Cordons the own node and evicts the pods that hold GPUs, one request a turn. What it knows is on the Node object ({@link Cordon}) and in the list of
 * pods, so that another instance goes on after a crash at any place. Nothing is evicted while one pod may not be; nothing is deleted by force.
 *
 * <p>Asking is for any thread; turns are one thread's, which owns everything else.
 */
public final class NodeDrain implements Errand, NodeDraining {
    /** From one list of the pods to the next, while pods end. */
    private static final Duration FIRST_POLL = Duration.ofSeconds(1);

    private static final Duration LONGEST_POLL = Duration.ofSeconds(5);
    /** While the server is in trouble. */
    private static final Duration LONGEST_PAUSE = Duration.ofSeconds(15);

    private static final Duration LOOK_LIMIT = Duration.ofMinutes(1);

    private static final int MOST_GONE = 1_000;
    private static final int LONGEST_REASON = 400;

    private static final String FIELD_MANAGER = "fieldManager=" + DrainedNode.MANAGER;
    private static final String MERGE_PATCH = "application/merge-patch+json";
    /** States in which NVIDIA's operator does nothing with the node. */
    private static final Set<String> OPERATOR_AT_REST =
            Set.of("", "unknown", "upgrade-required", "upgrade-done", "upgrade-failed");

    /** What is wanted. */
    private sealed interface Goal {
        record Drain(DrainOrder order) implements Goal {}

        record Uncordon(boolean dryRun, String by) implements Goal {}

        record Look() implements Goal {}
    }

    private record Task(Goal goal, Tick deadline) {}

    private enum Step {
        NODE,
        PODS,
        CORDON,
        EVICT,
        UNCORDON,
        OVER
    }

    private final GpuResources resources;
    private final Supplier<KubeletWord> kubelet;
    private final Consumer<String> told;
    private final MonotonicClock clock;
    private final InstantSource wall;
    private final RandomGenerator random;
    private final Runnable wake;
    private final Backoff backoff;
    private final Backoff polls;

    private volatile @Nullable Task asked;
    private volatile DrainProgress progress;

    private @Nullable Task task;
    private Step step = Step.OVER;
    private Outcome outcome = Outcome.RUNNING;
    private String text = "";
    private String nodeName = "";
    private String trouble = "";
    private Tick notBefore;

    private DrainedNode node = DrainedNode.UNSEEN;

    private final PodPages<GpuPod> pages = new PodPages<>(false);
    private final Evictions evictions = new Evictions();
    private boolean listed;
    /** Whether the pods that were there when the node was cordoned are known. */
    private boolean settled;
    /** Why the kubelet's word is missing from the list; empty when it is not. */
    private String silence = "";

    private List<GpuPod> staying = List.of();
    private final Map<String, LeavingPod> leaving = new LinkedHashMap<>();
    private final List<GpuPod> gone = new ArrayList<>();

    /**
     * @param resources which are GPUs
     * @param kubelet its word. Must not block
     * @param told hears what happens, a line each
     * @param wake asks for a turn
     */
    NodeDrain(
            GpuResources resources,
            Supplier<KubeletWord> kubelet,
            Consumer<String> told,
            MonotonicClock clock,
            InstantSource wall,
            RandomGenerator random,
            Runnable wake) {
        this.resources = resources;
        this.kubelet = kubelet;
        this.told = told;
        this.clock = clock;
        this.wall = wall;
        this.random = random;
        this.wake = wake;
        this.backoff = new Backoff(FIRST_POLL, LONGEST_PAUSE, random);
        this.polls = new Backoff(FIRST_POLL, LONGEST_POLL, random);
        this.notBefore = clock.now();
        this.progress = new DrainProgress(
                Outcome.SEEN, "nothing was asked for", "", false, Optional.empty(), "", List.of(), "");
    }

    @Override
    public void drain(DrainOrder order) {
        ask(new Goal.Drain(order), order.limit());
    }

    @Override
    public void uncordon(boolean dryRun) {
        ask(new Goal.Uncordon(dryRun, ""), LOOK_LIMIT);
    }

    /** Lifts a cordon by this one, and no other. */
    void uncordon(String by) {
        ask(new Goal.Uncordon(false, by), LOOK_LIMIT);
    }

    @Override
    public void look() {
        ask(new Goal.Look(), LOOK_LIMIT);
    }

    private synchronized void ask(Goal goal, Duration limit) {
        asked = new Task(goal, clock.now().plus(limit));
        progress =
                new DrainProgress(Outcome.RUNNING, "it has not begun", "", false, Optional.empty(), "", List.of(), "");
        wake.run();
    }

    @Override
    public DrainProgress progress() {
        return progress;
    }

    @Override
    public Duration turn(ApiClient api, String name) throws IOException, InterruptedException {
        Task wanted = asked;
        if (wanted == null) {
            return NOTHING;
        }
        Tick now = clock.now();
        if (!wanted.equals(task)) {
            begin(wanted, name, now);
        }
        if (step == Step.OVER) {
            return NOTHING;
        }
        if (now.reached(wanted.deadline)) {
            timeIsUp(wanted.goal);
            publish(wanted);
            return NOTHING;
        }
        Duration left = shorter(notBefore, wanted.deadline).since(now);
        if (left.isPositive() && !now.reached(notBefore)) {
            return left;
        }
        try {
            trouble = "";
            take(api, wanted.goal, now);
        } catch (IOException e) {
            trouble = Texts.shortened(String.valueOf(e.getMessage()), LONGEST_REASON);
            if (step == Step.EVICT) {
                // It may have been carried out all the same.
                listAgain();
            }
            throw e;
        } finally {
            publish(wanted);
        }
        if (step == Step.OVER) {
            return NOTHING;
        }
        Duration pause = shorter(notBefore, wanted.deadline).since(clock.now());
        return pause.isNegative() ? Duration.ZERO : pause;
    }

    private void begin(Task wanted, String name, Tick now) {
        task = wanted;
        nodeName = name;
        step = Step.NODE;
        outcome = Outcome.RUNNING;
        text = "";
        trouble = "";
        notBefore = now;
        node = DrainedNode.UNSEEN;
        listed = false;
        settled = false;
        silence = "";
        staying = List.of();
        leaving.clear();
        gone.clear();
        backoff.reset();
        polls.reset();
        listAgain();
        step = Step.NODE;
    }

    private void listAgain() {
        pages.restart();
        step = Step.PODS;
    }

    private void take(ApiClient api, Goal goal, Tick now) throws IOException, InterruptedException {
        switch (step) {
            case NODE -> lookAtNode(api, goal, now);
            case PODS -> listPods(api, goal, now);
            case CORDON -> cordon(api, goal, now);
            case EVICT -> evict(api, goal, now);
            case UNCORDON -> uncordon(api, now);
            case OVER -> {}
        }
    }

    // ---- the node

    private void lookAtNode(ApiClient api, Goal goal, Tick now) throws IOException, InterruptedException {
        ApiAnswer answer = api.get("/api/v1/nodes/" + nodeName, "application/json");
        if (answer.status() == ApiAnswer.NOT_FOUND) {
            end(
                    Outcome.FAILED,
                    "there is no Node " + nodeName
                            + "; set host.nodeName (--node-name, NODE_NAME) if the kubelet registers under another name");
            return;
        }
        if (!accepted(answer, "get", "nodes", now)) {
            return;
        }
        JsonValue object = answer.object();
        Cordon known = node.cordon();
        node = DrainedNode.of(object, null);
        String record = object.member("metadata")
                .member("annotations")
                .member(Cordon.ANNOTATION)
                .textOr("");
        Cordon found = null;
        if (!record.isEmpty()) {
            try {
                found = Cordon.read(record);
            } catch (IOException e) {
                end(
                        Outcome.FAILED,
                        "the annotation " + Cordon.ANNOTATION + " of node " + nodeName + " cannot be read ("
                                + Texts.shortened(String.valueOf(e.getMessage()), LONGEST_REASON)
                                + "); remove it, and uncordon the node if nobody else needs it so: kubectl annotate node "
                                + nodeName + " " + Cordon.ANNOTATION + "- && kubectl uncordon " + nodeName);
                return;
            }
        }
        node = DrainedNode.of(object, found);
        switch (goal) {
            case Goal.Uncordon(boolean dryRun, String by) -> decideUncordon(dryRun, by);
            case Goal.Drain _
            when settled -> {
                if (node.ours()) {
                    step = Step.EVICT;
                } else {
                    endLifted();
                }
            }
            case Goal.Drain _ -> {
                if (found != null && !found.equals(known) && node.ours()) {
                    told.accept("node " + nodeName + " was cordoned by " + found.by() + " at " + found.at()
                            + (found.why().isEmpty() ? "" : " (" + found.why() + ")") + "; going on");
                }
                listAgain();
            }
            case Goal.Look _ -> listAgain();
        }
    }

    private void cordon(ApiClient api, Goal goal, Tick now) throws IOException, InterruptedException {
        if (!(goal instanceof Goal.Drain(DrainOrder order))) {
            throw new IllegalStateException("only a drain cordons");
        }
        // In the place of one that was lifted, too: what it says of the time before holds no more.
        Cordon record = new Cordon(
                order.by(), order.why(), wall.instant().truncatedTo(ChronoUnit.SECONDS), node.unschedulable());
        ApiAnswer answer = api.patchInBrief(
                "/api/v1/nodes/" + nodeName + "?" + FIELD_MANAGER, MERGE_PATCH, node.cordonPatch(record));
        if (answer.status() == ApiAnswer.CONFLICT) {
            step = Step.NODE;
            return;
        }
        if (!accepted(answer, "patch", "nodes", now)) {
            return;
        }
        told.accept("node " + nodeName
                + (record.wasUnschedulable()
                        ? " was cordoned before, and will stay so after uncordon"
                        : " is cordoned"));
        node = node.cordoned(record);
        // Something may have been scheduled since it was looked.
        listAgain();
    }

    private void decideUncordon(boolean dryRun, String by) {
        Cordon record = node.cordon();
        if (!by.isEmpty() && (record == null || !record.by().equals(by))) {
            end(Outcome.UNDONE, "node " + nodeName + " was not cordoned by " + by + "; there is nothing to undo");
            return;
        }
        if (record == null) {
            if (node.unschedulable()) {
                end(
                        Outcome.KEPT,
                        "node " + nodeName
                                + " was cordoned by somebody else than gpu-node-agent, and stays so; when they are done: kubectl uncordon "
                                + nodeName);
            } else {
                end(Outcome.UNDONE, "node " + nodeName + " takes pods; there is nothing to undo");
            }
            return;
        }
        if (node.unschedulable() && !node.ours()) {
            end(
                    Outcome.KEPT,
                    "node " + nodeName + " was cordoned by " + node.cordonedBy() + " after the cordon of " + record.by()
                            + " was lifted, and stays so; when they are done: kubectl uncordon " + nodeName);
            return;
        }
        if (!record.isOfTheDriver() && !OPERATOR_AT_REST.contains(node.operatorState())) {
            end(
                    Outcome.KEPT,
                    "NVIDIA's operator is replacing the driver of node " + nodeName + " (" + DrainedNode.OPERATOR_STATE
                            + ": " + node.operatorState() + "), so it stays cordoned; uncordon it when that is over");
            return;
        }
        if (dryRun) {
            endUncordoned(record, "would ");
        } else {
            step = Step.UNCORDON;
        }
    }

    private void uncordon(ApiClient api, Tick now) throws IOException, InterruptedException {
        Cordon record = node.cordon();
        if (record == null) {
            step = Step.NODE;
            return;
        }
        ApiAnswer answer = api.patchInBrief(
                "/api/v1/nodes/" + nodeName + "?" + FIELD_MANAGER, MERGE_PATCH, node.uncordonPatch(record));
        if (answer.status() == ApiAnswer.CONFLICT) {
            step = Step.NODE;
            return;
        }
        if (!accepted(answer, "patch", "nodes", now)) {
            return;
        }
        node = node.uncordoned(record);
        endUncordoned(record, "");
    }

    private void endUncordoned(Cordon record, String would) {
        if (record.wasUnschedulable()) {
            end(
                    Outcome.UNDONE,
                    "node " + nodeName + " " + would + (would.isEmpty() ? "stays" : "stay")
                            + " cordoned, as it was before " + record.by()
                            + "; when whoever did it is done: kubectl uncordon " + nodeName);
        } else {
            end(
                    Outcome.UNDONE,
                    "node " + nodeName + " " + would + (would.isEmpty() ? "takes" : "take") + " pods again");
        }
    }

    // ---- its pods

    private void listPods(ApiClient api, Goal goal, Tick now) throws IOException, InterruptedException {
        boolean mayLose = goal instanceof Goal.Drain(DrainOrder order) && order.deleteEmptyDirData();
        Set<String> holding = switch (kubelet.get()) {
            case KubeletWord.Holding(Set<String> named) -> {
                silence = "";
                yield named;
            }
            case KubeletWord.Silent(String why) -> {
                silence = "the kubelet does not say which pods hold GPUs: " + Texts.shortened(why, LONGEST_REASON);
                yield Set.of();
            }
        };
        if (!silence.isEmpty() && goal instanceof Goal.Drain(DrainOrder order) && !order.dryRun()) {
            // A pod that it alone knows of would be overlooked.
            trouble = silence;
            notBefore = now.plus(polls.next());
            listAgain();
            return;
        }
        switch (pages.next(api, nodeName, pod -> GpuPod.of(pod, resources, holding, leaving.keySet(), mayLose))) {
            case PodPages.Page.More<GpuPod> _ -> {}
            case PodPages.Page.Last<GpuPod>(List<GpuPod> all, String _) -> judge(all, goal, now);
            case PodPages.Page.Refused<GpuPod>(ApiAnswer answer) -> accepted(answer, "list", "pods", now);
        }
    }

    private void judge(List<GpuPod> all, Goal goal, Tick now) {
        listed = true;
        boolean newcomers = follow(all, now);
        switch (goal) {
            case Goal.Look _ -> end(Outcome.SEEN, seen());
            case Goal.Uncordon _ -> step = Step.NODE;
            case Goal.Drain(DrainOrder order) -> {
                int inTheWay = inTheWay();
                if (inTheWay > 0 && !order.dryRun()) {
                    endInTheWay(
                            inTheWay,
                            "",
                            gone.isEmpty() && noneAccepted() ? ", nothing was evicted" : ", others were evicted");
                } else if (order.dryRun()) {
                    step = Step.EVICT;
                } else if (node.ours()) {
                    // Who comes now is let in by a toleration, or somebody has lifted the cordon.
                    step = settled && newcomers ? Step.NODE : Step.EVICT;
                    settled = true;
                } else {
                    step = Step.CORDON;
                }
            }
        }
    }

    /** Compares the list with what was known: who is gone, who began to end; and whether one came that may be evicted. */
    private boolean follow(List<GpuPod> all, Tick now) {
        Set<String> there = new HashSet<>();
        List<GpuPod> stay = new ArrayList<>();
        boolean moved = false;
        boolean newcomers = false;
        for (GpuPod pod : all) {
            there.add(pod.uid());
            if (pod.standing() instanceof GpuPod.Standing.Stays
                    || pod.standing() instanceof GpuPod.Standing.Protected) {
                stay.add(pod);
                continue;
            }
            LeavingPod known = leaving.get(pod.uid());
            if (known == null) {
                leaving.put(pod.uid(), new LeavingPod(pod, now, random));
                newcomers |= pod.standing() instanceof GpuPod.Standing.Evictable;
                continue;
            }
            if (known.accepted && pod.standing() instanceof GpuPod.Standing.Evictable) {
                // Who accepted it did not carry it out.
                known.accepted = false;
                known.notBefore = now.plus(known.pauses.next());
            }
            known.pod = pod;
        }
        for (LeavingPod one : List.copyOf(leaving.values())) {
            if (!there.contains(one.pod.uid())) {
                leaving.remove(one.pod.uid());
                moved = true;
                told.accept(one.pod.path() + " is gone");
                if (gone.size() < MOST_GONE) {
                    gone.add(one.pod);
                }
            }
        }
        if (moved) {
            polls.reset();
        }
        staying = stay;
        return newcomers;
    }

    private boolean noneAccepted() {
        for (LeavingPod one : leaving.values()) {
            if (one.accepted) {
                return false;
            }
        }
        return true;
    }

    /** Pods that a person has to decide about. */
    private int inTheWay() {
        int count = 0;
        for (GpuPod pod : staying) {
            if (pod.standing() instanceof GpuPod.Standing.Protected) {
                count++;
            }
        }
        return count;
    }

    private void evict(ApiClient api, Goal goal, Tick now) throws IOException, InterruptedException {
        if (!(goal instanceof Goal.Drain(DrainOrder order))) {
            throw new IllegalStateException("only a drain evicts");
        }
        Tick next = null;
        for (LeavingPod one : leaving.values()) {
            if (!one.evictable() || (order.dryRun() && !one.why.isEmpty())) {
                continue;
            }
            if (now.reached(one.notBefore)) {
                evict(api, one, order.dryRun(), now);
                return;
            }
            next = next == null ? one.notBefore : shorter(next, one.notBefore);
        }
        if (order.dryRun()) {
            endDryRun();
        } else if (leaving.isEmpty()) {
            end(Outcome.DRAINED, "node " + nodeName + " is drained: " + drained());
        } else {
            Tick poll = now.plus(polls.next());
            notBefore = next == null ? poll : shorter(poll, next);
            listAgain();
        }
    }

    private void evict(ApiClient api, LeavingPod one, boolean dryRun, Tick now)
            throws IOException, InterruptedException {
        GpuPod pod = one.pod;
        ApiAnswer answer = evictions.ask(api, pod, dryRun);
        switch (evictions.judge(answer)) {
            case Evictions.Answer.Accepted _ -> {
                one.accepted = true;
                one.why = "";
                if (!dryRun) {
                    told.accept("evicting " + pod.path() + " (" + pod.holds() + ")");
                }
            }
            case Evictions.Answer.Changed _ -> {
                one.notBefore = now.plus(one.pauses.next());
                listAgain();
            }
            case Evictions.Answer.Again _ -> {}
            case Evictions.Answer.Refused(String why) -> postpone(one, answer, why, dryRun, now);
            case Evictions.Answer.Forbidden _ -> forbidden("create", "pods/eviction", answer);
        }
    }

    private void postpone(LeavingPod one, ApiAnswer answer, String why, boolean dryRun, Tick now) {
        String shortened = Texts.shortened(why, LONGEST_REASON);
        if (!dryRun && !shortened.equals(one.why)) {
            told.accept(one.pod.path() + " waits: " + shortened);
        }
        one.why = shortened;
        Duration pause = one.pauses.next();
        Duration suggested = answer.retryAfter().orElse(Duration.ZERO);
        one.notBefore = now.plus(pause.compareTo(suggested) >= 0 ? pause : suggested);
    }

    // ---- how it ends

    private boolean accepted(ApiAnswer answer, String verb, String resource, Tick now) throws IOException {
        if (answer.ok()) {
            backoff.reset();
            return true;
        }
        if (answer.status() == ApiAnswer.FORBIDDEN) {
            forbidden(verb, resource, answer);
        } else if (answer.status() == 429 || answer.status() == ApiAnswer.GONE || answer.status() >= 500) {
            trouble = answer.reason();
            Duration pause = backoff.next();
            Duration suggested = answer.retryAfter().orElse(Duration.ZERO);
            notBefore = now.plus(pause.compareTo(suggested) >= 0 ? pause : suggested);
        } else {
            end(Outcome.FAILED, "the API server refused to " + verb + " " + resource + ": " + answer.reason());
        }
        return false;
    }

    private void forbidden(String verb, String resource, ApiAnswer answer) {
        end(
                Outcome.FAILED,
                "the API server does not allow it; allow the verb " + verb + " on the resource " + resource
                        + " (docs/kubernetes.md has the role): " + answer.reason());
    }

    private void timeIsUp(Goal goal) {
        if (goal instanceof Goal.Drain(DrainOrder order) && listed && !order.dryRun()) {
            int count = leaving.size() + inTheWay();
            if (count > 0) {
                endInTheWay(count, " after " + text(order.limit()), trouble.isEmpty() ? "" : "; " + trouble);
                return;
            }
        }
        end(
                Outcome.FAILED,
                trouble.isEmpty()
                        ? "the time limit came before the end"
                        : "it could not be done within the time limit: " + trouble);
    }

    private static String text(Duration limit) {
        long seconds = limit.toSeconds();
        return seconds % 60 == 0 ? seconds / 60 + " min" : seconds + " s";
    }

    private void endInTheWay(int count, String after, String others) {
        end(
                Outcome.IN_THE_WAY,
                "node " + nodeName + " is not drained" + after + ": " + pods(count) + (count == 1 ? " is" : " are")
                        + " in the way" + others);
    }

    private void endLifted() {
        int count = leaving.size() + inTheWay();
        end(
                Outcome.LIFTED,
                "node " + nodeName + " is not drained: somebody has lifted its cordon meanwhile, and pods come back; "
                        + pods(count) + (count == 1 ? " holds GPUs" : " hold GPUs"));
    }

    private void endDryRun() {
        int count = inTheWay();
        int free = 0;
        for (LeavingPod one : leaving.values()) {
            if (one.why.isEmpty()) {
                free++;
            } else {
                count++;
            }
        }
        if (count > 0) {
            end(
                    Outcome.IN_THE_WAY,
                    "node " + nodeName + " could not be drained now: " + pods(count) + " would be in the way"
                            + unheard());
        } else {
            end(
                    Outcome.WOULD_DRAIN,
                    "node " + nodeName + " would be " + (node.unschedulable() ? "" : "cordoned and ") + "drained of "
                            + pods(free) + unheard());
        }
    }

    private String drained() {
        int count = gone.size();
        String text =
                count == 0 ? "no pod that may go holds a GPU" : pods(count) + (count == 1 ? " has" : " have") + " gone";
        return staying.isEmpty()
                ? text
                : text + ", " + pods(staying.size()) + (staying.size() == 1 ? " stays" : " stay");
    }

    private String seen() {
        int count = leaving.size() + staying.size();
        Cordon record = node.cordon();
        String state = record != null && node.ours()
                ? "cordoned by " + record.by() + " since " + record.at()
                        + (record.why().isEmpty() ? "" : " (" + record.why() + ")")
                : node.unschedulable() ? "cordoned by somebody else than gpu-node-agent" : "open for pods";
        return "node " + nodeName + " is " + state + "; "
                + (count == 0 ? "no pod holds a GPU" : pods(count) + (count == 1 ? " holds GPUs" : " hold GPUs"))
                + unheard();
    }

    private String unheard() {
        return silence.isEmpty() ? "" : ", as far as is known: " + silence;
    }

    private static String pods(int count) {
        return count == 1 ? "1 pod" : count + " pods";
    }

    private void end(Outcome how, String sentence) {
        outcome = how;
        text = sentence;
        step = Step.OVER;
    }

    private void publish(Task done) {
        DrainRows rows = new DrainRows(
                outcome,
                done.goal instanceof Goal.Drain,
                done.goal instanceof Goal.Drain(DrainOrder order) && order.dryRun());
        DrainProgress now = new DrainProgress(
                outcome,
                text,
                nodeName,
                node.unschedulable(),
                Optional.ofNullable(node.cordon()),
                node.operatorState(),
                rows.of(gone, leaving.values(), staying),
                trouble);
        synchronized (this) {
            if (done.equals(asked)) {
                progress = now;
            }
        }
    }

    private static Tick shorter(Tick one, Tick other) {
        return one.reached(other) ? other : one;
    }
}
