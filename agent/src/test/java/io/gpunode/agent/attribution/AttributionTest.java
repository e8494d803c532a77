package io.gpunode.agent.attribution;

import static io.gpunode.agent.attribution.ProcFiles.cgroup;
import static io.gpunode.agent.attribution.ProcFiles.id;
import static io.gpunode.agent.attribution.ProcFiles.uid;
import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.inventory.SimulatedNode;
import io.gpunode.agent.kubernetes.NodePod;
import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.meters.Meters;
import io.gpunode.agent.model.Gpu.ProcessUse;
import io.gpunode.agent.model.Gpu.ProcessUtilization;
import io.gpunode.agent.model.LaneState;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.Reading;
import io.gpunode.agent.os.Processes;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.podresources.PodResourcesPicture;
import io.gpunode.agent.podresources.PodUse;
import io.gpunode.agent.testing.Snapshots;
import io.gpunode.agent.time.ManualTime;
import io.gpunode.agent.time.SystemTime;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(10)
class AttributionTest {
    /** The kernel's ids end before it. */
    private static final int NO_PID = 4_194_304;

    private static final GpuUser TRAIN = new GpuUser(GpuUser.Kind.POD, "ml", "train-0", "main", uid(1));

    @TempDir
    private Path root;

    private final ManualTime time = new ManualTime();
    private ProcFiles proc;
    private NodeSnapshot snapshot = Snapshots.pcie(2).build();
    private Map<String, List<PodUse>> held = Map.of();
    private Map<String, NodePod> apiPods = Map.of();
    private @Nullable Attribution attribution;

    @BeforeEach
    void prepare() throws IOException {
        proc = new ProcFiles(root);
    }

    @Test
    void eachContainersPartIsTheSumOfItsProcessesAndAllPartsAreAllProcesses() throws IOException {
        // Given: two containers of one pod, a daemon of the host, a container that nothing names, and one that is gone
        proc.process(71, 900, cgroup(uid(1), id(1)));
        proc.process(72, 900, cgroup(uid(1), id(1)));
        proc.process(73, 900, cgroup(uid(1), id(2)));
        proc.process(74, 900, "0::/system.slice/nvidia-persistenced.service");
        proc.process(75, 900, "0::/docker/" + id(9));
        proc.logged("ml", "train-0", uid(1), "main", id(1));
        proc.logged("ml", "train-0", uid(1), "side", id(2));
        snapshot = Snapshots.pcie(2)
                .processes(
                        0,
                        busy(71, 1000, 30),
                        busy(72, 500, 20),
                        busy(73, 10, 5),
                        busy(74, 1, 0),
                        busy(75, 7, 1),
                        busy(76, 3, 2))
                .build();

        // When
        List<GpuShare> shares = turn(processes()).shares();

        // Then
        assertThat(shares)
                .containsExactly(
                        share(TRAIN, 2, 1500, 50),
                        share(new GpuUser(GpuUser.Kind.POD, "ml", "train-0", "side", uid(1)), 1, 10, 5),
                        share(new GpuUser(GpuUser.Kind.CONTAINER, "", "", id(9).substring(0, 12), ""), 1, 7, 1),
                        share(GpuUser.HOST, 1, 1, 0),
                        share(GpuUser.UNKNOWN, 1, 3, 2));
    }

    @Test
    void aHolderWithoutProcessesHasAPartOfNothing() throws IOException {
        // Given
        proc.process(71, 900, cgroup(uid(1), id(1)));
        proc.logged("ml", "train-0", uid(1), "main", id(1));
        held = Map.of(
                Snapshots.uuid(0) + "::0", List.of(new PodUse("ml", "train-0", "main")),
                Snapshots.uuid(0) + "::1", List.of(new PodUse("ml", "idle", "main")));
        snapshot = Snapshots.pcie(2).processes(0, busy(71, 1000, 30)).build();

        // When
        List<GpuShare> shares = turn(processes()).shares();

        // Then
        assertThat(shares)
                .containsExactly(
                        share(new GpuUser(GpuUser.Kind.POD, "ml", "idle", "main", ""), 0, 0, 0),
                        share(TRAIN, 1, 1000, 30));
    }

