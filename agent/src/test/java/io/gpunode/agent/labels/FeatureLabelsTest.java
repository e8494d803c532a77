package io.gpunode.agent.labels;

import static io.gpunode.agent.labels.Settings.PLAIN;
import static io.gpunode.agent.labels.Settings.shared;
import static io.gpunode.agent.labels.Settings.sharing;
import static io.gpunode.agent.labels.Settings.strategy;
import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.AgentConfig.DeviceReference;
import io.gpunode.agent.config.AgentConfig.DeviceSelection;
import io.gpunode.agent.config.AgentConfig.MigStrategy;
import io.gpunode.agent.config.AgentConfig.NamePattern;
import io.gpunode.agent.config.AgentConfig.Resources;
import io.gpunode.agent.config.AgentConfig.SharedResource;
import io.gpunode.agent.labels.HostFacts.Vgpu;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.Gpu.FabricState;
import io.gpunode.agent.model.LaneState;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.NvmlState;
import io.gpunode.agent.model.Reading;
import io.gpunode.agent.testing.Snapshots;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.SortedMap;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The rules of single labels; whole sets of simulated nodes are in {@link LabelSetsTest}. */
@Timeout(10)
class FeatureLabelsTest {
    private static final String CLUSTER = "7b968a6d-c8aa-45e1-9e07-e1e51be99c31";
    private static final String NO_CLUSTER = "00000000-0000-0000-0000-000000000000";

    private static SortedMap<String, String> labels(Snapshots node, LabelSettings settings) {
        return FeatureLabels.of(node.build(), settings, HostFacts.NONE);
    }

    private static SortedMap<String, String> labels(Snapshots node) {
        return labels(node, PLAIN);
    }

    private static SortedMap<String, String> labels(HostFacts facts) {
        return FeatureLabels.of(Snapshots.t4().build(), PLAIN, facts);
    }

    // --- versions

    private static Snapshots driver(String version, int cuda) {
        return Snapshots.t4()
                .nvml(new NvmlState.Open(
                        "/usr/lib/libnvidia-ml.so.1",
                        "12." + version,
                        version,
                        cuda,
                        1,
                        Map.of(),
                        List.of(),
                        Snapshots.AT));
    }

    @Test
    void aDriverVersionOfTwoPartsHasAnEmptyRevision() {
        // When
        var labels = labels(driver("384.81", 9_000));

        // Then
        assertThat(labels)
                .containsEntry("nvidia.com/cuda.driver-version.major", "384")
                .containsEntry("nvidia.com/cuda.driver-version.minor", "81")
                .containsEntry("nvidia.com/cuda.driver-version.revision", "")
                .containsEntry("nvidia.com/cuda.driver.rev", "")
                .containsEntry("nvidia.com/cuda.driver-version.full", "384.81");
    }

    @ParameterizedTest
    @ValueSource(strings = {"580", "580.65.06.1", ""})
    void aDriverVersionOfAnotherFormIsToldInFullOnly(String version) {
        // When
        var labels = labels(driver(version, 13_000));

        // Then
        assertThat(labels)
                .containsEntry("nvidia.com/cuda.driver-version.full", version)
                .doesNotContainKeys("nvidia.com/cuda.driver-version.major", "nvidia.com/cuda.driver.major")
                .containsEntry("nvidia.com/gpu.count", "1");
    }

    @Test
    void aLibraryThatDoesNotTellItsCudaVersionCostsThoseLabelsOnly() {
        // When
        var labels = labels(driver("580.65.06", 0));

        // Then
        assertThat(labels)
                .doesNotContainKeys(
                        "nvidia.com/cuda.runtime.major",
                        "nvidia.com/cuda.runtime-version.full",
                        "nvidia.com/cuda.runtime-version.minor")
                .containsEntry("nvidia.com/cuda.driver.major", "580");
    }

    @Test
    void theCudaVersionIsTheOneThatTheDriverServes() {
        // When
        var labels = labels(driver("550.54", 12_040));

        // Then
        assertThat(labels)
                .containsEntry("nvidia.com/cuda.runtime-version.full", "12.4")
                .containsEntry("nvidia.com/cuda.runtime.major", "12")
                .containsEntry("nvidia.com/cuda.runtime.minor", "4");
    }

