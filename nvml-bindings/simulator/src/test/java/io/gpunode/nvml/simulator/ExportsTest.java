package io.gpunode.nvml.simulator;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What the libraries export against {@code symbols.txt}, as binutils sees it. */
@Timeout(30)
class ExportsTest {
    @TempDir
    Path root;

    private record Symbol(String name, int branch, boolean implemented) {}

    @ParameterizedTest
    @CsvSource({"old-driver-470,470", "1xt4,535", "4xl4,550", "8xh100,580"})
    void libraryExportsWhatItsBranchDoesAndNothingElse(String profile, int branch) throws Exception {
        // Given
        List<String> expected = symbols().stream()
                .filter(symbol -> symbol.branch() <= branch)
                .map(Symbol::name)
                .toList();
        try (ControlFile installed =
                ControlFile.install(root, SimulatedProfile.named(profile), Duration.ofSeconds(1))) {
            // When
            List<String> exported = binutils(
                            "nm", "-D", "--defined-only", installed.library().toString())
                    .stream()
                    .map(line -> line.substring(line.lastIndexOf(' ') + 1))
                    .filter(name -> !name.startsWith("nvmlsim_"))
                    .toList();
            // Then
            assertThat(exported).containsExactlyInAnyOrderElementsOf(expected);
        }
    }

    @Test
    void libraryCarriesTheRealSoname() throws Exception {
        // Given
        try (ControlFile installed = ControlFile.install(root, "8xh100", Duration.ofSeconds(1))) {
            // When
            List<String> dynamic = binutils("readelf", "-d", installed.library().toString());
            // Then
            assertThat(dynamic).anyMatch(line -> line.contains("SONAME") && line.contains("[libnvidia-ml.so.1]"));
        }
    }

    @Test
    void countsOfExportsAreThoseOfRealDrivers() {
        // When
        List<Symbol> symbols = symbols();
        // Then
        assertThat(symbols).filteredOn(symbol -> symbol.branch() <= 535).hasSize(332);
        assertThat(symbols).filteredOn(symbol -> symbol.branch() <= 550).hasSize(350);
    }

    @Test
    void whatIsImplementedInEveryVariantKeepsItsOlderVariants() {
        // Given
        List<String> implemented =
                symbols().stream().filter(Symbol::implemented).map(Symbol::name).toList();
        // When
        List<String> gaps = symbols().stream()
                .filter(symbol -> !symbol.implemented())
                .map(Symbol::name)
                .filter(name -> implemented.stream().anyMatch(other -> other.matches(name + "_v\\d")))
                .toList();
        // Then
        assertThat(gaps).as("stubs of which a later variant is implemented").isEmpty();
    }

    private static List<Symbol> symbols() {
        return SimulatedProfile.resource("symbols.txt")
                .lines()
                .filter(line -> !line.startsWith("#"))
                .map(line -> line.split(" ", -1))
                .map(words -> new Symbol(words[0], Integer.parseInt(words[1]), words[2].equals("implemented")))
                .toList();
    }

    private static List<String> binutils(String... command) throws IOException, InterruptedException {
        Process process;
        try {
            process = new ProcessBuilder(command)
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
        } catch (IOException e) {
            return Assumptions.abort(command[0] + " is not installed: apt-get install binutils");
        }
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor(20, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).isZero();
        return output.lines().toList();
    }
}
