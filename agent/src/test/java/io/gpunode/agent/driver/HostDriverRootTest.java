package io.gpunode.agent.driver;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.AgentConfig.Driver;
import io.gpunode.agent.model.DriverVersion;
import io.gpunode.agent.os.DeviceNodes;
import io.gpunode.agent.os.FakeHostProcesses;
import io.gpunode.agent.os.FakeMounts;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.Mount;
import io.gpunode.agent.os.ProcessIdentity;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.time.ManualTime;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(20)
class HostDriverRootTest {
    private static final String STORE = "/var/lib/gpu-node-agent/drivers/trees/ab/root";
    private static final String OTHER = "/var/lib/gpu-node-agent/drivers/trees/cd/root";
    private static final String POINT = "/run/nvidia/driver";
    private static final Path LOCK = Path.of("/run/nvidia/nvidia-driver.pid");

    @TempDir
    Path root;

    private final FakeMounts mounts = new FakeMounts();
    private final FakeHostProcesses processes = new FakeHostProcesses(new ManualTime());
    private final NodesInAFolder nodes = new NodesInAFolder();
    private HostFiles files;
    private Driver.Root settings = new Driver.Root(true, true, "");

    @BeforeEach
    void load() throws IOException {
        files = new SystemHostFiles(root);
        for (String store : List.of(STORE, OTHER)) {
            write(store + "/usr/bin/nvidia-smi", "");
            write(store + "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1", "");
        }
        majors(510);
        write("/proc/driver/nvidia/gpus/0000:18:00.0/information", "Device Minor: \t 0\n");
    }

    private void majors(int uvm) throws IOException {
        write("/proc/devices", "Character devices:\n195 nvidia\n" + uvm + " nvidia-uvm\n");
    }

    private void write(String hostPath, String text) throws IOException {
        Path file = root.resolve(hostPath.substring(1));
        Files.createDirectories(file.getParent());
        Files.writeString(file, text);
    }

    private HostDriverRoot driverRoot() {
        return new HostDriverRoot(files, files, mounts, nodes, processes, settings);
    }

    private static StagedDriver driver(String userspaceRoot) {
        return new StagedDriver(
                new DriverVersion("580.95.05"),
                ModuleType.OPEN,
                "6.12.0",
                List.of(),
                Path.of(userspaceRoot),
                Optional.empty(),
                "");
    }

    private RootOutcome.Attached attached(String userspaceRoot) throws InterruptedException {
        RootOutcome outcome = driverRoot().attach(driver(userspaceRoot));
        assertThat(outcome).isInstanceOf(RootOutcome.Attached.class);
        return (RootOutcome.Attached) outcome;
    }

    private static RootFault fault(RootOutcome outcome) {
        assertThat(outcome).isInstanceOf(RootOutcome.Refused.class);
        return ((RootOutcome.Refused) outcome).fault();
    }

    /** Device nodes as files of the same names, for which no privilege is needed. */
    private final class NodesInAFolder implements DeviceNodes {
        private final Map<Path, CharacterDevice> devices = new HashMap<>();
        private final List<Path> unmakeable = new ArrayList<>();

        @Override
        public Optional<CharacterDevice> find(Path hostPath) {
            Path at = files.linkTarget(hostPath)
                    .map(target -> hostPath.resolveSibling(target).normalize())
                    .orElse(hostPath);
            return Optional.ofNullable(devices.get(at)).filter(_ -> files.exists(at));
        }

        @Override
        public void create(Path hostPath, CharacterDevice device) throws IOException {
            if (unmakeable.contains(hostPath)) {
                throw new IOException("mknod: Operation not permitted");
            }
            write(hostPath.toString(), "");
            devices.put(hostPath, device);
        }

        @Override
        public void link(Path hostPath, Path target) throws IOException {
            Path link = root.resolve(hostPath.toString().substring(1));
            Files.createDirectories(link.getParent());
            Files.deleteIfExists(link);
            Files.createSymbolicLink(link, target);
        }
    }

    // ---- nodes

    @Test
    void nodesAndLinksOfTheLoadedModulesAreMade() throws Exception {
        // When
        RootOutcome.Attached outcome = attached("/");

        // Then
        assertThat(outcome.root()).isEqualTo(Path.of("/"));
        assertThat(nodes.devices)
                .containsOnlyKeys(
                        Path.of("/dev/nvidiactl"),
                        Path.of("/dev/nvidia0"),
                        Path.of("/dev/nvidia-uvm"),
                        Path.of("/dev/nvidia-uvm-tools"));
        assertThat(files.linkTarget(Path.of("/dev/char/510:1"))).hasValue(Path.of("../nvidia-uvm-tools"));
        assertThat(mounts.calls()).isEmpty();
    }

