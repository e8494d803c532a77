package io.gpunode.agent.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(10)
class ChosenFieldsTest {
    private static final FieldChoice HEAT = new FieldChoice("DCGM_FI_DEV_GPU_TEMP", "gauge", "Heat.");

    @TempDir
    private Path directory = Path.of("");

    private Path counters = Path.of("");

    @BeforeEach
    void name() {
        counters = directory.resolve("counters.csv");
    }

    private Loading with(String text) throws IOException {
        Files.writeString(counters, text);
        return new Loading(directory).flag("collectors", counters.toString());
    }

    private static ConfigMapSource map(String text) {
        return name -> name.equals("gpu:fields")
                ? new ConfigMapSource.Answer.Text(text)
                : new ConfigMapSource.Answer.Unknown("it is another one");
    }

    @Test
    void aFieldFileSaysWhatIsShown() throws Exception {
        // Given
        Loading loading = with("DCGM_FI_DEV_GPU_TEMP, gauge, Heat.\n");

        // When
        LoadedConfig loaded = loading.load();

        // Then
        assertThat(loaded.config().metrics().fields()).containsExactly(HEAT);
        assertThat(loaded.stamps().stamps()).containsKey(counters);
        assertThat(loading.source("metrics.fields")).isEqualTo("file counters.csv");
    }

    @Test
    void problemsOfRowsAndOfFieldsAreToldAtOnce() throws Exception {
        // Given
        Loading loading = with("DCGM_FI_DEV_GPU_TMP, gauge, Heat.\nDCGM_FI_DEV_POWER_USAGE, gage, Power.\n")
                .flag("metrics-devices", "h");

        // When
        List<String> problems = loading.problems();

        // Then
        assertThat(problems)
                .containsExactly(
                        "flag --metrics-devices: metrics.devices: \"h\": \"h\" is none of f, g and i; write f, g, i, or numbers"
                                + " such as g:0,2-4 or g:0+i:1",
                        "counters.csv:2:26: \"gage\" is not a type; did you mean \"gauge\"?",
                        "counters.csv:1:1: \"DCGM_FI_DEV_GPU_TMP\" is not a field of this version; remove it");
    }

    @Test
    void aFieldThatNvmlCannotGiveIsRefusedWithTheSwitchThatLeavesItOut() throws Exception {
        // Given
        Loading loading = with("DCGM_FI_DEV_NVSWITCH_POWER, gauge, Power.\nDCGM_FI_DEV_GPU_TEMP, gauge, Heat.\n");

        // When
        List<String> problems = loading.problems();

        // Then
        assertThat(problems)
                .containsExactly(
                        "counters.csv:1:1: \"DCGM_FI_DEV_NVSWITCH_POWER\" cannot be shown: NVML knows no switch;"
                                + " remove it, or set metrics.leaveOutUnavailable to true to leave such fields out");
    }

    @Test
    void aFieldThatNvmlCannotGiveIsLeftOutWithANoticeWhereThatIsWanted() throws Exception {
        // Given
        Loading loading = with("DCGM_FI_DEV_NVSWITCH_POWER, gauge, Power.\nDCGM_FI_DEV_GPU_TEMP, gauge, Heat.\n")
                .environment("GPU_NODE_AGENT_METRICS_LEAVE_OUT_UNAVAILABLE", "true");

        // When
        LoadedConfig loaded = loading.load();

        // Then
        assertThat(loaded.config().metrics().fields()).containsExactly(HEAT);
        assertThat(loading.notices())
                .containsExactly(
                        "counters.csv:1:1: \"DCGM_FI_DEV_NVSWITCH_POWER\" cannot be shown: NVML knows no switch;"
                                + " it is left out");
    }

    @Test
    void aFieldThatIsShownInAnotherWayIsTold() throws Exception {
        // Given
        Loading loading = with("DCGM_FI_DEV_GPU_TEMP, label, Heat.\n");

        // When
        List<String> notices = loading.notices();

        // Then
        assertThat(notices)
                .containsExactly("counters.csv:1:1: \"DCGM_FI_DEV_GPU_TEMP\" is no label; it is shown as gauge");
    }

