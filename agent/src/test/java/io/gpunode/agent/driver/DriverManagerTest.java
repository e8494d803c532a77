package io.gpunode.agent.driver;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.AgentConfig.Driver;
import io.gpunode.agent.kubernetes.NodeEvent;
import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.os.BootSecurity;
import io.gpunode.agent.os.KernelHeaders;
import io.gpunode.agent.os.OwnerLock;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.testing.Configs;
import io.gpunode.agent.testing.InMemory;
import io.gpunode.agent.time.ManualTime;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(20)
class DriverManagerTest {
    private final Path directory;
    private final ManualTime time = new ManualTime();
    private final FakeDriverNode node = new FakeDriverNode();
    private final List<NodeEvent> events = new ArrayList<>();
    private final List<String> told = new ArrayList<>();
    /** What the source has. */
    private String version = "1.0.1";

    private Optional<DriverSourceException> refusal = Optional.empty();
    /** What is wrong with stored drivers. */
    private List<String> damage = List.of();

    /** Whether the source is the host, which has what modprobe finds. */
    private boolean ofHost;

    private int staged;
    private int pruned;
    private final Driver settings = settings(false, Map.of());
    private final DriverManager manager;

    DriverManagerTest(@TempDir(factory = InMemory.class) Path directory) {
        this.directory = directory;
        this.manager = manager();
    }

    private static Driver settings(boolean automatic, Map<String, Map<String, String>> parameters) {
        Driver base = Configs.defaults().driver();
        return new Driver(
                true,
                base.source(),
                base.version(),
                base.kernelModuleType(),
                new Driver.Modules(base.modules().others(), base.modules().peermem(), parameters, ""),
                base.packages(),
                base.runfile(),
                base.bundle(),
                base.build(),
                base.signing(),
                base.daemons(),
                base.root(),
                new Driver.Change(
                        Driver.DriverWhileInUse.REFUSE,
                        automatic,
                        Duration.ofMinutes(1),
                        false,
                        0,
                        "kube-system",
                        false),
                base.keep(),
                base.limits());
    }

    private DriverManager manager() {
        DriverDoor door = new DriverDoor() {
            @Override
            public void letGo() {}

            @Override
            public void takeUp() {
                told.add("NVML may be opened");
            }
        };
        return new DriverManager(
                settings,
                door,
                this::changer,
                told::add,
                events::add,
                time,
                time.wall(),
                new SplittableRandom(1),
                new Heartbeats(time),
                Meters.NONE);
    }

    private final DriverSource source = new DriverSource() {
        @Override
        public StagedDriver stage(DriverWish wish, KernelFacts kernel, Progress progress) throws DriverSourceException {
            return DriverManagerTest.this.stage(progress);
        }

        @Override
        public List<String> problems(StagedDriver driver) {
            return !driver.key().isEmpty() || driver.version().text().equals(node.host.version())
                    ? damage
                    : List.of(node.host.version() + " is installed");
        }
    };

    private DriverChanger changer(AgentConfig.Driver with) {
        return new DriverChanger(
                with, node, this::observed, source, _ -> pruned++, new SystemHostFiles(directory), time);
    }

    private StagedDriver stage(Progress progress) throws DriverSourceException {
        staged++;
        if (refusal.isPresent()) {
            throw refusal.get();
        }
        progress.begins(Progress.Phase.BUILDING, version);
        StagedDriver driver = FakeDriverNode.staged(ofHost ? node.host.version() : version);
        return ofHost
                ? new StagedDriver(
                        driver.version(),
                        node.host.type(),
                        driver.kernel(),
                        driver.modules(),
                        Path.of("/"),
                        Optional.empty(),
                        "")
                : driver;
    }

    private ObservedDriver observed() {
        DriverPicture picture = node.observe();
        return new ObservedDriver(
                picture.kernel(),
                "x86_64",
                picture.bootId(),
                picture.modules(),
                picture.running(),
                Map.of(),
                List.of(),
                List.of(),
                List.of(),
                Nouveau.ABSENT,
                BootSecurity.NONE,
                new KernelHeaders(picture.kernel(), Optional.empty(), List.of(), List.of(), "", ""),
                List.of());
    }

    /** One who asks for something. */
    private static final class Asking implements DriverManager.Request {
        private final DriverCommand command;
        private final List<String> steps = new ArrayList<>();
        private Optional<DriverOutcome> outcome = Optional.empty();

