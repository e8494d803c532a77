package io.gpunode.agent.driver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.gpunode.agent.driver.FakeDriverNode.Everything;
import io.gpunode.agent.driver.FakeDriverNode.Fault;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.JournalFile;
import io.gpunode.agent.os.OwnerLock;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.testing.InMemory;
import io.gpunode.agent.time.ManualTime;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

@Timeout(30)
class DriverTransactionTest {
    private static final Path STATE = DriverTransaction.STATE_DIRECTORY;
    private static final DriverTarget OLD = FakeDriverNode.target("1.0.1", Map.of());
    private static final DriverTarget NEW = FakeDriverNode.target("2.0.2", Map.of());

    @TempDir(factory = InMemory.class)
    private Path directory = Path.of("");

    private final ManualTime time = new ManualTime();
    private int runs;

    /** A node of its own, with its state directory. */
    private record Bed(FakeDriverNode node, HostFiles files) {}

    private Bed bed() {
        return new Bed(new FakeDriverNode(), new SystemHostFiles(directory.resolve("run" + runs++)));
    }

    private DriverTransaction transaction(Bed bed) {
        return new DriverTransaction(bed.files, STATE, bed.node, (_, _) -> {}, time);
    }

    /** A node with a driver of the store, brought up by an agent. */
    private Bed withOldDriver() throws Exception {
        Bed bed = bed();
        bed.node.needed.add(DaemonKind.PERSISTENCED);
        assertThat(transaction(bed).change(OLD, false)).isInstanceOf(DriverOutcome.Done.class);
        bed.node.restartAgent();
        bed.node.log.clear();
        return bed;
    }

    /** A node with a driver that the distribution has loaded. */
    private Bed withHostDriver() {
        Bed bed = bed();
        bed.node.put(
                "535.1.1", ModuleType.PROPRIETARY, Map.of(), "nvidia", "nvidia_uvm", "nvidia_modeset", "nvidia_drm");
        bed.node.daemons.addAll(EnumSet.of(DaemonKind.PERSISTENCED, DaemonKind.FABRIC_MANAGER));
        bed.node.needed.addAll(bed.node.daemons);
        return bed;
    }

    /** How a test begins. */
    enum Beginning {
        NOTHING,
        OLD_DRIVER,
        HOST_DRIVER
    }

    private Bed bed(Beginning beginning) throws Exception {
        return switch (beginning) {
            case NOTHING -> bed();
            case OLD_DRIVER -> withOldDriver();
            case HOST_DRIVER -> withHostDriver();
        };
    }

    private int stepsOf(Beginning beginning, DriverTarget target) throws Exception {
        Bed bed = bed(beginning);
        transaction(bed).change(target, false);
        return bed.node.performed;
    }

    private static List<String> texts(List<DriverStep> steps) {
        return steps.stream().map(DriverStep::text).toList();
    }

    private static List<DriverTarget> targets() {
        return List.of(DriverTarget.NONE, NEW, FakeDriverNode.target("1.0.1", Map.of("NVreg_X", "1")));
    }

    private static void assertEndedWell(Bed bed, Everything before, DriverTarget target, String how) {
        assertThat(bed.node.violations).as(how).isEmpty();
        assertThat(bed.node.withdrawn).as(how + ": the GPUs are offered again").isFalse();
        assertThat(bed.node.cordoned).as(how + ": the node is not cordoned").isFalse();
        assertThat(bed.files.exists(STATE.resolve("driver.journal"))).as(how).isFalse();
        if (!DriverPlanner.hasModules(bed.node.observe(), target)) {
            assertThat(bed.node.everything()).as(how).isEqualTo(before);
        }
    }

    // ---- what a change does

    @Test
    void aDriverIsBroughtUpOnABareNode() throws Exception {
        // Given
        Bed bed = bed();
        bed.node.nouveau = true;

        // When
        DriverOutcome outcome = transaction(bed).change(NEW, false);

        // Then
        assertThat(outcome).isInstanceOf(DriverOutcome.Done.class);
        assertThat(bed.node.modules.keySet()).containsExactly("nvidia", "nvidia_modeset", "nvidia_uvm");
        assertThat(bed.node.attached).isTrue();
        assertThat(transaction(bed).remembered().current()).isEqualTo(NEW);
    }

    @Test
    void aNodeThatIsAsWantedIsNotTouched() throws Exception {
        // Given
        Bed bed = withOldDriver();

        // When
        DriverOutcome outcome = transaction(bed).change(OLD, true);

        // Then
        assertThat(outcome).isInstanceOf(DriverOutcome.Done.class);
        assertThat(outcome.message()).isEqualTo("nothing to do: 1.0.1 (open) is as it should be");
        assertThat(bed.node.log).isEmpty();
    }

    @Test
    void aDaemonThatTheNodeHasNoNeedOfRunsAfterAnUpgradeAsBefore() throws Exception {
        // Given: as the distribution has started it
        Bed bed = withOldDriver();
        bed.node.daemons.add(DaemonKind.IMEX);
        Set<DaemonKind> before = EnumSet.copyOf(bed.node.daemons);

        // When
        DriverOutcome outcome = transaction(bed).change(NEW, false);

        // Then
        assertThat(outcome).isInstanceOf(DriverOutcome.Done.class);
        assertThat(bed.node.daemons).isEqualTo(before);
    }

    @Test
    void whereNoDriverIsLoadedAnUnloadSaysSo() throws Exception {
        // Given
        Bed bed = bed();

        // When
        DriverOutcome outcome = transaction(bed).change(DriverTarget.NONE, false);

        // Then
        assertThat(outcome.message()).isEqualTo("nothing to do: no driver is loaded");
    }

    @Test
    void anUpgradeRemembersTheDriverBefore() throws Exception {
        // Given
        Bed bed = withOldDriver();

        // When
        transaction(bed).change(NEW, false);

        // Then
        DriverMemory.Content remembered = transaction(bed).remembered();
        assertThat(remembered.current().text()).isEqualTo("2.0.2 (open)");
        assertThat(remembered.previous().text()).isEqualTo("1.0.1 (open)");
    }

    @Test
    void aDriverThatIsInUseIsNotTouchedAndItsHoldersAreNamed() throws Exception {
        // Given
        Bed bed = withOldDriver();
        bed.node.holders = FakeDriverNode.somebody();
        Everything before = bed.node.everything();

        // When
        DriverOutcome outcome = transaction(bed).change(NEW, false);

        // Then
        assertThat(outcome.message())
                .contains("in use by /usr/bin/python3 (pid 4711); nothing was changed")
                .endsWith("gpu-node-agent node drain");
        assertThat(bed.node.log).isEmpty();
        assertThat(bed.node.everything()).isEqualTo(before);
    }

