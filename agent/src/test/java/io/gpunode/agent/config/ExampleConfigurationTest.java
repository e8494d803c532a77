package io.gpunode.agent.config;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.testing.Golden;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(10)
class ExampleConfigurationTest {
    @TempDir
    private Path directory = Path.of("");

    @Test
    void theExampleExplainsEverySetting() {
        // When
        String example = ExampleConfiguration.text();

        // Then
        Golden.check("config/example.yaml", example);
        assertThat(example.lines()).allSatisfy(line -> assertThat(line.length()).isLessThanOrEqualTo(120));
    }

    @Test
    void theExampleAsItIsSetsNothing() throws Exception {
        // Given
        AgentConfig defaults = new Loading(directory).load().config();

        // When
        LoadedConfig loaded =
                new Loading(directory).file(ExampleConfiguration.text()).load();

        // Then
        assertThat(loaded.config()).isEqualTo(defaults);
        assertThat(loaded.notices()).isEmpty();
    }
}
