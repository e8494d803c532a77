package io.gpunode.agent.mig;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.gpunode.agent.config.Report;
import io.gpunode.agent.mig.FaultyOperations.Fault;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.MigGeometry;
import io.gpunode.agent.model.MigGeometry.ComputeInstance;
import io.gpunode.agent.model.MigGeometry.GpuInstance;
import io.gpunode.agent.model.MigPlacement;
import io.gpunode.agent.model.MigProfile;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.OwnerLock;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.testing.InMemory;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A change of two boards of the model, and everything that can go wrong on the way. */
@Timeout(120)
class MigTransactionTest {
    private static final Path STATE = Path.of("/var/lib/gpu-node-agent");
    private static final MigChips CHIP = MigChips.A100_80;
    private static final GpuId FIRST = new GpuId("GPU-0");
    private static final GpuId SECOND = new GpuId("GPU-1");
    private static final MigUse.Holder POD = new MigUse.Holder("pod training/bert-0", 1, -1);

    @TempDir(factory = InMemory.class)
    private Path root = Path.of("");

    private HostFiles files = new SystemHostFiles(Path.of("/"));
    private ModelOperations model = new ModelOperations(CHIP);
    private FaultyOperations operations = new FaultyOperations(model);
    private MigPlan plan = new MigPlan(List.of());
    private final List<String> told = new ArrayList<>();

    @BeforeEach
    void aChangeOfTwoBoards() {
        files = new SystemHostFiles(root);
        set(
                CHIP.gpu(0, new MigGeometry(true, true, List.of(whole("3g.40gb", 2, 0), split("3g.40gb", 1, 4, 0, 1)))),
                new MigWish.Devices(Map.of(kind("3g.40gb", 3), 1, kind("2g.20gb", 2), 1, kind("1g.10gb", 1), 1)),
                CHIP.gpu(1, MigGeometry.DISABLED),
                new MigWish.Devices(Map.of(kind("7g.80gb", 2), 3)));
    }

    private void set(MigGpu first, MigWish firstWish, MigGpu second, MigWish secondWish) {
        model = new ModelOperations(CHIP, first, second);
        operations = new FaultyOperations(model);
        plan = planned(
                new MigRequest(first, firstWish, MigUse.NOBODY), new MigRequest(second, secondWish, MigUse.NOBODY));
    }

    private static MigPlan planned(MigRequest... requests) {
        MigDecision decision = MigPlanner.plan(List.of(requests));
        assertThat(decision).isInstanceOf(MigDecision.Planned.class);
        return ((MigDecision.Planned) decision).plan();
    }

    private static MigWish.Kind kind(String profile, int slices) {
        return new MigWish.Kind(CHIP.named(profile).id(), slices);
    }

    private static GpuInstance whole(String name, int id, int start) {
        MigProfile profile = CHIP.named(name);
        return new GpuInstance(
                id,
                profile.id(),
                new MigPlacement(start, profile.memorySlices()),
                List.of(new ComputeInstance(
                        0,
                        profile.computeProfiles().getLast().id(),
                        profile.slices(),
                        new MigPlacement(0, profile.slices()))));
    }

    /** With compute instances of one slice at these places. */
    private static GpuInstance split(String name, int id, int start, int... places) {
        MigProfile profile = CHIP.named(name);
        List<ComputeInstance> parts = new ArrayList<>();
        for (int place : places) {
            parts.add(new ComputeInstance(parts.size(), 0, 1, new MigPlacement(place, 1)));
        }
        return new GpuInstance(id, profile.id(), new MigPlacement(start, profile.memorySlices()), parts);
    }

    private MigTransaction transaction() {
        return new MigTransaction(
                files,
                STATE,
                operations,
                (gpu, step, back) -> told.add((back ? "back: " : "") + gpu + " " + step.text()));
    }

    private List<MigLayout> before() {
        return plan.gpus().stream().map(MigPlan.OfGpu::before).toList();
    }

    private List<MigLayout> after() {
        return plan.gpus().stream().map(MigPlan.OfGpu::after).toList();
    }