    @Test
    void underMigAPartIsOfAGpuInstanceAndUtilisationIsNotKnown() throws IOException {
        // Given
        proc.process(71, 900, cgroup(uid(1), id(1)));
        proc.logged("ml", "train-0", uid(1), "main", id(1));
        snapshot = Snapshots.pcie(2)
                .partition(0, "1g.10gb", "1g.10gb")
                .processes(0, new ProcessUse(71, OptionalLong.of(1000), 2, null))
                .build();
        held = Map.of(
                Snapshots.migDevice(0, 0, "1g.10gb").id().uuid(), List.of(new PodUse("ml", "idle", "main")),
                Snapshots.migDevice(0, 1, "1g.10gb").id().uuid(), List.of(new PodUse("ml", "train-0", "main")));

        // When
        List<GpuShare> shares = turn(processes()).shares();

        // Then
        assertThat(shares)
                .containsExactly(
                        new GpuShare(
                                Snapshots.id(0),
                                1,
                                new GpuUser(GpuUser.Kind.POD, "ml", "idle", "main", ""),
                                0,
                                OptionalLong.of(0),
                                null),
                        new GpuShare(Snapshots.id(0), 2, TRAIN, 1, OptionalLong.of(1000), null));
    }

    @Test
    void memoryThatTheDriverDoesNotTellIsNotNothing() throws IOException {
        // Given
        proc.process(71, 900, cgroup(uid(1), id(1)));
        snapshot = Snapshots.pcie(2)
                .processes(0, new ProcessUse(71, OptionalLong.empty()))
                .processes(1, new Reading.Failed<>("lost"))
                .build();

        // When
        List<GpuShare> shares = turn(processes()).shares();

        // Then
        assertThat(shares)
                .containsExactly(new GpuShare(
                        Snapshots.id(0),
                        -1,
                        new GpuUser(GpuUser.Kind.POD, "", "", id(1).substring(0, 12), uid(1)),
                        1,
                        OptionalLong.empty(),
                        null));
    }

    @Test
    void aGpuThatDoesNotAnswerHasNoPartsAnyMore() throws IOException {
        // Given
        proc.process(71, 900, cgroup(uid(1), id(1)));
        snapshot = Snapshots.pcie(2)
                .processes(0, busy(71, 1000, 30))
                .lane(0, new LaneState.Unresponsive("nvmlDeviceGetPowerUsage", Snapshots.AT))
                .build();

        // When
        List<GpuShare> shares = turn(processes()).shares();

        // Then
        assertThat(shares).isEmpty();
    }

    @Test
    @Timeout(60)
    void processesOfASimulatedGpuAreLookedUpInTheRealProcfs(@TempDir Path directory) throws Exception {
        try (SimulatedNode node = new SimulatedNode(directory, "4xl4")) {
            // Given: this very process, and one that cannot be
            int self = (int) ProcessHandle.current().pid();
            node.simulator().apply("process gpu=0 pid=" + self + " memory=100");
            node.simulator().apply("process gpu=0 pid=" + NO_PID + " memory=50");
            node.started();
            snapshot = node.inventory().current();
            SystemHostFiles machine = new SystemHostFiles(Path.of("/"));
            Attribution onMachine = new Attribution(
                    processes(),
                    () -> snapshot,
                    Optional::empty,
                    Map::of,
                    machine,
                    machine,
                    SystemTime.monotonic(),
                    SystemTime.wall(),
                    new Heartbeats(time),
                    Meters.NONE);

            // When
            onMachine.turn();

            // Then
            boolean inContainer =
                    new Processes(machine).container(self).orElseThrow().isContainer();
            List<GpuShare> shares = onMachine.current().shares();
            assertThat(shares).hasSize(2);
            assertThat(shares.get(0).user().kind() != GpuUser.Kind.HOST).isEqualTo(inContainer);
            assertThat(shares.get(0).usedBytes()).hasValue(100L << 20);
            assertThat(shares.get(1).user()).isEqualTo(GpuUser.UNKNOWN);
            assertThat(shares.get(1).usedBytes()).hasValue(50L << 20);
        }
    }

    @Test
    void inAPidNamespaceOfItsOwnTheAgentDoesNotSayThatHoldersAreIdle() throws IOException {
        // Given
        proc.ownNamespace();
        held = Map.of(Snapshots.uuid(0), List.of(new PodUse("ml", "train-0", "main")));

        // When
        List<GpuShare> shares = turn(processes()).shares();

        // Then
        assertThat(shares).isEmpty();
    }

