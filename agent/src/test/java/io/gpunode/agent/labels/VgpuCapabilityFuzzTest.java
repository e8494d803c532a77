package io.gpunode.agent.labels;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.util.Arrays;

/** Whatever a configuration space holds, looking for a virtual GPU in it ends, with texts that fit. */
class VgpuCapabilityFuzzTest {
    @FuzzTest
    void anyConfigurationSpaceHasAnAnswer(byte[] bytes) {
        // When
        var found = VgpuCapability.find(Arrays.copyOf(bytes, VgpuCapability.HEADER_AND_CAPABILITIES));

        // Then
        found.ifPresent(vgpu -> {
            assertThat(vgpu.hostDriverVersion()).hasSizeLessThanOrEqualTo(10);
            assertThat(vgpu.hostDriverBranch()).hasSizeLessThanOrEqualTo(10);
        });
    }
}
