package io.gpunode.agent.gpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.model.Gpu.FabricState;
import io.gpunode.nvml.Nvml;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(10)
class FabricStatesTest {
    @ParameterizedTest
    @CsvSource({
        "1, 0, not started",
        "2, 0, in progress",
        "3, 0, completed",
        "3, 999, failed with UNKNOWN",
        "9, 0, state 9"
    })
    void statesHaveWords(int state, int status, String words) {
        assertThat(FabricStates.of(info(state, status, -1, -1)).state()).isEqualTo(words);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "0x0001 | bandwidth is degraded",
                "0x0004 | routes are being recovered",
                "0x0010 | a route is unhealthy",
                "0x0040 | it recovers from an access timeout",
                "0x0100 | ''",
                "0x0500 | it has too few NVLinks",
                "0x2000 | the GPU is assigned to no partition",
            })
    void everyFieldOfTheMaskHasWords(String mask, String words) {
        // When
        FabricState state = FabricStates.of(info(3, 0, Integer.decode(mask), 1));

        // Then
        assertThat(String.join(", ", state.problems())).isEqualTo(words);
    }

    @Test
    void anOlderDriverTellsNoHealth() {
        // When
        FabricState state = FabricStates.of(info(3, 0, -1, -1));

        // Then
        assertThat(state.health()).isEqualTo("unknown");
        assertThat(state.problems()).isEmpty();
    }

    @ParameterizedTest
    @CsvSource({"0, 0, 0", "1, 0, 1", "2, 0, 2", "3, 0, 3", "3, 999, 4", "4, 0, 5", "-1, 0, 5"})
    void theRegistrationHasTheNumbersOfDcgm(int state, int status, int number) {
        assertThat(FabricStates.registration(state, status)).isEqualTo(number);
    }

    private static Nvml.FabricInfo info(int state, int status, int mask, int summary) {
        return new Nvml.FabricInfo("cluster", 1, state, status, mask, summary);
    }
}
