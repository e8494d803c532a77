package io.gpunode.agent.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(10)
class ExporterFileTest {
    @TempDir
    private Path directory = Path.of("");

    private Loading with(String text) {
        return new Loading(directory).file(text);
    }

    @Test
    void version1SaysFieldsAndIntervals() throws Exception {
        // Given
        Loading loading = with("""
                version: 1
                metrics:
                  fields:
                    - name: DCGM_FI_DEV_GPU_TEMP
                      prometheusType: gauge
                      help: Heat (in C).
                collection:
                  interval: 30s
                  retention: {maxAge: 10m, maxSamples: 0}
                server: {maxConcurrentScrapes: 4}
                """);

        // When
        AgentConfig config = loading.load().config();

        // Then
        assertThat(config.metrics().fields())
                .containsExactly(new FieldChoice("DCGM_FI_DEV_GPU_TEMP", "gauge", "Heat (in C)."));
        assertThat(config.sampling().interval()).isEqualTo(Duration.ofSeconds(30));
        assertThat(config.http().maxConcurrentScrapes()).isEqualTo(4);
        assertThat(loading.notices())
                .containsExactly(
                        "config.yaml:9:23: exporter.watch-max-keep-age: has no effect; the agent keeps the newest sample alone",
                        "config.yaml:9:40: exporter.watch-max-keep-samples: has no effect; the agent keeps the newest sample"
                                + " alone");
    }

    @Test
    void version2SaysFieldsAndIntervals() throws Exception {
        // Given
        Path counters = directory.resolve("counters.csv");
        Files.writeString(counters, "DCGM_FI_DEV_GPU_TEMP, gauge, Heat.\n");
        Loading loading = with("""
                version: 2
                metrics:
                  file: %s
                collections:
                  - name: scrape
                    every: 1m
                    metrics: {include: ["*"]}
                """.formatted(counters));

        // When
        AgentConfig config = loading.load().config();

        // Then
        assertThat(config.metrics().fields())
                .containsExactly(new FieldChoice("DCGM_FI_DEV_GPU_TEMP", "gauge", "Heat."));
        assertThat(config.sampling().interval()).isEqualTo(Duration.ofMinutes(1));
    }

    @Test
    void theShortestIntervalCountsForAllAndProfilingHasItsOwn() throws Exception {
        // Given
        Loading loading = with("""
                version: 2
                metrics:
                  fields:
                    - {name: DCGM_FI_DEV_GPU_TEMP, prometheusType: gauge, help: Heat.}
                    - {name: DCGM_FI_DEV_POWER_USAGE, prometheusType: gauge, help: Power.}
                collections:
                  - {name: scrape, every: 30s, metrics: {include: ["*"]}}
                  - {name: fast, every: 2s, metrics: {include: [DCGM_FI_DEV_GPU_*]}}
                  - {name: slow, every: 5m, metrics: {include: [DCGM_FI_DEV_POWER_USAGE]}}
                  - {name: busy, every: 10s, metrics: {include: [DCGM_FI_PROF_*]}}
                """);

        // When
        AgentConfig config = loading.load().config();

        // Then
        assertThat(config.sampling().interval()).isEqualTo(Duration.ofSeconds(2));
        assertThat(config.sampling().profilingInterval()).isEqualTo(Duration.ofSeconds(10));
        assertThat(loading.notices())
                .containsExactly(
                        "config.yaml:9:5: the fields of \"slow\" are read every 2s instead of 5m; all fields but those of"
                                + " profiling are read together, at the shortest interval that is asked for",
                        "config.yaml:10:50: \"DCGM_FI_PROF_*\" fits none of the fields that are shown; add the field, or remove"
                                + " the pattern");
    }

    @Test
    void flagsAndVariablesWinOverTheFile() throws Exception {
        // Given
        Loading loading =
                with("{version: 1, collection: {interval: 30s}}").environment("DCGM_EXPORTER_INTERVAL", "1000");

        // When
        AgentConfig config = loading.load().config();

        // Then
        assertThat(config.sampling().interval()).isEqualTo(Duration.ofSeconds(1));
    }

    @Test
    void theAgentsFileWinsOverTheExporters() throws Exception {
        // Given
        Path exporters = directory.resolve("exporter.yaml");
        Files.writeString(exporters, "version: 1\ncollection: {interval: 30s}\nserver: {maxConcurrentScrapes: 3}\n");
        Loading loading =
                with("sampling: {interval: 1s}").environment("DCGM_EXPORTER_CONFIG_FILE", exporters.toString());

        // When
        LoadedConfig loaded = loading.load();

        // Then
        assertThat(loaded.config().sampling().interval()).isEqualTo(Duration.ofSeconds(1));
        assertThat(loaded.config().http().maxConcurrentScrapes()).isEqualTo(3);
        assertThat(loaded.stamps().stamps()).containsKey(exporters);
    }

