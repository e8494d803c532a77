package io.gpunode.agent.mig;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.gpunode.agent.gpu.CallRecord;
import io.gpunode.agent.gpu.GpuAccess;
import io.gpunode.agent.gpu.GpuSession;
import io.gpunode.agent.gpu.NvmlOpener;
import io.gpunode.agent.gpu.Step;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.mig.FaultyOperations.Fault;
import io.gpunode.agent.mig.SimulatedMigNode.Chip;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.testing.InMemory;
import io.gpunode.agent.time.SystemTime;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Changes through the door, on a driver that plays an A100 and an H100; the referee looks at every call. */
@Timeout(120)
class MigTransactionOnDriverTest {
    private static final GpuId AMPERE = new GpuId(SimulatedMigNode.uuid(0));
    private static final GpuId HOPPER = new GpuId(SimulatedMigNode.uuid(1));
    private static final Path STATE = Path.of("/var/lib/gpu-node-agent");

    @TempDir(factory = InMemory.class)
    private Path root = Path.of("");

    private final Semaphore turn = new Semaphore(0);
    private final List<String> told = new ArrayList<>();
    private SimulatedMigNode node;
    private GpuSession session;
    private NvmlMigOperations driver;
    private FaultyOperations operations;

    @BeforeEach
    void openNvml() throws Exception {
        node = SimulatedMigNode.of(root.resolve("driver"), Chip.A100_80, Chip.H100);
        GpuAccess access = new GpuAccess(
                NvmlOpener.of(
                        node.config().nvml(), node.config().plugin(), new SystemHostFiles(root.resolve("driver"))),
                Duration.ofSeconds(5),
                SystemTime.monotonic(),
                SystemTime.wall(),
                new CallRecord(Meters.NONE, SystemTime.wall()));
        session = ended(access.open(turn::release));
        driver = new NvmlMigOperations(access::current, List.of(AMPERE, HOPPER));
        operations = new FaultyOperations(driver);
    }

    @AfterEach
    void closeNvml() throws Exception {
        ended(session.close(Duration.ofSeconds(10)));
        node.close();
    }

    private <T> T ended(Step<T> step) throws InterruptedException {
        while (step.outcome() == null) {
            assertThat(turn.tryAcquire(10, TimeUnit.SECONDS)).isTrue();
        }
        if (step.outcome() instanceof Step.Outcome.Done<T>(T value)) {
            return value;
        }
        throw new AssertionError("failed: " + step.outcome());
    }

    private MigTransaction transaction() {
        return new MigTransaction(
                new SystemHostFiles(root), STATE, operations, (gpu, step, back) -> told.add(step.text()));
    }

    /** The A100 is split, the H100 is not yet. */
    private void begin() {
        node.apply("""
                mig gpu=1 mode=off
                mig gpu=0 clear
                set gpu=0 mig-mode=on mig-pending=on
                mig gpu=0 profile=3g.40gb start=0
                mig gpu=0 profile=3g.40gb start=4 bare
                mig gpu=0 profile=1c.3g.40gb instance=1 start=0
                mig gpu=0 profile=1c.3g.40gb instance=1 start=1
                """);
        told.clear();
    }

    private MigWish wish(GpuId gpu, Object... namesAndCounts) throws Exception {
        Map<MigWish.Kind, Integer> devices = new HashMap<>();
        MigGpu read = driver.read(gpu);
        for (int i = 0; i < namesAndCounts.length; i += 2) {
            String name = (String) namesAndCounts[i];
            int slices = name.charAt(1) == 'c' ? name.charAt(0) - '0' : 0;
            var profile =
                    read.profileCalled(slices == 0 ? name : name.substring(3)).orElseThrow();
            devices.put(new MigWish.Kind(profile.id(), slices == 0 ? profile.slices() : slices), (Integer)
                    namesAndCounts[i + 1]);
        }
        return new MigWish.Devices(devices);
    }

    private MigPlan planOfBoth() throws Exception {
        return plan(
                new MigRequest(
                        driver.read(AMPERE),
                        wish(AMPERE, "3g.40gb", 1, "2g.20gb", 1, "1g.10gb+me", 1),
                        driver.use(AMPERE)),
                new MigRequest(driver.read(HOPPER), wish(HOPPER, "1c.4g.40gb", 2, "1g.20gb", 1), driver.use(HOPPER)));
    }

