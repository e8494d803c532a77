package io.gpunode.agent.os;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Timeout;

class ModuleListFuzzTest {
    @FuzzTest
    @Timeout(value = 10, unit = TimeUnit.MINUTES)
    void anyTextIsAListOfModules(byte[] bytes) {
        assertThat(ModuleList.parse(new String(bytes, StandardCharsets.UTF_8))).allSatisfy(module -> {
            assertThat(module.name()).isNotEmpty();
            assertThat(module.references()).isGreaterThanOrEqualTo(LoadedModule.NOT_COUNTED);
            assertThat(module.externalReferences()).isNotNegative();
            assertThat(module.holders()).doesNotHaveDuplicates().doesNotContain("");
        });
    }
}
