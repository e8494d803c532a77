package io.gpunode.agent.os;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.nio.charset.StandardCharsets;

/** Whatever the driver's parameters are, a mode is one. */
class DriverParametersFuzzTest {
    @FuzzTest
    void anyTextGivesAModeInRange(byte[] bytes) {
        // When
        DriverParameters parameters = DriverParameters.parse(new String(bytes, StandardCharsets.UTF_8));

        // Then
        assertThat(parameters.number("DeviceFileMode", 0, 0777, 0666)).isBetween(0, 0777);
        assertThat(parameters.values().values()).allMatch(value -> value >= 0);
    }
}
