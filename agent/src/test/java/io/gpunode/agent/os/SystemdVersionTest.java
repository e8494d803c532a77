package io.gpunode.agent.os;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(30)
class SystemdVersionTest {
    @TempDir
    private Path root = Path.of("");

    @Test
    void isTheNumberThatSystemctlTells() throws Exception {
        // Given
        Files.createDirectories(root.resolve("run/systemd/system"));

        // When
        OptionalInt version = SystemdVersion.of(
                answering("systemd 252 (252.38-1~deb12u1)\n+PAM +AUDIT\n"), new SystemHostFiles(root));

        // Then
        assertThat(version).hasValue(252);
    }

    @Test
    void isNotAskedForWhereSystemdDoesNotRun() throws Exception {
        // When
        OptionalInt version = SystemdVersion.of(answering("systemd 252 (252)\n"), new SystemHostFiles(root));

        // Then
        assertThat(version).isEmpty();
    }

    @Test
    void isUnknownWhereSystemctlCannotBeAsked() throws Exception {
        // Given
        Files.createDirectories(root.resolve("run/systemd/system"));

        // When
        OptionalInt version = SystemdVersion.of(
                (_, _, _, _, _) -> {
                    throw new IOException("there is no program systemctl");
                },
                new SystemHostFiles(root));

        // Then
        assertThat(version).isEmpty();
    }

    private static CommandRunner answering(String output) {
        return (_, _, _, _, _) -> new CommandRunner.Result(0, output, "", false, false);
    }
}