    @Test
    void podsAreEvictedWhereThatIsWantedAndTheNodeTakesPodsAgainAfterwards() throws Exception {
        // Given
        Bed bed = withOldDriver();
        bed.node.holders = FakeDriverNode.somebody();
        bed.node.drainable = true;

        // When
        DriverOutcome outcome = transaction(bed).change(NEW, true);

        // Then
        assertThat(outcome).isInstanceOf(DriverOutcome.Done.class);
        assertThat(bed.node.cordoned).isFalse();
    }

    @Test
    void podsThatStayKeepTheDriverWhereItIs() throws Exception {
        // Given
        Bed bed = withOldDriver();
        bed.node.holders = FakeDriverNode.somebody();
        bed.node.drainable = true;
        bed.node.podsStay = true;
        Everything before = bed.node.everything();

        // When
        DriverOutcome outcome = transaction(bed).change(NEW, true);

        // Then
        assertThat(outcome).isInstanceOf(DriverOutcome.Untouched.class);
        assertThat(bed.node.everything()).isEqualTo(before);
        assertThat(transaction(bed).isInterrupted()).isFalse();
    }

    @Test
    void aNodeWhoseTurnItIsNotKeepsItsDriver() throws Exception {
        // Given
        Bed bed = withOldDriver();
        bed.node.notItsTurn = "it waits for its turn";
        Everything before = bed.node.everything();

        // When
        DriverOutcome outcome = transaction(bed).change(NEW, false);

        // Then
        assertThat(outcome)
                .isInstanceOfSatisfying(
                        DriverOutcome.Untouched.class,
                        kept -> assertThat(kept.why()).isEqualTo(DriverOutcome.Why.NOT_ITS_TURN));
        assertThat(bed.node.everything()).isEqualTo(before);
        assertThat(bed.node.turns).isEmpty();
        assertThat(transaction(bed).isInterrupted()).isFalse();
    }

    @Test
    void aTurnIsOverBeforePodsMayComeAgain() throws Exception {
        // Given
        Bed bed = withOldDriver();
        bed.node.holders = FakeDriverNode.somebody();
        bed.node.drainable = true;

        // When
        transaction(bed).change(NEW, true);

        // Then
        assertThat(bed.node.turns).containsExactly("taken", "DONE while cordoned");
    }

    @Test
    void aNodeThatIsDrainedForAnUnloadTellsTheClusterNothing() throws Exception {
        // Given
        Bed bed = withOldDriver();
        bed.node.holders = FakeDriverNode.somebody();
        bed.node.drainable = true;

        // When
        DriverOutcome outcome = transaction(bed).change(DriverTarget.NONE, true);

        // Then
        assertThat(outcome).isInstanceOf(DriverOutcome.Done.class);
        assertThat(bed.node.label).isEmpty();
        assertThat(bed.node.cordoned).isFalse();
    }

    @Test
    void aProcessThatEndsWithItsSlotJustTakenLeavesItToNobody() throws Exception {
        // Given
        Bed bed = withOldDriver();
        Everything before = bed.node.everything();
        bed.node.endsInTurn = true;
        assertThat(catchThrowable(() -> transaction(bed).change(NEW, false))).isInstanceOf(FakeDriverNode.Ended.class);
        assertThat(bed.node.slot).isTrue();
        bed.node.restartAgent();

        // When
        Optional<DriverOutcome> outcome = transaction(bed).recover();

        // Then
        assertThat(outcome).containsInstanceOf(DriverOutcome.Untouched.class);
        assertThat(bed.node.slot).isFalse();
        assertThat(bed.node.label).isEqualTo("REQUIRED");
        assertThat(bed.node.everything()).isEqualTo(before);
        assertThat(transaction(bed).isInterrupted()).isFalse();
    }

    @Test
    void aTurnWhosePodsStayIsGivenBack() throws Exception {
        // Given
        Bed bed = withOldDriver();
        bed.node.holders = FakeDriverNode.somebody();
        bed.node.drainable = true;
        bed.node.podsStay = true;

        // When
        transaction(bed).change(NEW, true);

        // Then
        assertThat(bed.node.turns).containsExactly("taken", "REQUIRED while cordoned");
    }

    @Test
    void aTurnInWhichADriverFailsEndsAsFailed() throws Exception {
        // Given
        Bed bed = withOldDriver();
        bed.node.faults.put(bed.node.performed + 4, FakeDriverNode.Fault.REFUSES);

        // When
        DriverOutcome outcome = transaction(bed).change(NEW, false);

        // Then
        assertThat(outcome).isInstanceOf(DriverOutcome.RolledBack.class);
        assertThat(bed.node.turns).containsExactly("taken", "FAILED");
    }

    @Test
    void aTurnThatACrashHasInterruptedIsEndedByTheNextProcess() throws Exception {
        // Given
        Bed bed = withOldDriver();
        bed.node.faults.put(bed.node.performed + 4, FakeDriverNode.Fault.ENDS_AFTER);
        assertThat(catchThrowable(() -> transaction(bed).change(NEW, false))).isInstanceOf(FakeDriverNode.Ended.class);
        bed.node.restartAgent();

        // When
        transaction(bed).recover();

        // Then
        assertThat(bed.node.turns).containsExactly("taken", "DONE");
    }

    @Test
    void whatWasTakenIsGivenBackAlsoWhenOtherSettingsHaveCome() throws Exception {
        // Given
        Bed bed = withOldDriver();
        ClusterTurn.Asked taken = bed.node.asks;
        bed.node.faults.put(bed.node.performed + 4, Fault.ENDS_AFTER);
        assertThat(catchThrowable(() -> transaction(bed).change(NEW, false))).isInstanceOf(FakeDriverNode.Ended.class);
        bed.node.restartAgent();
        bed.node.asks = ClusterTurn.Asked.NOTHING;

        // When
        transaction(bed).recover();

        // Then
        assertThat(bed.node.givenBack).containsExactly(taken);
        assertThat(bed.node.slot).isFalse();
        assertThat(bed.node.label).isEqualTo("DONE");
    }

    @Test
    void aChangeInPlaceOfAWayBackThatFailsGivesBackTheSlotsOfBothNamespaces() throws Exception {
        // Given
        Bed bed = withOldDriver();
        for (int step = 12; step < 60; step++) {
            bed.node.faults.put(step, Fault.REFUSES);
        }
        assertThat(transaction(bed).change(NEW, false)).isInstanceOf(DriverOutcome.Stuck.class);
        bed.node.faults.clear();
        int first = bed.node.performed + 1;
        for (int step = first; step < first + 3; step++) {
            bed.node.faults.put(step, Fault.REFUSES);
        }
        bed.node.asks = new ClusterTurn.Asked(List.of("gpu-system"), false);

        // When
        DriverOutcome outcome = transaction(bed).change(FakeDriverNode.target("3.0.3", Map.of()), false);

        // Then
        assertThat(outcome).isInstanceOf(DriverOutcome.Done.class);
        assertThat(bed.node.givenBack)
                .containsExactly(new ClusterTurn.Asked(List.of("kube-system", "gpu-system"), true));
    }

