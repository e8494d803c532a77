package io.gpunode.agent.deviceplugin;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.testing.Snapshots;
import io.gpunode.deviceplugin.v1beta1.Device;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(10)
class DeviceCatalogTest {
    private final Snapshots node = Snapshots.h100x8();
    private final DeviceCatalog catalog = new DeviceCatalog("nvidia.com/gpu", false);

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
    void byCdiNameDevicesAreUnhealthyWhileThereIsNoSpec() {
        // Given
        DeviceCatalog byCdi = new DeviceCatalog("nvidia.com/gpu", true);

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
        DeviceCatalog byCdi = new DeviceCatalog("nvidia.com/gpu", true);
        NodeSnapshot snapshot = node.build();

        // When
        AdvertisedDevices devices = byCdi.update(snapshot, new CdiCoverage(snapshot.structureVersion(), ""))
                .getFirst();

        // Then
        assertThat(devices.healthyCount()).isEqualTo(8);
        assertThat(byCdi.notReady()).isEmpty();
    }

    @Test
    void byCdiNameAnXidDoesNotWaitForTheSpec() {
        // Given
        DeviceCatalog byCdi = new DeviceCatalog("nvidia.com/gpu", true);
        NodeSnapshot snapshot = node.build();
        CdiCoverage written = new CdiCoverage(snapshot.structureVersion(), "");
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
        DeviceCatalog byCdi = new DeviceCatalog("nvidia.com/gpu", true);
        NodeSnapshot snapshot = node.build();
        byCdi.update(snapshot, new CdiCoverage(snapshot.structureVersion(), "")).getFirst();

        // When
        AdvertisedDevices devices = byCdi.update(snapshot, CdiCoverage.NONE).getFirst();

        // Then
        assertThat(devices.healthyCount()).isZero();
    }

    @Test
    void aNodeWithoutGpusNeedsNoSpecToBeReady() {
        // Given
        DeviceCatalog byCdi = new DeviceCatalog("nvidia.com/gpu", true);

        // When
        byCdi.update(Snapshots.noGpus().build(), CdiCoverage.NONE).getFirst();

        // Then
        assertThat(byCdi.notReady()).isEmpty();
    }
}
