package io.gpunode.agent.gpu;

import static org.assertj.core.api.Assertions.assertThat;

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
        assertThat(MigProfiles.text(compute, gpu, instanceMebibytes, gpuMebibytes << 20, profileId))
                .isEqualTo(name);
    }
}
