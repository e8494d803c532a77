package io.gpunode.agent.metrics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.gpunode.agent.config.ConfigLoader;
import io.gpunode.agent.config.FieldChoice;
import io.gpunode.agent.config.FieldRules.Gravity;
import io.gpunode.agent.config.FieldRules.Remark;
import io.gpunode.agent.config.LoadedConfig;
import io.gpunode.agent.config.Problem;
import io.gpunode.agent.testing.Snapshots;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(10)
class FieldChoicesTest {
    private static FieldChoice choice(String name, String type) {
        return new FieldChoice(name, type, "Help of the user.");
    }

    private static LoadedConfig load(String file) throws Exception {
        return new ConfigLoader(
                        Map.of(
                                "DCGM_EXPORTER_COLLECTORS",
                                Path.of("src", "test", "resources", "fieldfiles", file)
                                        .toAbsolutePath()
                                        .toString()),
                        () -> "node-a",
                        Path.of("/nonexistent/config.yaml"),
                        FieldChoices::judge)
                .load(List.of(), Optional.empty());
    }

    @ParameterizedTest
    @CsvSource({
        "DCGM_FI_DEV_GPU_TEMP, DCGM_FI_DEV_GPU_TEMP",
        "DCGM_FI_DEV_GPU_TEMP_CELSIUS, DCGM_FI_DEV_GPU_TEMP_CELSIUS",
        "dcgm_gpu_temp, dcgm_gpu_temp",
        "150, DCGM_FI_DEV_GPU_TEMP"
    })
    void aFieldIsShownUnderTheNameThatTheUserWroteAndWithItsHelpText(String written, String shown) {
        // When
        List<ChosenField> rows = FieldChoices.rows(List.of(choice(written, "gauge")));

        // Then
        assertThat(rows)
                .containsExactly(new ChosenField(
                        shown,
                        FieldCatalogue.find("DCGM_FI_DEV_GPU_TEMP").orElseThrow(),
                        MetricType.GAUGE,
                        "Help of the user."));
    }

    @ParameterizedTest
    @CsvSource(
            nullValues = "none",
            value = {
                // A gauge may be called for anywhere; a value that can fall is no counter, and what is written
                // otherwise is put right.
                "DCGM_FI_DEV_PCIE_REPLAY_COUNTER, counter, COUNTER, none",
                "DCGM_FI_DEV_PCIE_REPLAY_COUNTER, gauge, GAUGE, none",
                "DCGM_FI_DEV_GPU_TEMP, untyped, GAUGE, none",
                "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL, counter, GAUGE, is no counter: its value can fall",
                "DCGM_FI_DEV_GPU_TEMP, histogram, GAUGE, is no histogram: it is one number",
                "DCGM_FI_DEV_GPU_TEMP, label, GAUGE, is no label: its value is a number that changes",
                "DCGM_FI_DRIVER_VERSION, label, none, none",
                "DCGM_FI_DRIVER_VERSION, gauge, none, is no gauge: its value is a text"
            })
    void aTypeStaysAsTheUserWroteItUnlessItIsWrong(String name, String asked, MetricType shown, String remark) {
        // When
        Optional<Remark> said = FieldChoices.judge(choice(name, asked));

        // Then
        assertThat(FieldChoices.rows(List.of(choice(name, asked))).getFirst().type())
                .isEqualTo(shown);
        assertThat(said.map(Remark::gravity).orElse(Gravity.SHOWN)).isEqualTo(Gravity.SHOWN);
        assertThat(said.map(Remark::what).orElse(null)).isEqualTo(remark == null ? null : "\"" + name + "\" " + remark);
    }

    @Test
    void aFieldThatDoesNotExistIsToldWithTheNearestOne() {
        // When
        Optional<Remark> said = FieldChoices.judge(choice("DCGM_FI_DEV_GPU_TMP", "gauge"));

        // Then
        assertThat(said)
                .contains(new Remark(
                        Gravity.UNKNOWN,
                        "\"DCGM_FI_DEV_GPU_TMP\" is not a field of this version",
                        "did you mean \"DCGM_FI_DEV_GPU_TEMP\"?"));
    }

    @Test
    void rowsOfAFieldThatDoesNotExistAreRefused() {
        // When / Then
        assertThatThrownBy(() -> FieldChoices.rows(List.of(choice("power", ""))))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("unknown field \"power\"");
    }

    @Test
    void aDefaultCountersFileIsShownAsItIsWritten() throws Exception {
        // Given
        LoadedConfig loaded = load("default-counters.csv");

        // When
        String page = Pages.of(Snapshots.t4().sample(0, Pages.numbers(0)).build())
                .choices(loaded.config().metrics().fields())
                .render();

        // Then
        assertThat(loaded.config().metrics().fields()).hasSize(21);
        assertThat(loaded.notices().stream().map(Problem::what))
                .containsExactly("\"DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL\" is no counter: its value can fall");
        assertThat(page)
                .contains("# HELP DCGM_FI_DEV_GPU_TEMP Heat of the chip (in C).\n# TYPE DCGM_FI_DEV_GPU_TEMP gauge\n")
                .contains("# HELP DCGM_FI_DEV_FB_FREE Free memory, in MiB.\n")
                .contains("DCGM_FI_DRIVER_VERSION=\"")
                .doesNotContain("DCGM_FI_PROF_");
    }

    @Test
    void aFileWithProfilingAndTheExportersOwnMetricsIsTaken() throws Exception {
        // When
        LoadedConfig loaded = load("dcp-metrics-included.csv");

        // Then
        assertThat(loaded.config().metrics().fields()).hasSize(9);
        assertThat(loaded.notices().stream().map(Problem::what))
                .containsExactly("\"DCGM_EXP_XID_ERRORS_COUNT\" is no counter: its value can fall");
    }

    @Test
    void namesOf1AreShownInLowerCase() throws Exception {
        // Given
        LoadedConfig loaded = load("1.x-compatibility-metrics.csv");

        // When
        String page = Pages.of(Snapshots.t4().sample(0, Pages.numbers(0)).build())
                .choices(loaded.config().metrics().fields())
                .render();

        // Then
        assertThat(loaded.config().metrics().fields()).hasSize(8);
        assertThat(loaded.notices().stream().map(Problem::what))
                .containsExactlyInAnyOrder(
                        "\"dcgm_fi_prof_pcie_tx_bytes\" is listed twice, first at "
                                + Path.of("src", "test", "resources", "fieldfiles", "1.x-compatibility-metrics.csv")
                                        .toAbsolutePath()
                                + ":5:1",
                        "\"dcgm_fi_prof_pcie_tx_bytes\" is no counter: its value can fall",
                        "\"dcgm_nvlink_bandwidth_total\" is no counter: its value can fall");
        assertThat(page)
                .contains("# TYPE dcgm_gpu_temp gauge\ndcgm_gpu_temp{gpu=\"0\"")
                .doesNotContain("DCGM_FI_DEV");
    }
}
