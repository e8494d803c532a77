package io.gpunode.agent.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.kubernetes.DrainProgress.Fate;
import io.gpunode.agent.kubernetes.DrainProgress.Outcome;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.time.ManualTime;
import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(30)
class NodeDrainTest {
    private static final Duration LIMIT = Duration.ofMinutes(5);
    private static final DrainOrder ORDER = new DrainOrder("the test", "new firmware", LIMIT, false, false);
    private static final DrainOrder DRY_RUN = new DrainOrder("the test", "", LIMIT, true, false);
    private static final String BUDGET = "The disruption budget web needs 1 healthy pods and has 1 currently";

    private final ManualTime time = new ManualTime();
    private final List<String> told = new ArrayList<>();
    private final Set<String> holders = new HashSet<>();
    private String silence = "";
    private FakeApiServer server;
    private FakePods pods;
    private ApiClient api;
    private NodeDrain drain;

    @BeforeEach
    void connect() throws Exception {
        server = FakeApiServer.plain(Harness.NODE);
        server.labels(Map.of());
        pods = FakePods.of(server);
        api = client(Harness.CALL_LIMIT);
        drain = another();
    }

    private ApiClient client(Duration callLimit) throws IOException {
        return new ApiClient(
                new ApiAccess(
                        URI.create(server.url()),
                        Optional.empty(),
                        false,
                        new ApiAccess.Identity.Anonymous(),
                        "the test"),
                "test",
                new RequestMeters(Meters.NONE, time),
                callLimit);
    }

    @AfterEach
    void end() {
        api.close();
        server.close();
    }

    /** As after a crash of the first. */
    private NodeDrain another() {
        return new NodeDrain(
                new GpuResources(Set.of("example.com/accelerator")),
                () -> silence.isEmpty() ? new KubeletWord.Holding(holders) : new KubeletWord.Silent(silence),
                told::add,
                time,
                time.wall(),
                new SplittableRandom(1),
                () -> {});
    }

    private DrainProgress toTheEnd() throws InterruptedException {
        for (int i = 0; i < 1_000; i++) {
            turn();
            if (drain.progress().ended()) {
                return drain.progress();
            }
        }
        throw new AssertionError("no end: " + drain.progress());
    }

    private void turn() throws InterruptedException {
        Duration pause;
        try {
            pause = drain.turn(api, Harness.NODE);
        } catch (IOException e) {
            pause = Duration.ofSeconds(1);
        }
        time.advance(pause.compareTo(LIMIT) > 0 ? Duration.ZERO : pause);
    }

    private DrainProgress drain(DrainOrder order) throws InterruptedException {
        drain.drain(order);
        return toTheEnd();
    }

    private DrainProgress uncordon() throws InterruptedException {
        drain.uncordon(false);
        return toTheEnd();
    }

    private static DrainProgress.Pod pod(DrainProgress progress, String name) {
        return progress.pods().stream()
                .filter(pod -> pod.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new AssertionError(name + " is not among " + progress.pods()));
    }

    // ---- whom it evicts

    @Test
    void podsThatHoldGpusAreEvictedAndNoOthers() throws Exception {
        // Given
        pods.add("ml", "train");
        pods.add("ml", "slice").asks("nvidia.com/mig-1g.10gb");
        pods.add("ml", "share").asks("nvidia.com/gpu.shared");
        pods.add("ml", "renamed").asks("example.com/accelerator");
        pods.add("ml", "prepares").initAsks("nvidia.com/gpu");
        pods.add("web", "shop").asks("");
        pods.add("ml", "done").phase("Succeeded");

        // When
        DrainProgress end = drain(ORDER);

        // Then
        assertThat(end.outcome()).isEqualTo(Outcome.DRAINED);
        assertThat(end.text()).isEqualTo("node node-a is drained: 5 pods have gone");
        assertThat(pods.evicted())
                .containsExactlyInAnyOrder("ml/train", "ml/slice", "ml/share", "ml/renamed", "ml/prepares");
        assertThat(end.count(Fate.GONE)).isEqualTo(5);
    }

    @Test
    void aPodThatHoldsAGpuByTheKubeletsWordAloneIsEvicted() throws Exception {
        // Given
        pods.add("ml", "under-an-old-name").asks("old.example.com/gpu");
        pods.add("ml", "other").asks("");
        holders.add("ml/under-an-old-name");

        // When
        drain(ORDER);

        // Then
        assertThat(pods.evicted()).containsExactly("ml/under-an-old-name");
        assertThat(told).contains("evicting ml/under-an-old-name (GPUs, as the kubelet says)");
    }

