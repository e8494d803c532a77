package io.gpunode.agent.config;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;

/**
 * Any file is a configuration, or is refused with problems that each have a place and a next step. What is accepted strictly means the same when
 * unknown keys are passed over.
 */
class ConfigFuzzTest {
    @TempDir
    private Path directory = Path.of("");

    @FuzzTest
    void anyFileIsAConfigurationOrRefused(byte[] bytes) throws ConfigException {
        // When
        LoadedConfig loaded;
        try {
            loaded = new Loading(directory).file(bytes).load();
        } catch (ConfigException e) {
            assertThat(e.problems()).isNotEmpty().allSatisfy(problem -> {
                assertThat(problem.place()).isNotEmpty();
                assertThat(problem.nextStep()).isNotEmpty();
                assertThat(problem.toString()).doesNotContainPattern("[\\x00-\\x1f]");
            });
            return;
        }

        // Then
        assertThat(new Loading(directory)
                        .flag("config-strict", "false")
                        .file(bytes)
                        .load()
                        .config())
                .isEqualTo(loaded.config());
    }
}