    @Test
    void numbersOfAnEarlierLoadArePutRight() throws Exception {
        // Given
        attached("/");
        majors(511);

        // When
        attached("/");

        // Then
        assertThat(Objects.requireNonNull(nodes.devices.get(Path.of("/dev/nvidia-uvm")))
                        .major())
                .isEqualTo(511);
        assertThat(names(root.resolve("dev/char"))).containsExactlyInAnyOrder("195:255", "195:0", "511:0", "511:1");
    }

    @Test
    void whatIsRightIsLeftAsItIs() throws Exception {
        // Given
        attached("/");

        // When
        RootOutcome.Attached outcome = attached("/");

        // Then
        assertThat(outcome.already()).isTrue();
        assertThat(outcome.notes()).isEmpty();
    }

    @Test
    void linksOfOthersStay() throws Exception {
        // Given
        nodes.link(Path.of("/dev/char/226:0"), Path.of("../dri/card0"));

        // When
        attached("/");

        // Then
        assertThat(files.linkTarget(Path.of("/dev/char/226:0"))).isPresent();
    }

    @Test
    void aNodeThatCannotBeMadeIsTold() throws Exception {
        // Given
        nodes.unmakeable.add(Path.of("/dev/nvidia-uvm"));

        // When
        RootOutcome.Attached outcome = attached("/");

        // Then
        assertThat(outcome.notes())
                .singleElement()
                .asString()
                .contains("/dev/nvidia-uvm")
                .contains("not permitted");
    }

    @Test
    void nothingOfTheDriverIsLeftInDevWhenItGoes() throws Exception {
        // Given
        attached("/");
        nodes.link(Path.of("/dev/char/226:0"), Path.of("../dri/card0"));

        // When
        RootOutcome outcome = driverRoot().detach();

        // Then
        assertThat(outcome).isEqualTo(new RootOutcome.Detached(false, List.of()));
        assertThat(names(root.resolve("dev"))).containsExactly("char");
        assertThat(names(root.resolve("dev/char"))).containsExactly("226:0");
        assertThat(driverRoot().observe().state()).isEqualTo(RootStatus.State.DETACHED);
    }

    // ---- mounts

    @Test
    void aDriverApartIsSeenAtItsPlaceWithTheHostsNodes() throws Exception {
        // When
        RootOutcome.Attached outcome = attached(STORE);

        // Then
        assertThat(outcome.root()).isEqualTo(DriverRoot.POINT);
        assertThat(mounts.calls()).containsExactly("bind " + STORE + " " + POINT, "bind /dev " + POINT + "/dev");
        assertThat(driverRoot().observe().state()).isEqualTo(RootStatus.State.ATTACHED);
    }

    @Test
    void theNextAgentFindsTheMountOfTheOneBefore() throws Exception {
        // Given
        attached(STORE);

        // When
        RootOutcome.Attached outcome = attached(STORE);

        // Then
        assertThat(outcome.already()).isTrue();
        assertThat(mounts.calls()).hasSize(2);
    }

    @Test
    void aMountThatAnAgentHadNoTimeToNoteIsKnownByWhatItShows() throws Exception {
        // Given
        mounts.bind(Path.of(STORE), Path.of(POINT));

        // When
        attached(STORE);

        // Then
        assertThat(mounts.at(Path.of(POINT))).hasSize(1);
        assertThat(driverRoot().observe().state()).isEqualTo(RootStatus.State.ATTACHED);
    }

    @Test
    void anotherDriverTakesThePlaceOfTheOneBefore() throws Exception {
        // Given
        attached(STORE);

        // When
        attached(OTHER);

        // Then
        assertThat(mounts.at(Path.of(POINT)))
                .singleElement()
                .satisfies(mount -> assertThat(mount.root()).isEqualTo(Path.of(OTHER)));
    }

    @Test
    void anotherDriverTakesThePlaceOfAStoredOneWhoseNoteIsLost() throws Exception {
        // Given
        attached(STORE);
        Files.delete(root.resolve("run/gpu-node-agent/driver-root.json"));

        // When
        attached(OTHER);

        // Then
        assertThat(mounts.at(DriverRoot.POINT)).extracting(Mount::root).containsExactly(Path.of(OTHER));
    }

    @Test
    void aStoredDriverWhoseNoteIsLostIsTakenAway() throws Exception {
        // Given
        attached(STORE);
        Files.delete(root.resolve("run/gpu-node-agent/driver-root.json"));
        assertThat(driverRoot().observe().state()).isEqualTo(RootStatus.State.UNNOTED);

        // When
        RootOutcome outcome = driverRoot().detach();

        // Then
        assertThat(outcome).isEqualTo(new RootOutcome.Detached(false, List.of()));
        assertThat(mounts.at(DriverRoot.POINT)).isEmpty();
    }

