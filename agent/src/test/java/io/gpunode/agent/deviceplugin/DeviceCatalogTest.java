package io.gpunode.agent.deviceplugin;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.AgentConfig.DeviceIdStrategy;
import io.gpunode.agent.config.AgentConfig.DeviceListStrategy;
import io.gpunode.agent.config.AgentConfig.MigStrategy;
import io.gpunode.agent.model.Finding;
import io.gpunode.agent.model.GpuHealth;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.testing.Snapshots;
import io.gpunode.deviceplugin.v1beta1.Device;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(10)
class DeviceCatalogTest {
    private static final GpuHealth BROKEN = new GpuHealth.Unhealthy(List.of(new Finding(
            "xid", Finding.Severity.FATAL, "XID 45: a channel was removed", "delete the pod", "none", Snapshots.AT)));

    @TempDir
    private Path host;

    private final Snapshots node = Snapshots.h100x8();
    private final DeviceCatalog catalog =
            new DeviceCatalog(PluginConfigs.envvar(), new SystemHostFiles(Path.of("/nonexistent")));

    @Test
    void listsEveryGpuWithHealthAndNumaNode() {
        // Given
        node.unhealthy(6);

        // When
        AdvertisedDevices devices =
                catalog.update(node.build(), CdiCoverage.NONE).getFirst();

        // Then
        List<Device> list = devices.message().getDevicesList();
        assertThat(list).extracting(Device::getID).containsExactlyElementsOf(Snapshots.uuids(8));
        assertThat(list)
                .extracting(Device::getHealth)
                .containsExactly(
                        "Healthy", "Healthy", "Healthy", "Healthy", "Healthy", "Healthy", "Unhealthy", "Healthy");
        assertThat(list)
                .extracting(device -> device.getTopology().getNodes(0).getID())
                .containsExactly(0L, 0L, 0L, 0L, 1L, 1L, 1L, 1L);
    }

    @Test
    void aNewSampleIsTheSameList() {
        // Given
        AdvertisedDevices before =
                catalog.update(node.build(), CdiCoverage.NONE).getFirst();

        // When
        AdvertisedDevices after = catalog.update(node.sample(0, Map.of()).build(), CdiCoverage.NONE)
                .getFirst();

        // Then
        assertThat(after).isSameAs(before);
    }

    @Test
    void aChangeOfHealthKeepsTheSearchedTopology() {
        // Given
        AdvertisedDevices before =
                catalog.update(node.build(), CdiCoverage.NONE).getFirst();

        // When
        AdvertisedDevices after =
                catalog.update(node.unhealthy(0).build(), CdiCoverage.NONE).getFirst();

        // Then
        assertThat(after.scores()).isSameAs(before.scores());
    }

    @Test
    void whileNvmlIsNotOpenKnownDevicesStayListedAsUnhealthy() {
        // Given
        catalog.update(node.build(), CdiCoverage.NONE).getFirst();

        // When
        AdvertisedDevices devices =
                catalog.update(node.withdrawn().build(), CdiCoverage.NONE).getFirst();

        // Then
        assertThat(devices.message().getDevicesList())
                .hasSize(8)
                .allSatisfy(device -> assertThat(device.getHealth()).isEqualTo("Unhealthy"));
        assertThat(catalog.notReady()).contains("driver reload");
    }

    @Test
    void devicesComeBackWhenNvmlDoes() {
        // Given
        catalog.update(node.build(), CdiCoverage.NONE).getFirst();
        catalog.update(node.withdrawn().build(), CdiCoverage.NONE).getFirst();

        // When
        AdvertisedDevices devices =
                catalog.update(node.reopened(2).build(), CdiCoverage.NONE).getFirst();

        // Then
        assertThat(devices.healthyCount()).isEqualTo(8);
        assertThat(catalog.notReady()).isEmpty();
    }

    @Test
    void beforeTheFirstPictureThereIsNothingToRegister() {
        // When
        catalog.update(node.waiting().build(), CdiCoverage.NONE).getFirst();

        // Then
        assertThat(catalog.notReady()).contains("not loaded").contains("modprobe nvidia");
    }

    @Test
    void settingsThatNobodyChoseAreNotRegistered() {
        // Given
        DeviceCatalog undecided = catalog(PluginConfigs.start().undecided("no configuration is chosen"));

        // When
        undecided.update(node.build(), CdiCoverage.NONE);

        // Then
        assertThat(undecided.notReady()).isEqualTo("no configuration is chosen");
        undecided.configure(PluginConfigs.envvar());
        undecided.update(node.build(), CdiCoverage.NONE);
        assertThat(undecided.notReady()).isEmpty();
    }

