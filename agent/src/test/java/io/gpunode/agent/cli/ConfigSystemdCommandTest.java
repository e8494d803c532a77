package io.gpunode.agent.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.testing.Golden;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(30)
class ConfigSystemdCommandTest {
    @TempDir
    private Path directory = Path.of("");

    @Test
    void printsADropInForTheConfigurationOfTheFile() throws Exception {
        // Given
        Path file = Files.writeString(directory.resolve("c.yaml"), "mig: {manage: true}\nhttp: {listen: ':94'}\n");
        Terminal terminal = new Terminal();

        // When
        ExitCode code = terminal.execute(
                "config", "systemd", "--config", file.toString(), "--systemd-version", "252", "--kernel", "6.1.0-30");

        // Then
        assertThat(code).isEqualTo(ExitCode.OK);
        Golden.check("systemd/mig-252.conf", terminal.out().replace(directory.toString(), "/etc/gpu-node-agent"));
    }

    @Test
    void aKernelThatIsNoReleaseIsRefused() {
        // Given
        Terminal terminal = new Terminal();

        // When
        ExitCode code = terminal.execute("config", "systemd", "--kernel", "linux");

        // Then
        assertThat(code).isEqualTo(ExitCode.USAGE);
        assertThat(terminal.err()).contains("--kernel: \"linux\" is not a release such as 6.1");
    }

    @Test
    void aConfigurationWithProblemsHasNoProfile() throws Exception {
        // Given
        Path file = Files.writeString(directory.resolve("c.yaml"), "mig: {manage: perhaps}\n");
        Terminal terminal = new Terminal();

        // When
        ExitCode code = terminal.execute("config", "systemd", "--config", file.toString());

        // Then
        assertThat(code).isEqualTo(ExitCode.USAGE);
        assertThat(terminal.out()).isEmpty();
    }
}