    @Test
    void aJournalThatDoesNotSayWhatWasTakenStandsForWhatIsConfigured() throws Exception {
        // Given: the journal of an agent before this one
        Bed bed = withOldDriver();
        bed.node.faults.put(bed.node.performed + 4, Fault.ENDS_AFTER);
        assertThat(catchThrowable(() -> transaction(bed).change(NEW, false))).isInstanceOf(FakeDriverNode.Ended.class);
        bed.node.restartAgent();
        Path journal = STATE.resolve("driver.journal");
        String written = Files.readString(bed.files.resolve(journal));
        String body = written.substring(written.indexOf('\n') + 1)
                .replaceFirst("\"slotNamespaces\": \\[[^]]*],\\s*", "")
                .replaceFirst("\"stateLabel\": true,\\s*", "");
        assertThat(body).hasSizeLessThan(written.length() - 60).contains("\"inTurn\": true");
        bed.files.replace(
                journal,
                ("gpu-node-agent-driver-journal 1 " + JournalFile.checksum(body) + "\n" + body)
                        .getBytes(StandardCharsets.UTF_8),
                "rw-------");

        // When
        transaction(bed).recover();

        // Then
        assertThat(bed.node.observe().text()).isEqualTo(NEW.text());
        assertThat(bed.node.givenBack).containsExactly(bed.node.asks);
    }

    @Test
    void aLabelThatTellsOfATurnThatWasNotGivenSaysDoneWhenTheDriverIsAsWanted() throws Exception {
        // Given
        Bed bed = withOldDriver();
        bed.node.notItsTurn = "it waits for its turn";
        transaction(bed).change(NEW, false);
        String waiting = bed.node.label;

        // When
        transaction(bed).settle(true);

        // Then
        assertThat(waiting).isEqualTo("REQUIRED");
        assertThat(bed.node.label).isEqualTo("DONE");
        assertThat(transaction(bed).remembered().label()).isEqualTo(DriverMemory.Label.DONE);
    }

    @Test
    void whatIsOwedOutlivesABootThatLoadsTheDriver() throws Exception {
        // Given
        Bed bed = withOldDriver();
        DriverMemory memory = new DriverMemory(bed.files, STATE);
        memory.write(memory.read().owing(new DriverMemory.Owed(true, List.of("kube-system"))));
        bed.node.cordoned = true;
        bed.node.reboot();

        // When
        transaction(bed).complete(OLD, false);
        DriverMemory.Owed afterTheLoad = transaction(bed).remembered().owed();
        transaction(bed).settle(true);

        // Then
        assertThat(afterTheLoad).isEqualTo(new DriverMemory.Owed(true, List.of("kube-system")));
        assertThat(transaction(bed).remembered().owed()).isEqualTo(DriverMemory.Owed.NOTHING);
        assertThat(bed.node.cordoned).isFalse();
    }

    @Test
    void aLabelThatCouldNotBeWrittenIsWrittenLater() throws Exception {
        // Given
        Bed bed = withOldDriver();
        bed.node.faults.put(bed.node.performed + 4, Fault.ENDS_AFTER);
        assertThat(catchThrowable(() -> transaction(bed).change(NEW, false))).isInstanceOf(FakeDriverNode.Ended.class);
        bed.node.restartAgent();
        bed.node.labelRefused = true;
        transaction(bed).recover();
        boolean early = transaction(bed).settle(true);
        bed.node.labelRefused = false;

        // When
        boolean later = transaction(bed).settle(true);

        // Then
        assertThat(List.of(early, later)).containsExactly(false, true);
        assertThat(bed.node.label).isEqualTo("DONE");
    }

    @Test
    void whatCouldNotBeGivenBackIsGivenBackByTheNextChange() throws Exception {
        // Given
        Bed bed = withOldDriver();
        bed.node.holders = FakeDriverNode.somebody();
        bed.node.drainable = true;
        bed.node.atStep = () -> bed.node.unreachable = true;
        DriverOutcome outcome = transaction(bed).change(NEW, true);
        DriverMemory.Owed owed = transaction(bed).remembered().owed();
        bed.node.atStep = () -> {};
        bed.node.unreachable = false;
        assertThat(bed.node.slot && bed.node.cordoned).isTrue();

        // When
        transaction(bed).change(DriverTarget.NONE, false);

        // Then
        assertThat(outcome).isInstanceOf(DriverOutcome.Done.class);
        assertThat(owed).isEqualTo(new DriverMemory.Owed(true, List.of("kube-system")));
        assertThat(bed.node.slot || bed.node.cordoned).isFalse();
        assertThat(transaction(bed).remembered().owed()).isEqualTo(DriverMemory.Owed.NOTHING);
    }

    @Test
    void aSlotThatTheClusterMayHaveGivenIsOwedUntilItAnswers() throws Exception {
        // Given
        Bed bed = withOldDriver();
        bed.node.unreachable = true;
        DriverOutcome outcome = transaction(bed).change(NEW, false);
        boolean early = transaction(bed).settle(false);
        bed.node.unreachable = false;

        // When
        boolean settled = transaction(bed).settle(false);

        // Then
        assertThat(outcome).isInstanceOf(DriverOutcome.Untouched.class);
        assertThat(transaction(bed).isInterrupted()).isFalse();
        assertThat(List.of(early, settled)).containsExactly(false, true);
        assertThat(bed.node.slot).isFalse();
    }

    @Test
    void aLabelThatSomebodyElseHasWrittenIsLeftAlone() throws Exception {
        // Given
        Bed bed = withOldDriver();
        bed.node.label = "the operator's";
        bed.node.asks = ClusterTurn.Asked.NOTHING;

        // When
        boolean settled = transaction(bed).settle(true);

        // Then
        assertThat(settled).isTrue();
        assertThat(bed.node.label).isEqualTo("the operator's");
    }

    @Test
    void nobodyIsAskedForWhatTakesNoDriverAway() throws Exception {
        // Given
        Bed bed = bed();

        // When
        transaction(bed).change(OLD, false);
        transaction(bed).change(DriverTarget.NONE, false);

        // Then
        assertThat(bed.node.turns).isEmpty();
    }