    @Test
    void byCdiNameDevicesAreUnhealthyWhileThereIsNoSpec() {
        // Given
        DeviceCatalog byCdi = new DeviceCatalog(PluginConfigs.cdi(), new SystemHostFiles(Path.of("/nonexistent")));

        // When
        AdvertisedDevices devices =
                byCdi.update(node.build(), new CdiCoverage(-1, "disk full")).getFirst();

        // Then
        assertThat(devices.healthyCount()).isZero();
        assertThat(devices.devices().get(1).problem()).isEqualTo("disk full");
        assertThat(byCdi.notReady()).isEqualTo("disk full");
    }

    @Test
    void byCdiNameTheNodeIsReadyWhenTheSpecIsOfThisStructure() {
        // Given
        DeviceCatalog byCdi = new DeviceCatalog(PluginConfigs.cdi(), new SystemHostFiles(Path.of("/nonexistent")));
        NodeSnapshot snapshot = node.build();

        // When
        AdvertisedDevices devices =
                byCdi.update(snapshot, CdiCoverages.whole(snapshot)).getFirst();

        // Then
        assertThat(devices.healthyCount()).isEqualTo(8);
        assertThat(byCdi.notReady()).isEmpty();
    }

    @Test
    void byCdiNameAnXidDoesNotWaitForTheSpec() {
        // Given
        DeviceCatalog byCdi = new DeviceCatalog(PluginConfigs.cdi(), new SystemHostFiles(Path.of("/nonexistent")));
        NodeSnapshot snapshot = node.build();
        CdiCoverage written = CdiCoverages.whole(snapshot);
        byCdi.update(snapshot, written).getFirst();

        // When
        AdvertisedDevices devices =
                byCdi.update(node.unhealthy(2).build(), written).getFirst();

        // Then
        assertThat(devices.healthyCount()).isEqualTo(7);
    }

    @Test
    void byCdiNameASpecThatWasRemovedTakesAllDevicesWithIt() {
        // Given
        DeviceCatalog byCdi = new DeviceCatalog(PluginConfigs.cdi(), new SystemHostFiles(Path.of("/nonexistent")));
        NodeSnapshot snapshot = node.build();
        byCdi.update(snapshot, CdiCoverages.whole(snapshot)).getFirst();

        // When
        AdvertisedDevices devices = byCdi.update(snapshot, CdiCoverage.NONE).getFirst();

        // Then
        assertThat(devices.healthyCount()).isZero();
    }

    @Test
    void aNodeWithoutGpusNeedsNoSpecToBeReady() {
        // Given
        DeviceCatalog byCdi = new DeviceCatalog(PluginConfigs.cdi(), new SystemHostFiles(Path.of("/nonexistent")));

        // When
        byCdi.update(Snapshots.noGpus().build(), CdiCoverage.NONE).getFirst();

        // Then
        assertThat(byCdi.notReady()).isEmpty();
    }

    @Test
    void eachResourceHasAListOfItsOwn() {
        // Given
        node.partition(0, "1g.10gb", "3g.40gb").partition(7, "1g.10gb");
        DeviceCatalog mixed = catalog(PluginConfigs.start().mig(MigStrategy.MIXED));

        // When
        List<AdvertisedDevices> lists = mixed.update(node.build(), CdiCoverage.NONE);

        // Then
        assertThat(lists)
                .extracting(AdvertisedDevices::resource)
                .containsExactly("nvidia.com/gpu", "nvidia.com/mig-1g.10gb", "nvidia.com/mig-3g.40gb");
        assertThat(lists.get(1).message().getDevicesList())
                .extracting(device -> device.getTopology().getNodes(0).getID())
                .containsExactly(0L, 1L);
        assertThat(lists.get(1).devices().getLast()).satisfies(device -> {
            assertThat(device.parent()).isEqualTo(Snapshots.id(7));
            assertThat(device.indexName()).isEqualTo("7:0");
            assertThat(device.capabilities()).containsExactly(957, 958);
        });
        assertThat(mixed.notReady()).isEmpty();
    }

    @Test
    void onlyTheResourceWhoseDevicesChangedHasANewList() {
        // Given
        node.partition(0, "1g.10gb").partition(1, "3g.40gb");
        DeviceCatalog mixed = catalog(PluginConfigs.start().mig(MigStrategy.MIXED));
        List<AdvertisedDevices> before = mixed.update(node.build(), CdiCoverage.NONE);

        // When
        List<AdvertisedDevices> after = mixed.update(node.unhealthy(1).build(), CdiCoverage.NONE);

        // Then
        assertThat(after.get(0)).isSameAs(before.get(0));
        assertThat(after.get(1)).isSameAs(before.get(1));
        assertThat(after.get(2).healthyCount()).isZero();
    }