        Asking(DriverCommand command) {
            this.command = command;
        }

        @Override
        public DriverCommand command() {
            return command;
        }

        @Override
        public void ended(DriverOutcome ended) {
            outcome = Optional.of(ended);
        }

        @Override
        public void beginning(DriverStep step, boolean back) {
            steps.add(step.text());
        }

        @Override
        public void ended(DriverStep step, Duration took) {}

        @Override
        public void begins(Phase phase, String what) {
            steps.add(phase.text() + " " + what);
        }

        @Override
        public void at(Phase phase, long done, long total, long perSecond) {}
    }

    private void turnAfter(Duration passed) throws InterruptedException {
        time.advance(passed);
        manager.turn();
    }

    @Test
    void theDriverIsBroughtUpBeforeNvmlIsOpened() throws Exception {
        // When
        manager.turn();

        // Then
        assertThat(node.modules.keySet()).containsExactly("nvidia", "nvidia_modeset", "nvidia_uvm");
        assertThat(told).containsExactly("NVML may be opened");
        assertThat(manager.status().state()).isEqualTo(DriverManagerStatus.State.READY);
        assertThat(manager.status().running()).isEqualTo("1.0.1 (open)");
        assertThat(events).extracting(NodeEvent::reason).containsExactly("DriverChanged");
        assertThat(pruned).isEqualTo(1);
    }

    @Test
    void aStartWithTheWantedDriverTouchesNothing() throws Exception {
        // Given
        node.put("1.0.1", ModuleType.OPEN, Map.of(), "nvidia", "nvidia_uvm", "nvidia_modeset");
        node.attached = true;

        // When
        manager.turn();

        // Then
        assertThat(node.log).isEmpty();
        assertThat(manager.status().state()).isEqualTo(DriverManagerStatus.State.READY);
        assertThat(told).containsExactly("NVML may be opened");
    }

    @Test
    void aDaemonThatDoesNotComeUpIsToldAndIsNoChangeEachTime() throws Exception {
        // Given
        node.needed.add(DaemonKind.PERSISTENCED);
        node.broken.add(DaemonKind.PERSISTENCED);
        manager.turn();
        int performed = node.performed;

        // When
        for (int i = 0; i < 20; i++) {
            turnAfter(DriverManager.LOOK);
        }

        // Then
        assertThat(node.performed).isEqualTo(performed);
        assertThat(events).extracting(NodeEvent::reason).containsExactly("DriverChanged");
        assertThat(manager.status().changes()).isEqualTo(1);
        assertThat(manager.status().state()).isEqualTo(DriverManagerStatus.State.DIFFERS);
        assertThat(manager.status().reason())
                .isEqualTo("nvidia-persistenced does not run: it ended at once. It is tried again with growing pauses,"
                        + " and at once by: gpu-node-agent driver load");
    }

    @Test
    void aDaemonWhoseNextTryFailsTooIsNoChange() throws Exception {
        // Given
        node.needed.add(DaemonKind.PERSISTENCED);
        node.broken.add(DaemonKind.PERSISTENCED);
        manager.turn();
        node.retryDaemons();

        // When
        turnAfter(DriverManager.LOOK);

        // Then
        assertThat(events).extracting(NodeEvent::reason).containsExactly("DriverChanged");
        assertThat(manager.status().changes()).isEqualTo(1);
        assertThat(manager.status().state()).isEqualTo(DriverManagerStatus.State.DIFFERS);
    }

    @Test
    void aDaemonIsTriedAtOnceWhenSomebodyAsksForTheDriver() throws Exception {
        // Given
        node.needed.add(DaemonKind.PERSISTENCED);
        node.broken.add(DaemonKind.PERSISTENCED);
        manager.turn();
        node.broken.clear();
        Asking load = new Asking(DriverCommand.LOAD);
        manager.ask(load);

        // When
        manager.turn();

        // Then
        assertThat(load.steps).contains("start nvidia-persistenced, where the node needs it");
        assertThat(node.daemons).contains(DaemonKind.PERSISTENCED);
        assertThat(manager.status().state()).isEqualTo(DriverManagerStatus.State.READY);
    }