    private static MigPlan plan(MigRequest... requests) {
        MigDecision decision = MigPlanner.plan(List.of(requests));
        assertThat(decision).isInstanceOf(MigDecision.Planned.class);
        return ((MigDecision.Planned) decision).plan();
    }

    private List<MigLayout> layouts() throws Exception {
        List<MigLayout> layouts = new ArrayList<>();
        for (GpuId gpu : List.of(AMPERE, HOPPER)) {
            layouts.add(MigLayout.of(driver.read(gpu).geometry().asOptional().orElseThrow()));
        }
        return layouts;
    }

    private static List<MigLayout> before(MigPlan plan) {
        return plan.gpus().stream().map(MigPlan.OfGpu::before).toList();
    }

    private static List<MigLayout> after(MigPlan plan) {
        return plan.gpus().stream().map(MigPlan.OfGpu::after).toList();
    }

    @Test
    void aPlanIsCarriedOutAndWhatStaysIsNotTouched() throws Exception {
        // Given
        begin();
        MigPlan plan = planOfBoth();
        node.simulator().forget();

        // When
        MigOutcome outcome = transaction().apply(plan);

        // Then
        assertThat(outcome).isEqualTo(new MigOutcome.Done(plan.stepCount(), false));
        assertThat(layouts()).isEqualTo(after(plan));
        assertThat(told).contains("turn MIG mode on").noneMatch(step -> step.contains("GPU instance 2 "));
        assertThat(node.simulator().calls("nvmlComputeInstanceDestroy")).isEqualTo(2);
        assertThat(node.simulator().calls("nvmlGpuInstanceDestroy")).isEqualTo(1);
        assertThat(planOfBoth().isEmpty()).as("planning again").isTrue();
    }

    @ParameterizedTest
    @EnumSource
    void whateverGoesWrongAtAnyStepItEndsInTheOldOrTheNewGeometry(Fault fault) throws Exception {
        begin();
        int steps = planOfBoth().stepCount();
        for (int step = 1; step <= steps; step++) {
            begin();
            MigPlan plan = planOfBoth();
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
            assertThat(layouts()).as("step %d", step).isEqualTo(crashed ? after(plan) : before(plan));
        }
    }

    @Test
    void aProcessThatAppearsAfterThePlanIsNamedAndNothingIsTouched() throws Exception {
        // Given
        begin();
        MigPlan plan = planOfBoth();
        node.apply("process gpu=0 mig=1 pid=4711 name=/usr/bin/train");

        // When
        MigOutcome outcome = transaction().apply(plan);

        // Then
        assertThat(outcome.message()).contains("in use by process 4711 (/usr/bin/train)");
        assertThat(layouts()).isEqualTo(before(plan));
        node.apply("process gpu=0 pid=4711 end");
    }

    @Test
    void aProcessThatAppearsWhileItRunsIsNamedAndWhatWasDoneIsTakenBack() throws Exception {
        // Given
        begin();
        MigPlan plan = planOfBoth();
        operations.beforeStep(() -> {
            if (operations.steps() == 2) {
                node.apply("process gpu=0 mig=2 pid=4711 name=train");
            }
        });

        // When
        MigOutcome outcome = transaction().apply(plan);

        // Then
        assertThat(outcome).isInstanceOf(MigOutcome.RolledBack.class);
        assertThat(outcome.message()).contains("nvmlComputeInstanceDestroy answers IN_USE, by process 4711 (train)");
        assertThat(layouts()).isEqualTo(before(plan));
        node.apply("process gpu=0 pid=4711 end");
    }

    @Test
    void aProcessOnAWholeGpuIsInTheWayOfTheMode() throws Exception {
        // Given
        begin();
        node.apply("process gpu=1 pid=99 name=infer");

        // When
        MigDecision decision = MigPlanner.plan(
                List.of(new MigRequest(driver.read(HOPPER), wish(HOPPER, "1g.10gb", 7), driver.use(HOPPER))));

        // Then
        assertThat(decision).isInstanceOf(MigDecision.Refused.class);
        assertThat(((MigDecision.Refused) decision).message()).contains("used by process 99 (infer)");
        node.apply("process gpu=1 pid=99 end");
    }