    private boolean journalIsThere() {
        return Files.exists(root.resolve("var/lib/gpu-node-agent/mig.journal"));
    }

    @Test
    void aPlanIsCarriedOutStepByStep() throws Exception {
        // When
        MigOutcome outcome = transaction().apply(plan);

        // Then
        assertThat(outcome).isEqualTo(new MigOutcome.Done(plan.stepCount(), false));
        assertThat(model.layouts()).isEqualTo(after());
        assertThat(journalIsThere()).isFalse();
        assertThat(told)
                .containsExactly(
                        "GPU-0 destroy compute instance 0 of GPU instance 1 (1c.3g.40gb)",
                        "GPU-0 destroy compute instance 1 of GPU instance 1 (1c.3g.40gb)",
                        "GPU-0 destroy GPU instance 1 (3g.40gb at 4:4)",
                        "GPU-0 create GPU instance 2g.20gb at 4:2",
                        "GPU-0 create compute instance 2g.20gb at 0:2 in the GPU instance at 4:2",
                        "GPU-0 create GPU instance 1g.10gb at 6:1",
                        "GPU-0 create compute instance 1g.10gb at 0:1 in the GPU instance at 6:1",
                        "GPU-1 turn MIG mode on, which resets the GPU",
                        "GPU-1 create GPU instance 7g.80gb at 0:8",
                        "GPU-1 create compute instance 2c.7g.80gb at 0:2 in the GPU instance at 0:8",
                        "GPU-1 create compute instance 2c.7g.80gb at 2:2 in the GPU instance at 0:8",
                        "GPU-1 create compute instance 2c.7g.80gb at 4:2 in the GPU instance at 0:8");
    }

    @ParameterizedTest
    @EnumSource(names = {"FAILS", "FAILS_LATE", "LIES"})
    void aStepThatFailsBringsBackWhatWasThere(Fault fault) throws Exception {
        for (int step = 1; step <= plan.stepCount(); step++) {
            aChangeOfTwoBoards();
            operations.fault(fault, step);

            // When
            MigOutcome outcome = transaction().apply(plan);

            // Then
            assertThat(outcome).as("step %d", step).isInstanceOf(MigOutcome.RolledBack.class);
            assertThat(model.layouts()).as("step %d", step).isEqualTo(before());
            assertThat(journalIsThere()).as("step %d", step).isFalse();
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"CRASH_BEFORE", "CRASH_AFTER"})
    void aCrashAtAnyStepIsEndedForwardByTheNextStart(Fault fault) throws Exception {
        for (int step = 1; step <= plan.stepCount(); step++) {
            aChangeOfTwoBoards();
            operations.fault(fault, step);
            assertThatThrownBy(() -> transaction().apply(plan)).isInstanceOf(FaultyOperations.Crash.class);
            operations.heal();

            // When
            MigOutcome outcome = transaction().recover().orElseThrow();

            // Then
            assertThat(outcome).as("step %d", step).isInstanceOf(MigOutcome.Done.class);
            assertThat(model.layouts()).as("step %d", step).isEqualTo(after());
            assertThat(journalIsThere()).as("step %d", step).isFalse();
        }
    }

    @ParameterizedTest
    @EnumSource
    void twoFaultsInOneChangeEndInTheOldOrTheNewGeometry(Fault second) throws Exception {
        for (int step = 1; step <= plan.stepCount(); step++) {
            for (int later = step + 1; later <= step + 3; later++) {
                aChangeOfTwoBoards();
                operations.fault(Fault.FAILS, step);
                operations.secondFault(second, later);

                // When
                try {
                    transaction().apply(plan);
                } catch (FaultyOperations.Crash e) {
                    operations.heal();
                    transaction().recover();
                }

                // Then
                assertThat(model.layouts()).as("steps %d and %d", step, later).isIn(before(), after());
                assertThat(journalIsThere()).as("steps %d and %d", step, later).isFalse();
            }
        }
    }