    // --- the node

    @Test
    void theTimestampIsTheOneOfTheSettings() {
        // Given
        var settings = new LabelSettings(
                MigStrategy.NONE,
                "nvidia.com/gpu",
                Resources.NONE,
                PLAIN.sharing(),
                false,
                false,
                OptionalLong.of(1_755_600_000L));

        // When
        var labels = labels(Snapshots.noGpus(), settings);

        // Then
        assertThat(labels).containsExactly(Map.entry("nvidia.com/gfd.timestamp", "1755600000"));
    }

    @Test
    void withoutGpusTheVgpuScanIsTheOnlyFact() {
        // Given
        HostFacts facts = new HostFacts("DGX", Reading.of(false), Reading.of(Optional.empty()));

        // When
        var labels = FeatureLabels.of(Snapshots.noGpus().build(), PLAIN, facts);

        // Then
        assertThat(labels).containsExactly(Map.entry("nvidia.com/vgpu.present", "false"));
    }

    @ParameterizedTest
    @CsvSource({
        "0x030200, 0x030200, compute",
        "0x030000, 0x030000, graphics",
        "0x030000, 0x030200, unknown",
        "0x030200, -1, unknown",
        "-1, -1, unknown",
        "0x038000, 0x038000, unknown",
    })
    void theModeIsThePciClassThatAllGpusHave(String first, String second, String mode) {
        // Given
        var node = Snapshots.pcie(2)
                .gpu(0, gpu -> withClass(gpu, Integer.decode(first)))
                .gpu(1, gpu -> withClass(gpu, Integer.decode(second)));

        // When
        var labels = labels(node);

        // Then
        assertThat(labels).containsEntry("nvidia.com/gpu.mode", mode);
    }

    @Test
    void aNodeIsCapableOfMigWhenOneGpuIs() {
        // When
        var labels = labels(Snapshots.pcie(2)
                .gpu(0, gpu -> withMig(gpu, new Reading.Unsupported<>("NOT_SUPPORTED")))
                .gpu(1, gpu -> withMig(gpu, Reading.of(false))));

        // Then
        assertThat(labels).containsEntry("nvidia.com/mig.capable", "true");
    }

    @Test
    void aNodeWhoseGpusHaveNoMigIsNotCapable() {
        // When
        var labels = labels(Snapshots.t4().gpu(0, gpu -> withMig(gpu, new Reading.Unsupported<>("NOT_SUPPORTED"))));

        // Then
        assertThat(labels).containsEntry("nvidia.com/mig.capable", "false");
    }

    @Test
    void whetherTheNodeIsCapableOfMigIsLeftOutWhileAGpuDoesNotTell() {
        // When
        var labels = labels(Snapshots.t4().gpu(0, gpu -> withMig(gpu, new Reading.Failed<>("UNKNOWN"))));

        // Then
        assertThat(labels).doesNotContainKey("nvidia.com/mig.capable").containsEntry("nvidia.com/gpu.count", "1");
    }

    @Test
    void gpusOfOneCliqueNameIt() {
        // When: one of them is not on the fabric
        var labels = labels(Snapshots.pcie(3)
                .gpu(0, gpu -> withFabric(gpu, fabric(FabricState.COMPLETED, CLUSTER, 32_766)))
                .gpu(2, gpu -> withFabric(gpu, fabric(FabricState.COMPLETED, CLUSTER, 32_766))));

        // Then
        assertThat(labels).containsEntry("nvidia.com/gpu.clique", CLUSTER + ".32766");
    }

    @Test
    void aCliqueIdIsUnsigned() {
        // When
        var labels = labels(Snapshots.t4().gpu(0, gpu -> withFabric(gpu, fabric(FabricState.COMPLETED, CLUSTER, -1))));

        // Then
        assertThat(labels).containsEntry("nvidia.com/gpu.clique", CLUSTER + ".4294967295");
    }