    @Test
    void everythingThatIsWrongIsToldAtOnce() {
        // Given
        Loading loading = with("""
                version: 1
                metrics:
                  file: /a.csv
                  fields: []
                  fils: 1
                collections: []
                collection:
                  interval: 0s
                  watchGroups:
                    - {name: a, interval: 1s, fields: [DCGM_FI_DEV_GPU_TEMP]}
                    - {name: a, interval: soon, fields: [x]}
                    - {interval: 1s, fields: []}
                    - 7
                  retention: 10m
                """);

        // When
        List<String> problems = loading.problems();

        // Then
        assertThat(problems)
                .containsExactly(
                        "config.yaml:6:1: collections: unknown key in version 1 of dcgm-exporter's file; did you mean"
                                + " \"collection\"?",
                        "config.yaml:5:3: metrics.fils: unknown key in version 1 of dcgm-exporter's file; did you mean"
                                + " \"metrics.file\"?",
                        "config.yaml:4:11: metrics: names a file and fields; keep one of the two",
                        "config.yaml:14:14: collection.retention: \"10m\" stands where a block of keys is expected; write a block"
                                + " of keys",
                        "config.yaml:11:14: collection.watchGroups: the name \"a\" is given twice; give each group a name of its"
                                + " own",
                        "config.yaml:11:27: collection.watchGroups.interval: \"soon\" is not a duration above zero; write a"
                                + " duration such as 30s or 500ms",
                        "config.yaml:12:7: collection.watchGroups: the group has no name; give each group a name of its own",
                        "config.yaml:12:7: collection.watchGroups: the group has no fields; write names of fields, with * for any"
                                + " text",
                        "config.yaml:13:7: collection.watchGroups: \"7\" stands where a block of keys is expected; write a block of"
                                + " keys",
                        "config.yaml:8:13: collection.interval: \"0s\" is not a duration above zero; write a duration such as 30s"
                                + " or 500ms");
    }

    @Test
    void aFieldInTwoGroupsIsRefused() {
        // Given
        Loading loading = with("""
                version: 1
                metrics: {fields: [{name: DCGM_FI_DEV_GPU_TEMP, prometheusType: gauge, help: Heat.}]}
                collection:
                  watchGroups:
                    - {name: a, interval: 1s, fields: [DCGM_FI_DEV_GPU_TEMP]}
                    - {name: b, interval: 1s, fields: ["DCGM_*"]}
                """);

        // When
        List<String> problems = loading.problems();

        // Then
        assertThat(problems)
                .containsExactly(
                        "config.yaml:6:40: \"DCGM_FI_DEV_GPU_TEMP\" is in two groups, \"a\" and \"b\"; keep it in one");
    }

    @Test
    void inlineFieldsNeedAllThreeKeysAndOneNameEach() {
        // Given
        Loading loading = with("""
                version: 2
                metrics:
                  fields:
                    - {name: DCGM_FI_DEV_GPU_TEMP, prometheusType: gauge}
                    - {name: DCGM_FI_DEV_GPU_TEMP, prometheusType: gauge, help: Heat.}
                """);

        // When
        List<String> problems = loading.problems();

        // Then
        assertThat(problems)
                .containsExactly(
                        "config.yaml:4:7: metrics.fields: the field has no help; write name, prometheusType and help",
                        "config.yaml:5:14: metrics.fields: \"DCGM_FI_DEV_GPU_TEMP\" is given twice, first at config.yaml:4:14;"
                                + " keep one of the two");
    }

    @Test
    void repeatedKeysAreRefused() {
        // Given
        Loading loading = with("version: 2\nserver: {maxConcurrentScrapes: 1}\nserver: {maxConcurrentScrapes: 2}\n");

        // When
        List<String> problems = loading.problems();

        // Then
        assertThat(problems)
                .containsExactly(
                        "config.yaml:3:1: the key \"server\" is given twice, first at config.yaml:2:1; keep one of the two");
    }

    @Test
    void anotherVersionIsRefused() {
        // Given
        Loading loading = with("version: 3\n");

        // When
        List<String> problems = loading.problems();

        // Then
        assertThat(problems)
                .containsExactly(
                        "config.yaml:1:10: version: \"3\" is not a version of a configuration file; write v1 for the"
                                + " agent's file, and 1 or 2 for dcgm-exporter's");
    }
}
