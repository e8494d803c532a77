package io.gpunode.agent.labels;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.nio.charset.StandardCharsets;

/** Whatever a name holds, what is made of it is what Kubernetes takes. */
class LabelTextFuzzTest {
    @FuzzTest
    void anyNameBecomesOneThatKubernetesTakes(byte[] bytes) {
        // When
        String name = new String(bytes, StandardCharsets.ISO_8859_1);

        // Then
        assertThat(LabelText.value(name)).matches(LabelSyntaxTest.VALUE);
        assertThat(LabelText.value(name, "-MIG-1c.3g.20gb.me-SHARED")).matches(LabelSyntaxTest.VALUE);
        assertThat(LabelText.keyPart(name, 42)).hasSizeLessThanOrEqualTo(42).matches(LabelSyntaxTest.VALUE);
    }
}
