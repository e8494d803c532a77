package io.gpunode.agent.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.mig.SimulatedMigNode;
import io.gpunode.agent.mig.SimulatedMigNode.Chip;
import io.gpunode.agent.testing.Golden;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code mig …} as it is typed: flags, variables, standard input and output, exit statuses. */
@Timeout(60)
class MigCommandsTest {
    private static final String TWO_LAYOUTS = """
            version: v1
            mig-configs:
              off:
                - {devices: all, mig-enabled: false}
              small:
                - {devices: [0], mig-enabled: true, mig-devices: {"1g.6gb": 4}}
            """;

    @TempDir
    private Path root = Path.of("");

    @TempDir
    private Path directory = Path.of("");

    private Terminal terminal() {
        return new Terminal().environment("GPU_NODE_AGENT_HOST_ROOT", root.toString());
    }

    private String file(String text) throws Exception {
        return Files.writeString(directory.resolve("mig.yaml"), text).toString();
    }

    @Test
    void exportWritesTheNodeAsYaml() throws Exception {
        try (SimulatedMigNode node = SimulatedMigNode.named(root, "8xa100-80gb-mig")) {
            // When
            Terminal terminal = terminal();
            ExitCode code = terminal.execute("mig", "export");

            // Then
            assertThat(code).isEqualTo(ExitCode.OK);
            assertThat(terminal.err()).isEmpty();
            Golden.check("mig/export-8xa100-80gb-mig.yaml", terminal.out());
            assertThat(node.simulator().violations()).isEmpty();
        }
    }

    @Test
    void exportWritesTheNodeAsJsonUnderAnotherLabel() throws Exception {
        try (SimulatedMigNode node = SimulatedMigNode.of(root, Chip.A30).split(0, "1g.6gb", "2g.12gb bare")) {
            // When
            Terminal terminal = terminal().environment("MIG_PARTED_OUTPUT_FORMAT", "json");
            ExitCode code = terminal.execute("mig", "export", "-l", "tuesday");

            // Then
            assertThat(code).isEqualTo(ExitCode.OK);
            assertThat(terminal.out()).isEqualTo("""
                    {
                      "version": "v1",
                      "mig-configs": {
                        "tuesday": [
                          {
                            "devices": "all",
                            "mig-enabled": true,
                            "mig-devices": {
                              "1g.6gb": 1
                            }
                          }
                        ]
                      }
                    }
                    """);
            assertThat(terminal.err()).contains("(2g.12gb) has no compute instance");
            assertThat(node.simulator().violations()).isEmpty();
        }
    }

    @Test
    void whatExportWritesIsAssertedFromStandardInput() throws Exception {
        try (SimulatedMigNode node = SimulatedMigNode.named(root, "8xa100-80gb-mig")) {
            // Given
            Terminal export = terminal();
            export.execute("mig", "export", "-o", "json");

            // When
            Terminal terminal = terminal().input(export.out());
            ExitCode code = terminal.execute("mig", "assert", "-f", "-");

            // Then
            assertThat(code).isEqualTo(ExitCode.OK);
            assertThat(terminal.out()).isEqualTo("the layout current is applied\n");
            assertThat(node.simulator().violations()).isEmpty();
        }
    }

    @Test
    void assertTellsWhatIsDifferent() throws Exception {
        try (SimulatedMigNode node =
                SimulatedMigNode.of(root, Chip.A30, Chip.A30).split(0, "1g.6gb")) {
            // When
            Terminal terminal = terminal();
            ExitCode code = terminal.execute("mig", "assert", "-f", file(TWO_LAYOUTS), "-c", "small");

            // Then
            assertThat(code).isEqualTo(ExitCode.FAILURE);
            assertThat(terminal.out()).isEmpty();
            assertThat(terminal.err())
                    .isEqualTo("GPU 0 (" + SimulatedMigNode.uuid(0) + "): it has 1 x 1g.6gb, wanted 4 x 1g.6gb\n"
                            + "GPU 1 (" + SimulatedMigNode.uuid(1) + "): the layout does not say what it is to be\n"
                            + "the layout small is not applied\n");
            assertThat(node.simulator().violations()).isEmpty();
        }
    }