    @Test
    void aCrashWithinTheWayForwardOfTheNextStartIsEndedByTheOneAfter() throws Exception {
        for (int step = 1; step < plan.stepCount(); step++) {
            aChangeOfTwoBoards();
            operations.fault(Fault.CRASH_AFTER, step);
            operations.secondFault(Fault.CRASH_AFTER, step + 1);
            assertThatThrownBy(() -> transaction().apply(plan)).isInstanceOf(FaultyOperations.Crash.class);
            assertThatThrownBy(() -> transaction().recover()).isInstanceOf(FaultyOperations.Crash.class);

            // When
            transaction().recover();

            // Then
            assertThat(model.layouts()).as("step %d", step).isEqualTo(after());
        }
    }

    @ParameterizedTest
    @EnumSource
    void anyChangeOfAnyBoardWithAFaultAnywhereEndsInTheOldOrTheNewGeometry(MigChips chip) throws Exception {
        // Given
        List<MigGeometry> geometries = AllGeometries.of(chip);
        List<MigWish.Devices> wishes = AllGeometries.wishes(geometries);
        Random random = new Random(7);
        for (int i = 0; i < 60; i++) {
            MigGpu gpu = chip.gpu(0, geometries.get(random.nextInt(geometries.size())));
            plan = planned(new MigRequest(gpu, wishes.get(random.nextInt(wishes.size())), MigUse.NOBODY));
            model = new ModelOperations(chip, gpu);
            operations = new FaultyOperations(model);
            Fault fault = Fault.values()[random.nextInt(Fault.values().length)];
            operations.fault(fault, 1 + random.nextInt(plan.stepCount() + 1));

            // When
            try {
                transaction().apply(plan);
            } catch (FaultyOperations.Crash e) {
                operations.heal();
                transaction().recover();
            }

            // Then
            assertThat(model.layouts()).as("%s in change %d", fault, i).isIn(before(), after());
        }
    }

    @Test
    void aStepBackThatFailsForGoodLeavesTheJournalForTheNextStart() throws Exception {
        // Given
        operations.fault(Fault.FAILS, 4);
        operations.beforeStep(() -> {
            if (operations.steps() > 4) {
                throw new IllegalStateException("the driver is ill");
            }
        });

        // When
        MigOutcome outcome = transaction().apply(plan);

        // Then
        assertThat(outcome).isInstanceOf(MigOutcome.Stuck.class);
        assertThat(outcome.message())
                .contains("create GPU instance 2g.20gb at 4:2: injected")
                .contains("GPU 0 (GPU-0): could not create GPU instance 3g.40gb at 4:4")
                .contains("the driver is ill");
        operations.beforeStep(() -> {});
        assertThat(transaction().recover()).containsInstanceOf(MigOutcome.RolledBack.class);
        assertThat(model.layouts()).isEqualTo(before());
    }

    @Test
    void whoAppearsBetweenPlanAndStartIsNamedAndNothingIsTouched() throws Exception {
        // Given
        model.used(FIRST, new MigUse.Holder("process 4711 (python3)", 1, 1));

        // When
        MigOutcome outcome = transaction().apply(plan);

        // Then
        assertThat(outcome).isInstanceOf(MigOutcome.Untouched.class);
        assertThat(outcome.message()).contains("GPU 0 (GPU-0) is in use by process 4711 (python3)");
        assertThat(model.layouts()).isEqualTo(before());
        assertThat(told).isEmpty();
    }

    @Test
    void whoAppearsWhileItRunsIsNamedAndWhatWasDoneIsTakenBack() throws Exception {
        // Given
        operations.beforeStep(() -> {
            if (operations.steps() == 2) {
                model.used(FIRST, new MigUse.Holder("process 4711 (python3)", 1, 1));
            }
        });

        // When
        MigOutcome outcome = transaction().apply(plan);

        // Then
        assertThat(outcome)
                .isEqualTo(new MigOutcome.RolledBack(
                        MigOutcome.Why.IN_USE,
                        "destroy compute instance 1 of GPU instance 1 (1c.3g.40gb)",
                        "IN_USE, by process 4711 (python3)"));
        assertThat(model.layouts()).isEqualTo(before());
    }