    @Test
    void aResourceWithoutDevicesLeavesAndCanComeBack() {
        // Given
        DeviceCatalog mixed = catalog(PluginConfigs.start().mig(MigStrategy.MIXED));
        mixed.update(node.partition(0, "1g.10gb").build(), CdiCoverage.NONE);

        // When
        List<AdvertisedDevices> changed =
                mixed.update(node.partition(0, "3g.40gb").build(), CdiCoverage.NONE);

        // Then
        assertThat(changed)
                .extracting(AdvertisedDevices::resource)
                .containsExactly("nvidia.com/gpu", "nvidia.com/mig-3g.40gb");
        assertThat(mixed.update(node.partition(0, "1g.10gb").build(), CdiCoverage.NONE))
                .extracting(AdvertisedDevices::resource)
                .containsExactly("nvidia.com/gpu", "nvidia.com/mig-1g.10gb");
    }

    @Test
    void whileNvmlIsNotOpenEveryResourceKeepsItsDevices() {
        // Given
        DeviceCatalog mixed = catalog(PluginConfigs.start().mig(MigStrategy.MIXED));
        mixed.update(node.partition(0, "1g.10gb", "1g.10gb").build(), CdiCoverage.NONE);

        // When
        List<AdvertisedDevices> lists = mixed.update(node.withdrawn().build(), CdiCoverage.NONE);

        // Then
        assertThat(lists).extracting(list -> list.devices().size()).containsExactly(7, 2);
        assertThat(lists).allSatisfy(list -> assertThat(list.healthyCount()).isZero());
    }

    @Test
    void anUnhealthyGpuTakesItsMigDevicesAndTheirSharesWithIt() {
        // Given
        node.partition(0, "1g.10gb", "1g.10gb").partition(1, "1g.10gb").unhealthy(0);

        // When
        AdvertisedDevices devices = catalog(
                        PluginConfigs.start().mig(MigStrategy.MIXED).share("nvidia.com/mig-1g.10gb", 2))
                .update(node.build(), CdiCoverage.NONE)
                .getLast();

        // Then
        assertThat(devices.devices())
                .extracting(AdvertisedDevice::healthy)
                .containsExactly(false, false, false, false, true, true);
        assertThat(devices.devices().getFirst().problem()).contains("XID 79");
    }

    @Test
    void anUnhealthyMigDeviceLeavesItsNeighboursHealthy() {
        // Given
        node.mig(
                0,
                Snapshots.migDevice(0, 0, "1g.10gb"),
                Snapshots.withHealth(Snapshots.migDevice(0, 1, "1g.10gb"), BROKEN));

        // When
        List<AdvertisedDevices> lists =
                catalog(PluginConfigs.start().mig(MigStrategy.MIXED)).update(node.build(), CdiCoverage.NONE);

        // Then
        assertThat(lists.get(1).devices())
                .extracting(AdvertisedDevice::problem)
                .containsExactly("", "XID 45: a channel was removed; repair: delete the pod");
        assertThat(lists.get(0).healthyCount()).isEqualTo(7);
    }

    @Test
    void aPartitionedGpuThatIsGivenAsAWholeSuffersFromAnyOfItsParts() {
        // Given
        node.mig(0, Snapshots.withHealth(Snapshots.migDevice(0, 0, "1g.10gb"), BROKEN));

        // When
        AdvertisedDevices devices =
                catalog.update(node.build(), CdiCoverage.NONE).getFirst();

        // Then
        assertThat(devices.devices().getFirst().problem()).contains("XID 45");
    }

    @Test
    void byCdiNameADeviceWhoseNameHasMovedWaitsForTheSpec() {
        // Given
        DeviceCatalog byIndex = catalog(
                PluginConfigs.start().strategies(DeviceListStrategy.CDI_CRI).ids(DeviceIdStrategy.INDEX));
        NodeSnapshot before = node.partition(0, "1g.10gb").build();
        byIndex.update(before, CdiCoverages.whole(before));

        // When
        AdvertisedDevices devices = byIndex.update(node.index(3, 9).build(), CdiCoverages.whole(before))
                .getFirst();

        // Then
        assertThat(devices.devices())
                .filteredOn(device -> !device.healthy())
                .extracting(AdvertisedDevice::id)
                .containsExactly(Snapshots.uuid(3));
    }