    @Test
    void aHostsDriverThatIsToBeExchangedForOneOfTheStoreIsToldAsUnusableUntilThen() throws Exception {
        // Given
        node.put("535.1.1", ModuleType.PROPRIETARY, Map.of(), "nvidia", "nvidia_uvm", "nvidia_modeset");

        // When
        manager.turn();

        // Then
        assertThat(node.log).isEmpty();
        assertThat(manager.status().state()).isEqualTo(DriverManagerStatus.State.DIFFERS);
        assertThat(manager.status().reason())
                .contains("gpu-node-agent driver upgrade", "Until then no GPU can be used", "/run/nvidia/driver");
    }

    @Test
    void aModuleThatSomebodyTookAwayComesBack() throws Exception {
        // Given
        manager.turn();
        node.modules.remove("nvidia_uvm");

        // When
        turnAfter(DriverManager.LOOK);

        // Then
        assertThat(node.modules).containsKey("nvidia_uvm");
        assertThat(manager.status().changes()).isEqualTo(2);
    }

    @Test
    void anotherDriverIsToldAndNotExchangedUnlessThatIsWanted() throws Exception {
        // Given
        node.put("535.1.1", ModuleType.PROPRIETARY, Map.of(), "nvidia", "nvidia_uvm", "nvidia_modeset");

        // When
        manager.turn();

        // Then
        assertThat(node.log).isEmpty();
        assertThat(manager.status().state()).isEqualTo(DriverManagerStatus.State.DIFFERS);
        assertThat(manager.status().differences())
                .containsExactly("535.1.1 (proprietary) is loaded, and 1.0.1 (open) is wanted");
        assertThat(manager.status().reason()).startsWith("exchange it with: gpu-node-agent driver upgrade");
    }

    @Test
    void anotherParameterIsAppliedWhereThatIsWanted() throws Exception {
        // Given
        manager.turn();

        // When
        manager.configure(settings(true, Map.of("nvidia", Map.of("NVreg_X", "1"))));
        node.modules.put("nvidia", new FakeDriverNode.Module("1.0.1", ModuleType.OPEN, Map.of("NVreg_X", "0")));
        manager.turn();

        // Then
        assertThat(node.modules.get("nvidia"))
                .isEqualTo(new FakeDriverNode.Module("1.0.1", ModuleType.OPEN, Map.of("NVreg_X", "1")));
        assertThat(manager.status().state()).isEqualTo(DriverManagerStatus.State.READY);
    }

    @Test
    void theLabelOfAWishThatIsWithdrawnSaysDone() throws Exception {
        // Given
        node.notItsTurn = "it waits for its turn";
        manager.turn();
        manager.configure(settings(true, Map.of()));
        version = "2.0.2";
        manager.turn();
        String waiting = node.label;

        // When
        version = "1.0.1";
        manager.configure(settings);
        manager.turn();

        // Then
        assertThat(waiting).isEqualTo("REQUIRED");
        assertThat(node.label).isEqualTo("DONE");
    }

    @Test
    void theLabelGoesWithItsSettingAlsoWhileTheDriverIsUnloaded() throws Exception {
        // Given
        manager.turn();
        version = "2.0.2";
        manager.ask(new Asking(DriverCommand.UPGRADE));
        manager.turn();
        String upgraded = node.label;
        manager.ask(new Asking(DriverCommand.UNLOAD));
        manager.turn();

        // When
        node.asks = ClusterTurn.Asked.NOTHING;
        manager.configure(settings(true, Map.of()));
        manager.turn();

        // Then
        assertThat(upgraded).isEqualTo("DONE");
        assertThat(node.label).isEmpty();
    }

    @Test
    void aLabelThatCannotBeWrittenIsTriedAgainWithGrowingPauses() throws Exception {
        // Given
        manager.turn();
        node.notItsTurn = "it waits for its turn";
        version = "2.0.2";
        manager.ask(new Asking(DriverCommand.UPGRADE));
        manager.turn();
        version = "1.0.1";
        node.labelRefused = true;

        // When
        for (int i = 0; i < 240; i++) {
            turnAfter(DriverManager.LOOK);
        }

        // Then: two hours, at most a time each half of them at last
        assertThat(node.labelsRefused).isBetween(8, 20);
        node.labelRefused = false;
        turnAfter(Duration.ofMinutes(31));
        assertThat(node.label).isEqualTo("DONE");
    }