    @Test
    void aFileThatTheExporterBringsAlongNeedNotBeThere() throws Exception {
        // Given
        Loading loading = new Loading(directory)
                .environment("DCGM_EXPORTER_COLLECTORS", "/etc/dcgm-exporter/1.x-compatibility-metrics.csv");

        // When
        LoadedConfig loaded = loading.load();

        // Then
        assertThat(loaded.config().metrics().fields())
                .hasSize(20)
                .contains(FieldChoice.named("dcgm_gpu_temp"), FieldChoice.named("dcgm_fi_prof_pcie_tx_bytes"));
        assertThat(loading.notices())
                .containsExactly("environment DCGM_EXPORTER_COLLECTORS: metrics.fieldsFile:"
                        + " \"/etc/dcgm-exporter/1.x-compatibility-metrics.csv\" is not there; the fields that dcgm-exporter's"
                        + " file of this name has are shown");
    }

    @Test
    void anyOtherFileThatIsMissingIsAProblem() {
        // Given
        Loading loading = new Loading(directory).flag("-f", counters.toString());

        // When
        List<String> problems = loading.problems();

        // Then
        assertThat(problems)
                .containsExactly("counters.csv: cannot be read: it does not exist; name a file that can be read");
    }

    @Test
    void aFileOfTheCommandLineWinsOverTheFieldsOfTheConfiguration() throws Exception {
        // Given
        Loading loading =
                with("DCGM_FI_DEV_GPU_TEMP, gauge, Heat.\n").file("metrics: {fields: [DCGM_FI_DEV_POWER_USAGE]}");

        // When
        List<FieldChoice> fields = loading.load().config().metrics().fields();

        // Then
        assertThat(fields).containsExactly(HEAT);
    }

    @Test
    void fieldsOfTheCommandLineWinOverAFileOfTheEnvironment() throws Exception {
        // Given: the file is not even read
        Loading loading = new Loading(directory)
                .environment("DCGM_EXPORTER_COLLECTORS", "/nowhere.csv")
                .flag("metrics-fields", "DCGM_FI_DEV_POWER_USAGE");

        // When
        List<FieldChoice> fields = loading.load().config().metrics().fields();

        // Then
        assertThat(fields).containsExactly(FieldChoice.named("DCGM_FI_DEV_POWER_USAGE"));
    }

    @Test
    void fieldsAndAFileAtOnePlaceAreAProblem() {
        // Given
        Loading loading =
                new Loading(directory).file("metrics:\n  fields: [DCGM_FI_DEV_POWER_USAGE]\n  fieldsFile: /x.csv\n");

        // When
        List<String> problems = loading.problems();

        // Then
        assertThat(problems)
                .containsExactly(
                        "config.yaml:3:15: metrics.fieldsFile: is set beside metrics.fields (config.yaml:2:11); keep"
                                + " one of the two");
    }

    @Test
    void aListInTheFileMaySayTypeAndHelpText() throws Exception {
        // Given
        Loading loading = new Loading(directory).file("""
                metrics:
                  fields:
                    - {name: DCGM_FI_DEV_GPU_TEMP, prometheusType: gauge, help: Heat.}
                    - DCGM_FI_DEV_POWER_USAGE
                """);

        // When
        List<FieldChoice> fields = loading.load().config().metrics().fields();

        // Then
        assertThat(fields).containsExactly(HEAT, FieldChoice.named("DCGM_FI_DEV_POWER_USAGE"));
    }

    @Test
    void aConfigMapWinsOverTheFileThatTheSameManifestNames() throws Exception {
        // Given
        Loading loading = with("DCGM_FI_DEV_POWER_USAGE, gauge, Power.\n")
                .flag("-m", "gpu:fields")
                .configMaps(map("DCGM_FI_DEV_GPU_TEMP, gauge, Heat.\n"));

        // When
        List<FieldChoice> fields = loading.load().config().metrics().fields();

        // Then
        assertThat(fields).containsExactly(HEAT);
    }