    @ParameterizedTest
    @CsvSource({
        "completed, " + CLUSTER + ", 2, several cliques",
        "completed, 8b968a6d-c8aa-45e1-9e07-e1e51be99c31, 1, several clusters",
    })
    void gpusOfSeveralCliquesNameNone(String state, String cluster, int clique, String why) {
        // When
        var labels = labels(Snapshots.pcie(2)
                .gpu(0, gpu -> withFabric(gpu, fabric(FabricState.COMPLETED, CLUSTER, 1)))
                .gpu(1, gpu -> withFabric(gpu, fabric(state, cluster, clique))));

        // Then
        assertThat(labels).as(why).doesNotContainKey("nvidia.com/gpu.clique");
    }

    @ParameterizedTest
    @CsvSource({
        "in progress, " + CLUSTER,
        "failed with TIMEOUT, " + CLUSTER,
        "completed, " + NO_CLUSTER,
    })
    void aGpuThatIsNotRegisteredWithAClusterHasNoClique(String state, String cluster) {
        // When
        var labels = labels(Snapshots.t4().gpu(0, gpu -> withFabric(gpu, fabric(state, cluster, 1))));

        // Then
        assertThat(labels).doesNotContainKey("nvidia.com/gpu.clique");
    }

    @Test
    void aVirtualGpuTellsItsHypervisorsDriver() {
        // When
        var labels = labels(
                new HostFacts("KVM", Reading.of(true), Reading.of(Optional.of(new Vgpu("550.90.05", "r550_00")))));

        // Then
        assertThat(labels)
                .containsEntry("nvidia.com/vgpu.present", "true")
                .containsEntry("nvidia.com/vgpu.host-driver-version", "550.90.05")
                .containsEntry("nvidia.com/vgpu.host-driver-branch", "r550_00");
    }

    @Test
    void aVirtualGpuWhoseHypervisorTellsNothingIsStillPresent() {
        // When
        var labels = labels(new HostFacts("KVM", Reading.of(true), Reading.of(Optional.of(new Vgpu("", "")))));

        // Then
        assertThat(labels)
                .containsEntry("nvidia.com/vgpu.present", "true")
                .doesNotContainKeys("nvidia.com/vgpu.host-driver-version", "nvidia.com/vgpu.host-driver-branch");
    }

    @Test
    void aBusThatCannotBeScannedSaysNothingOfVirtualGpus() {
        // When
        var labels = labels(new HostFacts("DGX", Reading.of(true), new Reading.Failed<>("64 of 256 bytes")));

        // Then
        assertThat(labels).doesNotContainKey("nvidia.com/vgpu.present").containsEntry("nvidia.com/gpu.machine", "DGX");
    }

    // --- whole GPUs

    @ParameterizedTest
    @CsvSource({
        "1.3, tesla",
        "2.0, fermi",
        "3.7, kepler",
        "5.2, maxwell",
        "6.1, pascal",
        "7.0, volta",
        "7.5, turing",
        "8.0, ampere",
        "8.6, ampere",
        "8.9, ada-lovelace",
        "9.0, hopper",
        "10.0, blackwell",
        "10.3, blackwell",
        "11.0, undefined",
        "12.0, blackwell",
        "13.0, rubin",
        "4.0, undefined",
        "14.0, undefined",
    })
    void theFamilyFollowsFromTheComputeCapability(String capability, String family) {
        // When
        var labels = labels(Snapshots.t4().gpu(0, gpu -> withCapability(gpu, Reading.of(capability))));

        // Then
        assertThat(labels)
                .containsEntry("nvidia.com/gpu.family", family)
                .containsEntry("nvidia.com/gpu.compute.major", capability.substring(0, capability.indexOf('.')))
                .containsEntry("nvidia.com/gpu.compute.minor", capability.substring(capability.indexOf('.') + 1));
    }

    @ParameterizedTest
    @ValueSource(strings = {"0.0", "", "9", "nine.zero", "9.x", "."})
    void aComputeCapabilityThatIsNoneHasNoLabel(String capability) {
        // When
        var labels = labels(Snapshots.t4().gpu(0, gpu -> withCapability(gpu, Reading.of(capability))));

        // Then
        assertThat(labels)
                .doesNotContainKeys(
                        "nvidia.com/gpu.family", "nvidia.com/gpu.compute.major", "nvidia.com/gpu.compute.minor");
    }