    @Test
    void aPodThatTheKubeletAloneKnewIsGoneOnlyWhenTheServerSaysSo() throws Exception {
        // Given: it still runs, and the kubelet does not name it any more
        pods.add("ml", "under-an-old-name").asks("").neverEnds();
        holders.add("ml/under-an-old-name");
        pods.afterEviction(holders::clear);

        // When
        DrainProgress end = drain(ORDER);

        // Then
        assertThat(end.outcome()).isEqualTo(Outcome.IN_THE_WAY);
        assertThat(pod(end, "under-an-old-name").fate()).isEqualTo(Fate.IN_THE_WAY);
        assertThat(told).doesNotContain("ml/under-an-old-name is gone");
    }

    @Test
    void whileTheKubeletDoesNotAnswerADrainWaits() throws Exception {
        // Given
        pods.add("ml", "train");
        pods.add("ml", "under-an-old-name").asks("");
        holders.add("ml/under-an-old-name");
        silence = "nobody listens";
        drain.drain(ORDER);
        for (int i = 0; i < 10; i++) {
            turn();
        }
        assertThat(drain.progress().outcome()).isEqualTo(Outcome.RUNNING);
        assertThat(drain.progress().trouble())
                .isEqualTo("the kubelet does not say which pods hold GPUs: nobody listens");
        assertThat(pods.evicted()).isEmpty();
        assertThat(pods.unschedulable()).isFalse();

        // When
        silence = "";
        DrainProgress end = toTheEnd();

        // Then
        assertThat(end.outcome()).isEqualTo(Outcome.DRAINED);
        assertThat(pods.evicted()).containsExactlyInAnyOrder("ml/train", "ml/under-an-old-name");
    }

    @Test
    void aKubeletThatFallsSilentWhileAPodEndsDoesNotMakeItGone() throws Exception {
        // Given
        pods.add("ml", "under-an-old-name").asks("").neverEnds();
        holders.add("ml/under-an-old-name");
        pods.afterEviction(() -> silence = "nobody listens");

        // When
        DrainProgress end = drain(ORDER);

        // Then
        assertThat(end.outcome()).isEqualTo(Outcome.IN_THE_WAY);
        assertThat(end.text())
                .isEqualTo("node node-a is not drained after 5 min: 1 pod is in the way; the kubelet does not say which"
                        + " pods hold GPUs: nobody listens");
        assertThat(told).doesNotContain("ml/under-an-old-name is gone");
    }

    @Test
    void aKubeletThatIsSilentUntilTheLimitIsAFailure() throws Exception {
        // Given
        silence = "nobody listens";

        // When
        DrainProgress end = drain(ORDER);

        // Then
        assertThat(end.outcome()).isEqualTo(Outcome.FAILED);
        assertThat(end.text())
                .isEqualTo("it could not be done within the time limit: the kubelet does not say which pods hold GPUs:"
                        + " nobody listens");
    }

    @Test
    void whoLooksIsToldThatTheKubeletWasNotHeard() throws Exception {
        // Given
        silence = "nobody listens";
        drain.look();

        // When
        DrainProgress end = toTheEnd();

        // Then
        assertThat(end.text())
                .isEqualTo(
                        "node node-a is open for pods; no pod holds a GPU, as far as is known: the kubelet does not say"
                                + " which pods hold GPUs: nobody listens");
    }

    @Test
    void whoCannotBeHelpedStaysAndIsSaid() throws Exception {
        // Given
        pods.add("kube-system", "exporter").ownedBy("DaemonSet");
        pods.add("kube-system", "static").ownedBy("Node");
        pods.add("kube-system", "older-static").ownedBy("").annotated("kubernetes.io/config.mirror");
        pods.add("ml", "spared").labelled("nvidia.com/gpu-driver-upgrade-drain.skip");
        pods.add("ml", "train");

        // When
        DrainProgress end = drain(ORDER);

        // Then
        assertThat(end.outcome()).isEqualTo(Outcome.DRAINED);
        assertThat(end.text()).isEqualTo("node node-a is drained: 1 pod has gone, 4 pods stay");
        assertThat(pods.evicted()).containsExactly("ml/train");
        assertThat(pod(end, "exporter").why())
                .isEqualTo("DaemonSet owner would make it again at once, cordoned or not");
        assertThat(pod(end, "static").why()).startsWith("it is a static pod of the kubelet");
        assertThat(pod(end, "older-static").fate()).isEqualTo(Fate.STAYS);
        assertThat(pod(end, "spared").why()).isEqualTo("its label nvidia.com/gpu-driver-upgrade-drain.skip says so");
    }