    @Test
    void byCdiNameAnotherIdStrategyWaitsForNoSpec() {
        // Given
        DeviceCatalog byCdi = catalog(PluginConfigs.start().strategies(DeviceListStrategy.CDI_CRI));
        NodeSnapshot described = node.build();
        CdiCoverage written = CdiCoverages.whole(described);
        byCdi.update(described, written);

        // When
        byCdi.configure(PluginConfigs.start()
                .strategies(DeviceListStrategy.CDI_CRI)
                .ids(DeviceIdStrategy.INDEX)
                .build());

        // Then
        NodeSnapshot newest = node.partition(0, "1g.10gb").build();
        assertThat(byCdi.update(newest, written).getFirst().healthyCount()).isEqualTo(8);
    }

    @Test
    void byCdiNameChannelsOfAReloadAreGivenFromTheirSpecOnAndWithholdNothingBefore() throws IOException {
        // Given
        Files.createDirectories(host.resolve("dev/nvidia-caps-imex-channels/channel0"));
        DeviceCatalog byCdi = new DeviceCatalog(PluginConfigs.cdi(), new SystemHostFiles(host));
        NodeSnapshot snapshot = node.build();
        byCdi.update(snapshot, CdiCoverages.whole(snapshot));

        // When
        byCdi.configure(PluginConfigs.start()
                .strategies(DeviceListStrategy.CDI_CRI)
                .imex(true, 0)
                .build());
        AdvertisedDevices before =
                byCdi.update(snapshot, CdiCoverages.whole(snapshot)).getFirst();

        // Then
        assertThat(before.healthyCount()).isEqualTo(8);
        AdvertisedDevices after = byCdi.update(snapshot, CdiCoverages.whole(snapshot, "imex-channel=0"))
                .getFirst();
        assertThat(after.healthyCount()).isEqualTo(8);
        assertThat(after.rules().channels()).containsExactly(0);
    }

    @Test
    void byCdiNameAChannelIsMissingOnceItsSpecWasTried() {
        // Given
        DeviceCatalog byCdi = new DeviceCatalog(
                PluginConfigs.start()
                        .strategies(DeviceListStrategy.CDI_CRI)
                        .imex(false, 0)
                        .build(),
                new SystemHostFiles(host));
        NodeSnapshot snapshot = node.build();
        byCdi.update(snapshot, CdiCoverage.NONE);
        assertThat(byCdi.problems()).isEmpty();

        // When
        byCdi.update(snapshot, CdiCoverages.whole(snapshot));

        // Then
        assertThat(byCdi.problems())
                .singleElement()
                .satisfies(problem -> assertThat(problem.text()).contains("channel0", "no channel"));
    }

    @Test
    void byCdiNameADeviceThatTheSpecLeavesOutIsNamed() {
        // Given
        DeviceCatalog byCdi = catalog(
                PluginConfigs.start().strategies(DeviceListStrategy.CDI_CRI).mig(MigStrategy.MIXED));
        NodeSnapshot whole = node.build();
        CdiCoverage withoutMig = CdiCoverages.whole(whole);
        NodeSnapshot partitioned = node.partition(0, "1g.10gb").build();

        // When
        List<AdvertisedDevices> lists = byCdi.update(
                partitioned, new CdiCoverage(partitioned.structureVersion(), withoutMig.names(), List.of(), ""));

        // Then
        assertThat(lists.getFirst().healthyCount()).isEqualTo(7);
        assertThat(lists.getLast().devices().getFirst().problem())
                .startsWith("no CDI spec has k8s.device-plugin.nvidia.com/gpu=MIG-");
    }

    @Test
    void aMigDeviceWhoseNodesAreUnknownIsSaidWhereNodesArePassed() {
        // Given
        MigDevice known = Snapshots.migDevice(0, 0, "1g.10gb");
        MigDevice unknown = Snapshots.withoutCapabilities(Snapshots.migDevice(0, 1, "1g.10gb"));
        DeviceCatalog passing =
                catalog(PluginConfigs.start().mig(MigStrategy.MIXED).passDeviceSpecs());

        // When
        passing.update(node.mig(0, known, unknown).build(), CdiCoverage.NONE);

        // Then
        assertThat(passing.problems())
                .singleElement()
                .satisfies(problem -> assertThat(problem.text())
                        .contains("mig-minors", unknown.id().uuid())
                        .doesNotContain(known.id().uuid()));
    }