    @Test
    void assertTellsItAsJson() throws Exception {
        try (SimulatedMigNode node = SimulatedMigNode.of(root, Chip.A30).split(0)) {
            // When
            Terminal terminal = terminal();
            ExitCode code = terminal.execute("mig", "assert", "-f", file(TWO_LAYOUTS), "-c", "off", "-o", "json");

            // Then
            assertThat(code).isEqualTo(ExitCode.FAILURE);
            assertThat(terminal.out()).isEqualTo("""
                    {
                      "layout": "off",
                      "asserted": "devices",
                      "holds": false,
                      "differences": [
                        {
                          "gpu": 0,
                          "uuid": "GPU-00000000-0000-0000-0000-000000000000",
                          "what": "MIG mode is on, wanted off"
                        }
                      ],
                      "problems": [],
                      "notices": []
                    }
                    """);
            assertThat(terminal.err()).isEmpty();
            assertThat(node.simulator().violations()).isEmpty();
        }
    }

    @Test
    void assertOfModesNeedsNoProfiles() throws Exception {
        try (SimulatedMigNode node = SimulatedMigNode.of(root, Chip.A30, Chip.A30)
                .apply("fault mute call=nvmlDeviceGetGpuInstanceProfileInfo return=NOT_SUPPORTED")) {
            // Given
            Terminal terminal = terminal()
                    .environment("MIG_PARTED_CONFIG_FILE", file(TWO_LAYOUTS))
                    .environment("MIG_PARTED_SELECTED_CONFIG", "off")
                    .environment("MIG_PARTED_MODE_CHANGE_ONLY", "true");

            // When
            ExitCode off = terminal.execute("mig", "assert");
            ExitCode small = terminal.execute("mig", "assert", "--selected-config", "small");

            // Then
            assertThat(off).isEqualTo(ExitCode.OK);
            assertThat(small).isEqualTo(ExitCode.FAILURE);
            assertThat(terminal.out()).isEqualTo("the layout off is applied as far as MIG modes go\n");
            assertThat(terminal.err()).contains("MIG mode is off, wanted on");
            assertThat(node.simulator().violations()).isEmpty();
        }
    }

    @Test
    void assertOfTheFileAloneNeedsNoGpu() throws Exception {
        // When
        String file = file(TWO_LAYOUTS);
        Terminal terminal = terminal();
        ExitCode good = terminal.execute("mig", "assert", "-a", "-f", file, "-c", "small");
        ExitCode unknown = terminal.execute("mig", "assert", "-a", "-f", file, "-c", "smal");
        ExitCode undecided = terminal.execute("mig", "assert", "-a", "-f", file);

        // Then
        assertThat(List.of(good, unknown, undecided)).containsExactly(ExitCode.OK, ExitCode.FAILURE, ExitCode.FAILURE);
        assertThat(terminal.out()).isEqualTo(file + ": good; it has the layout small\n");
        assertThat(terminal.err())
                .isEqualTo(file + ": mig-configs: there is no layout \"smal\"; did you mean \"small\"?\n" + file
                        + ": mig-configs: there are several layouts, and none was chosen; choose one of: off, small\n");
    }

    @Test
    void assertTellsEveryMistakeOfTheFile() throws Exception {
        // When
        String file = file("version: v1\nmig-configs:\n  a: [{devices: one, mig-enabled: maybe}]\n");
        Terminal terminal = terminal();
        ExitCode code = terminal.execute("mig", "assert", "-f", file);

        // Then
        assertThat(code).isEqualTo(ExitCode.FAILURE);
        assertThat(terminal.err().lines())
                .hasSize(2)
                .allSatisfy(line -> assertThat(line).startsWith(file + ":3:"));
    }

    @Test
    void onlyTheGpusThatAreNamedCountWhenAskedSo() throws Exception {
        try (SimulatedMigNode node =
                SimulatedMigNode.of(root, Chip.A30, Chip.A30).split(0, "1g.6gb", "1g.6gb", "1g.6gb", "1g.6gb")) {
            // When
            Terminal terminal = terminal();
            ExitCode code = terminal.execute("mig", "assert", "-f", file(TWO_LAYOUTS), "-c", "small", "--named-only");

            // Then
            assertThat(code).isEqualTo(ExitCode.OK);
            assertThat(node.simulator().violations()).isEmpty();
        }
    }