    @Test
    void whileOnePodMayNotBeEvictedNothingIsDone() throws Exception {
        // Given
        pods.add("ml", "train");
        pods.add("me", "experiment").ownedBy("");
        pods.add("ml", "keeps-data").emptyDir("");

        // When
        DrainProgress end = drain(ORDER);

        // Then
        assertThat(end.outcome()).isEqualTo(Outcome.IN_THE_WAY);
        assertThat(end.text()).isEqualTo("node node-a is not drained: 2 pods are in the way, nothing was evicted");
        assertThat(pods.evicted()).isEmpty();
        assertThat(pods.unschedulable()).isFalse();
        assertThat(pod(end, "experiment"))
                .isEqualTo(new DrainProgress.Pod(
                        "me",
                        "experiment",
                        "1 nvidia.com/gpu",
                        Fate.IN_THE_WAY,
                        "no controller would make it again elsewhere",
                        "kubectl delete pod -n me experiment"));
        assertThat(pod(end, "keeps-data").why())
                .isEqualTo("it keeps data in the emptyDir volume \"scratch\", which eviction deletes");
        assertThat(pod(end, "keeps-data").next()).isEqualTo("gpu-node-agent node drain --delete-emptydir-data");
    }

    @Test
    void dataThatMayBeLostKeepsNobody() throws Exception {
        // Given
        pods.add("ml", "keeps-data").emptyDir("");
        pods.add("ml", "shares-memory").emptyDir("Memory");

        // When
        drain(new DrainOrder("the test", "", LIMIT, false, true));

        // Then
        assertThat(pods.evicted()).containsExactlyInAnyOrder("ml/keeps-data", "ml/shares-memory");
    }

    @Test
    void aNodeWithoutSuchPodsIsCordoned() throws Exception {
        // When
        DrainProgress end = drain(ORDER);

        // Then
        assertThat(end.text()).isEqualTo("node node-a is drained: no pod that may go holds a GPU");
        assertThat(pods.unschedulable()).isTrue();
    }

    // ---- the cordon

    @Test
    void theCordonAndWhoSetItAreOnePatch() throws Exception {
        // When
        drain(ORDER);

        // Then
        assertThat(server.requests("cordon")).singleElement().satisfies(patch -> {
            JsonValue body = JsonValue.parse(patch.body());
            assertThat(patch.contentType()).isEqualTo("application/merge-patch+json");
            assertThat(patch.path()).endsWith("?fieldManager=gpu-node-agent");
            assertThat(body.member("spec").member("unschedulable").isTrue()).isTrue();
            assertThat(body.member("metadata").member("resourceVersion").textOr(""))
                    .isEqualTo("v1");
        });
        assertThat(Cordon.read(pods.annotation("gpunode.io/cordon")))
                .isEqualTo(new Cordon("the test", "new firmware", Instant.parse("2026-01-02T03:04:05Z"), false));
    }

    @Test
    void aNodeThatChangesMeanwhileIsReadAgain() throws Exception {
        // Given
        pods.conflictOnce();

        // When
        DrainProgress end = drain(ORDER);

        // Then
        assertThat(end.outcome()).isEqualTo(Outcome.DRAINED);
        assertThat(server.requests("cordon")).hasSize(2);
        assertThat(server.requests("node")).hasSize(2);
    }

    @Test
    void whatACrashLeftBehindIsGoneOnWith() throws Exception {
        // Given: it dies between the cordon and the first eviction
        pods.add("ml", "train");
        drain.drain(ORDER);
        while (!pods.unschedulable()) {
            turn();
        }
        String record = pods.annotation("gpunode.io/cordon");
        assertThat(pods.evicted()).isEmpty();
        time.advance(Duration.ofHours(1));
        drain = another();

        // When
        DrainProgress end = drain(new DrainOrder("another", "", LIMIT, false, false));

        // Then
        assertThat(end.outcome()).isEqualTo(Outcome.DRAINED);
        assertThat(pods.evicted()).containsExactly("ml/train");
        assertThat(pods.annotation("gpunode.io/cordon")).isEqualTo(record);
        assertThat(server.requests("cordon")).hasSize(1);
        assertThat(told)
                .contains("node node-a was cordoned by the test at 2026-01-02T03:04:05Z (new firmware); going on");
        assertThat(uncordon().outcome()).isEqualTo(Outcome.UNDONE);
        assertThat(pods.unschedulable()).isFalse();
    }

