package io.gpunode.agent.gpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.nvml.NvmlMig.GpuInstanceProfile;
import java.util.List;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Names of NVIDIA's MIG user guide, with the memory that such instances report. */
@Timeout(10)
class MigProfilesTest {
    @ParameterizedTest
    @CsvSource({
        // compute, GPU slices, instance MiB, GPU MiB, profile id
        "1, 1, 4864, 40960, 19, 1g.5gb",
        "7, 7, 40192, 40960, 0, 7g.40gb",
        "1, 1, 9856, 81920, 19, 1g.10gb",
        "1, 1, 9856, 81920, 20, 1g.10gb+me",
        "1, 1, 19968, 81920, 15, 1g.20gb",
        "2, 2, 19968, 81920, 14, 2g.20gb",
        "3, 3, 40192, 81920, 9, 3g.40gb",
        "1, 3, 40192, 81920, 9, 1c.3g.40gb",
        "4, 4, 40448, 81559, 5, 4g.40gb",
        "7, 7, 81152, 81559, 0, 7g.80gb",
        "2, 2, 11968, 24576, 5, 2g.12gb",
        "2, 2, 11968, 24576, 6, 2g.12gb+me",
        "1, 1, 9856, 81920, -1, 1g.10gb"
    })
    void profilesAreNamedAsNvidiaNamesThem(
            int compute, int gpu, long instanceMebibytes, long gpuMebibytes, int profileId, String name) {
        String attributes = MigProfiles.attributes(profileId, List.of());
        assertThat(MigProfiles.text(compute, gpu, instanceMebibytes, gpuMebibytes << 20, attributes))
                .isEqualTo(name);
    }

    @ParameterizedTest
    @CsvSource({"0, ''", "7, +me", "9, ''", "12, +gfx", "13, -me", "15, +me.all", "17, +gfx", "99, ''"})
    void attributesFollowTheDriversConstantsWhateverTheIds(int constant, String attributes) {
        // Given: an id that stands for media engines on other chips
        GpuInstanceProfile profile = new GpuInstanceProfile(constant, 20, "MIG 1g.10gb", 1, 7, 14, 1, 0, 0, 0, 0, 9856);

        // When / Then
        assertThat(MigProfiles.attributes(20, List.of(profile))).isEqualTo(attributes);
    }
}
