package io.gpunode.agent.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(10)
class RunArgumentsTest {
    @Test
    void flagsAreReadInBothNotationsAndByTheirOtherNames() {
        // When
        RunArguments parsed = RunArguments.parse(
                List.of(
                        "--driver-root",
                        "/run/nvidia/driver",
                        "--address=:9500",
                        "--config-file",
                        "/etc/c.yaml",
                        "--verbose"),
                List.of());

        // Then
        assertThat(texts(parsed))
                .containsExactly(
                        "flags.nvidiaDriverRoot --driver-root /run/nvidia/driver", "http.listen --address :9500");
        assertThat(parsed.file()).contains("/etc/c.yaml");
        assertThat(parsed.verbose()).isTrue();
        assertThat(parsed.problems()).isEmpty();
    }

    @Test
    void aSwitchMayStandAlone() {
        // When
        RunArguments parsed = RunArguments.parse(
                List.of("--pass-device-specs", "--health-xids", "false", "--metrics-pod-attribution=false", "--debug"),
                List.of());

        // Then
        assertThat(texts(parsed))
                .containsExactly(
                        "flags.plugin.passDeviceSpecs --pass-device-specs true",
                        "health.xids --health-xids false",
                        "metrics.podAttribution --metrics-pod-attribution false",
                        "log.level --debug true");
    }

    @Test
    void aRepeatedListFlagAdds() {
        // When
        RunArguments parsed = RunArguments.parse(
                List.of("--device-list-strategy", "envvar", "--device-list-strategy=cdi-cri"), List.of());

        // Then
        assertThat(texts(parsed))
                .containsExactly("flags.plugin.deviceListStrategy --device-list-strategy envvar,cdi-cri");
    }

    @Test
    void everythingThatIsWrongIsToldAtOnce() {
        // When
        RunArguments parsed = RunArguments.parse(
                List.of(
                        "--samplng-interval=5s",
                        "extra",
                        "--log-level",
                        "info",
                        "--log-level",
                        "warn",
                        "-f",
                        "/a.csv",
                        "--metrics-fields-file",
                        "/b.csv",
                        "--frobnicate",
                        "--nod-name"),
                List.of());

        // Then
        assertThat(parsed.problems())
                .containsExactly(
                        "unknown flag --samplng-interval; did you mean --sampling-interval?",
                        "unexpected argument \"extra\"; settings are written as --flag value",
                        "--log-level is given twice; keep one of the two",
                        "--metrics-fields-file is given twice, first as -f; keep one of the two",
                        "unknown flag --frobnicate; all flags are listed by --help",
                        "unknown flag --nod-name; did you mean --node-name?");
    }

    @Test
    void aFlagWithoutItsValueIsTold() {
        // When
        RunArguments parsed = RunArguments.parse(List.of("--http-listen", "--log-level"), List.of());

        // Then
        assertThat(parsed.problems())
                .containsExactly(
                        "--http-listen needs a value; write --http-listen VALUE",
                        "--log-level needs a value; write --log-level VALUE");
    }

    @Test
    void aCommandMayHaveFlagsOfItsOwn() {
        // When
        RunArguments parsed = RunArguments.parse(List.of("--profile", "8xh100"), List.of("profile"));

        // Then
        assertThat(parsed.extras()).isEqualTo(Map.of("profile", "8xh100"));
    }

    private static List<String> texts(RunArguments parsed) {
        return parsed.flags().stream()
                .map(flag -> flag.setting() + " --" + flag.flag().name() + " " + flag.text())
                .toList();
    }
}
