package io.gpunode.agent.mig;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.AgentConfig.MigWhileInUse;
import io.gpunode.agent.config.NodeLabels;
import io.gpunode.agent.kubernetes.NodeEvent;
import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.mig.FaultyOperations.Fault;
import io.gpunode.agent.mig.MigManagerStatus.State;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.MigGeometry;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.podresources.PodResourcesPicture;
import io.gpunode.agent.podresources.PodResourcesSource;
import io.gpunode.agent.podresources.PodUse;
import io.gpunode.agent.testing.FakeSnapshotSource;
import io.gpunode.agent.testing.InMemory;
import io.gpunode.agent.testing.Snapshots;
import io.gpunode.agent.time.ManualTime;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The manager over two boards of the model and a node whose label the test sets; its turns are taken by hand on a manual clock. */
@Timeout(60)
class MigManagerTest {
    private static final MigChips CHIP = MigChips.A100_80;
    private static final GpuId FIRST = Snapshots.id(0);
    private static final GpuId SECOND = Snapshots.id(1);

    @TempDir(factory = InMemory.class)
    private Path root;

    private final ManualTime time = new ManualTime();
    private final Labels labels = new Labels();
    private final Pods pods = new Pods();
    private final List<String> states = new ArrayList<>();
    private final List<NodeEvent> events = new ArrayList<>();
    private final List<Set<GpuId>> withheld = new ArrayList<>();
    private ModelOperations model;
    private FaultyOperations operations;
    private Door door;
    private Runnable admittedMeanwhile = () -> {};
    private Snapshots node;
    private FakeSnapshotSource snapshots;

    @BeforeEach
    void twoBoardsInMigModeWithoutInstances() {
        model = new ModelOperations(CHIP, board(0), board(1));
        operations = new FaultyOperations(model);
        door = new Door();
        node = Snapshots.pcie(2);
        snapshots = new FakeSnapshotSource(node.build());
    }

    private static MigGpu board(int index) {
        MigGpu board = CHIP.gpu(index, MigGeometry.EMPTY);
        return new MigGpu(
                Snapshots.id(index),
                index,
                board.pci(),
                board.name(),
                board.pciDeviceId(),
                board.pciSubsystemId(),
                board.architecture(),
                board.passThrough(),
                board.geometry(),
                board.profiles());
    }

    /** A Node object with one label. */
    private static final class Labels implements NodeLabels {
        private NodeLabels.Answer answer = new NodeLabels.Answer.NotSet();

        void set(String layout) {
            answer = new NodeLabels.Answer.Value(layout);
        }

        @Override
        public NodeLabels.Answer label(String name) {
            assertThat(name).isEqualTo("nvidia.com/mig.config");
            return answer;
        }

        @Override
        public boolean pending() {
            return answer instanceof NodeLabels.Answer.Unknown;
        }

        @Override
        public void onChange(Runnable changed) {
            // The test takes the turns.
        }
    }

    private final class Pods implements PodResourcesSource {
        private Map<String, List<PodUse>> byDevice = Map.of();
        private Optional<PodResourcesSource.Answer> answer = Optional.empty();

        @Override
        public PodResourcesSource.Answer ask(Duration limit) throws InterruptedException {
            return answer.isPresent() ? answer.get() : PodResourcesSource.super.ask(limit);
        }

        @Override
        public Optional<PodResourcesPicture> current() {
            return Optional.of(new PodResourcesPicture(byDevice, time.now(), ""));
        }
    }

    private final class Door implements MigDoor {
        private int alone;
        private int changes;
        private String uncounted = "";
        private boolean broken;
        private final Set<GpuId> held = new HashSet<>();

        @Override
        public MigOperations beside(List<GpuId> order) {
            if (broken) {
                throw new IllegalStateException("the door is broken");
            }
            return operations;
        }

        @Override
        public MigChanger.Result alone(Work work) throws InterruptedException {
            alone++;
            operations.heal();
            return work.run(operations);
        }

        @Override
        public void changing(Set<GpuId> gpus) {
            held.addAll(gpus);
        }

        @Override
        public void changed() {
            changes++;
            held.clear();
        }