    @Test
    void whoUsesWhatStaysIsNotInTheWay() throws Exception {
        // Given
        model.used(FIRST, new MigUse.Holder("process 1", 2, 0));

        // When
        MigOutcome outcome = transaction().apply(plan);

        // Then
        assertThat(outcome).isInstanceOf(MigOutcome.Done.class);
    }

    @Test
    void aPlanForWhatIsNoLongerSoIsNotCarriedOut() throws Exception {
        // Given
        model.board(FIRST)
                .apply(new MigStep.DestroyPart(new MigPlacement(0, 4), 2, 0, new MigPlacement(0, 3), "3g.40gb"));

        // When
        MigOutcome outcome = transaction().apply(plan);

        // Then
        assertThat(outcome).isInstanceOf(MigOutcome.Untouched.class);
        assertThat(outcome.message()).contains("changed by somebody else").contains("plan again");
        assertThat(told).isEmpty();
    }

    @Test
    void aPodThatWasAdmittedSinceTheChangeBeganKeepsWhatItWasGiven() throws Exception {
        // Given
        operations.beforeStep(() -> {
            if (operations.steps() == 1) {
                operations.given(FIRST, POD);
            }
        });

        // When
        MigOutcome outcome = transaction().apply(plan);

        // Then
        assertThat(outcome)
                .isEqualTo(new MigOutcome.RolledBack(
                        MigOutcome.Why.IN_USE,
                        "destroy compute instance 1 of GPU instance 1 (1c.3g.40gb)",
                        "in use by pod training/bert-0"));
        assertThat(model.layouts()).isEqualTo(before());
    }

    @Test
    void aPodThatWasAdmittedAfterACrashKeepsWhatItWasGiven() throws Exception {
        // Given
        crashAt(1);
        operations.given(FIRST, POD);

        // When
        MigOutcome outcome = transaction().recover().orElseThrow();

        // Then
        assertThat(outcome).isInstanceOf(MigOutcome.RolledBack.class);
        assertThat(outcome.message()).contains("in use by pod training/bert-0");
        assertThat(model.layouts()).isEqualTo(before());
    }

    private void crashAt(int step) {
        operations.fault(Fault.CRASH_AFTER, step);
        assertThatThrownBy(() -> transaction().apply(plan)).isInstanceOf(FaultyOperations.Crash.class);
        operations.heal();
    }

    @Test
    void aGpuThatIsLostAfterACrashDoesNotHoldUpTheOthers() throws Exception {
        // Given
        crashAt(9);
        operations.lost(FIRST);

        // When
        MigOutcome outcome = transaction().recover().orElseThrow();

        // Then
        assertThat(outcome)
                .isInstanceOfSatisfying(
                        MigOutcome.Stuck.class,
                        stuck -> assertThat(stuck.left())
                                .singleElement()
                                .asString()
                                .contains("GPU 0 (GPU-0)")
                                .contains("GPU_IS_LOST"));
        assertThat(model.layouts().getLast()).isEqualTo(before().getLast());
        operations.lost(null);
        assertThat(transaction().recover()).containsInstanceOf(MigOutcome.RolledBack.class);
        assertThat(model.layouts()).isEqualTo(before());
        assertThat(journalIsThere()).isFalse();
    }

    @Test
    void aPlanThatComesWhileAnInterruptedChangeCannotBeEndedIsToldSo() throws Exception {
        // Given
        crashAt(9);
        operations.lost(FIRST);

        // When
        MigOutcome outcome = transaction().apply(plan);

        // Then
        assertThat(outcome.message())
                .contains("a change that was interrupted comes first")
                .contains("not brought back yet: GPU 0 (GPU-0)")
                .doesNotContain("was ended");
    }