    @Test
    void otherSettingsAreFollowedWithoutANewPicture() {
        // Given
        NodeSnapshot snapshot = node.build();
        catalog.update(snapshot, CdiCoverage.NONE);

        // When
        catalog.configure(PluginConfigs.start()
                .renameByDefault()
                .share("nvidia.com/gpu", 2)
                .build());

        // Then
        assertThat(catalog.update(snapshot, CdiCoverage.NONE))
                .extracting(AdvertisedDevices::resource)
                .containsExactly("nvidia.com/gpu.shared");
    }

    @Test
    void whatIsNotOfferedIsToldAsLongAsItIsSo() {
        // Given
        DeviceCatalog mixed = catalog(PluginConfigs.start().mig(MigStrategy.MIXED));

        // When
        mixed.update(node.partition(0).build(), CdiCoverage.NONE);

        // Then
        assertThat(mixed.problems())
                .singleElement()
                .satisfies(problem -> assertThat(problem.devices()).containsExactly(Snapshots.uuid(0)));
        mixed.update(node.partition(0, "1g.10gb").build(), CdiCoverage.NONE);
        assertThat(mixed.problems()).isEmpty();
    }

    @Test
    void aMissingChannelThatIsRequiredWithholdsEveryDeviceUntilItIsThere() throws IOException {
        // Given
        DeviceCatalog withChannel =
                new DeviceCatalog(PluginConfigs.start().imex(true, 0).build(), new SystemHostFiles(host));
        NodeSnapshot snapshot = node.build();
        AdvertisedDevices before =
                withChannel.update(snapshot, CdiCoverage.NONE).getFirst();
        assertThat(before.healthyCount()).isZero();
        assertThat(before.devices().getFirst().problem())
                .contains("/dev/nvidia-caps-imex-channels/channel0", "imex.required");

        // When
        Files.createDirectories(host.resolve("dev/nvidia-caps-imex-channels/channel0"));

        // Then
        assertThat(withChannel.update(snapshot, CdiCoverage.NONE).getFirst().healthyCount())
                .isEqualTo(8);
    }

    @Test
    void aMissingChannelThatIsNotRequiredIsSaid() {
        // Given
        DeviceCatalog withChannel =
                new DeviceCatalog(PluginConfigs.start().imex(false, 0).build(), new SystemHostFiles(host));

        // When
        AdvertisedDevices devices =
                withChannel.update(node.build(), CdiCoverage.NONE).getFirst();

        // Then
        assertThat(devices.healthyCount()).isEqualTo(8);
        assertThat(withChannel.problems())
                .singleElement()
                .satisfies(problem -> assertThat(problem.text()).contains("channel0", "no channel"));
    }

    private static DeviceCatalog catalog(PluginConfigs settings) {
        return new DeviceCatalog(settings.build(), new SystemHostFiles(Path.of("/nonexistent")));
    }

    @Test
    void aGpuThatIsBeingSplitIsWithheldAndTheOthersAreNot() {
        // Given
        AdvertisedDevices before =
                catalog.update(node.build(), CdiCoverage.NONE).getFirst();

        // When
        catalog.withhold(Set.of(Snapshots.id(3)));
        AdvertisedDevices during =
                catalog.update(node.build(), CdiCoverage.NONE).getFirst();
        catalog.withhold(Set.of());
        AdvertisedDevices after = catalog.update(node.build(), CdiCoverage.NONE).getFirst();

        // Then
        assertThat(during.devices())
                .filteredOn(device -> !device.healthy())
                .singleElement()
                .satisfies(device -> assertThat(device.id()).isEqualTo(Snapshots.uuid(3)));
        assertThat(after.sameAs(before)).isTrue();
    }

    @Test
    void aGpuThatHasNoMigDeviceWhileItIsBeingSplitIsNoTroubleUntilItIsDone() {
        // Given
        DeviceCatalog mixed = catalog(PluginConfigs.start().mig(MigStrategy.MIXED));
        NodeSnapshot empty = node.mig(0).build();

        // When
        mixed.withhold(Set.of(Snapshots.id(0)));
        mixed.update(empty, CdiCoverage.NONE);
        List<ResourcePlan.Problem> during = mixed.problems();
        mixed.withhold(Set.of());
        mixed.update(empty, CdiCoverage.NONE);

        // Then
        assertThat(during).isEmpty();
        assertThat(mixed.problems())
                .singleElement()
                .satisfies(problem -> assertThat(problem.devices()).containsExactly(Snapshots.uuid(0)));
    }
}