    @Test
    void aStoredDriverThatAKilledAgentHasLeftMountedOnItselfCanBeRemovedAgain() throws Exception {
        // Given
        mounts.bind(Path.of(OTHER), Path.of(OTHER));
        Mount disk = mounts.add("/var/lib/gpu-node-agent/drivers/trees/ef/root/dev", "somebody's");

        // When
        attached(STORE);

        // Then
        assertThat(mounts.at(Path.of(OTHER))).isEmpty();
        assertThat(mounts.all()).contains(disk);
    }

    @Test
    void theHostsDriverTakesThePlaceOfOneApart() throws Exception {
        // Given
        attached(STORE);

        // When
        attached("/");

        // Then
        assertThat(mounts.at(Path.of(POINT))).isEmpty();
        assertThat(driverRoot().observe().state()).isEqualTo(RootStatus.State.ATTACHED);
    }

    @Test
    void whenItIsNotWantedNothingIsMounted() throws Exception {
        // Given
        settings = new Driver.Root(false, true, "");

        // When
        RootOutcome.Attached outcome = attached(STORE);

        // Then
        assertThat(outcome.root()).isEqualTo(Path.of(STORE));
        assertThat(mounts.calls()).isEmpty();
    }

    @Test
    void aMountIsTakenAwayWithTheNodesInIt() throws Exception {
        // Given
        attached(STORE);

        // When
        RootOutcome outcome = driverRoot().detach();

        // Then
        assertThat(outcome).isEqualTo(new RootOutcome.Detached(false, List.of()));
        assertThat(mounts.calls()).endsWith("unmount " + POINT + "/dev", "unmount " + POINT);
    }

    @Test
    void nothingToTakeAwayIsNothing() throws Exception {
        // Given
        majors(510);

        // When
        RootOutcome outcome = driverRoot().detach();

        // Then
        assertThat(outcome).isEqualTo(new RootOutcome.Detached(true, List.of()));
    }

    @Test
    void aMountInUseGoesOutOfSightAndItsUsersAreNamed() throws Exception {
        // Given
        attached(STORE);
        mounts.use(mounts.at(Path.of(POINT)).getLast().id());
        Files.createDirectories(root.resolve("proc/812"));
        Files.createSymbolicLink(root.resolve("proc/812/exe"), Path.of(POINT + "/usr/bin/nvidia-smi"));

        // When
        RootOutcome outcome = driverRoot().detach();

        // Then
        assertThat(outcome)
                .isEqualTo(new RootOutcome.Detached(false, List.of("pid 812 (/run/nvidia/driver/usr/bin/nvidia-smi)")));
        assertThat(mounts.at(Path.of(POINT))).isEmpty();
    }

    @Test
    void whatSomebodyMountsOnTopIsNotTakenAway() throws Exception {
        // Given
        attached(STORE);
        Mount top = mounts.add(POINT, "somebody");

        // When
        RootOutcome outcome = driverRoot().detach();

        // Then
        assertThat(fault(outcome)).isEqualTo(RootFault.COVERED);
        assertThat(((RootOutcome.Refused) outcome).text()).contains("tmpfs somebody");
        assertThat(mounts.at(Path.of(POINT))).hasSize(2).last().isEqualTo(top);
        assertThat(driverRoot().observe().state()).isEqualTo(RootStatus.State.ANOTHERS);
    }

    @Test
    void aMountOfSomebodyElseIsLeftAlone() throws Exception {
        // Given
        mounts.add(POINT, "somebody");

        // When
        RootOutcome outcome = driverRoot().attach(driver(STORE));

        // Then
        assertThat(fault(outcome)).isEqualTo(RootFault.ANOTHERS_MOUNT);
        assertThat(mounts.calls()).isEmpty();
    }

    @Test
    void aLivingDriverContainerIsLeftAlone() throws Exception {
        // Given
        mounts.add(POINT, "overlay");
        write(LOCK.toString(), "");
        ProcessIdentity container = processes.add("/usr/local/bin/nvidia-driver");
        processes.lock(LOCK, container.pid());

        // When
        RootOutcome outcome = driverRoot().attach(driver(STORE));

        // Then
        assertThat(fault(outcome)).isEqualTo(RootFault.OWNER_ALIVE);
        assertThat(((RootOutcome.Refused) outcome).text()).contains("pid " + container.pid());
    }

