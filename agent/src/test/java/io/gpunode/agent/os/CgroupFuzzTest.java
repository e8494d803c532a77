package io.gpunode.agent.os;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.nio.charset.StandardCharsets;

/** Whatever a file of procfs holds, it names a container by texts of fixed forms or none at all, and a line before it changes nothing. */
class CgroupFuzzTest {
    @FuzzTest
    void anyTextIsAContainerOrNone(byte[] bytes) {
        // Given
        String text = new String(bytes, StandardCharsets.UTF_8);

        // When
        ContainerCgroup found = ContainerCgroup.of(text);

        // Then
        assertThat(found.podUid())
                .matches("|[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}");
        assertThat(found.containerId()).matches("|[0-9a-f]{64}");
        assertThat(text).contains(found.containerId());
        assertThat(ContainerCgroup.of("0::/init.scope\n" + text)).isEqualTo(found);
    }
}