    @Test
    void whatIsGeneratedIsGoodForAssert() throws Exception {
        try (SimulatedMigNode node = SimulatedMigNode.of(root, Chip.H200).split(0, "1g.18gb start=4")) {
            // Given
            Path generated = directory.resolve("new").resolve("generated.json");
            Terminal terminal = terminal();

            // When
            ExitCode written = terminal.execute("mig", "generate-config", "-f", generated.toString(), "-o", "json");
            ExitCode asserted = terminal.execute("mig", "assert", "-f", generated.toString(), "-c", "all-balanced");

            // Then
            assertThat(written).isEqualTo(ExitCode.OK);
            assertThat(asserted).isEqualTo(ExitCode.FAILURE);
            assertThat(terminal.out()).isEmpty();
            assertThat(terminal.err()).contains("it has 1 x 1g.18gb, wanted 1 x 3g.71gb, 1 x 2g.35gb, 2 x 1g.18gb");
            assertThat(node.simulator().violations()).isEmpty();
        }
    }

    @Test
    void generateConfigWritesToStandardOutput() throws Exception {
        try (SimulatedMigNode node = SimulatedMigNode.of(root, Chip.A30)) {
            // When
            Terminal terminal = terminal();
            ExitCode code = terminal.execute("mig", "generate-config");

            // Then
            assertThat(code).isEqualTo(ExitCode.OK);
            Golden.check("mig/generated-a30.yaml", terminal.out());
            assertThat(node.simulator().violations()).isEmpty();
        }
    }

    @Test
    void checkpointWritesEveryPlace() throws Exception {
        try (SimulatedMigNode node = SimulatedMigNode.of(root, Chip.A100_40, Chip.L4)
                .split(0, "3g.20gb bare start=4", "1g.5gb start=2")
                .apply("mig gpu=0 profile=2c.3g.20gb instance=1\nmig gpu=0 profile=1c.3g.20gb instance=1 start=2")) {
            // When
            Path file = directory.resolve("checkpoint.json");
            Terminal terminal = terminal().environment("MIG_PARTED_CHECKPOINT_FILE", file.toString());
            ExitCode code = terminal.execute("mig", "checkpoint");

            // Then
            assertThat(code).isEqualTo(ExitCode.OK);
            assertThat(terminal.out() + terminal.err()).isEmpty();
            Golden.check("mig/checkpoint.json", Files.readString(file));
            assertThat(node.simulator().violations()).isEmpty();
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            assert                       | name a file with --config-file (or the variable MIG_PARTED_CONFIG_FILE)
            checkpoint                   | name a file with --checkpoint-file (or the variable MIG_PARTED_CHECKPOINT_FILE)
            export -o xml                | the format "xml" is neither yaml nor json
            generate-config --output-format toml | the format "toml" is neither yaml nor json
            assert --selected-confi x    | unknown option "--selected-confi"; did you mean --selected-config?
            """)
    void aWrongCommandLineIsTold(String command, String problem) {
        // When
        Terminal terminal = terminal();
        ExitCode code = terminal.execute(("mig " + command).split(" ", -1));

        // Then
        assertThat(code).isEqualTo(ExitCode.USAGE);
        assertThat(terminal.err()).contains(problem);
    }

    @Test
    void aVariableThatIsNeitherTrueNorFalseIsTold() {
        // When
        Terminal terminal = terminal().environment("MIG_PARTED_VALID_CONFIG", "perhaps");
        ExitCode code = terminal.execute("mig", "assert", "-f", "x");

        // Then
        assertThat(code).isEqualTo(ExitCode.USAGE);
        assertThat(terminal.err())
                .contains("the variable MIG_PARTED_VALID_CONFIG is \"perhaps\", which is neither true nor false");
    }

    @ParameterizedTest
    @CsvSource({"export", "generate-config", "checkpoint -f -", "assert -f -"})
    void aNodeWithoutDriverIsAFailureWithItsReason(String command) {
        try (SimulatedMigNode node = SimulatedMigNode.named(root, "no-driver")) {
            // When
            Terminal terminal =
                    terminal().input("version: v1\nmig-configs: {a: [{devices: all, mig-enabled: false}]}\n");
            ExitCode code = terminal.execute(("mig " + command).split(" ", -1));

            // Then
            assertThat(code).isEqualTo(ExitCode.FAILURE);
            assertThat(terminal.out()).isEmpty();
            assertThat(terminal.err()).contains("the NVIDIA kernel module is not loaded; load it (modprobe nvidia)");
            assertThat(node.simulator().violations()).isEmpty();
        }
    }
}
