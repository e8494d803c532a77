package io.gpunode.agent.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.gpunode.agent.config.AgentConfig.MigStrategy;
import io.gpunode.agent.config.NodeLabels.Answer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(10)
class NamedLoadTest {
    @TempDir
    private Path directory = Path.of("");

    private Path named = Path.of("");

    @BeforeEach
    void makeConfigurations() throws IOException {
        named = Files.createDirectory(directory.resolve("named"));
        write("a", "flags: {migStrategy: single}\nsampling: {interval: 1s}\n");
        write("b", "flags: {migStrategy: mixed}\n");
    }

    private void write(String name, String text) throws IOException {
        Files.writeString(named.resolve(name), text);
    }

    private Loading loading() {
        return new Loading(directory)
                .environment("CONFIG_FILE_SRCDIR", named.toString())
                .file("sampling: {interval: 3s}\nhttp: {listen: ':9401'}\n");
    }

    @Test
    void theNamedConfigurationWinsOverTheFileAndLosesToTheEnvironment() throws Exception {
        // Given
        Loading loading = loading().label(new Answer.Value("a")).environment("MIG_STRATEGY", "none");

        // When
        LoadedConfig loaded = loading.load();

        // Then
        assertThat(loaded.config().plugin().migStrategy()).isEqualTo(MigStrategy.NONE);
        assertThat(loaded.config().sampling().interval()).isEqualTo(Duration.ofSeconds(1));
        assertThat(loaded.config().http().listen()).containsExactly(":9401");
        assertThat(loading.source("sampling.interval")).isEqualTo("file named/a:2");
        assertThat(loaded.named())
                .hasValueSatisfying(chosen -> assertThat(chosen.toString())
                        .isEqualTo(
                                named.resolve("a") + " (named by the node's label nvidia.com/device-plugin.config)"));
    }

    @Test
    void aLabelThatNamesNoFileIsRefusedWithItsNextStep() {
        // Given
        Loading loading = loading().label(new Answer.Value("c"));

        // When
        List<String> problems = loading.problems();

        // Then
        assertThat(problems)
                .containsExactly("named: the node's label nvidia.com/device-plugin.config names \"c\", which is not"
                        + " there; name one of a, b");
    }

    @Test
    void aProblemInTheNamedConfigurationHasItsPlace() throws Exception {
        // Given
        write("a", "flags:\n  migStrategy: some\nconfig: {default: b}\n");

        // When
        List<String> problems = loading().label(new Answer.Value("a")).problems();

        // Then
        assertThat(problems)
                .containsExactly(
                        "named/a:3:19: config.default: is not set in a named configuration; set it in the file of"
                                + " --config, or by flag or variable",
                        "named/a:2:16: flags.migStrategy: \"some\" is not known, did you mean \"none\"?; write one of none, single, mixed");
    }

    @Test
    void theSelectionFileNamesWhereNoLabelIsKnown() throws Exception {
        // Given
        Path selection = Files.writeString(directory.resolve("selection"), "b\n");
        Loading loading = loading().environment("GPU_NODE_AGENT_CONFIG_SELECTION_FILE", selection.toString());

        // When
        LoadedConfig loaded = loading.load();

        // Then
        assertThat(loaded.config().plugin().migStrategy()).isEqualTo(MigStrategy.MIXED);
    }

    @Test
    void aSelectionFileThatIsMissingSaysNothing() throws Exception {
        // Given
        Loading loading = loading()
                .environment("GPU_NODE_AGENT_CONFIG_SELECTION_FILE", directory + "/absent")
                .environment("DEFAULT_CONFIG", "a");

        // When
        LoadedConfig loaded = loading.load();

        // Then
        assertThat(loaded.config().plugin().migStrategy()).isEqualTo(MigStrategy.SINGLE);
    }

    @Test
    void whileTheLabelMayStillComeNothingIsDecided() throws Exception {
        // Given
        Loading loading = loading().labelPending();

        // When
        LoadedConfig loaded = loading.load();

        // Then
        assertThat(loaded.config().sampling().interval()).isEqualTo(Duration.ofSeconds(3));
        assertThat(loaded.named())
                .hasValueSatisfying(chosen -> assertThat(chosen.undecided())
                        .isEqualTo(Optional.of(loaded.notices().getFirst())));
        assertThat(loading.notices())
                .containsExactly("named: nothing chooses one of a, b: the label nvidia.com/device-plugin.config is not"
                        + " known (no API server is used); set the label (kubectl label node NODE"
                        + " nvidia.com/device-plugin.config=NAME) or config.default");
    }

