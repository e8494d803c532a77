package io.gpunode.agent.podresources;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.testing.Snapshots;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(10)
class DeviceHoldersTest {
    private static final PodUse POD = new PodUse("namespace", "pod", "container");
    private static final String MIG = Snapshots.migDevice(2, 1, "1g.10gb").id().uuid();

    private final List<Gpu> gpus =
            Snapshots.h100x8().partition(2, "1g.10gb", "1g.10gb").build().gpus();

    @ParameterizedTest
    @ValueSource(
            strings = {
                "GPU-6f1e2a30-8b00-4c1d-9a7e-000000000002",
                "GPU-6f1e2a30-8b00-4c1d-9a7e-000000000002::11",
                "2",
                "2::0",
                "nvidia2",
                "nvidia2/vgpu3"
            })
    void everyFormOfAGpusIdIsThatGpu(String id) {
        // When
        DeviceHolders holders = new DeviceHolders(gpus, Map.of(id, List.of(POD)));

        // Then
        assertThat(holders.holders(2)).containsExactly(POD);
        assertThat(holders.holders(2, 2)).isEmpty();
        assertThat(holders.unmatched()).isZero();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "", "::7",
            })
    void everyFormOfAMigDevicesIdIsItsGpuInstance(String share) {
        for (String id : List.of(MIG, "2:1", "nvidia2/gi2", "MIG-GPU-6f1e2a30-8b00-4c1d-9a7e-000000000002/2/0")) {
            // When
            DeviceHolders holders = new DeviceHolders(gpus, Map.of(id + share, List.of(POD)));

            // Then
            assertThat(holders.holders(2, 2)).as(id).containsExactly(POD);
            assertThat(holders.holders(2)).as(id).isEmpty();
        }
    }

    @Test
    void theSharesOfOneDeviceHaveAllTheirHolders() {
        // Given
        PodUse other = new PodUse("namespace", "other", "container");

        // When
        DeviceHolders holders =
                new DeviceHolders(gpus, Map.of(MIG + "::0", List.of(POD), MIG + "::1", List.of(other, POD)));

        // Then
        assertThat(holders.holders(2, 2)).containsExactlyInAnyOrder(POD, other);
        assertThat(holders.devices()).isEqualTo(2);
    }

    @Test
    void aDeviceThatIsNotInThePictureIsCounted() {
        // When
        DeviceHolders holders = new DeviceHolders(gpus, Map.of("GPU-gone", List.of(POD), "9", List.of(POD)));

        // Then
        assertThat(holders.unmatched()).isEqualTo(2);
    }
}