    @Test
    void aCordonThatSomebodyLiftedIsSetAgainUnderARecordOfItsOwn() throws Exception {
        // Given: nobody else needs it any more
        pods.cordonedByHand(true);
        drain(ORDER);
        pods.cordonedByHand(false);

        // When
        drain(new DrainOrder("another", "disks", LIMIT, false, false));

        // Then
        assertThat(pods.unschedulable()).isTrue();
        assertThat(Cordon.read(pods.annotation("gpunode.io/cordon")))
                .isEqualTo(new Cordon("another", "disks", Instant.parse("2026-01-02T03:04:05Z"), false));
        assertThat(uncordon().outcome()).isEqualTo(Outcome.UNDONE);
        assertThat(pods.unschedulable()).isFalse();
    }

    @Test
    void theCordonThatSomebodySetInThePlaceOfOursIsKept() throws Exception {
        // Given
        drain(ORDER);
        pods.cordonedByHand(false);
        pods.cordonedByHand(true);

        // When
        DrainProgress end = uncordon();

        // Then
        assertThat(end.outcome()).isEqualTo(Outcome.KEPT);
        assertThat(end.text())
                .isEqualTo(
                        "node node-a was cordoned by kubectl-cordon after the cordon of the test was lifted, and stays"
                                + " so; when they are done: kubectl uncordon node-a");
        assertThat(pods.unschedulable()).isTrue();
    }

    @Test
    void aDrainUnderTheCordonThatSomebodySetInThePlaceOfOursLeavesItToThem() throws Exception {
        // Given
        drain(ORDER);
        pods.cordonedByHand(false);
        pods.cordonedByHand(true);

        // When
        drain(new DrainOrder("another", "", LIMIT, false, false));

        // Then
        assertThat(Cordon.read(pods.annotation("gpunode.io/cordon")).wasUnschedulable())
                .isTrue();
        assertThat(uncordon().outcome()).isEqualTo(Outcome.UNDONE);
        assertThat(pods.unschedulable()).isTrue();
    }

    @Test
    void whereTheServerNamesNoManagersTheRecordIsBelieved() throws Exception {
        // Given
        pods.hideManagers();
        drain(ORDER);

        // When
        DrainProgress end = uncordon();

        // Then
        assertThat(end.outcome()).isEqualTo(Outcome.UNDONE);
        assertThat(pods.unschedulable()).isFalse();
    }

    @Test
    void undoingLeavesNothingBehind() throws Exception {
        // Given
        drain(ORDER);

        // When
        DrainProgress end = uncordon();

        // Then
        assertThat(end.outcome()).isEqualTo(Outcome.UNDONE);
        assertThat(end.text()).isEqualTo("node node-a takes pods again");
        assertThat(pods.unschedulable()).isFalse();
        assertThat(pods.annotation("gpunode.io/cordon")).isEmpty();
        assertThat(server.requests("cordon")).hasSize(2);
    }

    @Test
    void aNodeThatWasCordonedBeforeStaysSo() throws Exception {
        // Given
        pods.cordonedByHand(true);
        drain(ORDER);

        // When
        DrainProgress end = uncordon();

        // Then
        assertThat(end.outcome()).isEqualTo(Outcome.UNDONE);
        assertThat(end.text())
                .isEqualTo("node node-a stays cordoned, as it was before the test; when whoever did it is done: kubectl"
                        + " uncordon node-a");
        assertThat(pods.unschedulable()).isTrue();
        assertThat(pods.annotation("gpunode.io/cordon")).isEmpty();
    }

    @Test
    void theCordonOfSomebodyElseIsNotTouched() throws Exception {
        // Given
        pods.cordonedByHand(true);

        // When
        DrainProgress end = uncordon();

        // Then
        assertThat(end.outcome()).isEqualTo(Outcome.KEPT);
        assertThat(end.text()).endsWith("kubectl uncordon node-a");
        assertThat(server.requests("cordon")).isEmpty();
    }

