package io.gpunode.agent.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.ClusterSources;
import io.gpunode.agent.config.ConfigSchema;
import io.gpunode.agent.metrics.FieldCatalogue;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(30)
class CommandsTest {
    @TempDir
    private Path directory = Path.of("");

    @Test
    void runStartsTheAgentWithTheConfigurationOfAllSources() {
        // Given
        Terminal terminal = new Terminal().environment("DCGM_EXPORTER_LISTEN", ":9401");

        // When
        ExitCode code = terminal.execute("run", "--log-level", "error", "--sampling-interval=1s");

        // Then
        assertThat(code).isEqualTo(ExitCode.OK);
        assertThat(Objects.requireNonNull(terminal.started()).config().http().listen())
                .containsExactly(":9401");
        assertThat(terminal.started().config().sampling().interval()).hasSeconds(1);
    }

    @Test
    void runTellsEveryProblemAndDoesNotStart() throws Exception {
        // Given
        Path file = Files.writeString(directory.resolve("c.yaml"), "log: {level: loud}\nsampling: {intervall: 1s}\n");
        Terminal terminal = new Terminal();

        // When
        ExitCode code = terminal.execute("run", "--config", file.toString(), "--http-listen", "9400");

        // Then
        assertThat(code).isEqualTo(ExitCode.USAGE);
        assertThat(terminal.started()).isNull();
        assertThat(terminal.err().replace(directory + "/", "")).isEqualTo("""
                        c.yaml:2:12: sampling.intervall: unknown key; did you mean "sampling.interval"?
                        flag --http-listen: http.listen: "9400" has no colon; write host:port, such as :9400, 127.0.0.1:9400 or [::1]:9400
                        c.yaml:1:14: log.level: "loud" is not known; write one of error, warn, info, debug
                        the configuration has 3 problems
                        """);
    }

    @Test
    void aReloadReadsTheFileAgain() throws Exception {
        // Given
        Path file = Files.writeString(directory.resolve("c.yaml"), "sampling: {interval: 1s}");
        String[] seen = new String[1];
        Terminal terminal = new Terminal().runner((_, reload) -> {
            Files.writeString(file, "sampling: {interval: 2s}");
            seen[0] = reload.load(ClusterSources.NOT_ASKED)
                    .config()
                    .sampling()
                    .interval()
                    .toString();
            return ExitCode.OK;
        });

        // When
        terminal.execute("run", "--config", file.toString(), "--log-level", "error");

        // Then
        assertThat(seen[0]).isEqualTo("PT2S");
    }

    @Test
    void aFailureIsOneLineWithoutItsStackTrace() {
        // Given
        Terminal terminal = new Terminal().runner((_, _) -> {
            throw new IllegalStateException("port 9400 is taken");
        });

        // When
        ExitCode code = terminal.execute("run", "--log-level", "error");

        // Then
        assertThat(code).isEqualTo(ExitCode.FAILURE);
        assertThat(terminal.err()).isEqualTo("gpu-node-agent: port 9400 is taken (--verbose tells where)\n");
    }

    @Test
    void theJournalTakesAWrongConfigurationForAnErrorWithItsNextStep() throws Exception {
        // Given
        Path file = Files.writeString(directory.resolve("c.yaml"), "log: {level: loud}\n");
        Terminal terminal = new Terminal().environment("JOURNAL_STREAM", "8:1");

        // When
        ExitCode code = terminal.execute("run", "--config", file.toString());

        // Then
        assertThat(code).isEqualTo(ExitCode.USAGE);
        assertThat(terminal.err().replace(directory + "/", "")).isEqualTo("""
                        <3>RunCommand: the configuration cannot be used: c.yaml:1:14: log.level: "loud" is not known; write one of error, warn, info, debug
                        <3>RunCommand: not started; when it is right (gpu-node-agent config check says so): systemctl restart gpu-node-agent
                        """);
    }

