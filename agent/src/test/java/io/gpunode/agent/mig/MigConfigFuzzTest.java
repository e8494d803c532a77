package io.gpunode.agent.mig;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.gpunode.agent.config.Report;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/**
 * Any text is a configuration file, or is refused with problems that each have a place and a next step. What is accepted is read back the same
 * when it is written, as YAML and as JSON.
 */
class MigConfigFuzzTest {
    @FuzzTest
    void anyTextIsAConfigurationFileOrRefused(byte[] bytes) {
        // Given
        Report report = new Report(true);

        // When
        Optional<MigConfigFile> file =
                MigConfigReader.read("mig.yaml", new String(bytes, StandardCharsets.UTF_8), report);

        // Then
        assertThat(file.isEmpty()).isEqualTo(!report.problems().isEmpty());
        assertThat(report.problems()).allSatisfy(problem -> {
            assertThat(problem.place()).startsWith("mig.yaml:");
            assertThat(problem.nextStep()).isNotEmpty();
            assertThat(problem.toString()).doesNotContainPattern("[\\x00-\\x1f]");
        });
        file.ifPresent(MigConfigFuzzTest::assertReadBack);
    }

    private static void assertReadBack(MigConfigFile file) {
        for (String text : new String[] {MigConfigText.yaml(file), MigConfigText.json(file)}) {
            Report report = new Report(true);
            Optional<MigConfigFile> again = MigConfigReader.read("written", text, report);
            assertThat(report.problems()).as(text).isEmpty();
            assertThat(MigConfigText.yaml(again.orElseThrow())).isEqualTo(MigConfigText.yaml(file));
        }
    }
}