    @Test
    void whatOneGpuDoesNotTellItsTwinTells() {
        // When
        var labels = labels(Snapshots.pcie(2)
                .gpu(0, gpu -> withMemory(withCapability(gpu, new Reading.Failed<>("TIMEOUT")), OptionalLong.empty())));

        // Then
        assertThat(labels)
                .containsEntry("nvidia.com/gpu.memory", "46068")
                .containsEntry("nvidia.com/gpu.family", "hopper");
    }

    @ParameterizedTest
    @CsvSource({"0,", "1048575, 0", "1048576, 1", "16106127360, 15360"})
    void memoryIsInWholeMebibytes(long bytes, String label) {
        // When
        var labels = labels(Snapshots.t4().gpu(0, gpu -> withMemory(gpu, OptionalLong.of(bytes))));

        // Then
        assertThat(labels.get("nvidia.com/gpu.memory")).isEqualTo(label);
    }

    @Test
    void sickAndLostGpusAreStillThere() {
        // When
        var labels = labels(Snapshots.h100x8().unhealthy(1).lane(2, new LaneState.Lost("GPU_IS_LOST", Snapshots.AT)));

        // Then
        assertThat(labels).containsEntry("nvidia.com/gpu.count", "8");
    }

    @Test
    void aGpuForMonitorsIsNotCounted() {
        // When
        var labels = labels(Snapshots.pcie(2).product(0, "NVIDIA DGX Display"));

        // Then
        assertThat(labels)
                .containsEntry("nvidia.com/gpu.product", "NVIDIA-L40S")
                .containsEntry("nvidia.com/gpu.count", "1");
    }

    @Test
    void aNodeWithNothingButAGpuForMonitorsHasNoGpu() {
        // When
        var labels = labels(Snapshots.t4().product(0, "DGX Display"));

        // Then
        assertThat(labels).isEmpty();
    }

    // --- several models

    @Test
    void theModelOfMostGpusStandsForTheNode() {
        // When
        var labels = labels(Snapshots.pcie(3).product(0, "Tesla T4"));

        // Then
        assertThat(labels)
                .containsEntry("nvidia.com/gpu.product", "NVIDIA-L40S")
                .containsEntry("nvidia.com/gpu.count", "2");
    }

    @Test
    void ofModelsWithAsManyGpusTheFirstOnTheBusStandsForTheNode() {
        // When
        var labels = labels(Snapshots.pcie(4).product(0, "Tesla T4").product(3, "Tesla T4"));

        // Then
        assertThat(labels)
                .containsEntry("nvidia.com/gpu.product", "Tesla-T4")
                .containsEntry("nvidia.com/gpu.count", "2");
    }

    @Test
    void eachModelHasLabelsOfItsOwnIfWanted() {
        // When
        var labels = labels(Snapshots.pcie(3).product(0, "Tesla T4"), Settings.perModel());

        // Then
        assertThat(labels)
                .containsEntry("nvidia.com/gpu-NVIDIA-L40S.count", "2")
                .containsEntry("nvidia.com/gpu-NVIDIA-L40S.product", "NVIDIA-L40S")
                .containsEntry("nvidia.com/gpu-Tesla-T4.count", "1")
                .containsEntry("nvidia.com/gpu-Tesla-T4.memory", "46068")
                .containsEntry("nvidia.com/gpu.product", "NVIDIA-L40S");
    }

    @Test
    void longModelsThatBeginAlikeKeepTheirOwnKeys() {
        // Given
        String name = "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition";

        // When
        var labels = labels(Snapshots.pcie(2).product(0, name + " 1").product(1, name + " 2"), Settings.perModel());

        // Then
        assertThat(labels.keySet().stream().filter(key -> key.endsWith(".count")))
                .hasSize(3)
                .allSatisfy(
                        key -> assertThat(key.length() - "nvidia.com/".length()).isLessThanOrEqualTo(63));
    }

    // --- sharing