    @Test
    void theJournalTakesWhatTheHostRefusesForOneErrorAndBeginsWithTheVersions() {
        // Given
        Terminal terminal = new Terminal().environment("JOURNAL_STREAM", "8:1").runner((_, _) -> {
            throw new IOException("address in use: :9400");
        });

        // When
        ExitCode code = terminal.execute("run");

        // Then
        assertThat(code).isEqualTo(ExitCode.FAILURE);
        assertThat(terminal.err().lines())
                .satisfiesExactly(
                        first -> assertThat(first)
                                .startsWith("<6>RunCommand: gpu-node-agent development begins node=")
                                .contains(" config=none java=", " kernel="),
                        last -> assertThat(last).isEqualTo("<3>RunCommand: the agent ends: address in use: :9400"));
    }

    @Test
    void verboseTellsWhereAFailureComesFrom() {
        // Given
        Terminal terminal = new Terminal().runner((_, _) -> {
            throw new IllegalStateException("port 9400 is taken");
        });

        // When
        terminal.execute("run", "--verbose", "--log-level", "error");

        // Then
        assertThat(terminal.err()).contains("IllegalStateException: port 9400 is taken", "\tat ");
    }

    @Test
    void anUnknownCommandIsToldWithTheNearest() {
        // Given
        Terminal terminal = new Terminal();

        // When
        ExitCode code = terminal.execute("statsu");

        // Then
        assertThat(code).isEqualTo(ExitCode.USAGE);
        assertThat(terminal.err()).isEqualTo("""
                        gpu-node-agent: unknown command "statsu"; did you mean status?
                        see: gpu-node-agent --help
                        """);
    }

    @Test
    void anUnknownOptionIsToldWithTheNearest() {
        // Given
        Terminal terminal = new Terminal();

        // When
        ExitCode code = terminal.execute("status", "--adress=:9400");

        // Then
        assertThat(code).isEqualTo(ExitCode.USAGE);
        assertThat(terminal.err()).isEqualTo("""
                        gpu-node-agent status: unknown option "--adress"; did you mean --address?
                        see: gpu-node-agent status --help
                        """);
    }

    @Test
    void withoutACommandTheHelpIsShown() {
        // Given
        Terminal terminal = new Terminal();

        // When
        ExitCode code = terminal.execute();

        // Then
        assertThat(code).isEqualTo(ExitCode.USAGE);
        assertThat(terminal.err()).startsWith("Usage: gpu-node-agent");
    }

    @Test
    void configCheckSaysThatAFileIsGood() throws Exception {
        // Given
        Path file = Files.writeString(directory.resolve("c.yaml"), "log: {level: info}");
        Terminal terminal = new Terminal().environment("GPU_NODE_AGENT_LOG_LEVEL", "not looked at");

        // When
        ExitCode code = terminal.execute("config", "check", file.toString());

        // Then
        assertThat(code).isEqualTo(ExitCode.OK);
        assertThat(terminal.out()).isEqualTo(file + ": good\n");
    }

    @Test
    void configCheckTellsProblemsAsJson() throws Exception {
        // Given
        Path file = Files.writeString(directory.resolve("c.yaml"), "log: {level: loud}");
        Terminal terminal = new Terminal();

        // When
        ExitCode code = terminal.execute("config", "check", "-o", "json", file.toString());

        // Then
        assertThat(code).isEqualTo(ExitCode.USAGE);
        assertThat(terminal.out())
                .contains("\"good\": false", "\"setting\": \"log.level\"", "\"nextStep\": \"write one of error");
    }

    @Test
    void configShowTellsEachValueWithItsSource() {
        // Given
        Terminal terminal = new Terminal().environment("NODE_NAME", "node-a");

        // When
        ExitCode code = terminal.execute("config", "show", "--log-level", "debug");

        // Then
        assertThat(code).isEqualTo(ExitCode.OK);
        assertThat(terminal.out())
                .containsPattern("log\\.level +flag --log-level +debug\n")
                .containsPattern("host\\.nodeName +environment NODE_NAME +node-a\n")
                .containsPattern("http\\.listen +default +:9400\n");
    }