    @Test
    void aGpuThatIsLostInTheMiddleLeavesTheOthersAsTheyWereAndIsEndedWhenItIsBack() throws Exception {
        // Given
        begin();
        MigPlan plan = planOfBoth();
        int onFirst = plan.gpus().getFirst().steps().size();
        operations.beforeStep(() -> {
            if (operations.steps() == onFirst + 3) {
                node.apply("lose gpu=1");
            }
        });

        // When
        MigOutcome outcome = transaction().apply(plan);

        // Then
        assertThat(outcome).isInstanceOf(MigOutcome.Stuck.class);
        assertThat(outcome.message()).contains("GPU_IS_LOST").contains("GPU 1 (" + HOPPER + ")");
        operations.beforeStep(() -> {});
        node.apply("restore gpu=1");
        assertThat(layouts().getFirst()).isEqualTo(plan.gpus().getFirst().before());
        assertThat(transaction().recover()).containsInstanceOf(MigOutcome.RolledBack.class);
        assertThat(layouts()).isEqualTo(before(plan));
    }

    @Test
    void aModeThatNeedsAResetThatIsWithheldIsTakenBack() throws Exception {
        // Given
        node.apply("set gpu=0 mig-reset=on");
        MigPlan plan = plan(new MigRequest(driver.read(AMPERE), wish(AMPERE, "7g.80gb", 1), driver.use(AMPERE)));

        // When
        MigOutcome outcome = transaction().apply(plan);

        // Then
        assertThat(outcome).isInstanceOf(MigOutcome.RolledBack.class);
        assertThat(outcome.message())
                .contains("turn MIG mode on, which resets the GPU")
                .contains("RESET_REQUIRED");
        assertThat(layouts().getFirst()).isEqualTo(MigLayout.DISABLED);
    }

    @Test
    void aVirtualMachinesModeWaitsForItsRestartAndTheRestIsPlannedThen() throws Exception {
        // Given
        node.apply("set gpu=0 mig-reset=on virtualization=1");
        MigWish wish = wish(AMPERE, "7g.80gb", 1);

        // When
        MigOutcome outcome = transaction().apply(plan(new MigRequest(driver.read(AMPERE), wish, driver.use(AMPERE))));

        // Then
        assertThat(outcome).isEqualTo(new MigOutcome.Done(1, true));
        node.apply("reset gpu=0");
        assertThat(transaction().apply(plan(new MigRequest(driver.read(AMPERE), wish, driver.use(AMPERE)))))
                .isEqualTo(new MigOutcome.Done(2, false));
        assertThat(MigPlanner.plan(List.of(new MigRequest(driver.read(AMPERE), wish, driver.use(AMPERE)))))
                .isInstanceOfSatisfying(
                        MigDecision.Planned.class,
                        planned -> assertThat(planned.plan().isEmpty()).isTrue());
    }

    @Test
    void disablingTakesAllInstancesAway() throws Exception {
        // Given
        begin();
        MigPlan plan = plan(new MigRequest(driver.read(AMPERE), new MigWish.Disabled(), driver.use(AMPERE)));

        // When
        MigOutcome outcome = transaction().apply(plan);

        // Then
        assertThat(outcome).isInstanceOf(MigOutcome.Done.class);
        assertThat(layouts().getFirst()).isEqualTo(MigLayout.DISABLED);
    }

    @Test
    void withoutRootNothingChangesAndTheReasonIsSaid() throws Exception {
        // Given
        begin();
        MigPlan plan = planOfBoth();
        node.apply("fault f call=nvmlComputeInstanceDestroy return=NO_PERMISSION");

        // When
        MigOutcome outcome = transaction().apply(plan);

        // Then
        assertThat(outcome.message()).contains("nvmlComputeInstanceDestroy answers NO_PERMISSION");
        assertThat(layouts()).isEqualTo(before(plan));
        assertThatThrownBy(() -> driver.perform(
                        driver.read(AMPERE), plan.gpus().getFirst().steps().getFirst()))
                .isInstanceOfSatisfying(
                        MigOperationException.class,
                        e -> assertThat(e.kind()).isEqualTo(MigOperationException.Kind.NO_PERMISSION));
    }
}