    @Test
    void sharesUnderTheirDevicesNameMarkTheProduct() {
        // When
        var labels = labels(Snapshots.h100x8(), sharing(shared("nvidia.com/gpu", 4)));

        // Then
        assertThat(labels)
                .containsEntry("nvidia.com/gpu.product", "NVIDIA-H100-80GB-HBM3-SHARED")
                .containsEntry("nvidia.com/gpu.replicas", "4")
                .containsEntry("nvidia.com/gpu.sharing-strategy", "time-slicing")
                .containsEntry("nvidia.com/mps.capable", "false");
    }

    @Test
    void sharesWithANameOfTheirOwnDoNot() {
        // When
        var labels = labels(
                Snapshots.h100x8(),
                sharing(new SharedResource("nvidia.com/gpu", "nvidia.com/quarter", DeviceSelection.All.INSTANCE, 4)));

        // Then
        assertThat(labels)
                .containsEntry("nvidia.com/gpu.product", "NVIDIA-H100-80GB-HBM3")
                .containsEntry("nvidia.com/gpu.replicas", "4");
    }

    @Test
    void sharingOfAnotherResourceIsNotTheirs() {
        // When
        var labels = labels(Snapshots.h100x8(), sharing(shared("nvidia.com/mig-1g.10gb", 4)));

        // Then
        assertThat(labels)
                .containsEntry("nvidia.com/gpu.replicas", "1")
                .containsEntry("nvidia.com/gpu.sharing-strategy", "none");
    }

    @ParameterizedTest
    @CsvSource({"1, 4", "3, 4", "0, 1"})
    void sharingOfSomeOfTheGpusIsToldWhereOneOfThemIs(int chosen, String replicas) {
        // Given: GPU 9 is another node's
        var selection = chosen == 0
                ? new DeviceSelection.Named(List.of(new DeviceReference.Uuid(Snapshots.uuid(9))))
                : new DeviceSelection.First(chosen);

        // When
        var labels = labels(Snapshots.h100x8(), sharing(new SharedResource("nvidia.com/gpu", "", selection, 4)));

        // Then
        assertThat(labels).containsEntry("nvidia.com/gpu.replicas", replicas);
    }

    @Test
    void sharingOfAnotherModelIsNotTheNodes() {
        // Given: the T4 at place 0 is shared
        var selection = new DeviceSelection.Named(List.of(new DeviceReference.Index(0)));

        // When
        var labels = labels(
                Snapshots.pcie(3).product(0, "Tesla T4"),
                sharing(new SharedResource("nvidia.com/gpu", "", selection, 4)));

        // Then
        assertThat(labels)
                .containsEntry("nvidia.com/gpu.product", "NVIDIA-L40S")
                .containsEntry("nvidia.com/gpu.replicas", "1");
    }

    @Test
    void sharingGoesByTheResourceThatAGpuIsNamed() {
        // Given
        var settings = new LabelSettings(
                MigStrategy.NONE,
                "nvidia.com/gpu",
                new Resources(List.of(new NamePattern("*L40S", "nvidia.com/l40s")), List.of()),
                Settings.timeSlicing(false, List.of(shared("nvidia.com/l40s", 3), shared("nvidia.com/gpu", 2))),
                true,
                false,
                OptionalLong.empty());

        // When
        var labels = labels(Snapshots.pcie(3).product(0, "Tesla T4"), settings);

        // Then
        assertThat(labels)
                .containsEntry("nvidia.com/gpu-NVIDIA-L40S.replicas", "3")
                .containsEntry("nvidia.com/gpu-Tesla-T4.replicas", "2");
    }

    // --- MIG

    @Test
    void gpusInMigModeAreCountedAndNotShared() {
        // When
        var labels = labels(
                Snapshots.h100x8().partition(0, "1g.10gb").partition(1, "1g.10gb"),
                sharing(shared("nvidia.com/gpu", 4)));

        // Then: those that are whole speak for the model
        assertThat(labels)
                .containsEntry("nvidia.com/gpu.count", "8")
                .containsEntry("nvidia.com/gpu.replicas", "4")
                .containsEntry("nvidia.com/gpu.product", "NVIDIA-H100-80GB-HBM3-SHARED");
    }