    @Test
    void aSecondAgentWaitsForTheFirst() throws Exception {
        // Given
        Bed bed = bed();
        DriverOutcome outcome;
        try (OwnerLock _ =
                OwnerLock.take(bed.files, STATE.resolve("driver.lock")).orElseThrow()) {

            // When
            outcome = transaction(bed).change(NEW, false);
        }

        // Then
        assertThat(outcome).isInstanceOf(DriverOutcome.Untouched.class);
        assertThat(outcome.message())
                .isEqualTo("the driver is being changed by process "
                        + ProcessHandle.current().pid() + ": wait until it has ended, and try again");
        assertThat(Files.readString(bed.files.resolve(STATE.resolve("driver.lock"))))
                .matches("process \\d+\\nstarted \\d+\\nboot [0-9a-f-]{36}\\n");
    }

    @Test
    void aJournalThatCannotBeWrittenLeavesEverythingAsItWas() throws Exception {
        // Given
        Bed bed = withOldDriver();
        Everything before = bed.node.everything();
        Files.createDirectories(bed.files.resolve(STATE.resolve("driver.journal/in-the-way")));

        // When
        DriverOutcome outcome = transaction(bed).change(NEW, false);

        // Then
        assertThat(outcome).isInstanceOf(DriverOutcome.Untouched.class);
        assertThat(bed.node.everything()).isEqualTo(before);
        assertThat(bed.node.log).isEmpty();
    }

    @ParameterizedTest
    @CsvSource({
        "No space left on device, make room",
        "Read-only file system, findmnt -T",
        "Permission denied, run it as root"
    })
    void aDiskThatTakesNoJournalIsToldWithWhatHelps(String reason, String remedy) throws Exception {
        // Given
        Bed bed = withOldDriver();
        Everything before = bed.node.everything();

        // When
        DriverOutcome outcome = transaction(new Bed(bed.node, new ReadOnlyFiles(bed.files, reason)))
                .change(NEW, false);

        // Then
        assertThat(outcome).isInstanceOf(DriverOutcome.Untouched.class);
        assertThat(outcome.message())
                .contains("nothing was changed", STATE + "/driver.journal cannot be written", reason, remedy)
                .doesNotContain("Exception");
        assertThat(bed.node.everything()).isEqualTo(before);
        assertThat(bed.node.log).isEmpty();
    }

    // ---- a boot with a full disk

    private static Bed full(Bed bed) {
        return new Bed(bed.node, new ReadOnlyFiles(bed.files, "No space left on device"));
    }

    @Test
    void aBootWithAFullDiskLoadsTheDriverAllTheSame() throws Exception {
        // Given
        Bed bed = withOldDriver();
        bed.node.reboot();

        // When
        DriverOutcome outcome = transaction(full(bed)).complete(OLD, false);

        // Then
        assertThat(outcome)
                .isInstanceOfSatisfying(
                        DriverOutcome.Done.class,
                        done -> assertThat(done.notes())
                                .singleElement()
                                .asString()
                                .contains("driver.journal could not be written", "No space left", "make room"));
        assertThat(DriverPlanner.hasModules(bed.node.observe(), OLD)).isTrue();
        assertThat(bed.node.violations).isEmpty();
    }

    private static void keepNothing(DriverTarget current, List<DriverTarget> others) throws DriverStepException {
        throw new DriverStepException("the store of drivers cannot be written", true, List.of());
    }

    @Test
    void aStoreThatCannotBeWrittenKeepsNoNodeWithoutDriver() throws Exception {
        // Given
        Bed bed = bed();
        bed.node.keeper = DriverTransactionTest::keepNothing;

        // When
        DriverOutcome outcome = transaction(bed).complete(NEW, false);

        // Then
        assertThat(outcome).isInstanceOf(DriverOutcome.Done.class);
        assertThat(DriverPlanner.hasModules(bed.node.observe(), NEW)).isTrue();
    }

    @Test
    void aDriverThatIsNotKeptForTheWayBackIsNotExchanged() throws Exception {
        // Given
        Bed bed = withOldDriver();
        Everything before = bed.node.everything();
        bed.node.keeper = DriverTransactionTest::keepNothing;

        // When
        DriverOutcome outcome = transaction(bed).change(NEW, false);

        // Then
        assertThat(outcome.message()).contains("nothing was changed", "the store of drivers cannot be written");
        assertThat(bed.node.everything()).isEqualTo(before);
        assertThat(transaction(bed).isInterrupted()).isFalse();
    }

    @Test
    void aStepThatFailsOnAFullDiskLeavesNoDriverAndCountsNoBoot() throws Exception {
        // Given
        Bed bed = withOldDriver();
        int boots = 5;
        List<DriverOutcome> outcomes = new ArrayList<>();

        // When
        for (int boot = 0; boot < boots; boot++) {
            bed.node.reboot();
            bed.node.faults.put(6, Fault.REFUSES);
            outcomes.add(transaction(full(bed)).complete(OLD, false));
        }

        // Then
        assertThat(outcomes).hasSize(boots).allMatch(DriverOutcome.RolledBack.class::isInstance);
        assertThat(bed.node.modules).isEmpty();
    }

    @Test
    void aDriverThatTakesTheMachineDownIsNotTriedForEverOnAFullDiskEither() throws Exception {
        // Given
        Bed bed = withOldDriver();
        int load = 5;
        List<String> ends = new ArrayList<>();
        for (int boot = 0; boot < 3; boot++) {
            bed.node.reboot();
            bed.node.faults.put(load, Fault.ENDS_AFTER);
            ends.add(String.valueOf(catchThrowable(() -> transaction(full(bed)).complete(OLD, false))));
        }
        bed.node.reboot();

        // When
        DriverOutcome refused = transaction(full(bed)).complete(OLD, false);

        // Then
        assertThat(ends).allMatch(text -> text.contains("Ended"));
        assertThat(refused).isInstanceOf(DriverOutcome.Untouched.class);
        assertThat(refused.message()).contains("No space left", "make room", "In 3 boots the machine went down");
        assertThat(bed.node.modules).isEmpty();
        assertThat(transaction(bed).complete(OLD, false)).as("with room again").isInstanceOf(DriverOutcome.Done.class);
        bed.node.reboot();
        assertThat(transaction(full(bed)).complete(OLD, false))
                .as("the boots are forgotten")
                .isInstanceOf(DriverOutcome.Done.class);
    }

    @Test
    void aFullDiskOnWhichBootsCannotBeCountedEitherLeavesTheNodeAsItIs() throws Exception {
        // Given: nothing was ever changed here while there was room
        Bed bed = bed();

        // When
        DriverOutcome outcome = transaction(full(bed)).complete(NEW, false);

        // Then
        assertThat(outcome.message()).contains("nothing was changed", "No space left on device", "make room");
        assertThat(bed.node.log).isEmpty();
    }