    @ParameterizedTest
    @EnumSource(
            value = Fault.class,
            names = {"CRASH_BEFORE", "CRASH_AFTER"})
    void whatIsLeftOfALostGpuOutlivesChangesOfTheOthersAndTheirCrashes(Fault crash) throws Exception {
        // Given
        crashAt(5);
        operations.lost(FIRST);
        assertThat(transaction().recover()).containsInstanceOf(MigOutcome.Stuck.class);
        MigPlan second = planned(
                new MigRequest(model.read(SECOND), new MigWish.Devices(Map.of(kind("7g.80gb", 7), 1)), MigUse.NOBODY));
        operations.fault(crash, 2);
        assertThatThrownBy(() -> transaction().apply(second)).isInstanceOf(FaultyOperations.Crash.class);
        operations.heal();

        // When
        MigOutcome ended = transaction().recover().orElseThrow();

        // Then
        assertThat(ended).isInstanceOf(MigOutcome.Done.class);
        assertThat(model.layouts().getLast()).isEqualTo(second.gpus().getFirst().after());
        operations.lost(null);
        assertThat(transaction().recover()).containsInstanceOf(MigOutcome.RolledBack.class);
        assertThat(model.layouts().getFirst()).isEqualTo(before().getFirst());
        assertThat(journalIsThere()).isFalse();
    }

    /** The usual layouts of a board, from each to each other one: 20 changes, each with every fault at every step of it. */
    @ParameterizedTest
    @EnumSource
    void everyFaultAtEveryStepFromEachUsualLayoutToEachOtherEndsInTheOldOrTheNewOne(Fault fault) throws Exception {
        // Given
        MigChips chip = MigChips.A30;
        MigGpu empty = chip.gpu(0, MigGeometry.EMPTY);
        List<MigGeometry> layouts = new ArrayList<>();
        for (String name : List.of("all-1g.6gb", "all-1g.6gb.me", "all-2g.12gb", "all-4g.24gb", "all-balanced")) {
            layouts.add(geometry(chip, GeneratedConfig.of(List.of(empty)).layout(name), empty));
        }
        int tried = 0;
        for (MigGeometry from : layouts) {
            for (MigGeometry to : layouts) {
                MigGpu gpu = chip.gpu(0, from);
                plan = planned(new MigRequest(gpu, AllGeometries.devices(to), MigUse.NOBODY));
                for (int step = 1; step <= plan.stepCount(); step++) {
                    model = new ModelOperations(chip, gpu);
                    operations = new FaultyOperations(model);
                    operations.fault(fault, step);

                    // When
                    boolean crashed = false;
                    try {
                        transaction().apply(plan);
                    } catch (FaultyOperations.Crash e) {
                        crashed = true;
                        operations.heal();
                        transaction().recover();
                    }

                    // Then
                    assertThat(model.layouts())
                            .as("%s at step %d of %s", fault, step, plan)
                            .isEqualTo(crashed ? after() : before());
                    assertThat(journalIsThere()).isFalse();
                    tried++;
                }
            }
        }
        assertThat(tried).isGreaterThan(100);
    }

    private static MigGeometry geometry(MigChips chip, List<MigConfigFile.Entry> layout, MigGpu gpu) {
        MigConfigWishes wishes =
                MigConfigWishes.of(layout, List.of(gpu), new Report(true)).orElseThrow();
        MigPlan.OfGpu way = planned(
                        new MigRequest(gpu, wishes.gpus().getFirst().wish().orElseThrow(), MigUse.NOBODY))
                .gpus()
                .getFirst();
        ModelGpu board = new ModelGpu(chip, MigGeometry.EMPTY);
        way.steps().forEach(board::apply);
        return board.geometry();
    }

    @Test
    void whatSomebodyElseMadeAfterACrashIsLeftAloneAndTheOthersAreEnded() throws Exception {
        // Given
        crashAt(3);
        model.board(SECOND).apply(new MigStep.SetMode(true, true, true));
        model.board(SECOND)
                .apply(new MigStep.CreateInstance(CHIP.named("1g.20gb").id(), new MigPlacement(4, 2), "1g.20gb"));
        MigLayout found = model.layouts().getLast();

        // When
        MigOutcome outcome = transaction().recover().orElseThrow();

        // Then
        assertThat(outcome).isInstanceOf(MigOutcome.Done.class);
        assertThat(outcome.message()).contains("GPU 1 (GPU-1): changed by somebody else");
        assertThat(model.layouts()).containsExactly(after().getFirst(), found);
        assertThat(journalIsThere()).isFalse();
    }

