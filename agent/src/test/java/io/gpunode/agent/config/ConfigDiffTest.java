package io.gpunode.agent.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(10)
class ConfigDiffTest {
    @TempDir
    private Path directory = Path.of("");

    @Test
    void liveChangesApplyAndTheOthersWaitForARestart() throws Exception {
        // Given
        LoadedConfig before = new Loading(directory).load();
        LoadedConfig after = new Loading(directory)
                .file("sampling: {interval: 1s}\nhttp: {listen: ':9500'}\nhealth: {ignoredXids: [94]}\n")
                .load();

        // When
        ConfigDiff diff = ConfigDiff.between(before, after);

        // Then
        assertThat(diff.live())
                .containsExactly(
                        new ConfigDiff.Change("sampling.interval", "5s", "1s"),
                        new ConfigDiff.Change("health.ignoredXids", "", "94"));
        assertThat(diff.needRestart()).containsExactly(new ConfigDiff.Change("http.listen", ":9400", ":9500"));
        assertThat(diff.inForce().config().sampling().interval()).isEqualTo(Duration.ofSeconds(1));
        assertThat(diff.inForce().config().http().listen()).containsExactly(":9400");
    }

    @Test
    void whatStillWaitsForARestartIsToldAgainByTheNextReload() throws Exception {
        // Given
        LoadedConfig before = new Loading(directory).load();
        LoadedConfig after =
                new Loading(directory).file("http: {listen: ':9500'}").load();
        ConfigDiff first = ConfigDiff.between(before, after);

        // When
        ConfigDiff second = ConfigDiff.between(first.inForce(), after);

        // Then
        assertThat(second.needRestart()).isEqualTo(first.needRestart());
    }

    @Test
    void anotherSourceOfTheDriverWaitsForARestartSinceItsFilesAreLookedForElsewhereThen() throws Exception {
        // Given
        LoadedConfig before =
                new Loading(directory).file("driver: {manage: true}").load();
        LoadedConfig after = new Loading(directory)
                .file("driver: {manage: true, source: bundle, bundle: {path: /srv/b}}")
                .load();

        // When
        ConfigDiff diff = ConfigDiff.between(before, after);

        // Then
        assertThat(diff.needRestart())
                .extracting(ConfigDiff.Change::setting)
                .contains("driver.source", "flags.nvidiaDriverRoot");
        assertThat(diff.inForce().config().driver().source()).isEqualTo(AgentConfig.Driver.SourceKind.HOST);
        assertThat(diff.inForce().config().plugin().driverRoot()).isEqualTo(Path.of("/"));
    }

    @Test
    void equalConfigurationsDoNotDiffer() throws Exception {
        // Given
        LoadedConfig before = new Loading(directory).load();
        LoadedConfig after = new Loading(directory).file("log: {level: info}").load();

        // When
        ConfigDiff diff = ConfigDiff.between(before, after);

        // Then
        assertThat(diff.live()).isEmpty();
        assertThat(diff.needRestart()).isEmpty();
    }
}