    @Test
    void aCordonOfSomebodysDrainIsNotTheDriversToLift() throws Exception {
        // Given
        drain(ORDER);

        // When
        drain.uncordon(Cordon.BY_THE_DRIVER);
        DrainProgress end = toTheEnd();

        // Then
        assertThat(end.outcome()).isEqualTo(Outcome.UNDONE);
        assertThat(end.text())
                .isEqualTo("node node-a was not cordoned by gpu-node-agent driver; there is nothing to undo");
        assertThat(pods.unschedulable()).isTrue();
    }

    @Test
    void whereNothingWasDoneNothingIsUndone() throws Exception {
        // When
        DrainProgress end = uncordon();

        // Then
        assertThat(end.outcome()).isEqualTo(Outcome.UNDONE);
        assertThat(end.text()).isEqualTo("node node-a takes pods; there is nothing to undo");
        assertThat(server.requests("cordon")).isEmpty();
    }

    @Test
    void whatWouldBeUndoneIsToldWithoutDoingIt() throws Exception {
        // Given
        drain(ORDER);

        // When
        drain.uncordon(true);
        DrainProgress end = toTheEnd();

        // Then
        assertThat(end.text()).isEqualTo("node node-a would take pods again");
        assertThat(pods.unschedulable()).isTrue();
    }

    @ParameterizedTest
    @CsvSource({"upgrade-done, UNDONE", "upgrade-required, UNDONE", "pod-restart-required, KEPT", "drain-required, KEPT"
    })
    void anUpgradeByNvidiasOperatorKeepsTheNodeCordoned(String state, Outcome expected) throws Exception {
        // Given
        drain(ORDER);
        pods.operatorState(state);

        // When
        DrainProgress end = uncordon();

        // Then
        assertThat(end.outcome()).isEqualTo(expected);
        assertThat(pods.unschedulable()).isEqualTo(expected == Outcome.KEPT);
        assertThat(end.operatorState()).isEqualTo(state);
    }

    @Test
    void theLabelOfTheAgentsOwnUpgradeDoesNotKeepItsCordon() throws Exception {
        // Given
        drain(new DrainOrder(Cordon.BY_THE_DRIVER, "the driver is exchanged", LIMIT, false, false));
        pods.operatorState("pod-restart-required");

        // When
        DrainProgress end = uncordon();

        // Then
        assertThat(end.outcome()).isEqualTo(Outcome.UNDONE);
        assertThat(pods.unschedulable()).isFalse();
    }

    @ParameterizedTest
    @ValueSource(strings = {"by me", "{}", "{\"wasUnschedulable\":false,\"at\":\"yesterday\"}", "[1"})
    void aRecordThatCannotBeReadIsForAPersonToRemove(String record) throws Exception {
        // Given
        pods.annotate("gpunode.io/cordon", record);

        // When
        DrainProgress end = uncordon();

        // Then
        assertThat(end.outcome()).isEqualTo(Outcome.FAILED);
        assertThat(end.text()).contains("kubectl annotate node node-a gpunode.io/cordon-");
        assertThat(server.requests("cordon")).isEmpty();
    }

    // ---- what keeps pods

    @Test
    void aDisruptionBudgetIsWaitedFor() throws Exception {
        // Given
        pods.add("ml", "web").keptBy(BUDGET);
        drain.drain(ORDER);
        while (server.requests("evict").size() < 3) {
            turn();
        }
        assertThat(pods.evicted()).isEmpty();

        // When
        pods.liftBudgets();
        DrainProgress end = toTheEnd();

        // Then
        assertThat(end.outcome()).isEqualTo(Outcome.DRAINED);
        assertThat(told)
                .containsOnlyOnce("ml/web waits: PodDisruptionBudget: " + BUDGET)
                .containsSubsequence("evicting ml/web (1 nvidia.com/gpu)", "ml/web is gone");
    }