    @Test
    void aJournalOfWhichAllGpusWereChangedBySomebodyElseIsGivenUp() throws Exception {
        // Given
        plan = new MigPlan(plan.gpus().subList(0, 1));
        crashAt(3);
        model.board(FIRST)
                .apply(new MigStep.CreateInstance(CHIP.named("1g.20gb").id(), new MigPlacement(4, 2), "1g.20gb"));
        List<MigLayout> found = model.layouts();

        // When
        MigOutcome outcome = transaction().recover().orElseThrow();

        // Then
        assertThat(outcome).isInstanceOf(MigOutcome.Untouched.class);
        assertThat(model.layouts()).isEqualTo(found);
        assertThat(journalIsThere()).isFalse();
    }

    @Test
    void aJournalThatCannotBeRemovedIsNotFollowedAgain() throws Exception {
        // Given
        files = refusingToDelete(files);

        // When
        MigOutcome outcome = transaction().apply(plan);

        // Then
        assertThat(outcome).isEqualTo(new MigOutcome.Done(plan.stepCount(), false));
        assertThat(journalIsThere()).isTrue();
        assertThat(transaction().isInterrupted()).isFalse();
        assertThat(transaction().recover()).isEmpty();
        plan = planned(new MigRequest(model.read(SECOND), new MigWish.Disabled(), MigUse.NOBODY));
        assertThat(transaction().apply(plan)).isInstanceOf(MigOutcome.Done.class);
        assertThat(model.layouts().getLast()).isEqualTo(MigLayout.DISABLED);
    }

    @Test
    void aJournalThatCanBeNeitherRemovedNorWrittenIsNamedByTheOutcome() throws Exception {
        // Given
        Path journal = root.resolve("var/lib/gpu-node-agent/mig.journal");
        operations.beforeStep(() -> {
            if (operations.steps() == plan.stepCount()) {
                becomeADirectory(journal);
            }
        });

        // When
        MigOutcome outcome = transaction().apply(plan);

        // Then
        assertThat(outcome).isInstanceOf(MigOutcome.Done.class);
        assertThat(outcome.message())
                .contains("/var/lib/gpu-node-agent/mig.journal can be neither removed nor written")
                .contains("remove it");
        assertThat(model.layouts()).isEqualTo(after());
    }