        @Override
        public String uncounted() {
            return uncounted;
        }
    }

    private MigManager manager(String layout, MigWhileInUse whileInUse) {
        return manager(new AgentConfig.Mig(true, layout, "", whileInUse));
    }

    private MigManager manager(AgentConfig.Mig config) {
        return new MigManager(
                config,
                snapshots,
                door,
                pods,
                labels,
                state -> {
                    if (states.isEmpty() || !states.getLast().equals(state)) {
                        states.add(state);
                    }
                },
                events::add,
                gpus -> {
                    withheld.add(gpus);
                    admittedMeanwhile.run();
                },
                new SystemHostFiles(root),
                time,
                time.wall(),
                new SplittableRandom(1),
                new Heartbeats(time),
                Meters.NONE);
    }

    private MigManager manager() {
        return manager("", MigWhileInUse.FAILED);
    }

    /** Turns for a while, a tenth of a second apart. */
    private void pass(MigManager manager, Duration length) throws InterruptedException {
        for (Duration passed = Duration.ZERO; passed.compareTo(length) < 0; passed = passed.plusMillis(100)) {
            time.advance(Duration.ofMillis(100));
            manager.turn();
        }
    }

    private List<Integer> instances() {
        return model.layouts().stream().map(layout -> layout.instances().size()).toList();
    }

    @Test
    void withoutAWishNothingIsTouchedAndNoLabelIsWritten() throws Exception {
        // Given
        MigManager manager = manager();

        // When
        pass(manager, Duration.ofSeconds(3));

        // Then
        assertThat(manager.status().state()).isEqualTo(State.IDLE);
        assertThat(operations.steps()).isZero();
        assertThat(states).containsExactly("");
    }

    @Test
    void theLabelsLayoutIsAppliedAndRemembered() throws Exception {
        // Given
        labels.set("all-2g.20gb");
        MigManager manager = manager();

        // When
        manager.turn();

        // Then
        assertThat(instances()).containsExactly(3, 3);
        assertThat(states).containsExactly("pending", "success");
        assertThat(events)
                .singleElement()
                .satisfies(event -> assertThat(event.reason()).isEqualTo("MigLayoutApplied"));
        assertThat(root.resolve("var/lib/gpu-node-agent/mig-layout")).hasContent("all-2g.20gb\n");
        assertThat(door.changes).isOne();
    }

    @Test
    void nothingIsGivenToContainersOnGpusThatChangeUntilThePictureShowsWhatTheyBecame() throws Exception {
        // Given
        labels.set("all-7g.80gb");
        MigManager manager = manager();
        manager.turn();
        assertThat(withheld).containsExactly(Set.of(FIRST, SECOND));

        // When
        node.mig(0, Snapshots.migDevice(0, 0, "7g.80gb")).mig(1, Snapshots.migDevice(1, 0, "7g.80gb"));
        snapshots.publish(node.build());
        manager.turn();

        // Then
        assertThat(withheld).containsExactly(Set.of(FIRST, SECOND), Set.of());
    }

    @Test
    void aPodThatIsAdmittedBeforeTheFirstStepKeepsItsInstance() throws Exception {
        // Given
        labels.set("all-disabled");
        MigManager manager = manager();
        admittedMeanwhile = () -> pods.byDevice = Map.of(FIRST.uuid(), List.of(new PodUse("training", "late", "main")));

        // When
        manager.turn();

        // Then
        assertThat(operations.steps()).isZero();
        assertThat(manager.status().state()).isEqualTo(State.FAILED);
        assertThat(manager.status().reason()).contains("pod training/late");
    }

    @Test
    void whatIsSoAlreadyIsASuccessWithoutAPendingState() throws Exception {
        // Given
        labels.set("all-2g.20gb");
        manager().turn();
        states.clear();
        MigManager again = manager();

        // When
        again.turn();

        // Then
        assertThat(states).containsExactly("success");
        assertThat(again.status().steps()).isZero();
    }