    @Test
    void aBootWhoseWantedDriverWasGivenUpLoadsTheOneThatRanLast() throws Exception {
        // Given
        manager.turn();
        version = "2.0.2";
        node.performed = 0;
        node.faults.put(10, FakeDriverNode.Fault.REFUSES);
        manager.ask(new Asking(DriverCommand.UPGRADE));
        manager.turn();
        node.reboot();
        DriverManager afterTheBoot = manager();

        // When
        afterTheBoot.turn();

        // Then
        assertThat(node.observe().text()).isEqualTo("1.0.1 (open)");
        assertThat(afterTheBoot.status().state()).isEqualTo(DriverManagerStatus.State.DIFFERS);
        assertThat(afterTheBoot.status().reason())
                .startsWith("the driver that ran last is used, 1.0.1 (open): 2.0.2 (open): injected")
                .endsWith("Try it with: gpu-node-agent driver upgrade");
    }

    @Test
    void aLoadWithoutAnAgentBringsWhatRanLastInPlaceOfADriverThatWasGivenUp() throws Exception {
        // Given
        changer(settings).run(DriverCommand.LOAD, DriverListener.NONE);
        version = "2.0.2";
        node.performed = 0;
        node.faults.put(10, FakeDriverNode.Fault.REFUSES);
        changer(settings).run(DriverCommand.UPGRADE, DriverListener.NONE);
        node.reboot();

        // When
        DriverOutcome outcome = changer(settings).run(DriverCommand.LOAD, DriverListener.NONE);

        // Then
        assertThat(outcome).isInstanceOf(DriverOutcome.Done.class);
        assertThat(node.observe().text()).isEqualTo("1.0.1 (open)");
        assertThat(outcome.message()).endsWith("Try it with: gpu-node-agent driver upgrade");
    }

    @Test
    void aDriverThatCannotBeHadIsToldAndTriedAgain() throws Exception {
        // Given
        refusal = Optional.of(new DriverSourceException(DriverSourceException.Kind.TOOLS, "no compiler; install gcc"));

        // When
        manager.turn();
        DriverManagerStatus failed = manager.status();
        List<String> toldBefore = List.copyOf(told);
        refusal = Optional.empty();
        turnAfter(Duration.ofMinutes(6));

        // Then
        assertThat(failed.state()).isEqualTo(DriverManagerStatus.State.FAILED);
        assertThat(failed.reason()).isEqualTo("no compiler; install gcc");
        assertThat(toldBefore).containsExactly("the driver: no compiler; install gcc");
        assertThat(told).endsWith("NVML may be opened");
        assertThat(manager.status().state()).isEqualTo(DriverManagerStatus.State.READY);
    }

    @Test
    void aModuleThatIsRefusedEachTimeIsToldAsOneFailureWithItsReasonAndTriedWithGrowingPauses() throws Exception {
        // Given
        node.loadRefusal = "the kernel sees no NVIDIA GPU on this machine. Next: see that it is on the PCI bus";
        manager.turn();
        DriverManagerStatus first = manager.status();
        int tried = node.performed;

        // When
        Duration pause = Duration.ZERO;
        for (int i = 0; i < 20; i++) {
            time.advance(pause);
            pause = manager.turn();
        }

        // Then
        assertThat(first.state()).isEqualTo(DriverManagerStatus.State.FAILED);
        assertThat(node.performed).isGreaterThan(tried);
        assertThat(pause).isGreaterThan(Duration.ofMinutes(2)).isLessThanOrEqualTo(Duration.ofMinutes(5));
        assertThat(manager.status().since()).isEqualTo(first.since());
        assertThat(told)
                .isNotEmpty()
                .containsOnly("the driver: could not load nvidia: the kernel sees no NVIDIA GPU on this machine");
    }

    @Test
    void aBootWhoseWantedDriverCannotBeHadLoadsTheOneThatRanLast() throws Exception {
        // Given
        manager.turn();
        node.reboot();
        refusal = Optional.of(
                new DriverSourceException(DriverSourceException.Kind.UNUSABLE, "the bundle is cut off; copy it again"));
        DriverManager afterTheBoot = manager();
        // When
        afterTheBoot.turn();
        // Then
        assertThat(node.observe().text()).contains("1.0.1");
        assertThat(afterTheBoot.status().state()).isEqualTo(DriverManagerStatus.State.DIFFERS);
        assertThat(afterTheBoot.status().reason())
                .contains("the bundle is cut off; copy it again")
                .contains("the driver that ran last is used: ");
    }

