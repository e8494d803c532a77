package io.gpunode.agent.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/** Any line of a watch is an event or refused. */
class WatchEventFuzzTest {
    @FuzzTest
    void anyLineIsAnEventOrRefused(byte[] bytes) {
        // When
        NodeObject.Event event;
        try {
            event = NodeObject.Event.read(new String(bytes, StandardCharsets.UTF_8));
        } catch (IOException e) {
            assertThat(e.getMessage()).isNotBlank();
            return;
        }

        // Then
        assertThat(event).isNotNull();
    }
}
