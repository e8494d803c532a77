package io.gpunode.agent.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(10)
class ModuleParametersTest {
    @TempDir
    private Path directory = Path.of("");

    @Test
    void aLineOfModprobesConfigurationIsRead() throws Exception {
        // When
        AgentConfig config = new Loading(directory).file("""
                        driver:
                          parameters:
                            nvidia: |
                              NVreg_A=1   NVreg_B="two words; x=3"
                              NVreg_C=
                        """).load().config();

        // Then
        assertThat(config.driver().modules().parameters().get("nvidia"))
                .containsExactly(
                        Map.entry("NVreg_A", "1"), Map.entry("NVreg_B", "two words; x=3"), Map.entry("NVreg_C", ""));
    }

    @ParameterizedTest
    @CsvSource({
        "NVreg_A, is no name=value",
        "=1, is no name=value",
        "NV reg=1, is no name=value",
        "'a=\"b', has a quotation mark that is not closed",
        "a=1 a=2, says a twice"
    })
    void aParameterThatCannotBeReadIsTold(String text, String problem) {
        // When
        List<String> problems = new Loading(directory)
                .file("driver: {parameters: {nvidiaUvm: '" + text + "'}}")
                .problems();

        // Then
        assertThat(problems).singleElement().asString().contains("driver.parameters.nvidiaUvm", problem);
    }

    @ParameterizedTest
    @ValueSource(strings = {"580..1", "v580", "580.", "1.2.3.4.5", "latest", "580.95.05-1"})
    void aVersionThatNoDriverHasIsTold(String text) {
        // When
        List<String> problems =
                new Loading(directory).file("driver: {version: '" + text + "'}").problems();

        // Then
        assertThat(problems).singleElement().asString().contains("driver.version", "580.95.05 or 580");
    }

    @Test
    void anOptionOfThePackageManagerIsNoPackage() {
        // When
        List<String> problems = new Loading(directory)
                .file("driver: {package: {names: [--allow-unauthenticated]}}")
                .problems();

        // Then
        assertThat(problems).singleElement().asString().contains("driver.package.names");
    }
}