    @Test
    void whatADeadDriverContainerLeftIsTakenAway() throws Exception {
        // Given: twice over, as when two have followed each other
        mounts.add(POINT, "overlay");
        mounts.add(POINT, "overlay");
        write(LOCK.toString(), "4711\n");

        // When
        RootOutcome.Attached outcome = attached(STORE);

        // Then
        assertThat(outcome.notes()).hasSize(2).first().asString().contains("driver container");
        assertThat(mounts.at(Path.of(POINT)))
                .singleElement()
                .satisfies(mount -> assertThat(mount.root()).isEqualTo(Path.of(STORE)));
    }

    @Test
    void aMountIdThatIsAnothersNowIsNotTheAgents() throws Exception {
        // Given: a note of a mount that is gone, whose id the kernel has given to somebody's
        attached(STORE);
        Mount before = mounts.at(Path.of(POINT)).getLast();
        mounts.unmount(before, true);
        Mount now = mounts.add(POINT, "somebody");
        String note = Files.readString(root.resolve("run/gpu-node-agent/driver-root.json"));
        write(
                "/run/gpu-node-agent/driver-root.json",
                note.replace("\"mount\": " + before.id(), "\"mount\": " + now.id()));

        // When
        RootOutcome outcome = driverRoot().detach();

        // Then
        assertThat(outcome).isInstanceOf(RootOutcome.Detached.class);
        assertThat(mounts.at(Path.of(POINT))).containsExactly(now);
    }

    @Test
    void filesThatAreNotThereCannotBeShown() throws Exception {
        // When
        RootOutcome outcome = driverRoot().attach(driver("/var/lib/nowhere"));

        // Then
        assertThat(fault(outcome)).isEqualTo(RootFault.NOTHING_TO_MOUNT);
    }

    @Test
    void whoMayNotMountIsToldSo() throws Exception {
        // Given
        mounts.refuse("must be superuser to use mount");

        // When
        RootOutcome outcome = driverRoot().attach(driver(STORE));

        // Then
        assertThat(fault(outcome)).isEqualTo(RootFault.NOT_PERMITTED);
    }

    @Test
    void aRunThatIsReadOnlyIsSaidToBeTheReason() throws Exception {
        // Given
        files = new ReadOnlyFiles(files);

        // When
        RootOutcome outcome = driverRoot().attach(driver(STORE));

        // Then
        assertThat(fault(outcome)).isEqualTo(RootFault.READ_ONLY);
    }

    @Test
    void aMountThatRunningContainersDoNotSeeIsTold() throws Exception {
        // Given
        mounts.unshare();

        // When
        RootOutcome.Attached outcome = attached(STORE);

        // Then
        assertThat(outcome.notes()).singleElement().asString().contains("--make-rshared");
    }

    @Test
    void aMountTableThatCannotBeReadIsNotTakenForNothing() throws Exception {
        // Given
        mounts.blind("/proc/1/mountinfo: Permission denied");

        // When
        RootStatus status = driverRoot().observe();

        // Then
        assertThat(status.state()).isEqualTo(RootStatus.State.UNKNOWN);
        assertThat(status.text()).contains("Permission denied");
    }

    // ---- wrappers

    @Test
    void anOperatorCallsNvidiaSmiAsEver() throws Exception {
        // Given
        settings = new Driver.Root(true, true, "/usr/local/bin");

        // When
        attached(STORE);

        // Then
        Path script = root.resolve("usr/local/bin/nvidia-smi");
        assertThat(script).isExecutable().hasContent("""
                #!/bin/sh
                # gpu-node-agent: the driver's own nvidia-smi; it goes with the driver.
                LD_LIBRARY_PATH='/run/nvidia/driver/usr/lib/x86_64-linux-gnu'"${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
                export LD_LIBRARY_PATH
                exec '/run/nvidia/driver/usr/bin/nvidia-smi' "$@"
                """);
        assertThat(root.resolve("usr/local/bin/nvidia-debugdump")).doesNotExist();
    }

    @Test
    void wrappersGoWithTheDriverAndProgramsOfOthersStay() throws Exception {
        // Given
        settings = new Driver.Root(true, true, "/usr/local/bin");
        write("/usr/local/bin/nvidia-debugdump", "\u007fELF");
        Files.createSymbolicLink(root.resolve("usr/local/bin/nvidia-imex-ctl"), Path.of("/opt/nvidia-imex-ctl"));
        attached(STORE);

        // When
        driverRoot().detach();

        // Then
        assertThat(root.resolve("usr/local/bin/nvidia-smi")).doesNotExist();
        assertThat(root.resolve("usr/local/bin/nvidia-debugdump")).exists();
        assertThat(Files.exists(root.resolve("usr/local/bin/nvidia-imex-ctl"), LinkOption.NOFOLLOW_LINKS))
                .isTrue();
    }

    private static List<String> names(Path directory) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.map(file -> file.getFileName().toString()).toList();
        }
    }
}
