package io.gpunode.agent.driver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.gpunode.agent.os.FakeKernelModules;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.KernelValues;
import io.gpunode.agent.os.ModuleOutcome;
import io.gpunode.agent.os.ModuleToLoad;
import io.gpunode.agent.os.ProcessIdentity;
import io.gpunode.agent.os.SystemDeviceNodes;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.testing.Configs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(10)
class HostDriverOperationsTest {
    @TempDir
    private Path root;

    private final FakeKernelModules modules = FakeKernelModules.withDriver("580.65.06");
    private final FakeDaemons daemons = new FakeDaemons();
    private final List<Holder> processes = new ArrayList<>();
    private Runnable duringALook = () -> {};
    private final HolderScan scan = this::scan;

    /** As the real one: what the kernel counts and no process has is in the kernel. */
    private HolderTable scan(ModuleGraph counted) {
        duringALook.run();
        List<Holder> holders = new ArrayList<>(processes);
        int missing = counted.find("nvidia").orElseThrow().externalReferences() - processes.size();
        if (missing > 0) {
            holders.add(holder(0, Holder.Through.KERNEL));
        }
        return new HolderTable(holders, List.of(), List.of(), 10, 100, Duration.ZERO);
    }

    private static Holder holder(int pid, Holder.Through through) {
        return new Holder("nvidia", "", pid, 100, "", HolderPlace.UNKNOWN, through, 1, "");
    }

    private void loaded() throws InterruptedException {
        modules.load(ModuleToLoad.named("nvidia"), Duration.ofSeconds(1));
    }

    private void opened(ProcessIdentity process) {
        modules.hold("nvidia");
        processes.add(holder(process.pid(), Holder.Through.FD));
    }

    @BeforeEach
    void aNode() throws IOException {
        new DriverHost(root);
    }

    private HostDriverOperations operations() {
        return operations(new SystemHostFiles(root), modules, scan, daemons);
    }

    /** What keeps drivers in the store of a host. */
    static FakeDriverNode.Keeper keeper(HostFiles files) {
        HolderTable nobody = new HolderTable(List.of(), List.of(), List.of(), 0, 0, Duration.ZERO);
        return operations(files, FakeKernelModules.withDriver("580.65.06"), _ -> nobody, new FakeDaemons())::keep;
    }

    private static HostDriverOperations operations(
            HostFiles files, FakeKernelModules modules, HolderScan scan, FakeDaemons daemons) {
        KernelValues values = new KernelValues(files);
        HostDriverOperations.Parts parts = new HostDriverOperations.Parts(
                new HostDriverObserver(files, modules, new SystemDeviceNodes(files), Path.of("/")),
                scan,
                modules,
                values,
                new NouveauRelease(modules, values, files),
                daemons,
                new NoRoot(),
                new ValidatorFiles(files),
                new DriverStore(files, DriverStore.DIRECTORY));
        return new HostDriverOperations(
                parts,
                Configs.defaults().driver(),
                DriverDoor.NONE,
                null,
                new ClusterTurn(
                        () -> {
                            throw new IllegalStateException("nobody asks a cluster here");
                        },
                        Configs.defaults().driver().change()));
    }

    /** The host's own driver. */
    private static final class NoRoot implements DriverRoot {
        @Override
        public RootOutcome attach(StagedDriver driver) {
            throw new IllegalStateException("nobody attaches here");
        }

        @Override
        public RootOutcome detach() {
            throw new IllegalStateException("nobody detaches here");
        }

        @Override
        public RootStatus observe() {
            return new RootStatus(RootStatus.State.DETACHED, List.of(), "");
        }
    }

    // ---- modules

    @Test
    void aProgramThatHangsIsToldWithWhatComesNext() throws Exception {
        // Given
        loaded();
        modules.failUnload(
                "nvidia",
                new ModuleOutcome.TimedOut(
                        Duration.ofSeconds(5), false, "the program was killed; module nvidia is loaded", List.of()));

        // When
        Throwable thrown = catchThrowable(() -> operations().perform(new DriverStep.UnloadModule("nvidia")));

        // Then
        assertThat(thrown)
                .isInstanceOf(DriverStepException.class)
                .hasMessageContainingAll(
                        "did not end within 5 s", "module nvidia is loaded. Next: dmesg", "driver.limits.unload");
    }

    // ---- daemons

