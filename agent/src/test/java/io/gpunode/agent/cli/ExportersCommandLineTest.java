package io.gpunode.agent.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.FieldChoice;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The agent started as dcgm-exporter is: with its command line or its environment, and nothing else. */
@Timeout(20)
class ExportersCommandLineTest {
    @TempDir
    private Path directory = Path.of("");

    private final Terminal terminal = new Terminal().environment("NODE_NAME", "node-a");

    private AgentConfig config() {
        return Objects.requireNonNull(terminal.started()).config();
    }

    @Test
    void shortFlagsMeanWhatTheyMeanToTheExporter() throws Exception {
        // Given
        Path counters = Files.writeString(directory.resolve("counters.csv"), "DCGM_FI_DEV_GPU_TEMP, gauge, Heat.\n");

        // When
        ExitCode code = terminal.execute(
                "-f",
                counters.toString(),
                "-k",
                "-c",
                "1000",
                "-a=:9500",
                "-o",
                "-n",
                "-rbmn",
                "-d",
                "g:0-3",
                "-p",
                "f",
                "-s",
                "g",
                "-m",
                "none",
                "-r",
                "localhost:5555",
                "--kubernetes-enable-pod-uid");

        // Then
        assertThat(code).as(terminal.err()).isEqualTo(ExitCode.OK);
        assertThat(config().metrics().fields())
                .containsExactly(new FieldChoice("DCGM_FI_DEV_GPU_TEMP", "gauge", "Heat."));
        assertThat(config().metrics().devices()).hasToString("g:0-3");
        assertThat(config().metrics().labels())
                .isEqualTo(new AgentConfig.MetricLabels(AgentConfig.HostnameLabel.NONE, true, true));
        assertThat(config().sampling().interval()).isEqualTo(Duration.ofSeconds(1));
        assertThat(config().http().listen()).containsExactly(":9500");
        assertThat(config().attribution().podUid()).isTrue();
        assertThat(terminal.err())
                .contains("flag -r: exporter.remote-hostengine-info: has no effect; there is no host engine");
    }

