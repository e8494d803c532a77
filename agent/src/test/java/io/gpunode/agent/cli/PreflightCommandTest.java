package io.gpunode.agent.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.doctor.Diagnosis;
import io.gpunode.agent.doctor.Diagnosis.Level;
import io.gpunode.agent.doctor.Preflight.Outcome;
import io.gpunode.agent.json.JsonValue;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class PreflightCommandTest {
    private static final List<Outcome> OUTCOMES = List.of(
            new Outcome(
                    "kernel",
                    Level.OK,
                    "Linux 4.18 or newer",
                    List.of(new Diagnosis("kernel", Level.OK, "Linux 6.1.0", List.of()))),
            new Outcome(
                    "systemd",
                    Level.NOTE,
                    "systemd 254 or newer",
                    List.of(new Diagnosis("systemd", Level.NOTE, "systemd 252", List.of("upgrade it")))),
            new Outcome(
                    "ports",
                    Level.PROBLEM,
                    "free: :9400",
                    List.of(new Diagnosis(
                            "ports",
                            Level.PROBLEM,
                            "port 9400 is held by x (process 7)",
                            List.of("stop it", "or not")))));

    @Test
    void saysOfEachCheckWhatWasFoundWantedAndIsToBeDone() {
        // When
        String text = PreflightCommand.text(OUTCOMES);

        // Then
        assertThat(text).isEqualTo("""
                ok      kernel: Linux 6.1.0
                note    systemd
                        found:  systemd 252
                        remedy: upgrade it
                        wanted: systemd 254 or newer
                PROBLEM ports
                        found:  port 9400 is held by x (process 7)
                        remedy: stop it
                                or not
                        wanted: free: :9400

                2 of 3 checks passed; begin with ports
                """);
    }

    @Test
    void saysTheSameToPrograms() throws Exception {
        // When
        JsonValue json = JsonValue.parse(PreflightCommand.json(OUTCOMES));

        // Then
        assertThat(json.member("passed").textOr("")).isEqualTo("2");
        assertThat(json.member("of").textOr("")).isEqualTo("3");
        JsonValue last = json.member("checks").elements().getLast();
        assertThat(last.member("level").textOr("")).isEqualTo("problem");
        assertThat(last.member("found").elements().getFirst().member("remedy").elements())
                .hasSize(2);
    }

    @Test
    void endsWithFailureOnAMachineThatIsNoGpuNode() {
        // Given
        Terminal terminal = new Terminal().environment("GPU_NODE_AGENT_HOST_ROOT", "/nonexistent");

        // When
        ExitCode code = terminal.execute("preflight");

        // Then
        assertThat(code).isEqualTo(ExitCode.FAILURE);
        assertThat(terminal.out())
                .contains("there is no NVIDIA GPU on the PCI bus")
                .contains("checks passed; begin with");
    }
}
