package io.gpunode.agent.mig;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.gpunode.agent.config.Report;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/** Any text is a checkpoint or a hooks file, or is refused with problems that each have a place and a next step. */
class MigFilesFuzzTest {
    @FuzzTest
    void anyTextIsACheckpointOrRefused(byte[] bytes) {
        // Given
        Report report = new Report(true);

        // When
        Optional<CheckpointFile> file = CheckpointFile.read("file", new String(bytes, StandardCharsets.UTF_8), report);

        // Then
        assertThat(file.isEmpty()).isEqualTo(!report.problems().isEmpty());
        assertPlaces(report);
        file.ifPresent(found ->
                assertThat(CheckpointFile.read("written", found.json(), report)).contains(found));
    }

    @FuzzTest
    void anyTextIsAHooksFileOrRefused(byte[] bytes) {
        // Given
        Report report = new Report(true);

        // When
        Optional<HooksFile> file = HooksFile.read("file", new String(bytes, StandardCharsets.UTF_8), report);

        // Then
        assertThat(file.isEmpty()).isEqualTo(!report.problems().isEmpty());
        assertPlaces(report);
        file.ifPresent(found -> assertThat(found.hooks().values())
                .allSatisfy(hooks -> assertThat(hooks)
                        .isNotEmpty()
                        .allSatisfy(hook -> assertThat(hook.command()).isNotEmpty())));
    }

    private static void assertPlaces(Report report) {
        assertThat(report.problems()).allSatisfy(problem -> {
            assertThat(problem.place()).startsWith("file:");
            assertThat(problem.nextStep()).isNotEmpty();
            assertThat(problem.toString()).doesNotContainPattern("[\\x00-\\x1f]");
        });
    }
}