    @Test
    void aModelWhoseGpusAreAllInMigModeHasNoReplicas() {
        // When
        var labels = labels(Snapshots.t4().partition(0, "1g.10gb"), sharing(shared("nvidia.com/gpu", 4)));

        // Then
        assertThat(labels)
                .containsEntry("nvidia.com/gpu.replicas", "0")
                .containsEntry("nvidia.com/gpu.sharing-strategy", "none")
                .containsEntry("nvidia.com/gpu.product", "Tesla-T4");
    }

    @Test
    void aProfilesSignIsADotInLabels() {
        // When
        var labels =
                labels(Snapshots.t4().partition(0, "1g.10gb+me", "1g.10gb", "1g.24gb-me"), strategy(MigStrategy.MIXED));

        // Then
        assertThat(labels)
                .containsEntry("nvidia.com/mig-1g.10gb.me.count", "1")
                .containsEntry("nvidia.com/mig-1g.10gb.me.product", "Tesla-T4-MIG-1g.10gb.me")
                .containsEntry("nvidia.com/mig-1g.10gb.count", "1")
                .containsEntry("nvidia.com/mig-1g.24gb-me.count", "1");
    }

    @Test
    void ofSeveralParentsTheNodesModelSpeaksForAProfile() {
        // When: the first on the bus is of another model
        var labels = labels(
                Snapshots.pcie(3)
                        .product(0, "NVIDIA A30")
                        .partition(0, "1g.10gb")
                        .partition(1, "1g.10gb")
                        .partition(2, "1g.10gb"),
                strategy(MigStrategy.MIXED));

        // Then
        assertThat(labels)
                .containsEntry("nvidia.com/mig-1g.10gb.product", "NVIDIA-L40S-MIG-1g.10gb")
                .containsEntry("nvidia.com/mig-1g.10gb.count", "3");
    }

    @Test
    void someMigDevicesMayBeShared() {
        // Given
        var selection = new DeviceSelection.Named(List.of(new DeviceReference.MigIndex(0, 1)));
        var settings = Settings.with(
                PLAIN,
                MigStrategy.MIXED,
                Settings.timeSlicing(false, List.of(new SharedResource("nvidia.com/mig-2g.20gb", "", selection, 3))));

        // When
        var labels = labels(Snapshots.t4().partition(0, "1g.10gb", "2g.20gb"), settings);

        // Then
        assertThat(labels)
                .containsEntry("nvidia.com/mig-2g.20gb.replicas", "3")
                .containsEntry("nvidia.com/mig-2g.20gb.product", "Tesla-T4-MIG-2g.20gb-SHARED")
                .containsEntry("nvidia.com/mig-1g.10gb.replicas", "1");
    }

    @Test
    void aSingleStrategyThatCannotBeFollowedIsInvalidForTheModelInMigMode() {
        // When
        var labels =
                labels(Snapshots.pcie(3).product(2, "NVIDIA A30").partition(2, "1g.6gb"), strategy(MigStrategy.SINGLE));

        // Then
        assertThat(labels)
                .containsEntry("nvidia.com/gpu.product", "NVIDIA-A30-MIG-INVALID")
                .containsEntry("nvidia.com/gpu.count", "0")
                .containsEntry("nvidia.com/gpu.family", "hopper");
    }

    // --- the operator's

    @Test
    void theOperatorsLabelsWaitForTheirSwitch() {
        // When
        var labels = labels(new HostFacts("DGX", Reading.of(true), Reading.of(Optional.empty())));

        // Then
        assertThat(labels.keySet())
                .noneMatch(key -> key.startsWith("nvidia.com/gpu.deploy."))
                .isNotEmpty();
        assertThat(labels).doesNotContainKey("nvidia.com/gpu.present");
    }

    @Test
    void aGpuOnTheBusIsPresentAlsoWithoutADriver() {
        // When
        var labels = FeatureLabels.of(
                Snapshots.noGpus().waiting().build(),
                Settings.operatorLabels(),
                new HostFacts("DGX", Reading.of(true), new Reading.Failed<>("not root")));

        // Then
        assertThat(labels)
                .containsEntry("nvidia.com/gpu.present", "true")
                .containsEntry("nvidia.com/gpu.deploy.device-plugin", "true")
                .doesNotContainKeys("nvidia.com/gpu.deploy.driver", "nvidia.com/gpu.deploy.mig-manager");
    }

