package io.gpunode.agent.mig;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.Problem;
import io.gpunode.agent.config.Report;
import io.gpunode.agent.mig.HooksFile.Hook;
import io.gpunode.agent.mig.HooksFile.Point;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(10)
class HooksFileTest {
    private final Report report = new Report(true);

    @Test
    void everyPointAndKeyIsRead() {
        // When
        Optional<HooksFile> file = HooksFile.read("hooks.yaml", """
                version: v1
                hooks:
                    apply-start:
                    - workdir: "/etc/nvidia-mig-manager"
                      command: "/bin/bash"
                      args: ["-x", "-c", "source hooks.sh; apply-start ${MIG_PARTED_SELECTED_CONFIG}"]
                      envs: {MODE: "on", COUNT: "7"}
                    pre-apply-mode: []
                    pre-apply-config:
                    apply-exit:
                    - command: first
                    - {command: second, args: , envs: , workdir: }
                """, report);

        // Then
        assertThat(report.problems()).isEmpty();
        assertThat(file)
                .contains(new HooksFile(Map.of(
                        Point.APPLY_START,
                        List.of(new Hook(
                                "/bin/bash",
                                List.of("-x", "-c", "source hooks.sh; apply-start ${MIG_PARTED_SELECTED_CONFIG}"),
                                Map.of("MODE", "on", "COUNT", "7"),
                                "/etc/nvidia-mig-manager")),
                        Point.APPLY_EXIT,
                        List.of(
                                new Hook("first", List.of(), Map.of(), ""),
                                new Hook("second", List.of(), Map.of(), "")))));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            # a comment                                                             | :1:1: the file is empty
            hooks: {}                                                               | :1:1: version: is missing
            {version: v2, hooks: {}}                                                | :1:11: version: "v2" is not a version
            {version: v1}                                                           | :1:1: hooks: is missing
            {version: v1, hooks: []}                                                | :1:22: hooks: an empty list stands where keys are expected
            {version: v1, hooks: {}, more: 1}                                       | :1:26: more: unknown key
            {version: v1, hooks: {apply-stop: []}}                                  | :1:23: hooks.apply-stop: unknown key; did you mean "apply-start"?
            {version: v1, hooks: {apply-exit: x}}                                   | :1:35: hooks.apply-exit: "x" is not a list
            {version: v1, hooks: {apply-exit: [x]}}                                 | :1:36: hooks.apply-exit: "x" stands where keys are expected
            {version: v1, hooks: {apply-exit: [{args: [x]}]}}                       | :1:36: hooks.apply-exit.command: names no program
            {version: v1, hooks: {apply-exit: [{command: x, Args: [x]}]}}           | hooks.apply-exit.Args: unknown key; did you mean "args"?
            {version: v1, hooks: {apply-exit: [{command: x, args: [7]}]}}           | hooks.apply-exit.args: "7" is not a string; write it in quotation marks
            {version: v1, hooks: {apply-exit: [{command: x, args: x}]}}             | hooks.apply-exit.args: "x" is not a list
            {version: v1, hooks: {apply-exit: [{command: x, envs: [A=b]}]}}         | hooks.apply-exit.envs: a list stands where variables are expected
            {version: v1, hooks: {apply-exit: [{command: x, envs: {A: true}}]}}     | hooks.apply-exit.envs: "true" is not a string
            {version: v1, hooks: {apply-exit: [{command: x, envs: {A=B: c}}]}}      | hooks.apply-exit.envs: "A=B" is not the name of a variable
            {version: v1, hooks: {apply-exit: [{command: x, workdir: "a\\0"}]}}     | hooks.apply-exit.workdir: "a?" has a zero byte
            """)
    void aWrongFileIsRefusedWithItsPlace(String text, String problem) {
        // When
        Optional<HooksFile> file = HooksFile.read("hooks.yaml", text, report);

        // Then
        assertThat(file).isEmpty();
        assertThat(report.problems())
                .singleElement()
                .extracting(Problem::toString)
                .asString()
                .startsWith("hooks.yaml:1:")
                .contains(problem);
    }
}
