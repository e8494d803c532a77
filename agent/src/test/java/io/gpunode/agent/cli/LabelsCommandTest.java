package io.gpunode.agent.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.nvml.simulator.NvmlSimulator;
import io.gpunode.nvml.simulator.SimulatedNodeFiles;
import io.gpunode.nvml.simulator.SimulatedProfile;
import java.net.ServerSocket;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(30)
class LabelsCommandTest {
    private static final String STATE = """
            {"node": "node-a", "labels": {"sink": "file", "state": "current",
             "labels": {"nvidia.com/gpu.count": "8", "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3",
                        "nvidia.com/gpu.sharing-strategy": ""}}}
            """;

    @TempDir
    private Path root = Path.of("");

    private @Nullable NvmlSimulator simulator;

    @AfterEach
    void refereesVerdict() {
        if (simulator != null) {
            simulator.close();
        }
    }

    private static Terminal asked(String state, String... more) throws Exception {
        Terminal terminal = new Terminal();
        try (FakeAgent agent = FakeAgent.ofState(state)) {
            String[] arguments = new String[more.length + 3];
            arguments[0] = "labels";
            arguments[1] = "--address";
            arguments[2] = agent.address();
            System.arraycopy(more, 0, arguments, 3, more.length);
            terminal.execute(arguments);
        }
        return terminal;
    }

    /** Without an agent: on a node that is simulated, at an address where nobody listens. */
    private Terminal alone(String profile) throws Exception {
        SimulatedProfile node = SimulatedProfile.named(profile);
        SimulatedNodeFiles.create(root, node);
        simulator = NvmlSimulator.install(root, node);
        return new Terminal()
                .environment("GPU_NODE_AGENT_HTTP_LISTEN", nobody())
                .environment("GPU_NODE_AGENT_HOST_ROOT", root.toString())
                .environment("NODE_NAME", "node-b")
                .environment("GFD_NO_TIMESTAMP", "true");
    }

    private static String nobody() throws Exception {
        try (ServerSocket socket = new ServerSocket(0)) {
            return "127.0.0.1:" + socket.getLocalPort();
        }
    }

    // --- with an agent

    @Test
    void theAgentsLabelsAreLinesOfAFeatureFile() throws Exception {
        // When
        Terminal terminal = asked(STATE);

        // Then
        assertThat(terminal.out()).isEqualTo("""
                nvidia.com/gpu.count=8
                nvidia.com/gpu.product=NVIDIA-H100-80GB-HBM3
                nvidia.com/gpu.sharing-strategy=
                """);
    }

    @Test
    void forProgramsTheyAreAnObject() throws Exception {
        // When
        Terminal terminal = asked(STATE, "--output", "json");

        // Then
        assertThat(terminal.out()).isEqualTo("""
                {
                  "nvidia.com/gpu.count": "8",
                  "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3",
                  "nvidia.com/gpu.sharing-strategy": ""
                }
                """);
    }

    @Test
    void forKubectlTheyAreTheCommandThatSetsThem() throws Exception {
        // When
        Terminal terminal = asked(STATE, "-o", "kubectl");

        // Then
        assertThat(terminal.out()).isEqualTo("""
                kubectl label node node-a --overwrite \\
                  nvidia.com/gpu.count=8 \\
                  nvidia.com/gpu.product=NVIDIA-H100-80GB-HBM3 \\
                  nvidia.com/gpu.sharing-strategy=
                """);
    }

    @ParameterizedTest
    @ValueSource(strings = {"features", "kubectl"})
    void whatAPersonMayHaveSetSinceIsNotOverwritten(String format) throws Exception {
        // When
        Terminal terminal = asked(
                "{\"node\": \"node-a\", \"labels\": {\"labels\": {\"nvidia.com/gpu.deploy.device-plugin\": \"true\","
                        + " \"nvidia.com/gpu.present\": \"true\"}}}",
                "--output",
                format);

        // Then
        assertThat(terminal.out()).contains("nvidia.com/gpu.present=true").doesNotContain("gpu.deploy");
    }