    @ParameterizedTest
    @CsvSource(
            nullValues = "-",
            value = {
                "collectors, f, DCGM_EXPORTER_COLLECTORS, /etc/dcgm-exporter/default-counters.csv",
                "address, a, DCGM_EXPORTER_LISTEN, :9400",
                "collect-interval, c, DCGM_EXPORTER_INTERVAL, 30000",
                "kubernetes, k, DCGM_EXPORTER_KUBERNETES, true",
                "use-old-namespace, o, DCGM_EXPORTER_USE_OLD_NAMESPACE, true",
                "devices, d, DCGM_EXPORTER_DEVICES_STR, f",
                "switch-devices, s, DCGM_EXPORTER_OTHER_DEVICES_STR, f",
                "cpu-devices, p, DCGM_EXPORTER_CPU_DEVICES_STR, f",
                "configmap-data, m, DCGM_EXPORTER_CONFIGMAP_DATA, none",
                "remote-hostengine-info, r, DCGM_REMOTE_HOSTENGINE_INFO, localhost:5555",
                "no-hostname, n, DCGM_EXPORTER_NO_HOSTNAME, true",
                "kubernetes-enable-pod-labels, -, DCGM_EXPORTER_KUBERNETES_ENABLE_POD_LABELS, true",
                "kubernetes-enable-pod-uid, -, DCGM_EXPORTER_KUBERNETES_ENABLE_POD_UID, true",
                "kubernetes-gpu-id-type, -, DCGM_EXPORTER_KUBERNETES_GPU_ID_TYPE, device-name",
                "kubernetes-pod-label-allowlist-regex, -, DCGM_EXPORTER_KUBERNETES_POD_LABEL_ALLOWLIST_REGEX, ^app$",
                "kubernetes-virtual-gpus, -, KUBERNETES_VIRTUAL_GPUS, true",
                "kubernetes-enable-dra, -, KUBERNETES_ENABLE_DRA, true",
                "nvidia-resource-names, -, NVIDIA_RESOURCE_NAMES, nvidia.com/a100",
                "pod-resources-kubelet-socket, -, DCGM_POD_RESOURCES_KUBELET_SOCKET, /var/lib/kubelet/pod-resources/kubelet.sock",
                "hpc-job-mapping-dir, -, DCGM_HPC_JOB_MAPPING_DIR, /run/jobs",
                "fake-gpus, -, DCGM_EXPORTER_USE_FAKE_GPUS, false",
                "web-systemd-socket, -, DCGM_EXPORTER_SYSTEMD_SOCKET, false",
                "replace-blanks-in-model-name, rbmn, DCGM_EXPORTER_REPLACE_BLANKS_IN_MODEL_NAME, true",
                "debug, -, DCGM_EXPORTER_DEBUG, false",
                "log-format, -, DCGM_EXPORTER_LOG_FORMAT, json",
                "enable-dcgm-log, -, DCGM_EXPORTER_ENABLE_DCGM_LOG, true",
                "dcgm-log-level, -, DCGM_EXPORTER_DCGM_LOG_LEVEL, NONE",
                "dump-enabled, -, DCGM_EXPORTER_DUMP_ENABLED, true",
                "dump-directory, -, DCGM_EXPORTER_DUMP_DIRECTORY, /tmp/dumps",
                "dump-retention, -, DCGM_EXPORTER_DUMP_RETENTION, 24",
                "dump-compression, -, DCGM_EXPORTER_DUMP_COMPRESSION, true",
                "disable-startup-validate, -, DISABLE_STARTUP_VALIDATE, true",
                "enable-gpu-bind-unbind-watch, -, DCGM_EXPORTER_ENABLE_GPU_BIND_UNBIND_WATCH, true",
                "gpu-bind-unbind-poll-interval, -, DCGM_EXPORTER_GPU_BIND_UNBIND_POLL_INTERVAL, 1s",
                "enable-pprof, -, DCGM_EXPORTER_ENABLE_PPROF, true",
                "web-read-timeout, -, DCGM_EXPORTER_WEB_READ_TIMEOUT, 10s",
                "web-write-timeout, -, DCGM_EXPORTER_WEB_WRITE_TIMEOUT, 30s",
                "container-labels, -, DCGM_EXPORTER_CONTAINER_LABELS, true",
                "container-runtime-socket, -, DCGM_CONTAINER_RUNTIME_SOCKET, /var/run/docker.sock",
                "max-concurrent-scrapes, -, DCGM_EXPORTER_MAX_CONCURRENT_SCRAPES, 16",
                "enable-exporter-metrics, -, DCGM_EXPORTER_ENABLE_EXPORTER_METRICS, true",
                "watch-max-keep-age, -, DCGM_EXPORTER_WATCH_MAX_KEEP_AGE, 10m",
                "health-require-gpus, -, DCGM_EXPORTER_HEALTH_REQUIRE_GPUS, true",
                "xid-count-window-size, x, DCGM_EXPORTER_XID_COUNT_WINDOW_SIZE, 300000",
                "clock-events-count-window-size, -, DCGM_EXPORTER_CLOCK_EVENTS_COUNT_WINDOW_SIZE, 300000",
                "watch-max-keep-samples, -, DCGM_EXPORTER_WATCH_MAX_KEEP_SAMPLES, 0"
            })
    void everyFlagAndItsVariableAreTaken(String flag, String shortFlag, String variable, String value) {
        // Given
        terminal.environment(variable, value);

        // When
        ExitCode code = shortFlag == null
                ? terminal.execute("--" + flag, value)
                : terminal.execute("-" + shortFlag + "=" + value, "--log-level=error");

        // Then
        assertThat(code).as(terminal.err()).isEqualTo(ExitCode.OK);
    }

    @Test
    void theVersionIsTold() {
        // When
        ExitCode code = terminal.execute("--version");

        // Then
        assertThat(code).isEqualTo(ExitCode.OK);
        assertThat(terminal.out()).startsWith("gpu-node-agent ");
    }
}
