package io.gpunode.agent.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.gpunode.agent.json.JsonValue;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/** Whatever a server says a pod is, it is a pod with a name and a UID and no more of it than is wanted, or none. */
class NodePodFuzzTest {
    @FuzzTest
    void anyObjectIsAPodOrNone(byte[] bytes) {
        // Given
        JsonValue object;
        try {
            object = Texts.json(new String(bytes, StandardCharsets.UTF_8));
        } catch (IOException e) {
            return;
        }

        // When / Then
        NodePod.of(object, name -> name.startsWith("a")).ifPresent(pod -> {
            assertThat(pod.name()).isNotEmpty();
            assertThat(pod.uid()).isNotEmpty();
            assertThat(pod.labels()).hasSizeLessThanOrEqualTo(64);
            assertThat(pod.labels().keySet()).allMatch(name -> name.startsWith("a"));
            assertThat(pod.containers()).hasSizeLessThanOrEqualTo(256);
        });
    }
}