    @Test
    void anAgentThatHasNotSeenItsGpusIsNotReady() throws Exception {
        // Given
        Terminal terminal = new Terminal();
        try (FakeAgent agent = FakeAgent.ofState(
                "{\"labels\": {\"state\": \"waiting\", \"reason\": \"the GPUs are not known yet\", \"labels\": {}}}")) {
            // When
            ExitCode code = terminal.execute("labels", "--address", agent.address());

            // Then
            assertThat(code).isEqualTo(ExitCode.NOT_READY);
            assertThat(terminal.err())
                    .isEqualTo("gpu-node-agent: there are no labels yet: the GPUs are not known yet\n");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"8; reboot", "$(reboot)", "8\\nnvidia.com/x=1", "a b", "'"})
    void whatIsNoLabelIsNotHandedToAShell(String value) throws Exception {
        // When
        Terminal terminal = asked("{\"labels\": {\"labels\": {\"nvidia.com/gpu.count\": \"" + value + "\"}}}");

        // Then
        assertThat(terminal.out()).isEmpty();
        assertThat(terminal.err()).contains("is not a label").hasLineCount(1);
    }

    @Test
    void anAgentThatIsNamedAndDoesNotAnswerIsTold() throws Exception {
        // Given
        Terminal terminal = new Terminal();

        // When
        ExitCode code = terminal.execute("labels", "--address", nobody());

        // Then
        assertThat(code).isEqualTo(ExitCode.UNREACHABLE);
        assertThat(terminal.out()).isEmpty();
    }

    @Test
    void anOlderAgentIsTold() throws Exception {
        // When
        Terminal terminal = asked("{\"node\": \"node-a\"}");

        // Then
        assertThat(terminal.err()).contains("knows nothing of labels");
    }

    // --- without an agent

    @Test
    void withoutAnAgentTheNodeIsLookedAt() throws Exception {
        // Given
        Terminal terminal = alone("8xh100");

        // When
        ExitCode code = terminal.execute("labels");

        // Then
        assertThat(code).isEqualTo(ExitCode.OK);
        assertThat(terminal.out()).contains("nvidia.com/gpu.count=8\n").contains("nvidia.com/gpu.family=hopper\n");
        assertThat(terminal.err()).isEmpty();
    }

    @Test
    void withoutAnAgentWhatAPersonMayHaveSetIsNotOverwritten() throws Exception {
        // Given
        Terminal terminal = alone("8xh100").environment("GPU_NODE_AGENT_LABELS_OPERATOR_LABELS", "true");

        // When
        terminal.execute("labels", "--output=kubectl");

        // Then
        assertThat(terminal.out()).contains("nvidia.com/gpu.present=true").doesNotContain("gpu.deploy");
    }

    @Test
    void withoutAnAgentKubectlIsToldTheConfiguredNode() throws Exception {
        // Given
        Terminal terminal = alone("1xt4");

        // When
        terminal.execute("labels", "--output=kubectl");

        // Then
        assertThat(terminal.out()).startsWith("kubectl label node node-b --overwrite \\\n  nvidia.com/");
    }

    @Test
    void withoutADriverTheLabelsAreThoseOfANodeWithoutGpusAndTheReasonIsTold() throws Exception {
        // Given
        Terminal terminal = alone("no-driver");

        // When
        ExitCode code = terminal.execute("labels");

        // Then
        assertThat(code).isEqualTo(ExitCode.FAILURE);
        assertThat(terminal.out()).doesNotContain("nvidia.com/gpu.count");
        assertThat(terminal.err()).contains("kernel module").contains("modprobe nvidia");
    }

    @Test
    void aConfigurationThatCannotBeUsedIsTold() throws Exception {
        // Given
        Terminal terminal = alone("1xt4").environment("GPU_NODE_AGENT_LABELS_SINK", "paper");

        // When
        ExitCode code = terminal.execute("labels");

        // Then
        assertThat(code).isEqualTo(ExitCode.USAGE);
        assertThat(terminal.err()).contains("labels.sink: \"paper\" is not known");
    }
}
