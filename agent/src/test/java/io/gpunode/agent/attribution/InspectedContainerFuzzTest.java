package io.gpunode.agent.attribution;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** Whatever a container runtime says of a container, it holds devices that have a name, each once, or none. */
class InspectedContainerFuzzTest {
    @FuzzTest
    void anyAnswerIsDevicesOrNone(byte[] bytes) {
        // When
        List<String> devices;
        try {
            devices = RuntimeContainers.devices(RuntimeContainers.json(new String(bytes, StandardCharsets.UTF_8)));
        } catch (IOException e) {
            return;
        }

        // Then
        assertThat(devices).doesNotContain("", "none", "void");
        assertThat(devices).allMatch(device -> device.equals(device.strip()));
    }
}
