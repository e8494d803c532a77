package io.gpunode.agent.cdi;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.AgentConfig.DeviceIdStrategy;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.testing.Golden;
import io.gpunode.agent.testing.Snapshots;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CdiSpecTest {
    @TempDir
    Path root;

    private CdiSpec build(NodeSnapshot snapshot, DeviceIdStrategy names, String driverRoot) throws IOException {
        HostTree host = HostTree.at(root);
        DriverFiles driver = new DriverFilesFinder(host.files(), Path.of(driverRoot)).find(Snapshots.DRIVER);
        return CdiSpec.build(snapshot, names, Path.of("/"), driver, host.files());
    }

    @Test
    void eightGpusByUuidAreSaidInTheLowestVersion() throws IOException {
        // Given
        HostTree.at(root)
                .withDriver("", Snapshots.DRIVER)
                .withNodes(8)
                .with(
                        "/sys/bus/pci/devices/0000:1b:00.0/drm/card1/dev",
                        "/sys/bus/pci/devices/0000:1b:00.0/drm/renderD128/dev");

        // When
        CdiSpec spec = build(Snapshots.h100x8().build(), DeviceIdStrategy.UUID, "/");

        // Then
        assertThat(spec.problems()).isEmpty();
        Golden.check("cdi-8xh100.json", spec.json());
    }

    @Test
    void namesThatBeginWithADigitNeedANewerVersion() throws IOException {
        // Given
        HostTree.at(root).withDriver("", Snapshots.DRIVER).withNodes(1);

        // When
        CdiSpec spec = build(Snapshots.t4().build(), DeviceIdStrategy.INDEX, "/");

        // Then
        assertThat(spec.json()).contains("\"cdiVersion\": \"0.5.0\"").contains("\"name\": \"0\"");
    }

    @Test
    void aMissingControlNodeIsLeftOutAndSaid() throws IOException {
        // Given
        HostTree.at(root).withDriver("", Snapshots.DRIVER).with("/dev/nvidia0", "/dev/nvidiactl");

        // When
        CdiSpec spec = build(Snapshots.t4().build(), DeviceIdStrategy.UUID, "/");

        // Then
        assertThat(spec.json()).doesNotContain("/dev/nvidia-uvm\"");
        assertThat(spec.problems())
                .anySatisfy(problem -> assertThat(problem)
                        .startsWith("/dev/nvidia-uvm does not exist")
                        .contains("nvidia-modprobe"));
    }

    @Test
    void aMigDeviceBringsItsParentAndItsCapabilities() throws IOException {
        // Given
        HostTree host = HostTree.at(root).withDriver("", Snapshots.DRIVER).withNodes(1);
        host.with("/dev/nvidia-caps/nvidia-cap100", "/dev/nvidia-caps/nvidia-cap101");
        MigDevice mig = Snapshots.migDevice(0, 7, 0, "1g.10gb");

        // When
        CdiSpec spec = build(Snapshots.t4().mig(0, mig).build(), DeviceIdStrategy.UUID, "/");

        // Then
        assertThat(spec.problems()).isEmpty();
        assertThat(spec.json())
                .contains("\"name\": \"" + mig.id() + "\"")
                .contains("/dev/nvidia-caps/nvidia-cap100")
                .contains("/dev/nvidia-caps/nvidia-cap101");
    }

    @Test
    void aMigDeviceWithoutItsCapabilityNodesIsLeftOutAndSaid() throws IOException {
        // Given
        HostTree.at(root).withDriver("", Snapshots.DRIVER).withNodes(1);
        MigDevice mig = Snapshots.migDevice(0, 7, 0, "1g.10gb");

        // When
        CdiSpec spec = build(Snapshots.t4().mig(0, mig).build(), DeviceIdStrategy.UUID, "/");

        // Then
        assertThat(spec.names()).containsOnly(CdiSpec.KIND + "=" + Snapshots.uuid(0), CdiSpec.KIND + "=all");
        assertThat(spec.json()).doesNotContain(mig.id().uuid());
        assertThat(spec.problems()).singleElement().asString().contains(mig.id() + " is left out");
    }
}