    // ---- every step, every fault

    @ParameterizedTest
    @EnumSource(Beginning.class)
    void aStepThatFailsEndsInTheNewDriverOrTheOldOne(Beginning beginning) throws Exception {
        for (DriverTarget target : targets()) {
            int steps = stepsOf(beginning, target);
            for (int step = 1; step <= steps; step++) {
                for (Fault fault : List.of(Fault.REFUSES, Fault.LIES)) {
                    Bed bed = bed(beginning);
                    Everything before = bed.node.everything();
                    bed.node.faults.put(step, fault);

                    // When
                    DriverOutcome outcome = transaction(bed).change(target, false);

                    // Then
                    String how = beginning + " to " + target.text() + ", step " + step + " " + fault + ": "
                            + outcome.message() + " by " + texts(bed.node.log);
                    assertThat(outcome).as(how).isNotInstanceOf(DriverOutcome.Stuck.class);
                    if (fault == Fault.REFUSES) {
                        assertEndedWell(bed, before, target, how);
                        assertThat(outcome).as(how).isInstanceOf(DriverOutcome.RolledBack.class);
                        assertThat(bed.node.everything()).as(how).isEqualTo(before);
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(Beginning.class)
    void aProcessThatEndsAtAnyStepIsFollowedByOneThatEndsTheChange(Beginning beginning) throws Exception {
        for (DriverTarget target : targets()) {
            int steps = stepsOf(beginning, target);
            for (int step = 1; step <= steps; step++) {
                for (Fault fault : List.of(Fault.ENDS_BEFORE, Fault.ENDS_AFTER)) {
                    Bed bed = bed(beginning);
                    Everything before = bed.node.everything();
                    bed.node.faults.put(step, fault);
                    assertThat(catchThrowable(() -> transaction(bed).change(target, false)))
                            .isInstanceOf(FakeDriverNode.Ended.class);
                    bed.node.restartAgent();

                    // When
                    Optional<DriverOutcome> outcome = transaction(bed).recover();

                    // Then
                    String how = beginning + " to " + target.text() + ", step " + step + " " + fault + ": " + outcome;
                    assertThat(outcome).as(how).isPresent();
                    assertThat(outcome.get()).as(how).isInstanceOf(DriverOutcome.Done.class);
                    assertEndedWell(bed, before, target, how);
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(Beginning.class)
    void aProcessThatEndsOnTheWayBackIsFollowedByOneThatGoesOnWithIt(Beginning beginning) throws Exception {
        for (DriverTarget target : targets()) {
            int steps = stepsOf(beginning, target);
            for (int failing = 1; failing <= steps; failing++) {
                for (int later : new int[] {1, 3, 6}) {
                    Bed bed = bed(beginning);
                    Everything before = bed.node.everything();
                    bed.node.faults.put(failing, Fault.REFUSES);
                    bed.node.faults.put(failing + later, Fault.ENDS_AFTER);
                    Throwable ended = catchThrowable(() -> transaction(bed).change(target, false));
                    bed.node.restartAgent();

                    // When
                    Optional<DriverOutcome> outcome = transaction(bed).recover();

                    // Then
                    String how = beginning + " to " + target.text() + ", failing at " + failing + ", ended " + later
                            + " later: " + outcome + " by " + texts(bed.node.log);
                    assertThat(outcome.isPresent()).as(how).isEqualTo(ended != null);
                    assertEndedWell(bed, before, target, how);
                    assertThat(bed.node.everything()).as(how).isEqualTo(before);
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(Beginning.class)
    void aLossOfPowerOnTheWayBackIsFollowedByABootThatGoesOnWithIt(Beginning beginning) throws Exception {
        int losses = 0;
        for (DriverTarget target : targets()) {
            int steps = stepsOf(beginning, target);
            for (int failing = 1; failing <= steps; failing++) {
                for (int later : new int[] {1, 3, 6}) {
                    for (Fault fault : List.of(Fault.ENDS_BEFORE, Fault.ENDS_AFTER)) {
                        Bed bed = bed(beginning);
                        String before = bed.node.observe().text();
                        bed.node.faults.put(failing, Fault.REFUSES);
                        bed.node.faults.put(failing + later, fault);
                        if (catchThrowable(() -> transaction(bed).change(target, false)) == null) {
                            // The way back was shorter.
                            continue;
                        }
                        losses++;
                        bed.node.reboot();

                        // When
                        Optional<DriverOutcome> outcome = transaction(bed).recover();

                        // Then
                        String how = beginning + " to " + target.text() + ", failing at " + failing + ", " + fault + " "
                                + later + " later: " + outcome + " by " + texts(bed.node.log);
                        assertThat(outcome).as(how).isPresent();
                        assertThat(outcome.get())
                                .as(how)
                                .isNotInstanceOfAny(DriverOutcome.Stuck.class, DriverOutcome.Untouched.class);
                        assertThat(bed.node.violations).as(how).isEmpty();
                        assertThat(bed.node.withdrawn).as(how).isFalse();
                        assertThat(transaction(bed).isInterrupted()).as(how).isFalse();
                        assertThat(bed.node.observe().text()).as(how).isEqualTo(before);
                    }
                }
            }
        }
        assertThat(losses).isGreaterThan(20);
    }

    @Test
    void aModuleOfSomebodyElseThatUsesTheDriverIsNamedAndNothingIsChanged() throws Exception {
        // Given
        Bed bed = withHostDriver();
        bed.node.uses.put("wekafsio", List.of("nvidia"));
        bed.node.put("2.4", ModuleType.OPEN, Map.of(), "wekafsio");
        Everything before = bed.node.everything();

        // When
        DriverOutcome outcome = transaction(bed).change(NEW, false);

        // Then
        assertThat(outcome)
                .isInstanceOfSatisfying(
                        DriverOutcome.Untouched.class,
                        kept -> assertThat(kept.why()).isEqualTo(DriverOutcome.Why.IN_USE));
        assertThat(outcome.message())
                .isEqualTo(
                        "kernel modules that are not the driver's use it: wekafsio; unload them first: modprobe -r wekafsio");
        assertThat(bed.node.log).isEmpty();
        assertThat(bed.node.everything()).isEqualTo(before);
        assertThat(transaction(bed).isInterrupted()).isFalse();
    }

    @Test
    void aModuleOnItsWayOutIsNamedAndNothingIsChanged() throws Exception {
        // Given
        Bed bed = withHostDriver();
        bed.node.going.add("nvidia_drm");
        Everything before = bed.node.everything();

        // When
        DriverOutcome outcome = transaction(bed).change(NEW, false);

        // Then
        assertThat(outcome.message()).startsWith("on their way into the kernel or out of it: nvidia_drm; see: ");
        assertThat(bed.node.log).isEmpty();
        assertThat(bed.node.everything()).isEqualTo(before);
    }

    @ParameterizedTest
    @EnumSource(Beginning.class)
    void aLossOfPowerAtAnyStepIsFollowedByABootThatNeedsNobody(Beginning beginning) throws Exception {
        for (DriverTarget target : targets()) {
            int steps = stepsOf(beginning, target);
            for (int step = 1; step <= steps; step++) {
                for (Fault fault : List.of(Fault.ENDS_BEFORE, Fault.ENDS_AFTER)) {
                    Bed bed = bed(beginning);
                    bed.node.faults.put(step, fault);
                    assertThat(catchThrowable(() -> transaction(bed).change(target, false)))
                            .isInstanceOf(FakeDriverNode.Ended.class);
                    bed.node.reboot();

                    // When
                    Optional<DriverOutcome> outcome = transaction(bed).recover();

                    // Then
                    String how = beginning + " to " + target.text() + ", step " + step + " " + fault + ": " + outcome;
                    assertThat(outcome).as(how).isPresent();
                    assertThat(outcome.get())
                            .as(how)
                            .isNotInstanceOfAny(DriverOutcome.Stuck.class, DriverOutcome.Untouched.class);
                    assertThat(bed.node.violations).as(how).isEmpty();
                    assertThat(transaction(bed).isInterrupted()).as(how).isFalse();
                    List<String> ends = new ArrayList<>(List.of(target.text()));
                    ends.add(
                            switch (beginning) {
                                case NOTHING -> "no driver";
                                case OLD_DRIVER -> OLD.text();
                                case HOST_DRIVER -> "535.1.1 (proprietary)";
                            });
                    assertThat(bed.node.observe().text()).as(how).isIn(ends);
                }
            }
        }
    }

    @Test
    void anUnloadIsOverWithTheBootThatItWasAskedForIn() throws Exception {
        // Given
        Bed bed = withOldDriver();
        bed.node.faults.put(3, Fault.ENDS_AFTER);
        assertThat(catchThrowable(() -> transaction(bed).change(DriverTarget.NONE, false)))
                .isInstanceOf(FakeDriverNode.Ended.class);
        bed.node.reboot();

        // When
        Optional<DriverOutcome> outcome = transaction(bed).recover();

        // Then
        assertThat(outcome).containsInstanceOf(DriverOutcome.Done.class);
        assertThat(transaction(bed).isInterrupted()).isFalse();
        // Otherwise the agent would leave the node without a driver until somebody loads it.
        assertThat(transaction(bed).remembered().unloadedInBoot())
                .isNotEqualTo(bed.node.observe().bootId());
    }

    @Test
    void aDriverThatTakesTheMachineDownIsNotTriedForEver() throws Exception {
        // Given
        Bed bed = bed();
        List<String> ends = new ArrayList<>();
        DriverTarget target = NEW;
        int load = 5;
        for (int boot = 0; boot < 3; boot++) {
            bed.node.faults.put(load, Fault.ENDS_AFTER);
            Throwable ended = catchThrowable(() -> {
                if (transaction(bed).isInterrupted()) {
                    transaction(bed).recover();
                } else {
                    transaction(bed).change(target, false);
                }
            });
            ends.add(String.valueOf(ended));
            bed.node.reboot();
        }

        // When
        Optional<DriverOutcome> outcome = transaction(bed).recover();

        // Then
        assertThat(ends).allMatch(text -> text.contains("Ended"));
        assertThat(outcome).containsInstanceOf(DriverOutcome.RolledBack.class);
        assertThat(bed.node.modules).isEmpty();
        assertThat(transaction(bed).remembered().givenUp())
                .isEqualTo("2.0.2 (open): the machine went down while or after it was loaded, in 3 boots one after the"
                        + " other");
    }

    @Test
    void aScriptThatLoadsAtEachBootDoesNotTakeTheMachineDownForEver() throws Exception {
        // Given
        Bed bed = bed();
        List<String> boots = new ArrayList<>();

        // When
        for (int boot = 0; boot < 8; boot++) {
            bed.node.faults.put(5, Fault.ENDS_AFTER);
            try {
                boots.add(transaction(bed).complete(NEW, false).message());
            } catch (FakeDriverNode.Ended e) {
                boots.add("down");
            }
            bed.node.reboot();
        }

        // Then
        String refusal = "2.0.2 (open): the machine went down while or after it was loaded, in 3 boots one after the"
                + " other; it is not tried by itself any more. Try it with: gpu-node-agent driver upgrade";
        assertThat(boots.subList(0, 3)).containsOnly("down");
        assertThat(boots.get(3)).startsWith("could not load nvidia").endsWith("back to no driver");
        assertThat(boots.subList(4, 8)).containsOnly(refusal);
        assertThat(transaction(bed).change(NEW, false)).isInstanceOf(DriverOutcome.Done.class);
        assertThat(transaction(bed).remembered().givenUp()).isEmpty();
    }

    @Test
    void aDriverThatWasGivenUpAndIsThereAllTheSameIsCompleted() throws Exception {
        // Given
        Bed bed = withOldDriver();
        new DriverMemory(bed.files, STATE).write(transaction(bed).remembered().havingGivenUp(OLD, "it went down"));
        bed.node.daemons.clear();

        // When
        DriverOutcome outcome = transaction(bed).complete(OLD, false);

        // Then
        assertThat(outcome).isInstanceOf(DriverOutcome.Done.class);
        assertThat(bed.node.daemons).containsExactly(DaemonKind.PERSISTENCED);
        assertThat(transaction(bed).remembered().givenUp()).isEmpty();
    }

    @Test
    void aDriverThatTakesADrainedMachineDownIsNotTriedAgain() throws Exception {
        // Given
        Bed bed = withOldDriver();
        bed.node.holders = FakeDriverNode.somebody();
        bed.node.drainable = true;
        bed.node.faults.put(bed.node.performed + 13, Fault.ENDS_AFTER);
        assertThat(catchThrowable(() -> transaction(bed).change(NEW, true))).isInstanceOf(FakeDriverNode.Ended.class);
        assertThat(bed.node.log.getLast()).isInstanceOf(DriverStep.LoadModule.class);
        bed.node.reboot();

        // When
        Optional<DriverOutcome> outcome = transaction(bed).recover();

        // Then
        assertThat(outcome).containsInstanceOf(DriverOutcome.RolledBack.class);
        assertThat(bed.node.cordoned).isFalse();
        assertThat(bed.node.label).isEqualTo("FAILED");
        assertThat(transaction(bed).remembered().givenUp()).startsWith(NEW.text());
    }

    @Test
    void aLoadDoesNotBringBackTheDriverThatHasJustTakenTheMachineDown() throws Exception {
        // Given
        Bed bed = withOldDriver();
        bed.node.faults.put(bed.node.performed + 13, Fault.ENDS_AFTER);
        assertThat(catchThrowable(() -> transaction(bed).change(NEW, false))).isInstanceOf(FakeDriverNode.Ended.class);
        assertThat(bed.node.log.getLast()).isInstanceOf(DriverStep.LoadModule.class);
        bed.node.reboot();

        // When
        DriverOutcome outcome = transaction(bed).complete(NEW, false);

        // Then
        assertThat(outcome).isInstanceOf(DriverOutcome.RolledBack.class);
        assertThat(bed.node.observe().text()).isEqualTo(OLD.text());
    }

    @Test
    void aJournalOfNoUseNeedsNobody() throws Exception {
        // Given
        Bed bed = withOldDriver();
        Path journal = STATE.resolve("driver.journal");
        bed.files.replace(
                journal, "gpu-node-agent-driver-journal 1 00000000\n{".getBytes(StandardCharsets.UTF_8), "rw-------");
        bed.node.cordoned = true;
        bed.node.slot = true;
        bed.node.label = "EXCHANGING";

        // When
        Optional<DriverOutcome> outcome = transaction(bed).recover();

        // Then
        assertThat(outcome).containsInstanceOf(DriverOutcome.Done.class);
        assertThat(bed.files.exists(journal)).isFalse();
        assertThat(bed.node.cordoned).isFalse();
        assertThat(bed.node.slot).isFalse();
        assertThat(bed.node.turns).containsExactly("REQUIRED while cordoned");
    }

    @Test
    void theDriverThatARollbackLeadsToStaysKeptWhateverComesAfterIt() throws Exception {
        // Given
        Bed bed = withOldDriver();
        assertThat(transaction(bed).change(NEW, false).ok()).isTrue();
        assertThat(bed.node.kept).containsExactlyInAnyOrder("1.0.1", "2.0.2");

        // When
        assertThat(transaction(bed).change(DriverTarget.NONE, false).ok()).isTrue();
        Set<String> unloaded = Set.copyOf(bed.node.kept);
        assertThat(transaction(bed).change(NEW, false).ok()).isTrue();
        Set<String> loaded = Set.copyOf(bed.node.kept);
        DriverTarget other = FakeDriverNode.target("2.0.2", Map.of("NVreg_X", "1"));
        assertThat(transaction(bed).change(other, false).ok()).isTrue();

        // Then
        assertThat(transaction(bed).remembered().previous().text()).isEqualTo(OLD.text());
        assertThat(unloaded).containsExactlyInAnyOrder("1.0.1", "2.0.2");
        assertThat(loaded).containsExactlyInAnyOrder("1.0.1", "2.0.2");
        assertThat(bed.node.kept).containsExactlyInAnyOrder("1.0.1", "2.0.2");
    }

    @Test
    void aChangeThatWentBackKeepsWhatItWasBefore() throws Exception {
        // Given
        Bed bed = withOldDriver();
        assertThat(transaction(bed).change(NEW, false).ok()).isTrue();
        bed.node.restartAgent();
        bed.node.faults.put(14, Fault.REFUSES);

        // When
        DriverOutcome outcome = transaction(bed).change(FakeDriverNode.target("3.0.3", Map.of()), false);

        // Then
        assertThat(outcome).isInstanceOf(DriverOutcome.RolledBack.class);
        assertThat(bed.node.kept).containsExactlyInAnyOrder("1.0.1", "2.0.2");
    }

    @Test
    void aDriverThatSomebodyLoadedMeanwhileIsNotExchangedByAChangeThatMayNot() throws Exception {
        // Given
        Bed bed = withHostDriver();

        // When
        DriverOutcome outcome = transaction(bed).complete(NEW, false);

        // Then
        assertThat(outcome).isInstanceOf(DriverOutcome.Untouched.class);
        assertThat(outcome.message()).contains("535.1.1 (proprietary) is loaded", "gpu-node-agent driver upgrade");
        assertThat(bed.node.log).isEmpty();
    }

    @Test
    void aDriverOfTheHostThatWasReplacedOnTheDiskIsNotGoneBackToForEver() throws Exception {
        // Given
        Bed bed = withHostDriver();
        bed.node.host = new FakeDriverNode.Module("550.2.2", ModuleType.PROPRIETARY, Map.of());
        bed.node.refusesModules = "/store/2.0.2/nvidia_modeset.ko";

        // When
        DriverOutcome outcome = transaction(bed).change(NEW, false);

        // Then
        assertThat(outcome).isInstanceOf(DriverOutcome.RolledBack.class);
        assertThat(outcome.message())
                .endsWith("back to 550.2.2 (proprietary), since 535.1.1 (proprietary) lies on the disk no more");
        assertThat(bed.node.log.stream().filter(new DriverStep.UnloadModule("nvidia")::equals))
                .hasSize(2);
        assertThat(bed.node.withdrawn).isFalse();
        assertThat(bed.node.daemons).containsExactlyInAnyOrder(DaemonKind.PERSISTENCED, DaemonKind.FABRIC_MANAGER);
        assertThat(transaction(bed).isInterrupted()).isFalse();
        assertThat(transaction(bed).remembered().current().text()).isEqualTo("550.2.2 (proprietary)");
        assertThat(transaction(bed).remembered().givenUp()).startsWith(NEW.text());
    }

    @Test
    void aDriverThatCannotBeTakenOutIsNotTakenForTheOneBefore() throws Exception {
        // Given
        Bed bed = withHostDriver();
        bed.node.refusesModules = "/store/2.0.2/nvidia_modeset.ko";
        bed.node.atStep = () -> {
            FakeDriverNode.Module uvm = bed.node.modules.get("nvidia_uvm");
            if (uvm != null && uvm.version().equals("2.0.2")) {
                bed.node.faults.put(bed.node.performed, Fault.REFUSES);
            }
        };

        // When
        DriverOutcome outcome = transaction(bed).change(NEW, false);

        // Then
        assertThat(outcome).isInstanceOf(DriverOutcome.Stuck.class);
        bed.node.atStep = () -> {};
        bed.node.faults.clear();
        assertThat(transaction(bed).recover()).containsInstanceOf(DriverOutcome.RolledBack.class);
        assertThat(bed.node.observe().text()).isEqualTo("535.1.1 (proprietary)");
    }

    @Test
    void somebodyWhoInterruptsAnExchangeAndWantsTheDriverBeforeHasItBack() throws Exception {
        // Given
        Bed bed = withOldDriver();
        Everything before = bed.node.everything();
        bed.node.faults.put(bed.node.performed + 10, Fault.ENDS_AFTER);
        assertThat(catchThrowable(() -> transaction(bed).change(NEW, false))).isInstanceOf(FakeDriverNode.Ended.class);
        bed.node.restartAgent();

        // When
        Optional<DriverOutcome> outcome = transaction(bed).takeBack();

        // Then
        assertThat(outcome).containsInstanceOf(DriverOutcome.Done.class);
        assertThat(outcome.map(DriverOutcome::message).orElse("")).startsWith("1.0.1 (open): ");
        assertThat(bed.node.everything()).isEqualTo(before);
        assertThat(bed.node.turns).containsExactly("taken", "REQUIRED");
        assertThat(transaction(bed).remembered().givenUp()).isEmpty();
    }

    @Test
    void aModuleThatComesWhilePodsLeaveIsTakenOutToo() throws Exception {
        // Given
        Bed bed = withOldDriver();
        bed.node.modules.remove("nvidia_uvm");
        bed.node.holders = FakeDriverNode.somebody();
        bed.node.drainable = true;
        bed.node.whilePodsLeave = () -> bed.node.put("1.0.1", ModuleType.OPEN, Map.of(), "nvidia_uvm");

        // When
        DriverOutcome outcome = transaction(bed).change(NEW, true);

        // Then
        assertThat(outcome).isInstanceOf(DriverOutcome.Done.class);
        assertThat(bed.node.modules.get("nvidia_uvm"))
                .isNotNull()
                .extracting(FakeDriverNode.Module::version)
                .isEqualTo("2.0.2");
        assertThat(bed.node.cordoned).isFalse();
    }

    @Test
    void aJournalThatCannotBeReadIsNotWrittenOver() throws Exception {
        // Given
        Bed bed = withOldDriver();
        Path journal = bed.files.resolve(STATE.resolve("driver.journal"));
        Files.createDirectory(journal);

        // When
        DriverOutcome outcome = transaction(bed).change(NEW, false);

        // Then
        assertThat(outcome.message()).startsWith("the journal /var/lib/gpu-node-agent/driver.journal cannot be read: ");
        assertThat(bed.node.observe().text()).isEqualTo(OLD.text());
        assertThat(journal).isDirectory();
    }

    @Test
    void theDriverBeforeIsRememberedThoughTheOneThatRunsIsBuiltForAnotherKernel() {
        // Given
        DriverMemory.Content content = DriverMemory.Content.NOTHING.with(OLD).with(NEW);
        StagedDriver driver = NEW.driver().orElseThrow();
        DriverTarget elsewhere = new DriverTarget(
                Optional.of(new StagedDriver(
                        driver.version(),
                        driver.type(),
                        "6.2.0-other",
                        driver.modules(),
                        driver.userspaceRoot(),
                        driver.firmware(),
                        "another key")),
                NEW.modules(),
                NEW.firmwarePath(),
                NEW.daemons(),
                NEW.attach());

        // When
        DriverMemory.Content after = content.with(elsewhere);

        // Then
        assertThat(after.current()).isEqualTo(elsewhere);
        assertThat(after.previous()).isEqualTo(OLD);
    }

    @Test
    void aWayBackThatFailsIsTriedAgainByTheNextChange() throws Exception {
        // Given
        Bed bed = withOldDriver();
        Everything before = bed.node.everything();
        for (int step = 12; step < 40; step++) {
            bed.node.faults.put(step, Fault.REFUSES);
        }
        DriverOutcome stuck = transaction(bed).change(NEW, false);
        bed.node.faults.clear();

        // When
        Optional<DriverOutcome> outcome = transaction(bed).recover();

        // Then
        assertThat(stuck).isInstanceOf(DriverOutcome.Stuck.class);
        assertThat(stuck.message()).endsWith("at once by: gpu-node-agent driver rollback");
        assertThat(outcome).containsInstanceOf(DriverOutcome.RolledBack.class);
        assertThat(bed.node.everything()).isEqualTo(before);
    }

    @Test
    void aChangeInPlaceOfAWayBackThatFailsGivesBackWhatThatHadAskedFor() throws Exception {
        // Given
        Bed bed = withOldDriver();
        bed.node.holders = FakeDriverNode.somebody();
        bed.node.drainable = true;
        for (int step = 12; step < 60; step++) {
            bed.node.faults.put(step, Fault.REFUSES);
        }
        DriverOutcome stuck = transaction(bed).change(NEW, true);
        bed.node.faults.clear();
        int first = bed.node.performed + 1;
        for (int step = first; step < first + 3; step++) {
            bed.node.faults.put(step, Fault.REFUSES);
        }

        // When
        DriverOutcome outcome = transaction(bed).change(FakeDriverNode.target("3.0.3", Map.of()), true);

        // Then
        assertThat(stuck).isInstanceOf(DriverOutcome.Stuck.class);
        assertThat(outcome).isInstanceOf(DriverOutcome.Done.class);
        assertThat(bed.node.cordoned).isFalse();
        assertThat(bed.node.slot).isFalse();
        assertThat(bed.node.label).isEqualTo("DONE");
        assertThat(transaction(bed).isInterrupted()).isFalse();
    }

    @Test
    void aWayBackThatFailsIsNotForgottenForPodsThatStay() throws Exception {
        // Given
        Bed bed = withOldDriver();
        Everything before = bed.node.everything();
        for (int step = 12; step < 60; step++) {
            bed.node.faults.put(step, Fault.REFUSES);
        }
        bed.node.holders = FakeDriverNode.somebody();
        bed.node.drainable = true;
        assertThat(transaction(bed).change(NEW, true)).isInstanceOf(DriverOutcome.Stuck.class);
        bed.node.notItsTurn = "it waits for its turn";
        transaction(bed).change(FakeDriverNode.target("3.0.3", Map.of()), true);
        bed.node.faults.clear();

        // When
        Optional<DriverOutcome> outcome = transaction(bed).recover();

        // Then
        assertThat(outcome).containsInstanceOf(DriverOutcome.RolledBack.class);
        assertThat(bed.node.everything()).isEqualTo(before);
    }

    @Test
    void whatIsRememberedSurvivesItsFile() throws IOException {
        // Given
        HostFiles files = new SystemHostFiles(directory);
        DriverMemory memory = new DriverMemory(files, STATE);
        DriverMemory.Content content = new DriverMemory.Content(
                NEW,
                OLD,
                "boot",
                "1.0.1 (open): \"went\" down\n",
                DriverMemory.Label.OPEN,
                new DriverMemory.Owed(true, List.of("kube-system")));

        // When
        memory.write(content);

        // Then
        assertThat(new DriverMemory(files, STATE).read()).isEqualTo(content);
    }
}