    @Test
    void aLabelThatFlapsIsFollowedOnceItHasSettledAndAlwaysToTheNewestWish() throws Exception {
        // Given
        labels.set("all-2g.20gb");
        MigManager manager = manager();
        manager.turn();

        // When
        for (int i = 0; i < 15; i++) {
            labels.set(i % 2 == 0 ? "all-7g.80gb" : "all-3g.40gb");
            time.advance(Duration.ofMillis(100));
            manager.turn();
        }
        assertThat(manager.status().attempts()).isOne();
        labels.set("all-1g.10gb");
        pass(manager, Duration.ofMillis(400));

        // Then
        assertThat(instances()).containsExactly(7, 7);
        assertThat(manager.status().attempts()).isEqualTo(2);
        assertThat(states).containsExactly("pending", "success", "pending", "success");
    }

    @Test
    void aLabelThatFlapsWithoutEndIsFollowedAllTheSame() throws Exception {
        // Given
        labels.set("all-2g.20gb");
        MigManager manager = manager();
        manager.turn();

        // When
        for (int i = 0; i < 60; i++) {
            labels.set(i % 2 == 0 ? "all-7g.80gb" : "all-3g.40gb");
            time.advance(Duration.ofMillis(100));
            manager.turn();
        }

        // Then
        assertThat(manager.status().attempts()).isBetween(3L, 5L);
    }

    @Test
    void anUnknownLayoutFailsWithTheNamesAndTouchesNothing() throws Exception {
        // Given
        labels.set("all-1g.5gb");
        MigManager manager = manager();

        // When
        manager.turn();

        // Then
        assertThat(manager.status().state()).isEqualTo(State.FAILED);
        assertThat(manager.status().reason())
                .contains("all-1g.5gb")
                .contains("all-disabled, all-enabled, all-balanced");
        assertThat(states).containsExactly("failed");
        assertThat(operations.steps()).isZero();
        assertThat(root.resolve("var/lib/gpu-node-agent/mig-layout")).doesNotExist();
    }

    @Test
    void whoIsInTheWayIsNamedOnceAndTheChangeFollowsWhenTheyAreGone() throws Exception {
        // Given
        labels.set("all-7g.80gb");
        manager().turn();
        model.used(FIRST, new MigUse.Holder("process 4711 (python3)", instanceOf(FIRST), 0));
        events.clear();
        labels.set("all-1g.10gb");
        MigManager manager = manager();
        pass(manager, Duration.ofSeconds(40));
        assertThat(manager.status().reason()).contains("process 4711 (python3)");
        assertThat(events)
                .singleElement()
                .satisfies(event -> assertThat(event.reason()).isEqualTo("MigLayoutFailed"));
        assertThat(instances()).containsExactly(1, 1);

        // When
        model.used(FIRST);
        pass(manager, Duration.ofSeconds(16));

        // Then
        assertThat(manager.status().state()).isEqualTo(State.SUCCESS);
        assertThat(instances()).containsExactly(7, 7);
    }

    @Test
    void aPodThatWasGivenAWholeGpuKeepsItsModeFromBeingChanged() throws Exception {
        // Given
        labels.set("all-disabled");
        pods.byDevice = Map.of(FIRST.uuid(), List.of(new PodUse("training", "bert-0", "main")));
        MigManager manager = manager("", MigWhileInUse.PENDING);

        // When
        manager.turn();

        // Then
        assertThat(manager.status().reason()).contains("pod training/bert-0");
        assertThat(states).containsExactly("pending");
        assertThat(operations.steps()).isZero();
    }