    private static void becomeADirectory(Path file) {
        try {
            Files.delete(file);
            Files.createDirectories(file.resolve("in the way"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static HostFiles refusingToDelete(HostFiles files) {
        return (HostFiles) Proxy.newProxyInstance(
                HostFiles.class.getClassLoader(), new Class<?>[] {HostFiles.class}, (_, method, arguments) -> {
                    if (method.getName().equals("delete")) {
                        throw new FileSystemException(String.valueOf(arguments[0]), null, "Operation not permitted");
                    }
                    try {
                        return method.invoke(files, arguments);
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
                });
    }

    @Test
    void aPlanThatComesAfterACrashEndsTheOldChangeAndIsToBeMadeAgain() throws Exception {
        // Given
        operations.fault(Fault.CRASH_AFTER, 3);
        assertThatThrownBy(() -> transaction().apply(plan)).isInstanceOf(FaultyOperations.Crash.class);
        operations.heal();

        // When
        MigOutcome outcome = transaction().apply(plan);

        // Then
        assertThat(outcome).isInstanceOf(MigOutcome.Untouched.class);
        assertThat(outcome.message()).contains("interrupted was ended first").contains("plan again");
        assertThat(model.layouts()).isEqualTo(after());
    }

    @Test
    void aJournalThatIsDamagedIsNotFollowed() throws Exception {
        // Given
        operations.fault(Fault.CRASH_AFTER, 3);
        assertThatThrownBy(() -> transaction().apply(plan)).isInstanceOf(FaultyOperations.Crash.class);
        operations.heal();
        Path journal = root.resolve("var/lib/gpu-node-agent/mig.journal");
        byte[] bytes = Files.readAllBytes(journal);
        bytes[bytes.length / 2] ^= 1;
        Files.write(journal, bytes);
        List<MigLayout> found = model.layouts();

        // When
        MigOutcome outcome = transaction().recover().orElseThrow();

        // Then
        assertThat(outcome.message())
                .contains("mig.journal")
                .contains("is damaged")
                .contains("remove the file");
        assertThat(model.layouts()).isEqualTo(found);
        assertThat(journalIsThere()).isTrue();
    }

    @Test
    void aJournalOfALaterFormatIsNotFollowed() throws Exception {
        // Given
        files.replace(
                STATE.resolve("mig.journal"),
                "gpu-node-agent-mig-journal 2 00000000\n{}\n".getBytes(StandardCharsets.UTF_8),
                "rw-------");

        // When
        MigOutcome outcome = transaction().apply(plan);

        // Then
        assertThat(outcome.message()).contains("format version 2").contains("knows version 1");
        assertThat(model.layouts()).isEqualTo(before());
    }

    @Test
    void theSecondWriterIsSentAwayWithTheNameOfTheFirst() throws Exception {
        // Given
        try (OwnerLock _ = OwnerLock.take(files, STATE.resolve("mig.lock")).orElseThrow()) {
            // When
            MigOutcome outcome = transaction().apply(plan);

            // Then
            assertThat(outcome.message())
                    .contains("MIG is being changed by process "
                            + ProcessHandle.current().pid());
            assertThat(told).isEmpty();
        }
        assertThat(transaction().apply(plan)).isInstanceOf(MigOutcome.Done.class);
    }

    @Test
    void aJournalThatCannotBeWrittenStopsTheChangeBeforeItsFirstStep() throws Exception {
        // Given
        Files.createDirectories(root.resolve("var/lib/gpu-node-agent/mig.journal/in the way"));

        // When
        MigOutcome outcome = transaction().apply(plan);

        // Then
        assertThat(outcome).isNotInstanceOf(MigOutcome.Done.class);
        assertThat(model.layouts()).isEqualTo(before());
    }

    @Test
    void aVirtualMachinesModeIsPendingUntilItsRestart() throws Exception {
        // Given
        MigGpu gpu = CHIP.gpu(0, MigGeometry.DISABLED, true);
        MigWish wish = new MigWish.Devices(Map.of(kind("7g.80gb", 7), 1));
        plan = planned(new MigRequest(gpu, wish, MigUse.NOBODY));
        model = new ModelOperations(CHIP, gpu);
        operations = new FaultyOperations(model);

        // When
        MigOutcome outcome = transaction().apply(plan);

        // Then
        assertThat(outcome).isEqualTo(new MigOutcome.Done(1, true));
        assertThat(outcome.message()).contains("then apply again");
        MigGpu pending = model.read(FIRST);
        assertThat(planned(new MigRequest(pending, wish, MigUse.NOBODY)).isEmpty())
                .as("asking again does not help")
                .isTrue();
        assertThat(planned(new MigRequest(CHIP.gpu(0, MigGeometry.EMPTY, true), wish, MigUse.NOBODY))
                        .stepCount())
                .as("after the restart")
                .isEqualTo(2);
    }

    @Test
    void theJournalTellsTheNextStepToPeople() throws Exception {
        // Given
        operations.fault(Fault.CRASH_BEFORE, 3);

        // When
        assertThatThrownBy(() -> transaction().apply(plan)).isInstanceOf(FaultyOperations.Crash.class);

        // Then
        assertThat(Files.readString(root.resolve("var/lib/gpu-node-agent/mig.journal")))
                .startsWith("gpu-node-agent-mig-journal 1 ")
                .contains("\"next\": \"GPU 0 (GPU-0): destroy GPU instance 1 (3g.40gb at 4:4)\"");
        MigJournal.Entry entry = new MigJournal(files, STATE).read().orElseThrow();
        assertThat(entry.step()).isEqualTo(3);
        assertThat(entry.gpus()).extracting(MigJournal.Target::after).isEqualTo(after());
        assertThat(entry.gpus()).extracting(MigJournal.Target::before).isEqualTo(before());
        assertThat(entry.back()).isFalse();
    }
}