    @Test
    void aHostWhoseDriverWasReplacedHasTheInstalledOneAfterAFailedExchangeAndABoot() throws Exception {
        // Given
        ofHost = true;
        manager.turn();
        node.host = new FakeDriverNode.Module("575.2.2", ModuleType.PROPRIETARY, Map.of("NVreg_X", "0"));
        node.unloadable.add("wrong");
        Driver wish = settings(true, Map.of("nvidia", Map.of("NVreg_X", "wrong")));
        manager.configure(wish);
        turnAfter(DriverManager.STAGED_FOR);
        node.reboot();
        node.log.clear();
        DriverManager afterTheBoot = manager();
        afterTheBoot.configure(wish);

        // When
        afterTheBoot.turn();
        time.advance(DriverManager.STAGED_FOR);
        afterTheBoot.turn();

        // Then
        assertThat(node.observe().text()).isEqualTo("575.2.2 (proprietary)");
        assertThat(node.log).noneMatch(DriverStep.UnloadModule.class::isInstance);
        assertThat(afterTheBoot.status().state()).isEqualTo(DriverManagerStatus.State.DIFFERS);
        assertThat(afterTheBoot.status().reason()).startsWith("575.2.2 (proprietary) nvidia.NVreg_X=wrong: ");
    }

    @Test
    void aHostThatHasAnotherDriverThanTheOneThatRanLastDoesNotLoadAndUnloadIt() throws Exception {
        // Given
        ofHost = true;
        manager.turn();
        node.reboot();
        node.log.clear();
        node.host = new FakeDriverNode.Module("575.2.2", ModuleType.PROPRIETARY, Map.of());
        refusal = Optional.of(new DriverSourceException(
                DriverSourceException.Kind.UNUSABLE, "the host has driver 575.2.2, and driver.version wants 535"));
        DriverManager afterTheBoot = manager();

        // When
        afterTheBoot.turn();

        // Then
        assertThat(node.log).isEmpty();
        assertThat(afterTheBoot.status().reason()).startsWith("the host has driver 575.2.2");
    }

    @Test
    void aDamagedDriverThatRanLastIsNotLoadedWithoutItsSource() throws Exception {
        // Given
        manager.turn();
        node.reboot();
        damage = List.of("nvidia.ko has other content");
        refusal = Optional.of(new DriverSourceException(DriverSourceException.Kind.UNUSABLE, "the bundle is cut off"));
        DriverManager afterTheBoot = manager();
        // When
        afterTheBoot.turn();
        // Then
        assertThat(node.observe().loaded()).isFalse();
        assertThat(afterTheBoot.status().state()).isEqualTo(DriverManagerStatus.State.FAILED);
        assertThat(afterTheBoot.status().reason()).isEqualTo("the bundle is cut off");
    }

    @Test
    void aDriverThatWasUnloadedByHandStaysAwayUntilItIsLoaded() throws Exception {
        // Given
        manager.turn();
        Asking unload = new Asking(DriverCommand.UNLOAD);
        manager.ask(unload);
        manager.turn();
        turnAfter(DriverManager.LOOK);
        DriverManagerStatus away = manager.status();
        Asking load = new Asking(DriverCommand.LOAD);
        manager.ask(load);

        // When
        manager.turn();

        // Then
        assertThat(unload.outcome).containsInstanceOf(DriverOutcome.Done.class);
        assertThat(away.state()).isEqualTo(DriverManagerStatus.State.UNLOADED);
        assertThat(away.reason()).endsWith("gpu-node-agent driver load");
        assertThat(told).contains("the driver: " + away.reason());
        assertThat(load.outcome).containsInstanceOf(DriverOutcome.Done.class);
        assertThat(manager.status().state()).isEqualTo(DriverManagerStatus.State.READY);
    }

    @Test
    void anUpgradeThatIsAskedForGoesToTheWantedDriverAndBackAgain() throws Exception {
        // Given
        manager.turn();
        version = "2.0.2";
        Asking upgrade = new Asking(DriverCommand.UPGRADE);
        manager.ask(upgrade);
        manager.turn();
        String upgraded = node.observe().text();
        Asking back = new Asking(DriverCommand.ROLLBACK);
        for (StagedModule module : FakeDriverNode.staged("1.0.1").modules()) {
            new SystemHostFiles(directory).replace(module.path(), new byte[0], "rw-r--r--");
        }
        manager.ask(back);

        // When
        manager.turn();

        // Then
        assertThat(upgraded).isEqualTo("2.0.2 (open)");
        assertThat(upgrade.steps).startsWith("building 2.0.2").endsWith("offer the GPUs again");
        assertThat(back.outcome.map(DriverOutcome::message).orElse("")).startsWith("1.0.1 (open): ");
        assertThat(node.observe().text()).isEqualTo("1.0.1 (open)");
        assertThat(manager.status().state()).isEqualTo(DriverManagerStatus.State.DIFFERS);
    }

