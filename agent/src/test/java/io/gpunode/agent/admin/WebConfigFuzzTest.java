package io.gpunode.agent.admin;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.gpunode.agent.config.Report;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Optional;
import org.junit.jupiter.api.io.TempDir;

/** Any file is a web configuration, or is refused with problems that each have a place and a next step. */
class WebConfigFuzzTest {
    @TempDir
    private Path folder = Path.of("");

    @FuzzTest
    void anyFileIsAWebConfigurationOrRefused(byte[] bytes) throws IOException {
        // Given
        Path file = Files.write(folder.resolve("web.yml"), bytes);
        Report report = new Report(true);

        // When
        Optional<WebConfig> read =
                new WebConfigReader(file, report, Instant.parse("2030-01-01T00:00:00Z")).read(WebConfig.NONE);

        // Then
        assertThat(read.isPresent()).isEqualTo(report.problems().isEmpty());
        assertThat(report.problems()).allSatisfy(problem -> {
            assertThat(problem.place()).isNotEmpty();
            assertThat(problem.nextStep()).isNotEmpty();
            assertThat(problem.toString()).doesNotContainPattern("[\\x00-\\x1f]");
        });
        read.ifPresent(config -> config.users()
                .values()
                .forEach(hash -> assertThat(PasswordCheck.cost(hash)).isBetween(4, 18)));
    }
}
