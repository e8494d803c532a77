package io.gpunode.agent.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.ConfigLoader;
import io.gpunode.agent.config.LoadedConfig;
import io.gpunode.agent.config.Support;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(20)
class ConfigExampleCommandTest {
    @TempDir
    private Path directory = Path.of("");

    @Test
    void everySettingOfTheExampleCanBeSwitchedOnAndIsTheDefault() throws Exception {
        // Given
        Terminal terminal = new Terminal();
        terminal.execute("config", "example");
        String switchedOn = terminal.out()
                .lines()
                .map(line -> line.startsWith("#") ? line.substring(1) : line)
                .collect(Collectors.joining("\n", "", "\n"));
        Path file = Files.writeString(directory.resolve("config.yaml"), switchedOn);
        Path none = Files.writeString(directory.resolve("none.yaml"), "version: v1\n");
        ConfigLoader loader = terminal.shell().fileLoader();

        // When
        LoadedConfig loaded = loader.load(List.of(), Optional.of(file.toString()));

        // Then
        assertThat(loaded.config())
                .isEqualTo(loader.load(List.of(), Optional.of(none.toString())).config());
        assertThat(loaded.notices()).isEmpty();
        assertThat(loaded.values())
                .filteredOn(value -> value.setting().inFile()
                        && value.setting().support() instanceof Support.Served
                        && !value.setting().defaultText().isEmpty())
                .allSatisfy(value -> assertThat(value.source()).contains("config.yaml"));
    }
}
