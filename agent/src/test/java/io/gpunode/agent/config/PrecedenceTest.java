package io.gpunode.agent.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(10)
class PrecedenceTest {
    private static final Set<String> EVERY_CHECK = Set.of(
            "recovery-action",
            "row-remap",
            "retired-pages",
            "ecc",
            "fabric",
            "nvlink",
            "temperature",
            "power-brake",
            "pcie",
            "event");

    @TempDir
    private Path directory = Path.of("");

    @ParameterizedTest
    @CsvSource({
        "true,  true,  true,  4s, flag --sampling-interval",
        "true,  true,  false, 4s, flag --sampling-interval",
        "true,  false, true,  4s, flag --sampling-interval",
        "true,  false, false, 4s, flag --sampling-interval",
        "false, true,  true,  3s, environment GPU_NODE_AGENT_SAMPLING_INTERVAL",
        "false, true,  false, 3s, environment GPU_NODE_AGENT_SAMPLING_INTERVAL",
        "false, false, true,  2s, file config.yaml:2",
        "false, false, false, 5s, default"
    })
    void commandLineOverEnvironmentOverFileOverDefault(
            boolean flag, boolean variable, boolean file, String value, String source) throws Exception {
        // Given
        Loading loading = new Loading(directory);
        if (flag) {
            loading.flag("sampling-interval", "4s");
        }
        if (variable) {
            loading.environment("GPU_NODE_AGENT_SAMPLING_INTERVAL", "3s");
        }
        if (file) {
            loading.file("sampling:\n  interval: 2s\n");
        }

        // When
        LoadedConfig loaded = loading.load();

        // Then
        assertThat(GoDuration.text(loaded.config().sampling().interval())).isEqualTo(value);
        assertThat(loading.source("sampling.interval")).isEqualTo(source);
    }

    @Test
    void aWrongValueIsToldAlsoWhereAnotherSourceWins() {
        // Given
        Loading loading = new Loading(directory)
                .flag("log-level", "warn")
                .environment("GPU_NODE_AGENT_LOG_LEVEL", "loud")
                .file("log: {level: quiet}");

        // When
        List<String> problems = loading.problems();

        // Then
        assertThat(problems)
                .containsExactly(
                        "config.yaml:1:14: log.level: \"quiet\" is not known; write one of error, warn, info, debug",
                        "environment GPU_NODE_AGENT_LOG_LEVEL: log.level: \"loud\" is not known; write one of error, warn,"
                                + " info, debug");
    }

    @ParameterizedTest
    @CsvSource({"true, true", "TRUE, true", "T, true", "1, true", "false, false", "f, false", "0, false"})
    void aSwitchInAVariableIsReadAsTheDevicePluginReadsIt(String text, boolean value) throws Exception {
        // Given
        Loading loading = new Loading(directory).environment("PASS_DEVICE_SPECS", text);

        // When
        AgentConfig config = loading.load().config();

        // Then
        assertThat(config.plugin().passDeviceSpecs()).isEqualTo(value);
    }

    @Test
    void everyVariableOfTheDevicePluginReachesItsSetting() throws Exception {
        // Given
        Loading loading = new Loading(directory)
                .environment("MIG_STRATEGY", "mixed")
                .environment("NVIDIA_DRIVER_ROOT", "/run/nvidia/driver")
                .environment("DEVICE_LIST_STRATEGY", "cdi-cri, volume-mounts")
                .environment("DEVICE_ID_STRATEGY", "index")
                .environment("GDRCOPY_ENABLED", "true")
                .environment("GDS_ENABLED", "true")
                .environment("MOFED_ENABLED", "true")
                .environment("CDI_ANNOTATION_PREFIX", "cdi.example.org/")
                .environment("NVIDIA_CTK_PATH", "/opt/old")
                .environment("NVIDIA_CDI_HOOK_PATH", "/opt/hook")
                .environment("SHARED_DEVICES_ALLOCATION_POLICY", "packed")
                .environment("IMEX_CHANNEL_IDS", "0")
                .environment("IMEX_REQUIRED", "true")
                .environment("CDI_FEATURE_FLAGS", "disable-nvsandboxutils")
                .environment("CDI_DISABLE_HOOKS", "all");

        // When
        AgentConfig config = loading.load().config();

        // Then
        assertThat(config.plugin())
                .isEqualTo(new AgentConfig.Plugin(
                        Set.of(AgentConfig.DeviceListStrategy.CDI_CRI, AgentConfig.DeviceListStrategy.VOLUME_MOUNTS),
                        AgentConfig.DeviceIdStrategy.INDEX,
                        false,
                        Path.of("/run/nvidia/driver"),
                        Path.of("/run/nvidia/driver"),
                        "cdi.example.org/",
                        "nvidia.com/gpu",
                        AgentConfig.MigStrategy.MIXED,
                        true,
                        true,
                        true,
                        AgentConfig.AllocationPolicy.PACKED));
        assertThat(config.imex()).isEqualTo(new AgentConfig.Imex(List.of(0), true));
        assertThat(config.cdi().hookPath()).isEqualTo(Path.of("/opt/hook"));
        assertThat(config.cdi().featureFlags()).containsExactly("disable-nvsandboxutils");
        assertThat(config.cdi().disabledHooks()).containsExactly("all");
    }