    @Test
    void oneChangeIsMadeAtATime() {
        // Given
        manager.ask(new Asking(DriverCommand.UNLOAD));

        // When
        boolean taken = manager.ask(new Asking(DriverCommand.LOAD));

        // Then
        assertThat(taken).isFalse();
    }

    @Test
    void loadingDoesNotExchangeADriverThatRuns() throws Exception {
        // Given
        node.put("535.1.1", ModuleType.PROPRIETARY, Map.of(), "nvidia", "nvidia_uvm", "nvidia_modeset");
        Asking load = new Asking(DriverCommand.LOAD);
        manager.ask(load);

        // When
        manager.turn();

        // Then
        assertThat(load.outcome.map(DriverOutcome::message).orElse(""))
                .endsWith("exchange it with: gpu-node-agent driver upgrade");
        assertThat(node.log).isEmpty();
    }

    @Test
    void aChangeThatACrashHasInterruptedIsEndedFirst() throws Exception {
        // Given
        manager.turn();
        version = "2.0.2";
        node.performed = 0;
        node.faults.put(12, FakeDriverNode.Fault.ENDS_AFTER);
        try {
            changer(settings).run(DriverCommand.UPGRADE, DriverListener.NONE);
        } catch (FakeDriverNode.Ended e) {
            node.restartAgent();
        }

        // When
        turnAfter(DriverManager.STAGED_FOR);

        // Then
        assertThat(node.observe().text()).isEqualTo("2.0.2 (open)");
        assertThat(manager.status().state()).isEqualTo(DriverManagerStatus.State.READY);
        assertThat(staged).isPositive();
        assertThat(Set.copyOf(node.violations)).isEmpty();
    }

    /** The process that does it ends at a step. */
    private void interruptedAt(int step, DriverCommand command) throws InterruptedException {
        node.performed = 0;
        node.faults.put(step, FakeDriverNode.Fault.ENDS_AFTER);
        boolean ended = false;
        try {
            changer(settings).run(command, DriverListener.NONE);
        } catch (FakeDriverNode.Ended e) {
            ended = true;
            node.restartAgent();
        }
        assertThat(ended).isTrue();
    }

    @Test
    void anUnloadingThatWasInterruptedIsTakenBackByARollbackAsItsPlanSays() throws Exception {
        // Given
        manager.turn();
        interruptedAt(3, DriverCommand.UNLOAD);
        DriverPlan plan = changer(settings).plan(DriverCommand.ROLLBACK, DriverListener.NONE);

        // When
        DriverOutcome outcome = changer(settings).run(DriverCommand.ROLLBACK, DriverListener.NONE);

        // Then
        assertThat(plan.target().text()).isEqualTo("1.0.1 (open)");
        assertThat(outcome).isInstanceOf(DriverOutcome.Done.class);
        assertThat(node.observe().text()).isEqualTo("1.0.1 (open)");
        assertThat(node.modules.keySet()).containsExactly("nvidia", "nvidia_modeset", "nvidia_uvm");
    }

    @Test
    void thePlanOfARollbackOfAnInterruptedExchangeLeadsToTheDriverBeforeIt() throws Exception {
        // Given
        manager.turn();
        version = "2.0.2";
        changer(settings).run(DriverCommand.UPGRADE, DriverListener.NONE);
        version = "3.0.3";
        interruptedAt(12, DriverCommand.UPGRADE);

        // When
        DriverPlan plan = changer(settings).plan(DriverCommand.ROLLBACK, DriverListener.NONE);

        // Then
        assertThat(plan.target().text()).isEqualTo("2.0.2 (open)");
        assertThat(changer(settings)
                        .run(DriverCommand.ROLLBACK, DriverListener.NONE)
                        .ok())
                .isTrue();
        assertThat(node.observe().text()).isEqualTo("2.0.2 (open)");
    }

