package io.gpunode.agent.config;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.AgentConfig.LabelOutput;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Settings of feature labels, most of which are GPU feature discovery's. */
@Timeout(10)
class LabelConfigTest {
    @TempDir
    private Path directory = Path.of("");

    @Test
    void everyVariableOfFeatureDiscoveryReachesItsSetting() throws Exception {
        // Given
        Loading loading = new Loading(directory)
                .environment("GFD_MIG_STRATEGY", "mixed")
                .environment("GFD_NO_TIMESTAMP", "true")
                .environment("GFD_OUTPUT_FILE", "/run/features.d/gfd")
                .environment("GFD_MACHINE_TYPE_FILE", "/run/machine")
                .environment("GFD_USE_NODE_FEATURE_API", "true")
                .environment("GFD_SLEEP_INTERVAL", "infinite")
                .environment("GFD_FAIL_ON_INIT_ERROR", "false")
                .environment("GFD_ONESHOT", "false")
                .environment("NAMESPACE", "gpu-operator");

        // When
        AgentConfig config = loading.load().config();

        // Then
        assertThat(config.plugin().migStrategy()).isEqualTo(AgentConfig.MigStrategy.MIXED);
        assertThat(config.labels())
                .isEqualTo(new AgentConfig.Labels(
                        LabelOutput.NODE_FEATURE,
                        "/run/features.d/gfd",
                        "/run/machine",
                        false,
                        false,
                        false,
                        false,
                        "gpu-operator"));
    }

    @Test
    void flagsOfFeatureDiscoveryThatHaveNoMeaningHereAreTold() throws Exception {
        // Given
        Loading loading = new Loading(directory)
                .flag("oneshot", "true")
                .flag("sleep-interval", "30s")
                .flag("kube-api-qps", "5")
                .flag("kube-api-burst", "10")
                .flag("pod-name", "gfd-x7k2p");

        // When
        var notices = loading.notices();

        // Then
        assertThat(notices)
                .containsExactlyInAnyOrder(
                        "flag --oneshot: flags.gfd.oneshot: has no effect; the agent runs on; gpu-node-agent labels tells"
                                + " the labels once",
                        "flag --sleep-interval: flags.gfd.sleepInterval: has no effect; labels are written when they change",
                        "flag --kube-api-qps: flags.kubeAPIQPS: has no effect; requests to the API server are made one after"
                                + " the other, and few",
                        "flag --kube-api-burst: flags.kubeAPIBurst: has no effect; requests to the API server are made one"
                                + " after the other, and few",
                        "flag --pod-name: flags.podName: has no effect; the NodeFeature object outlives the agent's pod");
    }

    @ParameterizedTest
    @CsvSource({
        "true,  '',   NODE_FEATURE, environment USE_NODE_FEATURE_API",
        "false, '',   FILE,         environment USE_NODE_FEATURE_API",
        "true,  node, NODE,         flag --labels-sink",
        "'',    '',   AUTO,         default"
    })
    void whetherTheNodeFeatureApiIsUsedChoosesTheSinkUnlessTheSinkIsNamed(
            String useApi, String named, LabelOutput sink, String source) throws Exception {
        // Given
        Loading loading = new Loading(directory).environment("USE_NODE_FEATURE_API", useApi);
        if (!named.isEmpty()) {
            loading.flag("labels-sink", named);
        }

        // When
        LoadedConfig loaded = loading.load();

        // Then
        assertThat(loaded.config().labels().sink()).isEqualTo(sink);
        assertThat(loading.source("labels.sink")).isEqualTo(source);
    }

    @Test
    void aFileThatIsWantedAndHasNoNameIsRefused() {
        // Given
        Loading loading = new Loading(directory).file("""
                labels: {sink: file}
                flags: {gfd: {outputFile: ""}}
                """);

        // When
        var problems = loading.problems();

        // Then
        assertThat(problems)
                .containsExactly(
                        "config.yaml:2:27: flags.gfd.outputFile: is empty, and labels.sink is file; name a file, or"
                                + " set labels.sink to off and see the labels with gpu-node-agent labels");
    }

    @ParameterizedTest
    @CsvSource({"Default", "a.b", "-a", "a/b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"})
    void whatIsNoNamespaceIsRefused(String name) {
        // Given
        Loading loading = new Loading(directory).environment("NAMESPACE", name);

        // When
        var problems = loading.problems();

        // Then
        assertThat(problems)
                .singleElement()
                .asString()
                .startsWith("environment NAMESPACE: labels.namespace: ")
                .endsWith(
                        " is not the name of a Kubernetes namespace; write one of at most 63 lower-case letters, digits"
                                + " and dashes");
    }
}