    @Test
    void aDisruptionBudgetThatNeverAllowsItIsInTheWayAndTheNodeStaysCordoned() throws Exception {
        // Given
        pods.add("ml", "web").keptBy(BUDGET);
        pods.add("ml", "train");

        // When
        DrainProgress end = drain(ORDER);

        // Then
        assertThat(end.outcome()).isEqualTo(Outcome.IN_THE_WAY);
        assertThat(end.text()).isEqualTo("node node-a is not drained after 5 min: 1 pod is in the way");
        assertThat(pod(end, "web").why()).isEqualTo("PodDisruptionBudget: " + BUDGET);
        assertThat(pod(end, "web").next()).isEqualTo("kubectl get poddisruptionbudgets -n ml");
        assertThat(pod(end, "train").fate()).isEqualTo(Fate.GONE);
        assertThat(end.cordon()).isPresent();
        assertThat(pods.unschedulable()).isTrue();
        // Seldomer and seldomer, every 15 s in the end.
        assertThat(server.requests("evict")).hasSizeBetween(20, 32);
    }

    @Test
    void aPodThatDoesNotEndIsInTheWay() throws Exception {
        // Given
        pods.add("ml", "hangs").neverEnds();

        // When
        DrainProgress end = drain(ORDER);

        // Then
        assertThat(end.outcome()).isEqualTo(Outcome.IN_THE_WAY);
        assertThat(pod(end, "hangs"))
                .isEqualTo(new DrainProgress.Pod(
                        "ml",
                        "hangs",
                        "1 nvidia.com/gpu",
                        Fate.IN_THE_WAY,
                        "it is ending since 2026-01-02T03:04:35Z, with a grace period of 30 s",
                        "kubectl describe pod -n ml hangs"));
        assertThat(server.requests("evict")).hasSize(1);
        assertThat(server.requests("pods")).hasSizeLessThan(80);
    }

    @Test
    void aPodThatIsGoneAlreadyIsNoTrouble() throws Exception {
        // Given
        pods.add("ml", "first");
        pods.add("ml", "second");
        pods.afterEviction(() -> pods.remove("ml", "second"));

        // When
        DrainProgress end = drain(ORDER);

        // Then
        assertThat(end.outcome()).isEqualTo(Outcome.DRAINED);
        assertThat(pods.evicted()).containsExactly("ml/first");
    }

    @Test
    void anotherPodOfTheSameNameIsEvictedForItself() throws Exception {
        // Given
        pods.add("ml", "first");
        pods.add("ml", "replica-0");
        pods.afterEviction(() -> {
            pods.afterEviction(() -> {});
            pods.replace("ml", "replica-0");
        });

        // When
        DrainProgress end = drain(ORDER);

        // Then
        assertThat(end.outcome()).isEqualTo(Outcome.DRAINED);
        assertThat(pods.evicted()).containsExactly("ml/first", "ml/replica-0");
        assertThat(server.requests("evict").stream()
                        .filter(request -> request.path().contains("/replica-0/"))
                        .map(request -> request.body().replaceAll(".*\"uid\":\"([^\"]*)\".*", "$1")))
                .containsExactly("uid-2", "uid-3");
    }

    @Test
    void aPodThatComesInSpiteOfTheCordonIsEvictedToo() throws Exception {
        // Given
        pods.add("ml", "first");
        pods.afterEviction(() -> {
            pods.afterEviction(() -> {});
            pods.add("ml", "tolerates");
        });

        // When
        DrainProgress end = drain(ORDER);

        // Then
        assertThat(end.outcome()).isEqualTo(Outcome.DRAINED);
        assertThat(pods.evicted()).containsExactly("ml/first", "ml/tolerates");
    }

    @Test
    void whoLiftsTheCordonMeanwhileEndsTheDrain() throws Exception {
        // Given: the scheduler puts every pod back
        pods.add("ml", "first");
        pods.add("ml", "keeps").keptBy(BUDGET);
        pods.afterEviction(() -> {
            pods.cordonedByHand(false);
            pods.add("ml", "back");
        });

        // When
        DrainProgress end = drain(ORDER);

        // Then
        assertThat(end.outcome()).isEqualTo(Outcome.LIFTED);
        assertThat(end.text())
                .isEqualTo("node node-a is not drained: somebody has lifted its cordon meanwhile, and pods come back;"
                        + " 3 pods hold GPUs");
        assertThat(pods.evicted()).containsExactly("ml/first");
        assertThat(end.unschedulable()).isFalse();
    }

    @Test
    void aNamespaceThatIsBeingDeletedIsWaitedFor() throws Exception {
        // Given
        pods.add("ml", "train");
        server.next(
                "evict",
                FakeApiServer.Fault.answer(
                        403,
                        "{\"message\":\"forbidden\",\"details\":{\"causes\":[{\"reason\":\"NamespaceTerminating\",\"message\":\"it is\"}]}}"));

        // When
        DrainProgress end = drain(ORDER);

        // Then
        assertThat(end.outcome()).isEqualTo(Outcome.DRAINED);
        assertThat(told).contains("ml/train waits: its namespace is being deleted");
    }

