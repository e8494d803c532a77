package io.gpunode.agent.driver;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.AgentConfig.Driver;
import io.gpunode.agent.config.AgentConfig.Driver.DaemonKeeping;
import io.gpunode.agent.config.AgentConfig.Driver.Use;
import io.gpunode.agent.driver.DaemonStatus.Keeper;
import io.gpunode.agent.driver.DaemonStatus.State;
import io.gpunode.agent.model.DriverVersion;
import io.gpunode.agent.os.CommandRunner;
import io.gpunode.agent.os.FakeHostProcesses;
import io.gpunode.agent.os.FileTrees;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.ProcessIdentity;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.os.Systemd;
import io.gpunode.agent.time.ManualTime;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HostDaemonsTest extends DaemonsContract {
    private static final String PERSISTENCED = "/usr/bin/nvidia-persistenced";
    private static final String UNIT = "nvidia-persistenced.service";
    private static final String IMEX_UNIT = "nvidia-imex.service";
    private static final String FABRIC_UNIT = "nvidia-fabricmanager.service";
    private static final Path SOCKET = Path.of("/run/nvidia-persistenced/socket");
    private static final Path PID_FILE = Path.of("/run/nvidia-persistenced/nvidia-persistenced.pid");
    private static final Path NOTE = Path.of("/run/gpu-node-agent/daemons/nvidia-persistenced.json");
    private static final Path SUBNET_SOCKET = Path.of("/run/nvidia-fabricmanager/fm_sm_ipc.socket");

    @TempDir
    Path root;

    private final ManualTime time = new ManualTime();
    private final FakeHostProcesses processes = new FakeHostProcesses(time);
    private final FakeSystemd systemd = new FakeSystemd();
    private final List<HostDaemons> opened = new ArrayList<>();
    private final CommandRunner commands = (command, _, _, _, _) -> new CommandRunner.Result(
            0, command.getFirst().endsWith("nvidia-imex-ctl") ? "READY\n" : "", "", false, false);
    private HostFiles files;
    private Driver.Daemons settings = new Driver.Daemons(Use.AUTO, true, Use.AUTO, Use.OFF, DaemonKeeping.AUTO);
    private HostDaemons daemons;

    @BeforeEach
    void install() throws IOException {
        files = new SystemHostFiles(root);
        write(PERSISTENCED, "");
        write("/sys/module/nvidia/refcnt", "0");
        processes.program("nvidia-persistenced", this::persistenced);
        daemons = daemons(false);
    }

    @AfterEach
    void close() {
        opened.forEach(HostDaemons::close);
    }

    private HostDaemons daemons(boolean keep) {
        HostDaemons made = new HostDaemons(
                new DaemonHost(files, processes, commands, settings), systemd, LIMIT, keep, Duration.ofMillis(1), time);
        opened.add(made);
        return made;
    }

    private void settings(Use persistenced, Use fabricManager, Use imex, DaemonKeeping keeping) {
        settings = new Driver.Daemons(persistenced, true, fabricManager, imex, keeping);
        daemons = daemons(false);
    }

    private void write(String hostPath, String text) throws IOException {
        Path file = root.resolve(hostPath.substring(1));
        Files.createDirectories(file.getParent());
        Files.writeString(file, text);
    }

    private void touch(Path hostPath) {
        try {
            write(hostPath.toString(), "");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** As the real one does: its first process ends when the one in the background is ready. */
    private OptionalInt persistenced(FakeHostProcesses host, List<String> command, int pid) {
        ProcessIdentity background = host.add(PERSISTENCED);
        host.lock(PID_FILE, background.pid());
        touch(PID_FILE);
        touch(SOCKET);
        return OptionalInt.of(0);
    }

    @Override
    Daemons daemons() {
        return daemons;
    }

    @Override
    ProcessIdentity startedBySomebody() {
        ProcessIdentity process = processes.add(PERSISTENCED);
        touch(SOCKET);
        return process;
    }

    @Override
    void failsToStart() {
        processes.program("nvidia-persistenced", (host, command, pid) -> {
            touch(PID_FILE);
            return OptionalInt.of(1);
        });
    }

    @Override
    void endsOnlyWhenKilled() {
        processes.program("nvidia-persistenced", (host, command, pid) -> {
            OptionalInt status = persistenced(host, command, pid);
            host.ignoreTerm(host.running("nvidia-persistenced").getLast().pid());
            return status;
        });
    }

    private DaemonStatus status(DaemonKind kind) throws InterruptedException {
        return daemons.observe().stream()
                .filter(status -> status.kind() == kind)
                .findFirst()
                .orElseThrow();
    }

    private static DaemonFault fault(DaemonOutcome outcome) {
        assertThat(outcome).isInstanceOf(DaemonOutcome.Failed.class);
        return ((DaemonOutcome.Failed) outcome).fault();
    }

    // ---- how it is started

    @Test
    void theUserOfTheHostsPackageIsUsed() throws Exception {
        // Given
        write("/etc/passwd", "root:x:0:0::/root:/bin/sh\nnvpd:x:107:112::/run/nvpd:/usr/sbin/nologin\n");

        // When
        start();

        // Then
        assertThat(processes.started()).containsExactly(List.of(PERSISTENCED, "--persistence-mode", "--user=nvpd"));
    }

    @Test
    void belowARootOfItsOwnItIsToldWhereItsLibraryIs() throws Exception {
        // Given
        write("/var/lib/store/usr/bin/nvidia-persistenced", "");
        write("/var/lib/store/usr/lib/x86_64-linux-gnu/libnvidia-cfg.so.1", "");
        systemd.unit(UNIT, "inactive", "enabled", 0, (unit, _) -> unit);
        StagedDriver driver = new StagedDriver(
                new DriverVersion("580.95.05"),
                ModuleType.OPEN,
                "6.12.0",
                List.of(),
                Path.of("/var/lib/store"),
                Optional.empty(),
                "");

        // When
        daemons.start(DaemonKind.PERSISTENCED, driver, LIMIT);

        // Then
        assertThat(processes.started())
                .containsExactly(List.of(
                        "/var/lib/store/usr/bin/nvidia-persistenced",
                        "--persistence-mode",
                        "--nvidia-cfg-path=/var/lib/store/usr/lib/x86_64-linux-gnu"));
        assertThat(systemd.calls()).isEmpty();
    }

    @Test
    void aDriverWithoutItDoesWithoutIt() throws Exception {
        // Given
        Files.delete(root.resolve(PERSISTENCED.substring(1)));

        // When
        DaemonOutcome outcome = start();

        // Then
        assertThat(outcome).isEqualTo(new DaemonOutcome.NotNeeded("the driver has no nvidia-persistenced"));
    }

    @Test
    void oneThatIsAskedForAndNotInstalledIsAFailure() throws Exception {
        // Given
        Files.delete(root.resolve(PERSISTENCED.substring(1)));
        settings(Use.ON, Use.OFF, Use.OFF, DaemonKeeping.AUTO);

        // When
        DaemonOutcome outcome = start();

        // Then
        assertThat(fault(outcome)).isEqualTo(DaemonFault.NOT_INSTALLED);
    }

    @Test
    void whatAnEarlierOneLeftDoesNotPassForASignOfLife() throws Exception {
        // Given: its socket and its pid file, with a pid that is somebody else's by now
        touch(SOCKET);
        ProcessIdentity innocent = processes.add("/usr/bin/postgres");
        write(PID_FILE.toString(), innocent.pid() + "\n");

        // When
        DaemonStatus before = persistenced();
        DaemonOutcome outcome = start();

        // Then
        assertThat(before.state()).isEqualTo(State.STOPPED);
        assertThat(outcome)
                .isInstanceOfSatisfying(
                        DaemonOutcome.Ready.class,
                        ready -> assertThat(ready.already()).isFalse());
        assertThat(processes.identify(innocent.pid())).isPresent();
    }

    @Test
    void whatItSaysWhenItFailsIsEvidence() throws Exception {
        // Given
        systemd.onThisHost().says("Failed to query NVIDIA devices. Please ensure that the NVIDIA device files exist");
        failsToStart();

        // When
        DaemonOutcome outcome = start();

        // Then
        assertThat(fault(outcome)).isEqualTo(DaemonFault.EXITED);
        assertThat(((DaemonOutcome.Failed) outcome).text()).isEqualTo("exit status 1");
        assertThat(((DaemonOutcome.Failed) outcome).evidence())
                .singleElement()
                .asString()
                .contains("device files");
    }

    @Test
    void oneThatDoesNotComeUpIsNotDueAgainAtOnce() throws Exception {
        // Given
        failsToStart();

        // When
        DaemonOutcome outcome = start();
        DaemonStatus resting = status(DaemonKind.PERSISTENCED);
        time.advance(Duration.ofSeconds(30));
        DaemonStatus due = status(DaemonKind.PERSISTENCED);
        start();
        time.advance(Duration.ofSeconds(30));
        DaemonStatus restsLonger = status(DaemonKind.PERSISTENCED);
        daemons.retry();
        DaemonStatus asked = status(DaemonKind.PERSISTENCED);

        // Then
        assertThat(resting.state()).isEqualTo(State.FAILED);
        assertThat(resting.text()).isEqualTo(((DaemonOutcome.Failed) outcome).line());
        assertThat(due.state()).isEqualTo(State.STOPPED);
        assertThat(restsLonger.state()).isEqualTo(State.FAILED);
        assertThat(asked.state()).isEqualTo(State.STOPPED);
    }

    @Test
    void aFailedStartIsNoReasonForALaterEnd() throws Exception {
        // Given
        failsToStart();
        start();
        DaemonStatus failed = status(DaemonKind.PERSISTENCED);
        ProcessIdentity process = startedBySomebody();
        DaemonStatus ready = status(DaemonKind.PERSISTENCED);

        // When
        processes.end(process.pid(), 1);
        DaemonStatus ended = status(DaemonKind.PERSISTENCED);

        // Then
        assertThat(List.of(failed.state(), ready.state())).containsExactly(State.FAILED, State.READY);
        assertThat(ended.state()).as("due at once").isEqualTo(State.STOPPED);
    }

    @Test
    void oneThatIsNeverReadyIsEndedAgain() throws Exception {
        // Given: its first process waits for ever
        processes.program("nvidia-persistenced", (host, _, _) -> {
            host.add(PERSISTENCED);
            return OptionalInt.empty();
        });

        // When
        DaemonOutcome outcome = start();

        // Then
        assertThat(fault(outcome)).isEqualTo(DaemonFault.NOT_READY_IN_TIME);
        assertThat(processes.running("nvidia-persistenced")).isEmpty();
    }

    @Test
    void oneThatSaysItIsReadyAndHasNoSocketIsEndedAgain() throws Exception {
        // Given
        processes.program("nvidia-persistenced", (host, _, _) -> {
            host.add(PERSISTENCED);
            return OptionalInt.of(0);
        });

        // When
        DaemonOutcome outcome = start();

        // Then
        assertThat(fault(outcome)).isEqualTo(DaemonFault.NOT_READY_IN_TIME);
        assertThat(processes.running("nvidia-persistenced")).isEmpty();
    }

    @Test
    void oneThatIsGoneWhenItHasSaidThatItIsReadyHasFailed() throws Exception {
        // Given
        processes.program("nvidia-persistenced", (_, _, _) -> OptionalInt.of(0));

        // When
        DaemonOutcome outcome = start();

        // Then
        assertThat(fault(outcome)).isEqualTo(DaemonFault.EXITED);
    }

    @Test
    void aReadOnlyRunIsSaidToBeTheReason() throws Exception {
        // Given
        files = new ReadOnlyFiles(files);
        daemons = daemons(false);

        // When
        DaemonOutcome outcome = start();

        // Then
        assertThat(fault(outcome)).isEqualTo(DaemonFault.CANNOT_START);
        assertThat(((DaemonOutcome.Failed) outcome).text()).contains("Read-only file system");
        assertThat(processes.running("nvidia-persistenced")).isEmpty();
    }

    // ---- across agents

    @Test
    void theNextAgentKnowsTheChildOfTheOneBefore() throws Exception {
        // Given
        start();
        daemons = daemons(false);

        // When
        DaemonStatus status = persistenced();

        // Then
        assertThat(status.keeper()).isEqualTo(Keeper.AGENT);
        assertThat(processes.started()).hasSize(1);
    }

    @Test
    void aNoteOfAProcessWhosePidIsAnothersNowIsOfNoUse() throws Exception {
        // Given
        DaemonOutcome.Ready ready = (DaemonOutcome.Ready) start();
        processes.end(ready.process().pid(), 1);
        ProcessIdentity other = processes.add(ready.process().pid(), "/usr/bin/postgres");

        // When
        DaemonOutcome outcome = stop(GRACE);

        // Then
        assertThat(outcome)
                .isInstanceOfSatisfying(
                        DaemonOutcome.Gone.class,
                        gone -> assertThat(gone.already()).isTrue());
        assertThat(processes.identify(other.pid())).hasValue(other);
        assertThat(files.exists(NOTE)).isFalse();
    }

    @Test
    void aNoteThatMakesNoSenseIsOfNoUse() throws Exception {
        // Given
        write(NOTE.toString(), "{\"process\": {\"pid\": -1}");
        ProcessIdentity process = startedBySomebody();

        // When
        DaemonStatus status = persistenced();

        // Then
        assertThat(status.keeper()).isEqualTo(Keeper.SOMEBODY);
        assertThat(status.process()).hasValue(process);
    }

    @Test
    void aChildIsPutWhereItDoesNotEndWithTheAgentsUnit() throws Exception {
        // Given
        systemd.onThisHost();

        // When
        DaemonOutcome outcome = start();

        // Then
        assertThat(systemd.apart())
                .containsExactly(((DaemonOutcome.Ready) outcome).process().pid());
    }

    @Test
    void aChildThatEndsByItselfIsStartedAgain() throws Exception {
        // Given
        daemons = daemons(true);
        ProcessIdentity first = ((DaemonOutcome.Ready) start()).process();
        CountDownLatch again = new CountDownLatch(1);
        processes.program("nvidia-persistenced", (host, command, pid) -> {
            OptionalInt status = persistenced(host, command, pid);
            again.countDown();
            return status;
        });

        // When
        processes.end(first.pid(), 139);

        // Then
        awaitWithTime(again);
        DaemonStatus status = awaitState(State.READY);
        assertThat(status.keeper()).isEqualTo(Keeper.AGENT);
        assertThat(status.process().orElseThrow().pid()).isNotEqualTo(first.pid());
    }

    @Test
    void aChildThatACommandStopsForAChangeOfTheDriverIsNotStartedInTheMiddleOfIt() throws Exception {
        // Given
        daemons = daemons(true);
        ProcessIdentity first = ((DaemonOutcome.Ready) start()).process();
        write("/var/lib/gpu-node-agent/driver.journal", "");
        processes.program("nvidia-persistenced", (_, _, _) -> {
            throw new AssertionError("started in the middle of a change");
        });

        // When
        processes.end(first.pid(), 0);

        // Then
        assertThat(awaitState(State.STOPPED).state()).isEqualTo(State.STOPPED);
    }

    @Test
    void aChildThatEndsWithItsDriverIsNotStartedAgain() throws Exception {
        // Given
        daemons = daemons(true);
        ProcessIdentity first = ((DaemonOutcome.Ready) start()).process();
        FileTrees.delete(root.resolve("sys/module/nvidia"));
        processes.program("nvidia-persistenced", (_, _, _) -> {
            throw new AssertionError("started without a driver");
        });

        // When
        processes.end(first.pid(), 0);

        // Then
        assertThat(awaitState(State.STOPPED).state()).isEqualTo(State.STOPPED);
    }

    @Test
    void aChildThatEndsTooOftenIsLeftAlone() throws Exception {
        // Given
        daemons = daemons(true);
        ProcessIdentity first = ((DaemonOutcome.Ready) start()).process();
        processes.program("nvidia-persistenced", (_, _, _) -> OptionalInt.of(1));

        // When
        processes.end(first.pid(), 139);

        // Then
        DaemonStatus status = awaitState(State.FAILED);
        assertThat(status.text()).startsWith("it ended 5 times in 10 minutes");
        assertThat(processes.started()).hasSize(KeptDaemon.ENDS_LIMIT);
    }

    @Test
    void oneThatWasStoppedIsNotStartedAgain() throws Exception {
        // Given
        daemons = daemons(true);
        start();

        // When
        stop(GRACE);

        // Then
        daemons.close();
        assertThat(processes.started()).hasSize(1);
        assertThat(processes.running("nvidia-persistenced")).isEmpty();
    }

    @Test
    void oneThatIsAboutToBeStartedAgainStaysAwayWhenItIsStopped() throws Exception {
        // Given: its keeper waits, for a time that does not pass here
        daemons = daemons(true);
        ProcessIdentity process = ((DaemonOutcome.Ready) start()).process();
        processes.end(process.pid(), 1);
        DaemonStatus waiting = persistenced();

        // When
        stop(GRACE);
        time.advance(Duration.ofMinutes(2));

        // Then
        assertThat(waiting.state()).isEqualTo(State.STARTING);
        assertThat(persistenced().state()).as("nobody starts it").isEqualTo(State.STOPPED);
        assertThat(processes.started()).hasSize(1);
    }

    @Test
    void aUnitThatSystemdIsAboutToStartAgainIsStopped() throws Exception {
        // Given
        systemd.unit(UNIT, "activating", "enabled", 0, (unit, _) -> unit("inactive"));

        // When
        DaemonOutcome outcome = stop(GRACE);

        // Then
        assertThat(outcome).isInstanceOf(DaemonOutcome.Gone.class);
        assertThat(systemd.calls()).containsExactly("stop " + UNIT);
    }

    private static Systemd.Unit unit(String active) {
        return new Systemd.Unit(UNIT, "loaded", active, "enabled", 0, "success");
    }

    @Test
    void theEndOfTheAgentIsNotTheEndOfItsChildren() throws Exception {
        // Given
        HostDaemons agent = daemons(true);
        daemons = agent;
        start();

        // When
        agent.close();

        // Then
        assertThat(processes.running("nvidia-persistenced")).hasSize(1);
    }

    /** Pauses are measured with a time that moves only when it is told to. */
    private void awaitWithTime(CountDownLatch latch) throws InterruptedException {
        for (int i = 0; i < 2_000 && !latch.await(5, TimeUnit.MILLISECONDS); i++) {
            time.advance(Duration.ofMillis(100));
        }
        assertThat(latch.getCount()).isZero();
    }

    private DaemonStatus awaitState(State state) throws InterruptedException {
        CountDownLatch never = new CountDownLatch(1);
        for (int i = 0; i < 2_000; i++) {
            DaemonStatus status = persistenced();
            if (status.state() == state) {
                return status;
            }
            time.advance(Duration.ofMillis(100));
            assertThat(never.await(5, TimeUnit.MILLISECONDS)).isFalse();
        }
        return persistenced();
    }

    // ---- stop

    @Test
    void oneThatDoesNotEndAtAllIsReportedWithWhatTheKernelSays() throws Exception {
        // Given
        ProcessIdentity process = startedBySomebody();
        processes.ignoreKill(process.pid());

        // When
        DaemonOutcome outcome = stop(GRACE);

        // Then
        assertThat(fault(outcome)).isEqualTo(DaemonFault.DOES_NOT_END);
        assertThat(((DaemonOutcome.Failed) outcome).text())
                .isEqualTo("/usr/bin/nvidia-persistenced (pid " + process.pid()
                        + ") is in state D (disk sleep), waiting in os_acquire_semaphore");
        assertThat(((DaemonOutcome.Failed) outcome).evidence()).containsExactly("[<0>] nv_close_device+0x1");
    }

    @Test
    void oneThatMayNotBeSignalledIsSaidSo() throws Exception {
        // Given
        ProcessIdentity process = startedBySomebody();
        processes.protect(process.pid());

        // When
        DaemonOutcome outcome = stop(GRACE);

        // Then
        assertThat(fault(outcome)).isEqualTo(DaemonFault.NOT_PERMITTED);
    }

    @Test
    void oneInAContainerIsLeftToIt() throws Exception {
        // Given
        ProcessIdentity process = startedBySomebody();
        processes.inContainer(process.pid(), "0123abc");

        // When
        DaemonOutcome outcome = stop(GRACE);

        // Then
        assertThat(persistenced().keeper()).isEqualTo(Keeper.CONTAINER);
        assertThat(fault(outcome)).isEqualTo(DaemonFault.ANOTHERS);
        assertThat(((DaemonOutcome.Failed) outcome).text()).contains("container 0123abc");
        assertThat(processes.stopped()).isEmpty();
    }

    @Test
    void twoOfThemAreBothStopped() throws Exception {
        // Given
        startedBySomebody();
        startedBySomebody();

        // When
        DaemonOutcome outcome = stop(GRACE);

        // Then
        assertThat(outcome).isInstanceOf(DaemonOutcome.Gone.class);
        assertThat(processes.running("nvidia-persistenced")).isEmpty();
    }

    @Test
    void aProcFileSystemThatCannotBeReadIsNotTakenForNothing() throws Exception {
        // Given
        processes.blind("/proc: Permission denied");

        // When
        DaemonOutcome outcome = stop(GRACE);

        // Then
        assertThat(fault(outcome)).isEqualTo(DaemonFault.UNREADABLE);
        assertThat(persistenced().state()).isEqualTo(State.UNKNOWN);
    }

    // ---- units

    private Systemd.Unit unitOfPersistenced(Systemd.Unit unit, boolean start) {
        int pid = 0;
        if (start) {
            ProcessIdentity process = startedBySomebody();
            pid = process.pid();
        } else {
            processes.end(unit.mainPid(), 0);
        }
        return new Systemd.Unit(unit.name(), "loaded", start ? "active" : "inactive", unit.file(), pid, "success");
    }

    @Test
    void aUnitThatIsEnabledIsStartedInsteadOfAChild() throws Exception {
        // Given
        systemd.unit(UNIT, "inactive", "enabled", 0, this::unitOfPersistenced);

        // When
        DaemonOutcome outcome = start();

        // Then
        assertThat(outcome)
                .isInstanceOfSatisfying(
                        DaemonOutcome.Ready.class,
                        ready -> assertThat(ready.keeper()).isEqualTo(Keeper.SYSTEMD));
        assertThat(systemd.calls()).containsExactly("start " + UNIT);
        assertThat(processes.started()).isEmpty();
    }

    @Test
    void aUnitThatIsOnlyInstalledIsNotTheAgents() throws Exception {
        // Given
        systemd.unit(UNIT, "inactive", "disabled", 0, this::unitOfPersistenced);

        // When
        start();

        // Then
        assertThat(systemd.calls()).isEmpty();
        assertThat(processes.started()).hasSize(1);
    }

    @Test
    void theSettingMakesItAChildWhateverUnitThereIs() throws Exception {
        // Given
        systemd.unit(UNIT, "inactive", "enabled", 0, this::unitOfPersistenced);
        settings(Use.AUTO, Use.AUTO, Use.OFF, DaemonKeeping.CHILD);

        // When
        start();

        // Then
        assertThat(systemd.calls()).isEmpty();
        assertThat(processes.started()).hasSize(1);
    }

    @Test
    void theSettingMakesItAUnitEvenADisabledOne() throws Exception {
        // Given
        systemd.unit(UNIT, "inactive", "disabled", 0, this::unitOfPersistenced);
        settings(Use.AUTO, Use.AUTO, Use.OFF, DaemonKeeping.UNIT);

        // When
        start();

        // Then
        assertThat(systemd.calls()).containsExactly("start " + UNIT);
        assertThat(processes.started()).isEmpty();
    }

    @Test
    void aUnitThatIsAskedForOnAHostWithoutSystemdIsAFailure() throws Exception {
        // Given
        settings(Use.AUTO, Use.AUTO, Use.OFF, DaemonKeeping.UNIT);

        // When
        DaemonOutcome outcome = start();

        // Then
        assertThat(fault(outcome)).isEqualTo(DaemonFault.SYSTEMD_DOES_NOT_ANSWER);
    }

    @Test
    void aRunningUnitIsStoppedThroughSystemdWhichWouldStartItAgain() throws Exception {
        // Given
        systemd.unit(UNIT, "inactive", "enabled", 0, this::unitOfPersistenced);
        start();

        // When
        DaemonOutcome outcome = stop(GRACE);

        // Then
        assertThat(outcome).isInstanceOf(DaemonOutcome.Gone.class);
        assertThat(systemd.calls()).containsExactly("start " + UNIT, "stop " + UNIT);
        assertThat(processes.stopped()).isEmpty();
    }

    @Test
    void whatSystemdLeavesOfAUnitIsEndedToo() throws Exception {
        // Given: its process does not end with the unit
        ProcessIdentity process = startedBySomebody();
        systemd.unit(
                UNIT,
                "active",
                "enabled",
                process.pid(),
                (unit, _) -> new Systemd.Unit(unit.name(), "loaded", "inactive", "enabled", 0, "success"));

        // When
        DaemonOutcome outcome = stop(GRACE);

        // Then
        assertThat(outcome).isInstanceOf(DaemonOutcome.Gone.class);
        assertThat(processes.stopped()).containsExactly(process);
    }

    @Test
    void aUnitThatStaysActiveBecauseSystemdHangsIsNotKilledBehindItsBack() throws Exception {
        // Given
        ProcessIdentity process = startedBySomebody();
        systemd.unit(UNIT, "active", "enabled", process.pid(), (unit, _) -> unit);
        systemd.hang();

        // When
        DaemonOutcome outcome = stop(GRACE);

        // Then
        assertThat(fault(outcome)).isEqualTo(DaemonFault.SYSTEMD_DOES_NOT_ANSWER);
        assertThat(processes.stopped()).isEmpty();
    }

    @Test
    void aSystemdThatIsSilentStopsTheStartBeforeThereAreTwo() throws Exception {
        // Given
        systemd.unit(UNIT, "inactive", "enabled", 0, this::unitOfPersistenced);
        systemd.silent();

        // When
        DaemonOutcome outcome = start();

        // Then
        assertThat(fault(outcome)).isEqualTo(DaemonFault.SYSTEMD_DOES_NOT_ANSWER);
        assertThat(processes.started()).isEmpty();
    }

    /** As the distribution has it, and the configuration leaves it alone. */
    private void imexOfTheDistribution() throws Exception {
        String program = "/usr/bin/nvidia-imex";
        ProcessIdentity first = processes.add(program);
        systemd.unit(IMEX_UNIT, "active", "disabled", first.pid(), (unit, start) -> {
            int pid = start ? processes.add(program).pid() : 0;
            if (!start) {
                processes.end(unit.mainPid(), 0);
            }
            return new Systemd.Unit(unit.name(), "loaded", start ? "active" : "inactive", unit.file(), pid, "success");
        });
        daemons.stop(DaemonKind.IMEX, GRACE);
    }

    @Test
    void aDaemonThatRanBeforeRunsAgainByItsUnitAlsoWhereTheNodeHasNoNeedOfIt() throws Exception {
        // Given
        imexOfTheDistribution();

        // When
        DaemonOutcome outcome = daemons.startAgain(DaemonKind.IMEX, DRIVER, LIMIT);

        // Then
        assertThat(outcome)
                .isInstanceOfSatisfying(
                        DaemonOutcome.Ready.class,
                        ready -> assertThat(ready.keeper()).isEqualTo(Keeper.SYSTEMD));
        assertThat(systemd.calls()).containsExactly("stop " + IMEX_UNIT, "start " + IMEX_UNIT);
        assertThat(processes.started()).isEmpty();
    }

    @Test
    void aDaemonThatRanBeforeWithoutAUnitAndWithoutNeedIsNoChildOfTheAgent() throws Exception {
        // Given
        settings(Use.OFF, Use.OFF, Use.OFF, DaemonKeeping.AUTO);
        startedBySomebody();
        stop(GRACE);

        // When
        DaemonOutcome outcome = daemons.startAgain(DaemonKind.PERSISTENCED, DRIVER, LIMIT);

        // Then
        assertThat(outcome)
                .isEqualTo(new DaemonOutcome.NotNeeded("driver.persistenced is off, and no systemd unit starts it"));
        assertThat(processes.started()).isEmpty();
    }

    @Test
    void aDaemonThatWasStoppedByHandIsNotStartedAgainByAChange() throws Exception {
        // Given
        systemd.unit(UNIT, "inactive", "enabled", 0, this::unitOfPersistenced);
        daemons.stopByHand(DaemonKind.PERSISTENCED, true);

        // When
        DaemonOutcome outcome = daemons.startAgain(DaemonKind.PERSISTENCED, DRIVER, LIMIT);

        // Then
        assertThat(outcome).isInstanceOf(DaemonOutcome.NotNeeded.class);
        assertThat(systemd.calls()).isEmpty();
    }

    @Test
    void aUnitThatFailsSaysWhy() throws Exception {
        // Given
        systemd.unit(
                UNIT,
                "inactive",
                "enabled",
                0,
                (unit, _) -> new Systemd.Unit(unit.name(), "loaded", "failed", "enabled", 0, "exit-code"));
        systemd.says("Failed to initialize", "status=1/FAILURE");

        // When
        DaemonOutcome outcome = start();

        // Then
        assertThat(fault(outcome)).isEqualTo(DaemonFault.UNIT_FAILED);
        assertThat(((DaemonOutcome.Failed) outcome).text()).isEqualTo(UNIT + " is failed (exit-code)");
        assertThat(((DaemonOutcome.Failed) outcome).evidence()).contains("status=1/FAILURE");
        assertThat(persistenced().state()).isEqualTo(State.FAILED);
    }

    @Test
    void theProcessOfAUnitIsSystemds() throws Exception {
        // Given
        ProcessIdentity process = startedBySomebody();
        systemd.unit(UNIT, "active", "enabled", process.pid(), (unit, _) -> unit);

        // When
        DaemonStatus status = persistenced();

        // Then
        assertThat(status.keeper()).isEqualTo(Keeper.SYSTEMD);
    }

    // ---- fabric

    private void nvswitch() throws IOException {
        write("/sys/bus/pci/devices/0000:07:00.0/vendor", "0x10de\n");
        write("/sys/bus/pci/devices/0000:07:00.0/class", "0x068000\n");
        fabricManager();
    }

    private void card(String address, String name, String guid, String mask) throws IOException {
        String device = "/sys/bus/pci/devices/" + address;
        write(device + "/vendor", "0x15b3\n");
        write(device + "/class", "0x020700\n");
        write(device + "/vpd", "\u0002\u0010ConnectX-7\u00900V1\u0006SW_MNGx");
        if (!name.isEmpty()) {
            write(device + "/infiniband/" + name + "/ports/1/cap_mask", mask + "\n");
            write(device + "/infiniband/" + name + "/ports/1/gids/0", "fe80:0000:0000:0000:" + guid + "\n");
        }
        fabricManager();
    }

    private void fabricManager() throws IOException {
        write("/usr/bin/nv-fabricmanager", "");
        write("/opt/nvidia/nvlsm/sbin/nvlsm", "");
        write("/usr/share/nvidia/nvswitch/fabricmanager.cfg", "# as shipped\nDAEMONIZE=1\nFM_CMD_PORT_NUMBER=6666\n");
        processes.program("nv-fabricmanager", (_, _, _) -> {
            listen(6666);
            return OptionalInt.empty();
        });
        processes.program("nvlsm", (_, _, _) -> {
            touch(SUBNET_SOCKET);
            return OptionalInt.empty();
        });
    }

    private void listen(int port) throws IOException {
        write(
                "/proc/net/tcp",
                "  sl  local_address rem_address   st\n   0: 0100007F:"
                        + Integer.toHexString(port).toUpperCase(java.util.Locale.ROOT)
                        + " 00000000:0000 0A 00000000:00000000 00:00000000\n");
    }

    @Test
    void aNodeWithoutSwitchesNeedsNoFabricManager() throws Exception {
        // When
        DaemonOutcome outcome = daemons.start(DaemonKind.FABRIC_MANAGER, DRIVER, LIMIT);

        // Then
        assertThat(outcome).isEqualTo(new DaemonOutcome.NotNeeded("the node has no NVSwitches"));
        assertThat(status(DaemonKind.FABRIC_MANAGER).needed()).isFalse();
    }

    @Test
    void theFabricManagerIsReadyWhenItTakesCommands() throws Exception {
        // Given
        nvswitch();

        // When
        DaemonOutcome outcome = daemons.start(DaemonKind.FABRIC_MANAGER, DRIVER, LIMIT);

        // Then
        assertThat(outcome).isInstanceOf(DaemonOutcome.Ready.class);
        assertThat(processes.started())
                .containsExactly(
                        List.of("/usr/bin/nv-fabricmanager", "-c", "/run/gpu-node-agent/daemons/fabricmanager.cfg"));
        assertThat(root.resolve("run/gpu-node-agent/daemons/fabricmanager.cfg"))
                .hasContent("# as shipped\nFM_CMD_PORT_NUMBER=6666\nDAEMONIZE=0\n");
        assertThat(status(DaemonKind.SUBNET_MANAGER).needed()).isFalse();
    }

    @Test
    void aFabricManagerThatDoesNotTakeCommandsIsNotReady() throws Exception {
        // Given
        nvswitch();
        processes.program("nv-fabricmanager", (_, _, _) -> OptionalInt.empty());

        // When
        DaemonOutcome outcome = daemons.start(DaemonKind.FABRIC_MANAGER, DRIVER, LIMIT);

        // Then
        assertThat(fault(outcome)).isEqualTo(DaemonFault.NOT_READY_IN_TIME);
        assertThat(processes.running("nv-fabricmanager")).isEmpty();
    }

    @Test
    void aFabricManagerOfAnotherVersionIsCalledThat() throws Exception {
        // Given
        fabricManagerThatSays(
                "fabric manager NVIDIA GPU driver interface version 580.65 don't match with driver version 580.95");

        // When
        DaemonOutcome outcome = daemons.start(DaemonKind.FABRIC_MANAGER, DRIVER, LIMIT);

        // Then
        assertThat(fault(outcome)).isEqualTo(DaemonFault.VERSION_MISMATCH);
    }

    @Test
    void aBoardThatMatchesNoTopologyIsCalledThat() throws Exception {
        // Given
        fabricManagerThatSays("[ERROR] number of detected NVSwitches 3 does not match any topology file");

        // When
        DaemonOutcome outcome = daemons.start(DaemonKind.FABRIC_MANAGER, DRIVER, LIMIT);

        // Then
        assertThat(fault(outcome)).isEqualTo(DaemonFault.TOPOLOGY);
    }

    @Test
    void aFabricManagerWithNothingToDoIsNoFailure() throws Exception {
        // Given
        fabricManagerThatSays(
                "request to query NVSwitch device information from NVSwitch driver failed with error:WARNING Nothing to do [NV_WARN_NOTHING_TO_DO]");

        // When
        DaemonOutcome outcome = daemons.start(DaemonKind.FABRIC_MANAGER, DRIVER, LIMIT);

        // Then
        assertThat(outcome).isInstanceOf(DaemonOutcome.NotNeeded.class);
        assertThat(status(DaemonKind.FABRIC_MANAGER).state()).isEqualTo(State.IDLE);
    }

    private void fabricManagerThatSays(String line) throws IOException {
        nvswitch();
        processes.program("nv-fabricmanager", (_, _, _) -> {
            write("/var/log/fabricmanager.log", line + "\n");
            return OptionalInt.of(1);
        });
    }

    @Test
    void switchesBehindACardNeedTheSubnetManagerWithTheSamePort() throws Exception {
        // Given: the first of three ports may not be used for it
        card("0000:05:00.0", "mlx5_9", "0000:0000:0000:0001", "0xa751e848");
        card("0000:05:00.1", "mlx5_10", "cc40:f303:0027:f630", "0xa751e848");
        card("0000:05:00.2", "mlx5_4", "cc40:f303:0027:f62e", "0xa751ec48");
        Files.delete(root.resolve("sys/bus/pci/devices/0000:05:00.0/infiniband/mlx5_9/ports/1/gids/0"));
        daemons.start(DaemonKind.SUBNET_MANAGER, DRIVER, LIMIT);

        // When
        DaemonOutcome outcome = daemons.start(DaemonKind.FABRIC_MANAGER, DRIVER, LIMIT);

        // Then
        assertThat(outcome).isInstanceOf(DaemonOutcome.Ready.class);
        assertThat(processes.started())
                .containsExactly(
                        List.of(
                                "/opt/nvidia/nvlsm/sbin/nvlsm",
                                "--config",
                                "/usr/share/nvidia/nvlsm/nvlsm.conf",
                                "--guid",
                                "0xcc40f3030027f630",
                                "--pid_file",
                                "/run/nvidia-fabricmanager/nvlsm.pid",
                                "--log_file",
                                "stdout"),
                        List.of(
                                "/usr/bin/nv-fabricmanager",
                                "-c",
                                "/run/gpu-node-agent/daemons/fabricmanager.cfg",
                                "-g",
                                "0xcc40f3030027f630"));
    }

    @Test
    void aCardWithoutItsInfinibandModuleIsNamedAsTheReason() throws Exception {
        // Given
        card("0000:05:00.0", "", "", "");

        // When
        DaemonOutcome outcome = daemons.start(DaemonKind.SUBNET_MANAGER, DRIVER, LIMIT);

        // Then
        assertThat(fault(outcome)).isEqualTo(DaemonFault.NO_MANAGEMENT_PORT);
        assertThat(DaemonFault.NO_MANAGEMENT_PORT.remedy()).contains("mlx5_ib");
    }

    @Test
    void theUnitOfTheFabricManagerStartsTheSubnetManagerItself() throws Exception {
        // Given
        card("0000:05:00.1", "mlx5_10", "cc40:f303:0027:f630", "0xa751e848");
        systemd.unit(FABRIC_UNIT, "inactive", "enabled", 0, (unit, _) -> unit);

        // When
        DaemonOutcome outcome = daemons.start(DaemonKind.SUBNET_MANAGER, DRIVER, LIMIT);

        // Then
        assertThat(outcome).isEqualTo(new DaemonOutcome.NotNeeded("the fabric manager's unit starts it"));
        assertThat(processes.started()).isEmpty();
    }

    // ---- IMEX

    @Test
    void imexIsReadyWhenItsControlProgramSaysSo() throws Exception {
        // Given
        settings(Use.AUTO, Use.AUTO, Use.ON, DaemonKeeping.AUTO);
        write("/usr/bin/nvidia-imex", "");
        write("/etc/nvidia-imex/config.cfg", "IMEX_WAIT_FOR_QUORUM=RECOVERY\n");
        processes.program("nvidia-imex", (_, _, _) -> OptionalInt.empty());

        // When
        DaemonOutcome outcome = daemons.start(DaemonKind.IMEX, DRIVER, LIMIT);

        // Then
        assertThat(outcome).isInstanceOf(DaemonOutcome.Ready.class);
        assertThat(root.resolve("run/gpu-node-agent/daemons/imex.cfg"))
                .hasContent("IMEX_WAIT_FOR_QUORUM=RECOVERY\nDAEMONIZE=0\n");
    }

    @Test
    void imexOfAComputeDomainInAContainerIsNobodysBusinessHere() throws Exception {
        // Given
        ProcessIdentity process = processes.add("/usr/bin/nvidia-imex");
        processes.inContainer(process.pid(), "0123abc");

        // When
        DaemonOutcome outcome = daemons.stop(DaemonKind.IMEX, GRACE);

        // Then
        assertThat(outcome)
                .isInstanceOfSatisfying(
                        DaemonOutcome.Gone.class,
                        gone -> assertThat(gone.already()).isTrue());
        assertThat(processes.identify(process.pid())).isPresent();
    }
}