    @Test
    void aConfigMapThatHasNotBeenReadLeavesTheFileAndIsTold() throws Exception {
        // Given
        Loading loading = with("DCGM_FI_DEV_GPU_TEMP, gauge, Heat.\n").flag("configmap-data", "gpu:fields");

        // When
        LoadedConfig loaded = loading.load();

        // Then
        assertThat(loaded.config().metrics().fields()).containsExactly(HEAT);
        assertThat(loading.notices())
                .containsExactly(
                        "flag --configmap-data: metrics.configMap: the ConfigMap \"gpu:fields\" has not been read: the"
                                + " API server has not been asked yet; until it has, /metrics shows what the field file or the default"
                                + " says");
    }

    @Test
    void aConfigMapOfTheEnvironmentWinsOverAFileOfTheCommandLine() throws Exception {
        // Given
        Loading loading = with("DCGM_FI_DEV_POWER_USAGE, gauge, Power.\n")
                .environment("DCGM_EXPORTER_CONFIGMAP_DATA", "gpu:fields")
                .configMaps(map("DCGM_FI_DEV_GPU_TEMP, gauge, Heat.\n"));

        // When
        List<FieldChoice> fields = loading.load().config().metrics().fields();

        // Then
        assertThat(fields).containsExactly(HEAT);
    }

    @Test
    void fieldsOfTheCommandLineWinOverAConfigMapOfTheEnvironment() throws Exception {
        // Given
        Loading loading = new Loading(directory)
                .flag("metrics-fields", "DCGM_FI_DEV_POWER_USAGE")
                .environment("DCGM_EXPORTER_CONFIGMAP_DATA", "gpu:fields")
                .configMaps(map("DCGM_FI_DEV_GPU_TEMP, gauge, Heat.\n"));

        // When
        List<FieldChoice> fields = loading.load().config().metrics().fields();

        // Then
        assertThat(fields).containsExactly(FieldChoice.named("DCGM_FI_DEV_POWER_USAGE"));
    }

    @Test
    void aRowOfAConfigMapThatIsWrongIsLeftOutAndToldWithItsLine() throws Exception {
        // Given
        Loading loading = new Loading(directory)
                .environment("DCGM_EXPORTER_CONFIGMAP_DATA", "gpu:fields")
                .configMaps(map("DCGM_FI_DEV_GPU_TEMP, gauge, Heat.\nDCGM_FI_DEV_GPU_TMP, gauge, Heat.\n"));

        // When
        LoadedConfig loaded = loading.load();

        // Then
        assertThat(loaded.config().metrics().fields()).containsExactly(HEAT);
        assertThat(loading.notices())
                .containsExactly(
                        "ConfigMap gpu:fields:2:1: \"DCGM_FI_DEV_GPU_TMP\" is not a field of this version; remove it;"
                                + " until then the row is left out");
    }

    @Test
    void aConfigMapWithoutARowThatCanBeUsedLeavesTheFile() throws Exception {
        // Given
        Loading loading = with("DCGM_FI_DEV_GPU_TEMP, gauge, Heat.\n")
                .flag("-m", "gpu:fields")
                .configMaps(map("DCGM_FI_DEV_GPU_TMP, gauge, Heat.\n"));

        // When
        LoadedConfig loaded = loading.load();

        // Then
        assertThat(loaded.config().metrics().fields()).containsExactly(HEAT);
        assertThat(loading.notices())
                .containsExactly(
                        "ConfigMap gpu:fields:1:1: \"DCGM_FI_DEV_GPU_TMP\" is not a field of this version; remove it;"
                                + " until then the ConfigMap does not count");
    }

    @Test
    void noneIsNoConfigMap() throws Exception {
        // Given
        Loading loading = new Loading(directory).environment("DCGM_EXPORTER_CONFIGMAP_DATA", "none");

        // When
        List<String> notices = loading.notices();

        // Then
        assertThat(notices).isEmpty();
    }
}