    // ---- servers

    @Test
    void aServerOfOldAgeIsAskedInItsWords() throws Exception {
        // Given
        pods.evictionsOf("policy/v1beta1");
        pods.add("ml", "first");
        pods.add("ml", "second");

        // When
        DrainProgress end = drain(ORDER);

        // Then
        assertThat(end.outcome()).isEqualTo(Outcome.DRAINED);
        assertThat(server.requests("evict")).hasSize(3);
    }

    @ParameterizedTest
    @ValueSource(strings = {"node", "pods", "cordon", "evict"})
    void aServerInTroubleIsAskedAgain(String kind) throws Exception {
        // Given
        pods.add("ml", "train");
        server.next(
                kind,
                FakeApiServer.Fault.status(500, "etcd is away"),
                FakeApiServer.Fault.status(429, "too many requests"),
                FakeApiServer.Fault.page(502));

        // When
        DrainProgress end = drain(ORDER);

        // Then
        assertThat(end.outcome()).isEqualTo(Outcome.DRAINED);
        assertThat(pods.evicted()).containsExactly("ml/train");
    }

    @ParameterizedTest
    @ValueSource(strings = {"node", "pods", "cordon", "evict"})
    void aRequestThatIsNotAnsweredIsMadeAgain(String kind) throws Exception {
        // Given
        api.close();
        api = client(Harness.SHORT_CALL_LIMIT);
        drain = another();
        pods.add("ml", "train");
        server.next(kind, FakeApiServer.Fault.hang());

        // When
        DrainProgress end = drain(ORDER);

        // Then
        assertThat(end.outcome()).isEqualTo(Outcome.DRAINED);
        assertThat(pods.evicted()).containsExactly("ml/train");
    }

    @ParameterizedTest
    @CsvSource({
        "node, get, nodes",
        "pods, list, pods",
        "cordon, patch, nodes",
        "evict, create, pods/eviction",
    })
    void aPermissionThatIsMissingIsNamed(String kind, String verb, String resource) throws Exception {
        // Given
        pods.add("ml", "train");
        server.next(kind, FakeApiServer.Fault.status(403, "it is forbidden"));

        // When
        DrainProgress end = drain(ORDER);

        // Then
        assertThat(end.outcome()).isEqualTo(Outcome.FAILED);
        assertThat(end.text())
                .isEqualTo("the API server does not allow it; allow the verb " + verb + " on the resource " + resource
                        + " (docs/kubernetes.md has the role): 403: it is forbidden");
        assertThat(pods.evicted()).isEmpty();
    }

    @Test
    void aServerThatIsAwayUntilTheLimitIsAFailure() throws Exception {
        // Given
        pods.add("ml", "train");
        server.stop();

        // When
        DrainProgress end = drain(ORDER);

        // Then
        assertThat(end.outcome()).isEqualTo(Outcome.FAILED);
        assertThat(end.text()).contains("within the time limit: ").contains(server.url());
        server.start();
    }

    @Test
    void aNodeThatIsNotThereIsAFailureWithTheNextStep() throws Exception {
        // Given
        server.next("node", FakeApiServer.Fault.status(404, "nodes not found"));

        // When
        DrainProgress end = drain(ORDER);

        // Then
        assertThat(end.outcome()).isEqualTo(Outcome.FAILED);
        assertThat(end.text()).startsWith("there is no Node node-a; set host.nodeName");
    }

    @Test
    void manyPodsAreListedInPages() throws Exception {
        // Given
        for (int i = 0; i < 45; i++) {
            pods.add("ml", "train-" + i);
        }

        // When
        drain.look();
        DrainProgress end = toTheEnd();

        // Then
        assertThat(end.pods()).hasSize(45);
        assertThat(server.requests("pods")).hasSize(3);
    }

    @Test
    void podsTooLargeForOneAnswerAreListedInSmallerPages() throws Exception {
        // Given
        for (int i = 0; i < 12; i++) {
            pods.add("ml", "train-" + i);
        }
        server.next("pods", FakeApiServer.Fault.answer(200, "{\"x\":\"" + "y".repeat(2 << 20) + "\"}"));

        // When
        drain.look();
        DrainProgress end = toTheEnd();

        // Then
        assertThat(end.pods()).hasSize(12);
        assertThat(server.requests("pods").getLast().path()).contains("&limit=5&");
    }