    @Test
    void whereNoLabelWillComeSomethingMustChoose() {
        // Given
        Loading loading = loading();

        // When
        List<String> problems = loading.problems();

        // Then
        assertThat(problems).singleElement().asString().contains("nothing chooses one of a, b");
    }

    @Test
    void theEmptyFallbackLeavesTheFile() throws Exception {
        // Given
        Loading loading = loading().label(new Answer.NotSet()).environment("FALLBACK_STRATEGIES", "named,empty");

        // When
        LoadedConfig loaded = loading.load();

        // Then
        assertThat(loaded.config().sampling().interval()).isEqualTo(Duration.ofSeconds(3));
        assertThat(loaded.named())
                .hasValueSatisfying(chosen -> assertThat(chosen.name()).isEmpty());
    }

    @Test
    void aDirectoryThatIsMissingIsRefused() {
        // Given
        Loading loading = new Loading(directory).environment("CONFIG_FILE_SRCDIR", directory + "/absent");

        // When
        List<String> problems = loading.problems();

        // Then
        assertThat(problems)
                .containsExactly(
                        "environment CONFIG_FILE_SRCDIR: config.directory: \"absent\" cannot be listed: it does not"
                                + " exist; name a directory of configurations");
    }

    @Test
    void aMountedConfigMapIsReadThroughItsLinks() throws Exception {
        // Given
        Path mount = mountConfigMap("flags: {migStrategy: single}\n");

        // When
        LoadedConfig loaded = new Loading(directory)
                .environment("CONFIG_FILE_SRCDIR", mount.toString())
                .load();

        // Then
        assertThat(loaded.config().plugin().migStrategy()).isEqualTo(MigStrategy.SINGLE);
        assertThat(loaded.named())
                .hasValueSatisfying(chosen -> assertThat(chosen.name()).contains("only"));
    }

    @Test
    void theSwapOfAConfigMapsLinkChangesTheStamps() throws Exception {
        // Given
        Path mount = mountConfigMap("flags: {migStrategy: single}\n");
        LoadedConfig loaded = new Loading(directory)
                .environment("CONFIG_FILE_SRCDIR", mount.toString())
                .load();
        Path newest = Files.createDirectory(mount.resolve("..2026_2"));
        Files.writeString(newest.resolve("only"), "flags: {migStrategy: single}\n");
        Files.createSymbolicLink(mount.resolve("..data_tmp"), Path.of("..2026_2"));

        // When
        Files.move(mount.resolve("..data_tmp"), mount.resolve("..data"), StandardCopyOption.ATOMIC_MOVE);

        // Then
        assertThat(loaded.stamps().now()).isNotEqualTo(loaded.stamps());
    }

    /** A directory as the kubelet mounts a ConfigMap: the file is a link through {@code ..data}, which is a link, too. */
    private Path mountConfigMap(String content) throws IOException {
        Path mount = Files.createDirectory(directory.resolve("mount"));
        Path first = Files.createDirectory(mount.resolve("..2026_1"));
        Files.writeString(first.resolve("only"), content);
        Files.createSymbolicLink(mount.resolve("..data"), Path.of("..2026_1"));
        Files.createSymbolicLink(mount.resolve("only"), Path.of("..data/only"));
        return mount;
    }

    @Test
    void aRefusedLoadHasItsStampsToo() {
        // Given
        Loading loading = loading().label(new Answer.Value("c"));

        // When
        ConfigException refused = catchThrowableOfType(ConfigException.class, loading::load);

        // Then
        assertThat(refused.stamps().stamps()).containsOnlyKeys(named, loading.path());
        assertThat(refused.stamps().now()).isEqualTo(refused.stamps());
    }

    @Test
    void everyConfigurationOfADirectoryIsChecked() throws Exception {
        // Given
        write("b", "flags: {migStrategie: mixed}\n");
        write("c", "config: {watch: true}\n");

        // When
        ConfigException refused = catchThrowableOfType(
                ConfigException.class, () -> new Loading(directory).loader().check(named.toString()));

        // Then
        assertThat(refused.problems())
                .extracting(problem -> problem.toString().replace(named + "/", ""))
                .containsExactly(
                        "b:1:9: flags.migStrategie: unknown key; did you mean \"flags.migStrategy\"?",
                        "c:1:17: config.watch: is not set in a named configuration; set it in the file of --config, or by"
                                + " flag or variable");
    }
}
