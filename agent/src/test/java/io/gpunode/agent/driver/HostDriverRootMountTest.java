package io.gpunode.agent.driver;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.AgentConfig.Driver;
import io.gpunode.agent.model.DriverVersion;
import io.gpunode.agent.os.FakeHostProcesses;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.Mount;
import io.gpunode.agent.os.MountPlace;
import io.gpunode.agent.os.SystemDeviceNodes;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.time.ManualTime;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Over the real kernel, in a mount namespace with a {@code /run} and a {@code /dev} of its own. */
@Timeout(20)
class HostDriverRootMountTest {
    private static final String STORE = "/run/store/root";
    private static final Path POINT = DriverRoot.POINT;

    private MountPlace place;
    private HostDriverRoot root;

    @BeforeEach
    void open() throws Exception {
        place = MountPlace.open();
        place.run("mount", "-t", "tmpfs", "run", "/run");
        place.run("mount", "-t", "tmpfs", "dev", "/dev");
        place.run("mkdir", "-p", STORE + "/usr/bin");
        place.run("touch", STORE + "/usr/bin/nvidia-smi");
        place.run("touch", "/dev/of-the-host");
        root = agent();
    }

    private HostDriverRoot agent() {
        HostFiles host = new SystemHostFiles(Path.of("/proc/" + place.pid() + "/root"));
        return new HostDriverRoot(
                new SystemHostFiles(Path.of("/")),
                host,
                place.mounts(),
                new SystemDeviceNodes(host),
                new FakeHostProcesses(new ManualTime()),
                new Driver.Root(true, true, ""));
    }

    @AfterEach
    void close() {
        place.close();
    }

    private static StagedDriver driver() {
        return new StagedDriver(
                new DriverVersion("580.95.05"),
                ModuleType.OPEN,
                "6.12.0",
                List.of(),
                Path.of(STORE),
                Optional.empty(),
                "");
    }

    private List<Mount> mounted() throws IOException {
        return place.mounts().all().stream()
                .filter(mount -> mount.point().startsWith(POINT))
                .toList();
    }

    @Test
    void onAMachineWhoseMountsAreSharedTheHostsNodesDoNotComeBelowTheStoredDriver() throws Exception {
        // Given: as systemd leaves them
        place.run("mount", "--make-shared", "/run");
        place.run("mount", "--make-shared", "/dev");

        // When
        RootOutcome outcome = root.attach(driver());

        // Then
        assertThat(outcome).isInstanceOf(RootOutcome.Attached.class);
        place.run("test", "-e", POINT + "/dev/of-the-host");
        place.run("test", "!", "-e", STORE + "/dev/of-the-host");
        assertThat(place.mounts().at(Path.of(STORE))).isEmpty();
        assertThat(mounted().getFirst().shared()).isTrue();
    }

    @Test
    void theDriversFilesAndTheHostsNodesAreSeenThere() throws Exception {
        // When
        RootOutcome outcome = root.attach(driver());

        // Then
        assertThat(outcome.ok()).as(outcome.toString()).isTrue();
        place.run("test", "-e", POINT + "/usr/bin/nvidia-smi");
        place.run("test", "-e", POINT + "/dev/of-the-host");
        assertThat(root.observe().state()).isEqualTo(RootStatus.State.ATTACHED);
    }

    @Test
    void anAgentThatWasKilledAndItsSuccessorMountOnce() throws Exception {
        // Given
        root.attach(driver());

        // When
        RootOutcome outcome = agent().attach(driver());

        // Then
        assertThat(outcome)
                .isInstanceOfSatisfying(
                        RootOutcome.Attached.class,
                        attached -> assertThat(attached.already()).isTrue());
        assertThat(mounted()).hasSize(2);
    }

    @Test
    void whatAnAgentThatWasKilledWhileItMountedHasLeftIsTakenAway() throws Exception {
        // Given
        place.run("mount", "--bind", STORE, STORE);
        place.run("mount", "--bind", STORE, STORE);

        // When
        RootOutcome outcome = agent().attach(driver());

        // Then
        assertThat(outcome.ok()).as(outcome.toString()).isTrue();
        assertThat(place.mounts().at(Path.of(STORE))).isEmpty();
        place.run("test", "-e", POINT + "/usr/bin/nvidia-smi");
    }

    @Test
    void whatWasMountedIsGoneAfterwards() throws Exception {
        // Given
        root.attach(driver());

        // When
        RootOutcome outcome = agent().detach();

        // Then
        assertThat(outcome).isEqualTo(new RootOutcome.Detached(false, List.of()));
        assertThat(mounted()).isEmpty();
    }

    @Test
    void somethingThatIsMountedInItDoesNotKeepIt() throws Exception {
        // Given
        root.attach(driver());
        place.run("mount", "-t", "tmpfs", "inner", POINT + "/usr/bin");

        // When
        RootOutcome outcome = root.detach();

        // Then
        assertThat(outcome)
                .isInstanceOfSatisfying(
                        RootOutcome.Detached.class,
                        detached -> assertThat(detached.users()).isNotEmpty());
        assertThat(mounted()).isEmpty();
    }

    @Test
    void somethingOnTopIsNotTouched() throws Exception {
        // Given
        root.attach(driver());
        place.run("mount", "-t", "tmpfs", "somebody", POINT.toString());

        // When
        RootOutcome outcome = root.detach();

        // Then
        assertThat(outcome)
                .isInstanceOfSatisfying(
                        RootOutcome.Refused.class,
                        refused -> assertThat(refused.fault()).isEqualTo(RootFault.COVERED));
        assertThat(mounted()).anyMatch(mount -> mount.source().equals("somebody"));
    }
}
