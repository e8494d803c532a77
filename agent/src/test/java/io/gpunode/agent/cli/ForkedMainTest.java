package io.gpunode.agent.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.inventory.SimulatedNode;
import io.gpunode.nvml.simulator.NvmlSimulator;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The command line as a process of its own: exit statuses, and which libraries a start loads. */
@Timeout(60)
class ForkedMainTest {
    @TempDir
    private Path directory = Path.of("");

    /** The command line with an agent that ends at once. */
    static final class WithoutAgent {
        private WithoutAgent() {}

        public static void main(String[] arguments) {
            Shell shell = new Shell(System.getenv(), System.in, System.out, System.err);
            System.exit(Main.execute(List.of(arguments), shell, (_, _) -> ExitCode.OK)
                    .code());
        }
    }

    @ParameterizedTest
    @CsvSource({
        "version, 0",
        "run --log-level loud, 2",
        "run --frobnicate, 2",
        "frobnicate, 2",
        "config check /does/not/exist.yaml, 2",
        "status --address 127.0.0.1:1, 3"
    })
    void theExitStatusSaysHowItWent(String command, int status) throws Exception {
        // When
        Ended ended = start(Main.class, List.of(), command);

        // Then
        assertThat(ended.status()).isEqualTo(status);
        assertThat(ended.output()).doesNotContain("\tat ");
    }

    @Test
    void runWithoutAFileLoadsNeitherTheCommandLineLibraryNorTheYamlLibrary() throws Exception {
        // When
        Ended ended =
                start(WithoutAgent.class, List.of("-Xlog:class+load"), "run --log-level info --pass-device-specs");

        // Then
        assertThat(ended.status()).isZero();
        assertThat(ended.output())
                .contains("io.gpunode.agent.config.ConfigLoader ")
                .doesNotContain(" picocli.", " org.snakeyaml.", " java.util.regex.Pattern source: jrt");
    }

    @Test
    void runWithAFileLoadsTheYamlLibraryAndNotTheCommandLineLibrary() throws Exception {
        // Given
        Path file = Files.writeString(directory.resolve("c.yaml"), "log: {level: info}");

        // When
        Ended ended = start(WithoutAgent.class, List.of("-Xlog:class+load"), "run --config " + file);

        // Then
        assertThat(ended.status()).isZero();
        assertThat(ended.output()).contains(" org.snakeyaml.").doesNotContain(" picocli.");
    }

    @Test
    void aCommandAboutMigDoesNotDisturbTheAgentBesideIt() throws Exception {
        // Given
        Path config = Files.writeString(directory.resolve("c.yaml"), "host: {root: \"" + directory + "\"}");
        try (SimulatedNode node = new SimulatedNode(directory, NvmlSimulator.install(directory, "8xa100-80gb-mig"))) {
            node.started();
            long pictures = node.pictures().size();

            // When
            Ended ended =
                    start(Main.class, List.of("--enable-native-access=ALL-UNNAMED"), "mig export --config " + config);

            // Then
            assertThat(ended.status()).isZero();
            assertThat(ended.output()).startsWith("version: v1\n").contains("\"7g.80gb\": 1");
            node.awaitNext(2);
            assertThat(node.pictures().stream().skip(pictures))
                    .allSatisfy(picture -> assertThat(
                                    picture.open() && picture.gpus().size() == 8)
                            .isTrue());
        }
    }

    private record Ended(int status, String output) {}

    private Ended start(Class<?> main, List<String> options, String command) throws Exception {
        List<String> words = new ArrayList<>();
        words.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        words.addAll(
                List.of("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", System.getProperty("java.class.path")));
        words.addAll(options);
        words.add(main.getName());
        words.addAll(List.of(command.split(" ", -1)));
        Path output = directory.resolve("output");
        Process process = new ProcessBuilder(words)
                .redirectErrorStream(true)
                .redirectOutput(output.toFile())
                .start();
        try {
            assertThat(process.waitFor(30, TimeUnit.SECONDS)).isTrue();
            return new Ended(process.exitValue(), Files.readString(output));
        } finally {
            process.destroyForcibly();
        }
    }
}