    @Test
    void aStepThatFailsIsTakenBackAndTriedAgainWithGrowingPauses() throws Exception {
        // Given
        labels.set("all-2g.20gb");
        operations.fault(Fault.FAILS, 3);
        MigManager manager = manager();
        manager.turn();
        assertThat(manager.status().state()).isEqualTo(State.FAILED);
        assertThat(instances()).containsExactly(0, 0);
        operations.heal();
        pass(manager, Duration.ofSeconds(1));
        assertThat(manager.status().attempts()).isOne();

        // When
        pass(manager, Duration.ofSeconds(4));

        // Then
        assertThat(manager.status().state()).isEqualTo(State.SUCCESS);
        assertThat(states).containsExactly("pending", "failed", "pending", "success");
        assertThat(door.alone).isZero();
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
    void aLifeThatEndsAtAnyStepIsFinishedByTheNext(int step) throws Exception {
        // Given
        labels.set("all-2g.20gb");
        operations.fault(step % 2 == 0 ? Fault.CRASH_AFTER : Fault.CRASH_BEFORE, step);
        MigManager killed = manager();
        assertThatThrownBy(killed::turn).isInstanceOf(FaultyOperations.Crash.class);
        operations.heal();
        MigManager next = manager();

        // When
        next.turn();

        // Then
        assertThat(instances()).containsExactly(3, 3);
        assertThat(next.status().state()).isEqualTo(State.SUCCESS);
        assertThat(root.resolve("var/lib/gpu-node-agent/mig.journal")).doesNotExist();
    }

    @Test
    void anInterruptedChangeIsEndedEvenWhenNobodyWantsALayoutAnyMore() throws Exception {
        // Given
        labels.set("all-2g.20gb");
        operations.fault(Fault.CRASH_AFTER, 5);
        MigManager killed = manager();
        assertThatThrownBy(killed::turn).isInstanceOf(FaultyOperations.Crash.class);
        operations.heal();
        labels.answer = new NodeLabels.Answer.NotSet();
        MigManager next = manager();

        // When
        next.turn();

        // Then
        assertThat(instances()).containsExactly(3, 3);
        assertThat(next.status().state()).isEqualTo(State.IDLE);
        assertThat(root.resolve("var/lib/gpu-node-agent/mig.journal")).doesNotExist();
    }

    @Test
    void aModeThatTheDriverRefusesIsTriedOnceMoreWithTheAgentAwayFromTheGpus() throws Exception {
        // Given
        labels.set("all-disabled");
        operations.fault(Fault.FAILS, 1);
        MigManager manager = manager();

        // When
        manager.turn();

        // Then
        assertThat(door.alone).isOne();
        assertThat(manager.status().state()).isEqualTo(State.SUCCESS);
        assertThat(model.layouts()).containsOnly(MigLayout.DISABLED);
    }

    @Test
    void whatTheLabelChoseLastIsWantedWhileTheNodeCannotBeRead() throws Exception {
        // Given
        Files.createDirectories(root.resolve("var/lib/gpu-node-agent"));
        Files.writeString(root.resolve("var/lib/gpu-node-agent/mig-layout"), "all-3g.40gb\n");
        labels.answer = new NodeLabels.Answer.Unknown("nobody answers");
        MigManager manager = manager("all-1g.10gb", MigWhileInUse.FAILED);

        // When
        manager.turn();

        // Then
        assertThat(instances()).containsExactly(2, 2);
        assertThat(manager.status().origin()).isEqualTo("memory");
    }

    @Test
    void theConfiguredLayoutCountsWhereTheNodeHasNoLabelAndNothingIsRemembered() throws Exception {
        // Given
        MigManager manager = manager("all-1g.10gb", MigWhileInUse.FAILED);

        // When
        manager.turn();

        // Then
        assertThat(instances()).containsExactly(7, 7);
        assertThat(root.resolve("var/lib/gpu-node-agent/mig-layout")).doesNotExist();
    }

    @Test
    void whatSomebodyChangesByHandStaysUntilTheDriverIsLoadedAnew() throws Exception {
        // Given
        labels.set("all-7g.80gb");
        MigManager manager = manager();
        manager.turn();
        MigManager byHand = new MigManagerByHand().of("all-1g.10gb");
        byHand.turn();
        pass(manager, Duration.ofSeconds(5));
        assertThat(instances()).containsExactly(7, 7);

        // When
        snapshots.publish(node.reopened(2).build());
        manager.turn();

        // Then
        assertThat(instances()).containsExactly(1, 1);
    }

    /** Somebody else, who changes the same boards. */
    private final class MigManagerByHand {
        MigManager of(String layout) {
            Labels other = new Labels();
            other.set(layout);
            return new MigManager(
                    new AgentConfig.Mig(true, "", "", MigWhileInUse.FAILED),
                    snapshots,
                    door,
                    pods,
                    other,
                    state -> {},
                    event -> {},
                    gpus -> {},
                    new SystemHostFiles(root),
                    time,
                    time.wall(),
                    new SplittableRandom(2),
                    new Heartbeats(time),
                    Meters.NONE);
        }
    }

    @Test
    void aLabelThatIsPutBackBeforeItWasFollowedIsASuccessAgain() throws Exception {
        // Given
        labels.set("all-7g.80gb");
        MigManager manager = manager();
        manager.turn();
        labels.set("all-1g.10gb");
        manager.turn();
        assertThat(manager.status().state()).isEqualTo(State.PENDING);

        // When
        labels.set("all-7g.80gb");
        pass(manager, Duration.ofSeconds(1));

        // Then
        assertThat(instances()).containsExactly(1, 1);
        assertThat(states).containsExactly("pending", "success", "pending", "success");
    }

    @Test
    void aStartWaitsForNoDriverThatIsNotThere() throws Exception {
        // Given
        snapshots = new FakeSnapshotSource(node.waiting().build());
        MigManager manager = manager("all-1g.10gb", MigWhileInUse.FAILED);
        manager.turn();

        // When
        manager.awaitRestored();

        // Then
        assertThat(manager.status().state()).isEqualTo(State.PENDING);
        assertThat(operations.steps()).isZero();
    }

    @Test
    void countingByIndexIsRefusedWhileAGpuIsNotIdentified() throws Exception {
        // Given
        Path file = root.resolve("mig.yaml");
        Files.writeString(file, """
                version: v1
                mig-configs:
                  one: [{devices: [1], mig-enabled: true, mig-devices: {"7g.80gb": 1}}]
                """);
        door.uncounted = "GPUs could not be identified";
        MigChanger changer = new MigChanger(
                new AgentConfig.Mig(true, "", file.toString(), MigWhileInUse.FAILED),
                new SystemHostFiles(root),
                (gpu, step, back) -> {});

        // When
        MigChanger.Result result =
                changer.change("one", List.of(FIRST, SECOND), door.uncounted(), operations, (steps, gpus) -> {});

        // Then
        assertThat(result)
                .isEqualTo(new MigChanger.Result.Failed(
                        "the layout names GPUs by index, and GPUs could not be identified", false));
    }

    @Test
    void aKubeletThatDoesNotSayWhoHoldsWhatKeepsTheGpusAsTheyAre() throws Exception {
        // Given
        labels.set("all-disabled");
        pods.answer = Optional.of(new PodResourcesSource.Answer.None("nobody listens"));
        MigManager manager = manager();
        pass(manager, Duration.ofSeconds(5));
        assertThat(manager.status().reason())
                .contains("the kubelet does not say")
                .contains("nobody listens");
        assertThat(operations.steps()).isZero();

        // When
        pods.answer = Optional.empty();
        pass(manager, Duration.ofSeconds(16));

        // Then
        assertThat(manager.status().state()).isEqualTo(State.SUCCESS);
    }

    @Test
    void beforeTheFirstKubeletNoPodHoldsAnything() throws Exception {
        // Given
        labels.set("all-disabled");
        pods.answer = Optional.of(new PodResourcesSource.Answer.NoKubelet());
        MigManager manager = manager();

        // When
        manager.turn();

        // Then
        assertThat(manager.status().state()).isEqualTo(State.SUCCESS);
    }

    @Test
    void aLabelThatWasRemovedIsNotRemembered() throws Exception {
        // Given
        labels.set("all-2g.20gb");
        manager().turn();
        labels.answer = new NodeLabels.Answer.NotSet();
        MigManager next = manager();

        // When
        next.turn();

        // Then
        assertThat(root.resolve("var/lib/gpu-node-agent/mig-layout")).doesNotExist();
    }

    @Test
    void aTryThatBreaksDownIsFailedAndKeepsNoStartWaiting() throws Exception {
        // Given
        labels.set("all-2g.20gb");
        door.broken = true;
        MigManager manager = manager("all-1g.10gb", MigWhileInUse.FAILED);

        // When
        manager.turn();

        // Then
        assertThat(states).containsExactly("failed");
        assertThat(manager.status().reason()).contains("the door is broken");
        assertTimeoutPreemptively(Duration.ofSeconds(10), manager::awaitRestored);
        door.broken = false;
        pass(manager, Duration.ofSeconds(3));
        assertThat(manager.status().state()).isEqualTo(State.SUCCESS);
    }

    @Test
    void beforeWhatIsToBeRestoredWasLookedIntoNoGpuIsGivenToContainers() throws Exception {
        // Given
        snapshots = new FakeSnapshotSource(node.waiting().build());
        MigManager manager = manager("all-1g.10gb", MigWhileInUse.FAILED);
        manager.watch();
        manager.turn();

        // When
        snapshots.publish(node.reopened(1).build());
        List<Set<GpuId>> before = List.copyOf(withheld);
        manager.turn();
        List<Set<GpuId>> meanwhile = List.copyOf(withheld);
        snapshots.publish(
                node.partition(0, sevenSmall()).partition(1, sevenSmall()).build());
        manager.turn();

        // Then
        assertThat(before).containsExactly(Set.of(FIRST, SECOND));
        assertThat(instances()).containsExactly(7, 7);
        assertThat(meanwhile).isEqualTo(before);
        assertThat(withheld).containsExactly(Set.of(FIRST, SECOND), Set.of());
    }

    private static String[] sevenSmall() {
        return Collections.nCopies(7, "1g.10gb").toArray(new String[0]);
    }

    @Test
    void whatTheGpusAreInBetweenIsKeptOutOfThePictureFromTheFirstStepToTheLast() throws Exception {
        // Given
        List<Set<GpuId>> atSteps = new ArrayList<>();
        operations.beforeStep(() -> atSteps.add(Set.copyOf(door.held)));
        labels.set("all-2g.20gb");
        MigManager manager = manager();

        // When
        manager.turn();

        // Then
        assertThat(atSteps).hasSize(12).allMatch(Set.of(FIRST, SECOND)::equals);
        assertThat(door.held).isEmpty();
    }

    /** The clock stands still from the last step on: nothing on the way to the new devices is a wait of the manager's. */
    @Test
    void thePictureIsAskedForWithTheLastStepAndWhatItShowsIsOfferedAtOnce() throws Exception {
        // Given
        List<Integer> asked = new ArrayList<>();
        operations.beforeStep(() -> asked.add(door.changes));
        labels.set("all-1g.10gb");
        MigManager manager = manager();
        manager.watch();

        // When
        manager.turn();
        int askedAfterwards = door.changes;
        List<Set<GpuId>> before = List.copyOf(withheld);
        snapshots.publish(
                node.partition(0, sevenSmall()).partition(1, sevenSmall()).build());
        manager.turn();

        // Then
        assertThat(asked).hasSize(28).containsOnly(0);
        assertThat(askedAfterwards).isOne();
        assertThat(before).containsExactly(Set.of(FIRST, SECOND));
        assertThat(withheld.getLast()).isEmpty();
        assertThat(states).containsExactly("pending", "success");
    }

    @Test
    void aLayoutThatBecomesAnotherOneInItsFileIsApplied() throws Exception {
        // Given
        Path file = root.resolve("mig.yaml");
        String text = """
                version: v1
                mig-configs:
                  mine: [{devices: all, mig-enabled: true, mig-devices: {"%s": 1}}]
                """;
        Files.writeString(file, text.formatted("7g.80gb"));
        labels.set("mine");
        MigManager manager = manager(new AgentConfig.Mig(true, "", file.toString(), MigWhileInUse.FAILED));
        manager.turn();
        assertThat(model.layouts().getFirst().instances().getFirst().profileId())
                .isEqualTo(CHIP.named("7g.80gb").id());

        // When
        Files.writeString(file, text.formatted("3g.40gb"));
        pass(manager, MigManager.FILE_LOOK.multipliedBy(3));

        // Then
        assertThat(model.layouts().getFirst().instances().getFirst().profileId())
                .isEqualTo(CHIP.named("3g.40gb").id());
        assertThat(states).endsWith("pending", "success");
    }

    @Test
    void aFileThatChangesElsewhereOrIsOfNoUseUndoesNothingThatWasDoneByHand() throws Exception {
        // Given
        Path file = root.resolve("mig.yaml");
        String text = """
                version: v1
                mig-configs:
                  mine: [{devices: all, mig-enabled: true, mig-devices: {"7g.80gb": 1}}]
                """;
        Files.writeString(file, text);
        labels.set("mine");
        MigManager manager = manager(new AgentConfig.Mig(true, "", file.toString(), MigWhileInUse.FAILED));
        manager.turn();
        new MigManagerByHand().of("all-1g.10gb").turn();

        // When
        Files.writeString(file, "# a remark\n" + text + "  other: [{devices: all, mig-enabled: false}]\n");
        pass(manager, MigManager.FILE_LOOK.multipliedBy(3));
        Files.writeString(file, text.replace("version: v1", "version: v7"));
        pass(manager, MigManager.FILE_LOOK.multipliedBy(3));

        // Then
        assertThat(instances()).containsExactly(7, 7);
        assertThat(manager.status().state()).isEqualTo(State.SUCCESS);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void whereProfilesAreToldOnlyWithMigOnItIsTurnedOnFirstAndOffAgainWhenTheRestFails(boolean fails) throws Exception {
        // Given
        Path file = root.resolve("mig.yaml");
        Files.writeString(file, """
                version: v1
                mig-configs:
                  off: [{devices: all, mig-enabled: false}]
                  mine: [{devices: [0], mig-enabled: true, mig-devices: {"7g.80gb": 1}}]
                """);
        labels.set("off");
        MigManager manager = manager(new AgentConfig.Mig(true, "", file.toString(), MigWhileInUse.FAILED));
        manager.turn();
        model.silent();
        operations.fault(Fault.FAILS, fails ? 3 : 0);

        // When
        labels.set("mine");
        manager.turn();
        time.advance(MigManager.SETTLE);
        manager.turn();

        // Then
        assertThat(manager.status().state()).isEqualTo(fails ? State.FAILED : State.SUCCESS);
        assertThat(model.layouts().getFirst().enabled()).isEqualTo(!fails);
        assertThat(model.layouts().getFirst().instances()).hasSize(fails ? 0 : 1);
    }

    @Test
    void aGpuThatCouldNotBeBroughtBackIsNotOfferedAndDoesNotHoldUpTheOthers() throws Exception {
        // Given
        Path file = root.resolve("mig.yaml");
        Files.writeString(file, """
                version: v1
                mig-configs:
                  first: [{devices: [0], mig-enabled: true, mig-devices: {"7g.80gb": 1}}]
                  second: [{devices: [1], mig-enabled: true, mig-devices: {"7g.80gb": 1}}]
                """);
        operations.fault(Fault.FAILS, 2);
        operations.beforeStep(() -> operations.lost(operations.steps() == 2 ? FIRST : null));
        labels.set("first");
        MigManager manager = manager(new AgentConfig.Mig(true, "", file.toString(), MigWhileInUse.FAILED));
        manager.turn();
        assertThat(manager.status().reason()).contains("not brought back yet");

        // When
        operations.beforeStep(() -> {});
        labels.set("second");
        pass(manager, Duration.ofSeconds(10));

        // Then
        assertThat(manager.status().state()).isEqualTo(State.SUCCESS);
        assertThat(instances()).containsExactly(1, 1);
        assertThat(withheld.getLast()).containsExactly(FIRST);
        operations.heal();
        operations.lost(null);
        pass(manager, Duration.ofSeconds(30));
        assertThat(instances()).containsExactly(0, 1);
        assertThat(withheld.getLast()).isEmpty();
    }

    @Test
    void aGpuThatSaysLateWhoItIsIsSplitToo() throws Exception {
        // Given
        snapshots = new FakeSnapshotSource(Snapshots.pcie(1).build());
        labels.set("all-2g.20gb");
        MigManager manager = manager();
        manager.turn();
        assertThat(instances()).containsExactly(3, 0);

        // When
        snapshots.publish(node.build());
        manager.turn();

        // Then
        assertThat(instances()).containsExactly(3, 3);
    }

    @Test
    void theInventoryLooksAgainAfterTheEndOfAnInterruptedChangeThatMadeAllSteps() throws Exception {
        // Given
        labels.set("all-7g.80gb");
        operations.fault(Fault.CRASH_AFTER, 4);
        MigManager killed = manager();
        assertThatThrownBy(killed::turn).isInstanceOf(FaultyOperations.Crash.class);
        operations.heal();
        door.changes = 0;
        MigManager next = manager();

        // When
        next.turn();

        // Then
        assertThat(next.status().steps()).isZero();
        assertThat(next.status().state()).isEqualTo(State.SUCCESS);
        assertThat(door.changes).isOne();
    }

    @Test
    void aChangeThatCouldNotBeTakenBackIsGoneOnWithAfterItsLabelWasRemoved() throws Exception {
        // Given
        labels.set("all-2g.20gb");
        operations.fault(Fault.FAILS, 6);
        operations.beforeStep(() -> {
            if (operations.steps() == 6) {
                operations.lost(FIRST);
            }
        });
        MigManager manager = manager();
        manager.turn();
        Path journal = root.resolve("var/lib/gpu-node-agent/mig.journal");
        assertThat(journal).exists();
        operations.heal();
        operations.beforeStep(() -> {});
        operations.lost(null);
        labels.answer = new NodeLabels.Answer.NotSet();

        // When
        pass(manager, Duration.ofSeconds(1));

        // Then
        assertThat(journal).doesNotExist();
        assertThat(manager.status().state()).isEqualTo(State.IDLE);
    }

    @Test
    void aGpuThatDoesNotAnswerKeepsNoLayoutFromTheOthersThatDoesNotNameIt() throws Exception {
        // Given
        Path file = root.resolve("mig.yaml");
        Files.writeString(file, """
                version: v1
                mig-configs:
                  second: [{devices: [1], mig-enabled: true, mig-devices: {"7g.80gb": 1}}]
                  both: [{devices: all, mig-enabled: true, mig-devices: {"7g.80gb": 1}}]
                """);
        operations.lost(FIRST);
        MigChanger changer = new MigChanger(
                new AgentConfig.Mig(true, "", file.toString(), MigWhileInUse.FAILED),
                new SystemHostFiles(root),
                (gpu, step, back) -> {});
        List<GpuId> order = List.of(FIRST, SECOND);

        // When
        MigChanger.Result both = changer.change("both", order, "", operations, (steps, gpus) -> {});
        MigChanger.Result second = changer.change("second", order, "", operations, (steps, gpus) -> {});

        // Then
        assertThat(both)
                .isInstanceOfSatisfying(
                        MigChanger.Result.Failed.class,
                        failed -> assertThat(failed.reason())
                                .contains("GPU 0 (" + FIRST + ") cannot be looked at: GPU_IS_LOST"));
        assertThat(second).isInstanceOf(MigChanger.Result.Done.class);
        assertThat(instances()).containsExactly(0, 1);
    }

    @Test
    void whoTakesAnInstanceBetweenTheStepsIsInTheWayAndNoFailure() throws Exception {
        // Given
        labels.set("all-7g.80gb");
        manager().turn();
        labels.set("all-1g.10gb");
        operations.beforeStep(
                () -> model.used(FIRST, new MigUse.Holder("process 4711 (python3)", instanceOf(FIRST), 0)));
        MigManager manager = manager("", MigWhileInUse.PENDING);

        // When
        manager.turn();

        // Then
        assertThat(manager.status().state()).isEqualTo(State.PENDING);
        assertThat(manager.status().reason()).contains("process 4711 (python3)");
        assertThat(instances()).containsExactly(1, 1);
    }

    @Test
    void aFailureAfterAModeWasSwitchedIsNoReasonToLetGoOfTheGpus() throws Exception {
        // Given
        labels.set("all-disabled");
        manager().turn();
        labels.set("all-2g.20gb");
        operations.fault(Fault.FAILS, 3);
        MigManager manager = manager();
        door.alone = 0;

        // When
        manager.turn();

        // Then
        assertThat(manager.status().state()).isEqualTo(State.FAILED);
        assertThat(door.alone).isZero();
    }

    private int instanceOf(GpuId gpu) {
        return model.board(gpu).geometry().instances().getFirst().id();
    }
}
