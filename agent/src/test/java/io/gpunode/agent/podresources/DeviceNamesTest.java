package io.gpunode.agent.podresources;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.testing.Snapshots;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** GPU 2 is split into GPU instances 1 and 2, which are its MIG devices 0 and 1. */
@Timeout(10)
class DeviceNamesTest {
    private final List<Gpu> gpus =
            Snapshots.h100x8().partition(2, "1g.10gb", "1g.10gb").build().gpus();

    @ParameterizedTest
    @CsvSource({
        // id, GPU instance (-1: the GPU), replica
        "GPU-6f1e2a30-8b00-4c1d-9a7e-000000000002,                              -1, ''",
        "GPU-6f1e2a30-8b00-4c1d-9a7e-000000000002::11,                          -1, 11",
        "2,                                                                     -1, ''",
        "2::0,                                                                  -1, 0",
        "nvidia2,                                                               -1, ''",
        "nvidia2/vgpu3,                                                         -1, 3",
        "nvidia.com/gpu=2,                                                      -1, ''",
        "nvidia.com/gpu=GPU-6f1e2a30-8b00-4c1d-9a7e-000000000002,               -1, ''",
        "k8s.device-plugin.nvidia.com/gpu=GPU-6f1e2a30-8b00-4c1d-9a7e-000000000002::4, -1, 4",
        "gpu.nvidia.com/node-a/gpu-2,                                           -1, ''",
        "gpu.nvidia.com/pool/with/slashes/gpu-2,                                -1, ''",
        "$MIG,                                                                  2, ''",
        "$MIG::1,                                                               2, 1",
        "2:1,                                                                   2, ''",
        "2:1::5,                                                                2, 5",
        "nvidia2/gi2,                                                           2, ''",
        "nvidia2/gi2/vgpu0,                                                     2, 0",
        "MIG-GPU-6f1e2a30-8b00-4c1d-9a7e-000000000002/2/0,                      2, ''",
        "MIG-GPU-6f1e2a30-8b00-4c1d-9a7e-000000000002/2/0::3,                   2, 3",
        "nvidia.com/gpu=2:1,                                                    2, ''",
        "nvidia.com/mig-1g.10gb=$MIG,                                           2, ''",
    })
    void everyFormOfAnIdIsItsDevice(String id, int gpuInstance, String replica) {
        // Given
        String text =
                id.replace("$MIG", Snapshots.migDevice(2, 1, "1g.10gb").id().uuid());

        // When
        DeviceNames.Device device = Objects.requireNonNull(new DeviceNames(gpus).find(text));

        // Then
        assertThat(device.gpuPlace()).isEqualTo(2);
        assertThat(device.mig() == null ? -1 : device.mig().gpuInstanceId()).isEqualTo(gpuInstance);
        assertThat(device.replica()).isEqualTo(replica);
        assertThat(device.share()).isEqualTo(!replica.isEmpty());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "8",
                "02",
                "-1",
                "GPU-6f1e2a30",
                "nvidia8",
                "nvidia2/gi9",
                "nvidia2/",
                "2:9",
                "MIG-GPU-6f1e2a30-8b00-4c1d-9a7e-000000000002/9/0",
                "::",
                "::1",
                "/vgpu1",
                "acme.com/gpu=2",
                "=2",
                "gpu.nvidia.com/node-a/gpu-8",
                "gpu.nvidia.com/node-a/2",
                "gpu.nvidia.com/",
            })
    void whatNamesNothingIsNotGuessed(String id) {
        assertThat(new DeviceNames(gpus).find(id)).isNull();
    }
}
