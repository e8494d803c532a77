package io.gpunode.agent.metrics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.gpunode.agent.os.SystemHostFiles;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Prometheus' own linter over the pages; {@code docs/compatibility.md} lists what it may complain about. */
@Timeout(60)
class MetricsLintTest {
    private static final List<String> ALLOWED = List.of(
            "label names should be written in 'snake_case' not 'camelCase'",
            "counter metrics should have \"_total\" suffix",
            "metric name should not include type 'counter'",
            "metric name should not include type 'summary'",
            "metric names should not contain abbreviated units");

    @ParameterizedTest
    @ValueSource(
            strings = {
                "h100x8.txt",
                "h100x8-all-fields.txt",
                "mig.txt",
                "hostile-names.txt",
                "unresponsive.txt",
                "waiting.txt",
                "profiles/1xt4.txt",
                "profiles/4xgb200.txt",
                "profiles/4xl4.txt",
                "profiles/8xa100-40gb.txt",
                "profiles/8xa100-80gb-mig.txt",
                "profiles/8xh100.txt",
                "profiles/old-driver-470.txt",
                "profiles/no-driver.txt"
            })
    void complainsAboutNamesOfDcgmOnly(String golden, @TempDir Path directory) throws Exception {
        // Given
        Path promtool = promtool();

        // When
        List<String> complaints = lint(promtool, Path.of("src/test/resources/golden/metrics", golden), directory);

        // Then
        assertThat(complaints)
                // Rows of the catalogue under names of the agent's own have DCGM's labels, too.
                .allSatisfy(line -> assertThat(FieldCatalogue.find(line.substring(0, line.indexOf(' '))))
                        .isPresent())
                .allSatisfy(line -> assertThat(ALLOWED).anyMatch(line::endsWith));
    }

    @Test
    void hasNothingToSayAboutTheAgentsOwnMeters(@TempDir Path directory) throws Exception {
        // Given
        Path promtool = promtool();
        PrometheusMeterRegistry registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
        new ProcessMeters(new SystemHostFiles(Path.of("/"))).bindTo(registry);
        new Cell.Durations("gpu_node_agent_work_seconds", "Work.", new String[] {"kind", "a"}).bind(registry);
        new Cell.Count("gpu_node_agent_things", "Things.", new String[0]).bind(registry);
        Path page = Files.writeString(directory.resolve("meters.txt"), registry.scrape());

        // When
        List<String> complaints = lint(promtool, page, directory);

        // Then: jvm_buffer_count_buffers and the like are Micrometer's names
        assertThat(complaints).noneMatch(line -> line.startsWith("gpu_node_agent") || line.startsWith("process_"));
    }

    private static Path promtool() {
        String named = System.getenv("PROMTOOL");
        Stream<Path> candidates = named != null
                ? Stream.of(Path.of(named))
                : Stream.of(System.getenv("PATH").split(":", -1)).map(directory -> Path.of(directory, "promtool"));
        Optional<Path> found = candidates.filter(Files::isExecutable).findFirst();
        assumeTrue(
                found.isPresent(), "skipped: no promtool on PATH or in PROMTOOL (Debian: apt-get install prometheus)");
        return found.orElseThrow();
    }

    private static List<String> lint(Path promtool, Path page, Path directory)
            throws IOException, InterruptedException {
        Path output = directory.resolve("complaints");
        Process process = new ProcessBuilder(promtool.toString(), "check", "metrics")
                .redirectInput(page.toFile())
                .redirectErrorStream(true)
                .redirectOutput(output.toFile())
                .start();
        process.waitFor();
        return Files.readString(output, StandardCharsets.UTF_8).lines().toList();
    }
}
