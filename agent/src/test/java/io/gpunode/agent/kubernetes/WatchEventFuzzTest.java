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
        switch (event) {
            case NodeObject.Event.Seen(NodeObject node, String version) -> {
                assertThat(node.name()).isNotNull();
                assertThat(node.labels()).doesNotContainKey(null);
                assertThat(version).isNotNull();
            }
            case NodeObject.Event.Failed(long _, String message) ->
                assertThat(message).hasSizeLessThanOrEqualTo(300).doesNotContain("\n");
            case NodeObject.Event.Deleted(String name, String version) ->
                assertThat(name + version).isNotNull();
            case NodeObject.Event.Bookmark(String version) ->
                assertThat(version).isNotNull();
        }
    }
}