    @Test
    void aDaemonThatRanBeforeAndStaysDownIsTold() throws Exception {
        // Given
        DriverStep.StartDaemon step =
                new DriverStep.StartDaemon(DaemonKind.IMEX, FakeDriverNode.staged("580.65.06"), true);

        // When
        List<String> notes = operations().perform(step);

        // Then
        assertThat(notes)
                .containsExactly(
                        "nvidia-imex ran before and was not started again: no test needs it; start it where it was started");
    }

    @Test
    void aDaemonInAContainerIsInTheWayAndOthersAreNot() throws Exception {
        // Given
        loaded();
        opened(daemons.add(DaemonKind.PERSISTENCED));
        ProcessIdentity fabricManager = daemons.addInContainer(DaemonKind.FABRIC_MANAGER);
        opened(fabricManager);

        // When
        HolderTable holders = operations().holders();

        // Then
        assertThat(holders.holders()).extracting(Holder::pid).containsExactly(fabricManager.pid());
    }

    @Test
    void aDaemonOfSomebodyElsesThatStaysIsAReasonToWaitAndNoneToGiveTheDriverUp() {
        // Given
        daemons.addInContainer(DaemonKind.FABRIC_MANAGER);
        daemons.refuse(DaemonKind.FABRIC_MANAGER, DaemonFault.ANOTHERS);

        // When
        Throwable thrown =
                catchThrowable(() -> operations().perform(new DriverStep.StopDaemon(DaemonKind.FABRIC_MANAGER)));

        // Then
        assertThat(thrown)
                .isInstanceOfSatisfying(
                        DriverStepException.class,
                        failed -> assertThat(failed.inUse()).isTrue());
    }

    // ---- modules

    @Test
    void aModuleThatAnotherOneHasTakenHoldOfMeanwhileIsInUse() throws Exception {
        // Given
        loaded();
        modules.load(ModuleToLoad.named("nvidia_uvm"), Duration.ofSeconds(1));

        // When
        Throwable thrown = catchThrowable(() -> operations().perform(new DriverStep.UnloadModule("nvidia")));

        // Then
        assertThat(thrown)
                .isInstanceOfSatisfying(
                        DriverStepException.class,
                        failed -> assertThat(failed.inUse()).isTrue())
                .hasMessageContaining("other modules depend on it");
    }

    // ---- the store

    @Test
    void aBootThatLoadsTheDriverThatRanLastWritesNothingInTheStore() throws Exception {
        // Given
        SystemHostFiles files = new SystemHostFiles(root);
        DriverTarget current = FakeDriverNode.target("580.65.06", Map.of());
        DriverTarget previous = FakeDriverNode.target("570.86.15", Map.of());
        keeper(files).keep(current, List.of(previous));

        // When
        Throwable thrown = catchThrowable(
                () -> keeper(new ReadOnlyFiles(files)).keep(current, List.of(DriverTarget.NONE, current, previous)));

        // Then
        assertThat(thrown).isNull();
    }

    // ---- who is in the way

    @Test
    void aProcessThatEndsWhileItIsLookedForIsNothingInTheKernel() throws Exception {
        // Given
        loaded();
        modules.hold("nvidia");
        duringALook = () -> modules.release("nvidia");

        // When
        HolderTable holders = operations().holders();

        // Then
        assertThat(holders.holders()).isEmpty();
    }

    @Test
    void whatNobodyExplainsASecondTimeIsInTheKernel() throws Exception {
        // Given
        loaded();
        modules.hold("nvidia");

        // When
        HolderTable holders = operations().holders();

        // Then
        assertThat(holders.holders()).extracting(Holder::through).containsExactly(Holder.Through.KERNEL);
    }

    // ---- the kernel's firmware path

    @Test
    void aDriverThatHasGoneLeavesNoFirmwarePathBehind() throws Exception {
        // Given
        Path path = firmwarePath("/var/lib/gpu-node-agent/drivers/trees/abc/root/lib/firmware");

        // When
        List<String> notes = operations().perform(new DriverStep.Announce(DriverTarget.NONE));

        // Then
        assertThat(path).hasContent("\n");
        assertThat(notes).isEmpty();
    }

    @Test
    void aFirmwarePathOfSomebodyElseStays() throws Exception {
        // Given
        Path path = firmwarePath("/srv/firmware");

        // When
        operations().perform(new DriverStep.Announce(DriverTarget.NONE));

        // Then
        assertThat(path).hasContent("/srv/firmware\n");
    }

    private Path firmwarePath(String now) throws IOException {
        Path path = root.resolve("sys/module/firmware_class/parameters/path");
        Files.createDirectories(path.getParent());
        return Files.writeString(path, now + "\n");
    }
}