    @Test
    void aRollbackAfterAChangeThatOnlyWaitedGoesToTheDriverBefore() throws Exception {
        // Given
        manager.turn();
        version = "2.0.2";
        changer(settings).run(DriverCommand.UPGRADE, DriverListener.NONE);
        version = "3.0.3";
        node.endsInTurn = true;
        try {
            changer(settings).run(DriverCommand.UPGRADE, DriverListener.NONE);
        } catch (FakeDriverNode.Ended e) {
            node.restartAgent();
        }
        assertThat(changer(settings).isInterrupted()).isTrue();
        DriverPlan plan = changer(settings).plan(DriverCommand.ROLLBACK, DriverListener.NONE);

        // When
        DriverOutcome outcome = changer(settings).run(DriverCommand.ROLLBACK, DriverListener.NONE);

        // Then
        assertThat(plan.target().text()).isEqualTo("1.0.1 (open)");
        assertThat(outcome).isInstanceOf(DriverOutcome.Done.class);
        assertThat(node.observe().text()).isEqualTo("1.0.1 (open)");
    }

    @Test
    void aRollbackToADriverOfAnotherKernelSaysWhatToSet() throws Exception {
        // Given
        manager.turn();
        StagedDriver before = FakeDriverNode.staged("0.9.9");
        StagedDriver ofAnotherKernel = new StagedDriver(
                before.version(),
                before.type(),
                "5.10.0-old",
                before.modules(),
                before.userspaceRoot(),
                before.firmware(),
                before.key());
        DriverTarget current = changer(settings).remembered().current();
        DriverMemory memory = new DriverMemory(new SystemHostFiles(directory), DriverTransaction.STATE_DIRECTORY);
        memory.write(DriverMemory.Content.NOTHING
                .with(new DriverTarget(Optional.of(ofAnotherKernel), current.modules(), "", Set.of(), true))
                .with(current));

        // When
        DriverOutcome outcome = changer(settings).run(DriverCommand.ROLLBACK, DriverListener.NONE);

        // Then
        assertThat(outcome).isInstanceOf(DriverOutcome.Untouched.class);
        assertThat(outcome.message())
                .isEqualTo("driver 0.9.9 (open) ran with kernel 5.10.0-old, and this is " + FakeDriverNode.KERNEL
                        + "; set driver.version to \"0.9.9\", and: gpu-node-agent driver upgrade");
        assertThat(node.observe().text()).isEqualTo("1.0.1 (open)");
    }

    @Test
    void anExchangeThatTheNextAgentEndsInVainIsGivenUp() throws Exception {
        // Given
        manager.turn();
        version = "2.0.2";
        interruptedAt(8, DriverCommand.UPGRADE);
        assertThat(node.log.getLast()).isEqualTo(new DriverStep.UnloadModule("nvidia"));
        node.unloadable.add("2.0.2");
        DriverManager next = manager();
        next.configure(settings(true, Map.of()));

        // When
        next.turn();

        // Then
        assertThat(node.observe().text()).isEqualTo("1.0.1 (open)");
        assertThat(changer(settings).remembered().givenUp()).startsWith("2.0.2 (open): ");
        assertThat(next.status().reason()).endsWith("Try it with: gpu-node-agent driver upgrade");
    }

    /** Exchanges 1.0.1, which runs, for 2.0.2, whose core module does not load. */
    private void failToExchange() throws InterruptedException {
        manager.turn();
        version = "2.0.2";
        node.unloadable.add("2.0.2");
        Asking upgrade = new Asking(DriverCommand.UPGRADE);
        manager.ask(upgrade);
        manager.turn();
        assertThat(upgrade.outcome).containsInstanceOf(DriverOutcome.RolledBack.class);
    }

    @Test
    void itIsNotTriedByItselfAfterThatBootEither() throws Exception {
        // Given
        failToExchange();
        node.reboot();
        DriverManager afterTheBoot = manager();
        afterTheBoot.configure(settings(true, Map.of()));
        afterTheBoot.turn();

        // When
        time.advance(DriverManager.STAGED_FOR);
        afterTheBoot.turn();

        // Then
        assertThat(node.observe().text()).isEqualTo("1.0.1 (open)");
        assertThat(afterTheBoot.status().state()).isEqualTo(DriverManagerStatus.State.DIFFERS);
        assertThat(afterTheBoot.status().reason()).endsWith("Try it with: gpu-node-agent driver upgrade");
    }

