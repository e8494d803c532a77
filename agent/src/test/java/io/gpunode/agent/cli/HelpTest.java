package io.gpunode.agent.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.testing.Golden;
import java.util.List;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(30)
class HelpTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "run",
                "simulate",
                "status",
                "gpus",
                "labels",
                "preflight",
                "doctor",
                "config",
                "config check",
                "config show",
                "config systemd",
                "config example",
                "mig",
                "mig plan",
                "mig apply",
                "mig restore",
                "mig assert",
                "mig export",
                "mig generate-config",
                "mig checkpoint",
                "driver",
                "driver status",
                "driver holders",
                "driver plan",
                "driver load",
                "driver unload",
                "driver upgrade",
                "driver rollback",
                "driver install",
                "driver build",
                "driver bundle",
                "driver prune",
                "persistenced",
                "persistenced status",
                "persistenced start",
                "persistenced stop",
                "node",
                "node drain",
                "node uncordon",
                "node status",
                "version",
                "generate-completion"
            })
    void everyCommandExplainsItselfWithin80Columns(String command) {
        // Given
        Terminal terminal = new Terminal();
        List<String> words = new java.util.ArrayList<>(command.isEmpty() ? List.of() : List.of(command.split(" ", -1)));
        words.add("--help");

        // When
        ExitCode code = terminal.execute(words.toArray(new String[0]));

        // Then
        assertThat(code).isEqualTo(ExitCode.OK);
        assertThat(terminal.out().lines())
                .allSatisfy(line -> assertThat(line.length()).isLessThanOrEqualTo(80));
        Golden.check(
                "help/" + (command.isEmpty() ? "gpu-node-agent" : command.replace(' ', '-')) + ".txt", terminal.out());
    }
}