    @Test
    void theApiServersNamesComeFirstAndAPodThatHasEndedHoldsNothing() throws IOException {
        // Given
        proc.process(71, 900, cgroup(uid(1), id(1)));
        apiPods = Map.of(
                uid(1),
                new NodePod("ml", "train-0", uid(1), uid(1), false, Map.of("app", "x"), Map.of(id(1), "main")),
                uid(2),
                new NodePod("ml", "done", uid(2), uid(2), true, Map.of(), Map.of()));
        held = Map.of(
                Snapshots.uuid(0), List.of(new PodUse("ml", "train-0", "main")),
                Snapshots.uuid(1), List.of(new PodUse("ml", "done", "main")));
        snapshot = Snapshots.pcie(2).processes(0, busy(71, 1000, 30)).build();

        // When
        AttributionPicture picture = turn(processes());

        // Then
        assertThat(picture.shares()).containsExactly(share(TRAIN, 1, 1000, 30));
        assertThat(picture.facts(new PodUse("ml", "train-0", "main")))
                .isEqualTo(new PodFacts(uid(1), Map.of("app", "x"), false));
        assertThat(picture.facts(new PodUse("ml", "done", "main")).ended()).isTrue();
    }

    @Test
    void withoutAnApiServerTheUidIsThatOfTheLogDirectory() throws IOException {
        // Given
        proc.logged("ml", "train-0", uid(1), "main", id(1));
        held = Map.of(Snapshots.uuid(0), List.of(new PodUse("ml", "train-0", "main")));

        // When
        AttributionPicture picture = turn(new AgentConfig.Attribution(
                false, false, true, false, List.of(), false, Set.of(), "", false, Path.of("/none.sock")));

        // Then
        assertThat(picture.facts(new PodUse("ml", "train-0", "main")).uid()).isEqualTo(uid(1));
        assertThat(picture.shares()).isEmpty();
    }

    @Test
    void labelsHaveANewVersionOnlyWhenTheyChange() throws IOException {
        // Given
        proc.write("jobs/0", "1001");
        AgentConfig.Attribution config = new AgentConfig.Attribution(
                true, false, false, false, List.of(), false, Set.of(), "/jobs", false, Path.of("/none.sock"));
        AttributionPicture first = turn(config);
        time.advance(Duration.ofSeconds(1));
        AttributionPicture second = turn(config);
        proc.write("jobs/0", "1002");
        time.advance(Duration.ofSeconds(1));

        // When
        AttributionPicture third = turn(config);

        // Then
        assertThat(first.jobs()).isEqualTo(Map.of("0", List.of("1001")));
        assertThat(second.labelsVersion()).isEqualTo(first.labelsVersion());
        assertThat(third.labelsVersion()).isGreaterThan(second.labelsVersion());
        assertThat(third.jobs()).isEqualTo(Map.of("0", List.of("1002")));
    }

    @Test
    void itLooksOnceASecondAtMost() {
        // Given
        turn(processes());
        snapshot = Snapshots.pcie(2).processes(0, busy(71, 1000, 30)).build();
        time.advance(Duration.ofMillis(400));

        // When
        Duration next = made(processes()).turn();

        // Then
        assertThat(next).isEqualTo(Duration.ofMillis(600));
        assertThat(made(processes()).current().shares()).isEmpty();
    }

    private static ProcessUse busy(int pid, long bytes, int percent) {
        return new ProcessUse(pid, OptionalLong.of(bytes), -1, new ProcessUtilization(percent, 0, 0, 0));
    }

    private static GpuShare share(GpuUser user, int processes, long bytes, int percent) {
        return new GpuShare(
                Snapshots.id(0), -1, user, processes, OptionalLong.of(bytes), new ProcessUtilization(percent, 0, 0, 0));
    }

    private static AgentConfig.Attribution processes() {
        return new AgentConfig.Attribution(
                true, false, false, false, List.of(), false, Set.of(), "", false, Path.of("/none.sock"));
    }

    private AttributionPicture turn(AgentConfig.Attribution config) {
        Attribution turned = made(config);
        turned.turn();
        return turned.current();
    }

    private Attribution made(AgentConfig.Attribution config) {
        Attribution made = attribution;
        if (made == null) {
            InstantSource wall = InstantSource.fixed(Snapshots.AT.plusSeconds(1));
            made = new Attribution(
                    config,
                    () -> snapshot,
                    () -> Optional.of(new PodResourcesPicture(held, time.now(), "")),
                    () -> apiPods,
                    new SystemHostFiles(root),
                    new SystemHostFiles(root),
                    time,
                    wall,
                    new Heartbeats(time),
                    Meters.NONE);
            attribution = made;
        }
        return made;
    }
}