    @Test
    void whatWasGivenUpIsForgottenWhenTheWantedDriverRunsAgain() throws Exception {
        // Given
        failToExchange();
        version = "1.0.1";

        // When
        turnAfter(DriverManager.STAGED_FOR);

        // Then
        assertThat(manager.status().state()).isEqualTo(DriverManagerStatus.State.READY);
        assertThat(changer(settings).remembered().givenUp()).isEmpty();
    }

    @Test
    void aParameterThatTheDriverRefusesIsNoReasonToGiveUpTheDriver() throws Exception {
        // Given
        manager.turn();
        node.unloadable.add("wrong");
        manager.configure(settings(true, Map.of("nvidia", Map.of("NVreg_X", "wrong"))));
        node.modules.put("nvidia", new FakeDriverNode.Module("1.0.1", ModuleType.OPEN, Map.of("NVreg_X", "0")));
        manager.turn();
        String reason = manager.status().reason();
        manager.configure(settings(true, Map.of()));
        node.reboot();
        DriverManager afterTheBoot = manager();

        // When
        afterTheBoot.turn();

        // Then
        assertThat(reason).contains("1.0.1 (open)");
        assertThat(node.observe().text()).isEqualTo("1.0.1 (open)");
        assertThat(afterTheBoot.status().state()).isEqualTo(DriverManagerStatus.State.READY);
    }

    @Test
    void aModuleThatSomebodyTookAwayComesBackAlsoWhenTheDriverWasGivenUp() throws Exception {
        // Given
        failToExchange();
        node.unloadable.clear();
        node.modules.clear();
        node.put("2.0.2", ModuleType.OPEN, Map.of(), "nvidia", "nvidia_modeset");
        node.attached = true;

        // When
        turnAfter(DriverManager.STAGED_FOR);

        // Then
        assertThat(node.modules).containsKey("nvidia_uvm");
    }

    @Test
    void nvmlStaysClosedWhileAnotherProcessChangesTheDriver() throws Exception {
        // Given
        manager.turn();
        version = "2.0.2";
        node.performed = 0;
        node.faults.put(5, FakeDriverNode.Fault.ENDS_AFTER);
        try {
            changer(settings).run(DriverCommand.UPGRADE, DriverListener.NONE);
        } catch (FakeDriverNode.Ended e) {
            node.restartAgent();
        }
        told.clear();
        DriverManager starting = manager();

        // When
        OwnerLock theirs = OwnerLock.take(
                        new SystemHostFiles(directory), DriverTransaction.STATE_DIRECTORY.resolve("driver.lock"))
                .orElseThrow();
        try {
            starting.turn();
        } finally {
            theirs.close();
        }

        // Then
        assertThat(told).containsExactly("a change of the driver has not come to its end");
        assertThat(starting.status().reason()).startsWith("the driver is being changed by ");
    }

    @ParameterizedTest
    @ValueSource(longs = {-400, -1, 1, 400})
    void aWallClockThatJumpsChangesNothing(long days) throws Exception {
        // Given
        manager.turn();
        node.log.clear();
        refusal = Optional.of(new DriverSourceException(DriverSourceException.Kind.TOOLS, "no compiler; install gcc"));
        turnAfter(DriverManager.STAGED_FOR);
        int asked = staged;

        // When
        time.setWall(time.wall().instant().plus(Duration.ofDays(days)));
        manager.turn();

        // Then: the pause after the failure is as long as it was
        assertThat(staged).isEqualTo(asked);
        refusal = Optional.empty();
        turnAfter(Duration.ofMinutes(6));
        assertThat(manager.status().state()).isEqualTo(DriverManagerStatus.State.READY);
        assertThat(manager.status().since()).isEqualTo(time.wall().instant());
        assertThat(node.log).isEmpty();
    }

    @Test
    void theLabelOfAnUpgradeThatFailedIsNotDoneAfterTheNextBoot() throws Exception {
        // Given
        node.asks = new ClusterTurn.Asked(List.of(), true);
        failToExchange();
        String failed = node.label;
        node.reboot();

        // When
        DriverManager afterTheBoot = manager();
        afterTheBoot.turn();
        time.advance(Duration.ofHours(1));
        afterTheBoot.turn();

        // Then
        assertThat(failed).isEqualTo("FAILED");
        assertThat(node.observe().text()).isEqualTo("1.0.1 (open)");
        assertThat(node.label).isEqualTo("FAILED");
    }
}