    @Test
    void aNodeWithoutAGpuHasNoneOfTheOperatorsLabels() {
        // When
        var labels = FeatureLabels.of(
                Snapshots.noGpus().build(),
                Settings.operatorLabels(),
                new HostFacts("DGX", Reading.of(false), new Reading.Failed<>("not root")));

        // Then
        assertThat(labels).isEmpty();
    }

    @Test
    void aVirtualGpuIsNotForTheMigManager() {
        // When
        var labels = FeatureLabels.of(
                Snapshots.h100x8().build(),
                Settings.operatorLabels(),
                new HostFacts("KVM", Reading.of(true), Reading.of(Optional.of(new Vgpu("550.90", "r550_00")))));

        // Then
        assertThat(labels)
                .containsEntry("nvidia.com/mig.capable", "true")
                .doesNotContainKey("nvidia.com/gpu.deploy.mig-manager");
    }

    // --- order

    @Test
    void theOrderOfMigDevicesAndReadingsDoesNotMatter() {
        // Given
        NodeSnapshot first = Snapshots.t4().partition(0, "1g.10gb", "2g.20gb").build();
        NodeSnapshot second = Snapshots.t4().partition(0, "2g.20gb", "1g.10gb").build();

        // When
        var labels = FeatureLabels.of(first, strategy(MigStrategy.MIXED), HostFacts.NONE);

        // Then
        assertThat(FeatureLabels.of(second, strategy(MigStrategy.MIXED), HostFacts.NONE))
                .isEqualTo(labels);
    }

    // --- GPUs that are as the test wants them

    private static FabricState fabric(String state, String cluster, int clique) {
        return new FabricState(state, cluster, clique, "healthy", List.of());
    }

    private static Gpu withClass(Gpu gpu, int pciClass) {
        return gpu(gpu, changed -> changed.pciClass = pciClass < 0 ? OptionalInt.empty() : OptionalInt.of(pciClass));
    }

    private static Gpu withMig(Gpu gpu, Reading<Boolean> mode) {
        return gpu(gpu, changed -> changed.migMode = mode);
    }

    private static Gpu withFabric(Gpu gpu, FabricState fabric) {
        return gpu(gpu, changed -> changed.fabric = Reading.of(fabric));
    }

    private static Gpu withCapability(Gpu gpu, Reading<String> capability) {
        return gpu(gpu, changed -> changed.computeCapability = capability);
    }

    private static Gpu withMemory(Gpu gpu, OptionalLong bytes) {
        return gpu(gpu, changed -> changed.memoryBytes = bytes);
    }

    /** What of a GPU these tests change. */
    private static final class Changed {
        private OptionalInt pciClass;
        private Reading<Boolean> migMode;
        private Reading<FabricState> fabric;
        private Reading<String> computeCapability;
        private OptionalLong memoryBytes;

        Changed(Gpu gpu) {
            this.pciClass = gpu.pciClass();
            this.migMode = gpu.migMode();
            this.fabric = gpu.fabric();
            this.computeCapability = gpu.computeCapability();
            this.memoryBytes = gpu.memoryBytes();
        }
    }

    private static Gpu gpu(Gpu gpu, Consumer<Changed> change) {
        Changed changed = new Changed(gpu);
        change.accept(changed);
        return new Gpu(
                gpu.id(),
                gpu.index(),
                gpu.minor(),
                gpu.pci(),
                gpu.name(),
                gpu.serial(),
                gpu.vbiosVersion(),
                changed.computeCapability,
                gpu.architecture(),
                changed.memoryBytes,
                gpu.persistenceMode(),
                changed.pciClass,
                gpu.numaNode(),
                changed.migMode,
                gpu.migDevices(),
                changed.fabric,
                gpu.health(),
                gpu.lane(),
                gpu.lastXid(),
                gpu.xidCounts(),
                gpu.sample(),
                gpu.processes());
    }
}
