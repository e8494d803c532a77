package io.gpunode.agent.podresources;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.testing.Snapshots;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(10)
class DeviceHoldersTest {
    private static final PodUse POD = new PodUse("namespace", "pod", "container");
    private static final String MIG = Snapshots.migDevice(2, 1, "1g.10gb").id().uuid();

    private final List<Gpu> gpus =
            Snapshots.h100x8().partition(2, "1g.10gb", "1g.10gb").build().gpus();

    @Test
    void theSharesOfOneDeviceHaveAllTheirHolders() {
        // Given
        PodUse other = new PodUse("namespace", "other", "container");

        // When
        DeviceHolders holders =
                new DeviceHolders(gpus, Map.of(MIG + "::0", List.of(POD), MIG + "::1", List.of(other, POD)));

        // Then
        assertThat(holders.holders(2, 2)).containsExactlyInAnyOrder(POD, other);
        assertThat(holders.shares(2, 2))
                .containsExactlyInAnyOrder(
                        new DeviceHolders.Share(POD, "0"),
                        new DeviceHolders.Share(POD, "1"),
                        new DeviceHolders.Share(other, "1"));
        assertThat(holders.devices()).isEqualTo(2);
    }

    @Test
    void aDeviceOfAGpuInstanceIsNotTheGpus() {
        // When
        DeviceHolders holders = new DeviceHolders(gpus, Map.of(MIG, List.of(POD), "3", List.of(POD)));

        // Then
        assertThat(holders.holders(2)).isEmpty();
        assertThat(holders.holders(3)).containsExactly(POD);
    }

    @Test
    void aDeviceThatIsNotInThePictureIsCounted() {
        // When
        DeviceHolders holders = new DeviceHolders(gpus, Map.of("GPU-gone", List.of(POD), "9", List.of(POD)));

        // Then
        assertThat(holders.unmatched()).isEqualTo(2);
    }
}