    @Test
    void aListThatGotTooOldInTheMiddleBeginsAnew() throws Exception {
        // Given
        for (int i = 0; i < 25; i++) {
            pods.add("ml", "train-" + i);
        }
        drain.look();
        while (server.requests("pods").isEmpty()) {
            turn();
        }
        server.next("pods", FakeApiServer.Fault.status(410, "the continue token is too old"));

        // When
        DrainProgress end = toTheEnd();

        // Then
        assertThat(end.pods()).hasSize(25);
        assertThat(server.requests("pods")).hasSize(4);
    }

    @Test
    void aTurnIsOneRequest() throws Exception {
        // Given
        for (int i = 0; i < 25; i++) {
            pods.add("ml", "train-" + i);
        }
        drain.drain(ORDER);
        int most = 0;

        // When
        while (!drain.progress().ended()) {
            int before = server.requests().size();
            turn();
            most = Math.max(most, server.requests().size() - before);
        }

        // Then
        assertThat(most).isEqualTo(1);
        int all = server.requests().size();
        assertThat(drain.turn(api, Harness.NODE)).isEqualTo(Errand.NOTHING);
        assertThat(server.requests()).hasSize(all);
    }

    // ---- looking

    @Test
    void aDryRunChangesNothingAndSaysWhoWouldGo() throws Exception {
        // Given
        pods.add("ml", "train");
        pods.add("ml", "web").keptBy(BUDGET);
        pods.add("me", "experiment").ownedBy("");
        pods.add("kube-system", "exporter").ownedBy("DaemonSet");

        // When
        DrainProgress end = drain(DRY_RUN);

        // Then
        assertThat(end.outcome()).isEqualTo(Outcome.IN_THE_WAY);
        assertThat(end.text()).isEqualTo("node node-a could not be drained now: 2 pods would be in the way");
        assertThat(end.pods())
                .extracting(DrainProgress.Pod::name, DrainProgress.Pod::fate)
                .containsExactlyInAnyOrder(
                        org.assertj.core.groups.Tuple.tuple("train", Fate.WOULD_GO),
                        org.assertj.core.groups.Tuple.tuple("web", Fate.IN_THE_WAY),
                        org.assertj.core.groups.Tuple.tuple("experiment", Fate.IN_THE_WAY),
                        org.assertj.core.groups.Tuple.tuple("exporter", Fate.STAYS));
        assertThat(pods.dryRuns()).isEqualTo(1);
        assertThat(pods.evicted()).isEmpty();
        assertThat(pods.unschedulable()).isFalse();
        assertThat(told).isEmpty();
    }

    @Test
    void aDryRunWithNobodyInTheWaySaysSo() throws Exception {
        // Given
        pods.add("ml", "train");

        // When
        DrainProgress end = drain(DRY_RUN);

        // Then
        assertThat(end.outcome()).isEqualTo(Outcome.WOULD_DRAIN);
        assertThat(end.text()).isEqualTo("node node-a would be cordoned and drained of 1 pod");
    }

    @Test
    void howANodeStandsIsSaid() throws Exception {
        // Given
        pods.add("ml", "train");
        pods.add("me", "experiment").ownedBy("");
        drain(ORDER);
        pods.cordonedByHand(true);
        pods.operatorState("upgrade-required");

        // When
        drain.look();
        DrainProgress end = toTheEnd();

        // Then
        assertThat(end.outcome()).isEqualTo(Outcome.SEEN);
        assertThat(end.text())
                .isEqualTo("node node-a is cordoned by somebody else than gpu-node-agent; 2 pods hold GPUs");
        assertThat(end.pods()).extracting(DrainProgress.Pod::fate).containsOnly(Fate.HOLDS);
        assertThat(end.operatorState()).isEqualTo("upgrade-required");
    }

    @Test
    void theLastThatWasAskedIsDone() throws Exception {
        // Given
        pods.add("ml", "web").keptBy(BUDGET);
        drain.drain(ORDER);
        while (server.requests("evict").isEmpty()) {
            turn();
        }

        // When
        DrainProgress end = uncordon();

        // Then
        assertThat(end.outcome()).isEqualTo(Outcome.UNDONE);
        assertThat(pods.unschedulable()).isFalse();
    }
}