    @Test
    void anEmptyVariableSaysNothing() throws Exception {
        // Given
        Loading loading = new Loading(directory).environment("DEVICE_LIST_STRATEGY", "");

        // When
        String source = loading.source("flags.plugin.deviceListStrategy");

        // Then
        assertThat(source).isEqualTo("default");
    }

    @Test
    void theExportersVariablesAreUnderstoodInTheirNotation() throws Exception {
        // Given
        Loading loading = new Loading(directory)
                .environment("DCGM_EXPORTER_LISTEN", "127.0.0.1:9401")
                .environment("DCGM_EXPORTER_INTERVAL", "30000")
                .environment("DCGM_EXPORTER_KUBERNETES", "false")
                .environment("DCGM_EXPORTER_DEBUG", "true")
                .environment("DCGM_POD_RESOURCES_KUBELET_SOCKET", "/run/pods.sock")
                .environment("NODE_NAME", "node-c");

        // When
        AgentConfig config = loading.load().config();

        // Then
        assertThat(config.http().listen()).containsExactly("127.0.0.1:9401");
        assertThat(config.sampling().interval()).isEqualTo(Duration.ofSeconds(30));
        assertThat(config.metrics().podAttribution()).isFalse();
        assertThat(config.log().level()).isEqualTo("debug");
        assertThat(config.kubelet().podResourcesSocket()).isEqualTo(Path.of("/run/pods.sock"));
        assertThat(config.host().nodeName()).isEqualTo("node-c");
    }

    @Test
    void theKubeletSocketNamesItsDirectory() throws Exception {
        // Given
        Loading loading = new Loading(directory).environment("KUBELET_SOCKET", "/run/k/kubelet.sock");

        // When
        AgentConfig config = loading.load().config();

        // Then
        assertThat(config.kubelet().socket()).isEqualTo(Path.of("/run/k/kubelet.sock"));
    }

    @Test
    void aKubeletSocketOfAnotherNameIsRefused() {
        // Given
        Loading loading = new Loading(directory).environment("KUBELET_SOCKET", "/run/k/other.sock");

        // When
        List<String> problems = loading.problems();

        // Then
        assertThat(problems)
                .containsExactly(
                        "environment KUBELET_SOCKET: kubelet.devicePluginDirectory: \"/run/k/other.sock\" is not the"
                                + " path of a file kubelet.sock in a directory; write for example"
                                + " /var/lib/kubelet/device-plugins/kubelet.sock");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "all     | ''   | false | false | ''    | ''",
                "xids    | ''   | false | false | ''    | ''",
                "'13, 94'| ''   | true  | false | 13,94 | ''",
                "ALL,13  | 31   | false | false | 13    | 31",
                "''      | all  | true  | true  | ''    | ''",
                "all     | all  | true  | true  | ''    | ''",
                "48      | 13   | true  | false | 48    | 13"
            })
    void theDevicePluginsHealthVariablesKeepTheirMeaning(
            String disable, String enable, boolean xids, boolean every, String ignored, String counted)
            throws Exception {
        // Given
        Loading loading = new Loading(directory)
                .environment("DP_DISABLE_HEALTHCHECKS", disable)
                .environment("DP_ENABLE_HEALTHCHECKS", enable);

        Set<String> checks = disable.toLowerCase(Locale.ROOT).contains("all") ? EVERY_CHECK : Set.of();

        // When
        AgentConfig.Health health = loading.load().config().health();

        // Then
        assertThat(health)
                .isEqualTo(new AgentConfig.Health(
                        xids, every, numbers(ignored), numbers(counted), Duration.ofMinutes(5), checks, true));
    }

    @Test
    void whatIsNoNumberInAHealthVariableIsPassedOverWithANotice() throws Exception {
        // Given
        Loading loading = new Loading(directory).environment("DP_DISABLE_HEALTHCHECKS", "13,bogus");

        // When
        List<String> notices = loading.notices();

        // Then
        assertThat(notices)
                .containsExactly(
                        "environment DP_DISABLE_HEALTHCHECKS: health.ignoredXids: \"bogus\" is not a number and is"
                                + " passed over; write numbers, all or xids, separated by commas");
    }

    @Test
    void aVariableThatIsNearlyOursIsToldAndKubernetesOwnAreNot() throws Exception {
        // Given
        Loading loading = new Loading(directory)
                .environment("GPU_NODE_AGENT_LOG_LEVLE", "debug")
                .environment("GPU_NODE_AGENT_PORT", "tcp://10.0.0.1:9400")
                .environment("GPU_NODE_AGENT_SERVICE_HOST", "10.0.0.1")
                .environment("GPU_NODE_AGENT_PORT_9400_TCP_ADDR", "10.0.0.1");

        // When
        List<String> notices = loading.notices();

        // Then
        assertThat(notices)
                .containsExactly("environment GPU_NODE_AGENT_LOG_LEVLE: is not a setting; did you mean"
                        + " \"GPU_NODE_AGENT_LOG_LEVEL\"?");
    }

    private static Set<Long> numbers(String text) {
        return text.isEmpty()
                ? Set.of()
                : java.util.Arrays.stream(text.split(",", -1))
                        .map(Long::valueOf)
                        .collect(java.util.stream.Collectors.toSet());
    }
}
