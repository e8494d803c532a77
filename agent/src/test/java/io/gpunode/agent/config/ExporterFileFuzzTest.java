package io.gpunode.agent.config;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;

/** Whatever follows the version in a file of dcgm-exporter is read, or refused with problems that each have a place and a next step. */
class ExporterFileFuzzTest {
    private static final List<FieldChoice> SHOWN =
            List.of(FieldChoice.named("DCGM_FI_DEV_GPU_TEMP"), FieldChoice.named("DCGM_FI_PROF_DRAM_ACTIVE"));

    @FuzzTest
    void anyFileOfTheExporterIsReadOrRefused(byte[] bytes) {
        // Given
        String version = bytes.length > 0 && bytes[0] == '1' ? "version: 1\n" : "version: 2\n";
        Report report = new Report(true);

        // When
        Optional<RawValue> root = YamlFile.read(
                "exporter.yaml", version + new String(bytes, StandardCharsets.UTF_8), "correct it", report);
        root.filter(ExporterFile::is)
                .ifPresent(block -> ExporterFile.read(block, report).check(SHOWN));

        // Then
        assertThat(report.problems()).allSatisfy(problem -> {
            assertThat(problem.place()).startsWith("exporter.yaml:");
            assertThat(problem.nextStep()).isNotEmpty();
            assertThat(problem.toString()).doesNotContainPattern("[\\x00-\\x1f]");
        });
    }
}