    @Test
    void configShowTellsWhichNamedConfigurationCounts() throws Exception {
        // Given
        Files.writeString(directory.resolve("a"), "flags: {migStrategy: mixed}");
        Files.writeString(directory.resolve("b"), "");
        Terminal terminal = new Terminal()
                .environment("CONFIG_FILE_SRCDIR", directory.toString())
                .environment("DEFAULT_CONFIG", "a");

        // When
        ExitCode code = terminal.execute("config", "show");

        // Then
        assertThat(code).isEqualTo(ExitCode.OK);
        assertThat(terminal.out())
                .startsWith("named configuration: " + directory.resolve("a") + " (named by config.default)\n\nSETTING")
                .containsPattern("flags\\.migStrategy +file " + directory.resolve("a") + ":1 +mixed\n");
    }

    @Test
    void configCheckLooksAtEveryConfigurationOfADirectory() throws Exception {
        // Given
        Files.writeString(directory.resolve("a"), "flags: {migStrategy: mixt}");
        Files.writeString(directory.resolve("b"), "flags: {migStrategy: mixed}");
        Terminal terminal = new Terminal();

        // When
        ExitCode code = terminal.execute("config", "check", directory.toString());

        // Then
        assertThat(code).isEqualTo(ExitCode.USAGE);
        assertThat(terminal.err()).isEqualTo("""
                        %s:1:22: flags.migStrategy: "mixt" is not known, did you mean "mixed"?; write one of none, single, mixed
                        the configuration has 1 problem
                        """.formatted(directory.resolve("a")));
    }

    @Test
    void configShowRefusesAnUnknownFlagAsRunDoes() {
        // Given
        Terminal terminal = new Terminal();

        // When
        ExitCode code = terminal.execute("config", "show", "--log-levle=debug");

        // Then
        assertThat(code).isEqualTo(ExitCode.USAGE);
        assertThat(terminal.err()).contains("unknown flag --log-levle; did you mean --log-level?");
    }

    @Test
    void configShowWritesJson() {
        // Given
        Terminal terminal = new Terminal();

        // When
        terminal.execute("config", "show", "--output=json", "--log-level=debug");

        // Then
        assertThat(terminal.out()).contains("""
                            {
                              "setting": "log.level",
                              "value": "debug",
                              "source": "flag --log-level",
                              "reload": true
                            }\
                        """);
    }

    @Test
    void theDefaultFieldsAreThoseThatTheCatalogueMarks() {
        // When
        List<String> fields = ConfigSchema.defaultFields();

        // Then
        assertThat(fields).containsExactlyInAnyOrderElementsOf(FieldCatalogue.defaultNames());
    }

    @Test
    void anyFieldOfTheCatalogueMayBeShown() {
        // Given
        Terminal terminal = new Terminal();

        // When
        ExitCode code =
                terminal.execute("config", "show", "--metrics-fields", String.join(",", FieldCatalogue.names()));

        // Then
        assertThat(terminal.err()).isEmpty();
        assertThat(code).isEqualTo(ExitCode.OK);
    }

    @Test
    void versionIsWritten() {
        // Given
        Terminal terminal = new Terminal();

        // When
        ExitCode code = terminal.execute("version");

        // Then
        assertThat(code).isEqualTo(ExitCode.OK);
        assertThat(terminal.out()).matches("gpu-node-agent \\S+ \\(Java 25\\S*\\)\n");
    }

    @Test
    void theCompletionScriptKnowsCommandsAndFlags() {
        // Given
        Terminal terminal = new Terminal();

        // When
        ExitCode code = terminal.execute("generate-completion");

        // Then
        assertThat(code).isEqualTo(ExitCode.OK);
        assertThat(terminal.out())
                .contains("complete -F", "gpu-node-agent", "--sampling-interval", "generate-completion");
    }
}
