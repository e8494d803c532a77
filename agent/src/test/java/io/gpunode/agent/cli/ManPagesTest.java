package io.gpunode.agent.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.testing.Golden;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(30)
class ManPagesTest {
    private static final Path MANDOC = Path.of("/usr/bin/mandoc");

    @TempDir
    private Path directory = Path.of("");

    @Test
    void everyCommandHasAPage() {
        // Given
        Terminal terminal = new Terminal();

        // When
        Map<String, String> pages = ManPages.of(Commands.commandLine(terminal.shell()), "2026-11-22");

        // Then
        assertThat(pages)
                .containsKeys(
                        "gpu-node-agent.1",
                        "gpu-node-agent-run.1",
                        "gpu-node-agent-config-check.1",
                        "gpu-node-agent-mig-plan.1")
                .doesNotContainKeys("gpu-node-agent-help.1", "gpu-node-agent-generate-man.1");
        Golden.check("man/gpu-node-agent-version.1", Objects.requireNonNull(pages.get("gpu-node-agent-version.1")));
    }

    @Test
    void thePagesAreSoundForMandoc() throws Exception {
        // Given
        Assumptions.assumeTrue(Files.isExecutable(MANDOC), "mandoc is not installed: apt-get install mandoc");
        Terminal terminal = new Terminal();
        assertThat(terminal.execute("generate-man", "--directory", directory.toString(), "--date", "2026-11-22"))
                .isEqualTo(ExitCode.OK);
        List<String> command = new java.util.ArrayList<>(List.of(MANDOC.toString(), "-T", "lint", "-W", "warning"));
        try (var files = Files.list(directory)) {
            files.sorted().map(Path::toString).forEach(command::add);
        }

        // When
        Process mandoc = new ProcessBuilder(command).redirectErrorStream(true).start();
        String complaints = new String(mandoc.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);

        // Then
        assertThat(complaints).isEmpty();
        assertThat(mandoc.waitFor()).isZero();
    }
}
