package io.gpunode.agent.driver;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.os.FakeKernelModules;
import io.gpunode.agent.os.KernelValues;
import io.gpunode.agent.os.SystemDeviceNodes;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.testing.Configs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
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

    @BeforeEach
    void aNode() throws IOException {
        new DriverHost(root);
    }

    private HostDriverOperations operations() {
        SystemHostFiles files = new SystemHostFiles(root);
        KernelValues values = new KernelValues(files);
        HostDriverOperations.Parts parts = new HostDriverOperations.Parts(
                new HostDriverObserver(files, modules, new SystemDeviceNodes(files), Path.of("/")),
                _ -> FakeDriverNode.nobody(),
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
