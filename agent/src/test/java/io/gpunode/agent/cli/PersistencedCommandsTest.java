package io.gpunode.agent.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.driver.DriverHost;
import io.gpunode.agent.driver.StandInDaemons;
import io.gpunode.agent.json.JsonValue;
import io.gpunode.agent.os.OwnerLock;
import io.gpunode.agent.os.SystemHostFiles;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** As they are typed, over a folder as the host's root, with a program that behaves as the daemon does. */
@Timeout(60)
class PersistencedCommandsTest {
    @TempDir
    private Path root = Path.of("");

    @BeforeEach
    void install() throws Exception {
        new DriverHost(root);
        StandInDaemons.installPersistenced(root);
    }

    @AfterEach
    void stop() {
        terminal().execute("persistenced", "stop");
    }

    private Terminal terminal() {
        return new Terminal()
                .environment("GPU_NODE_AGENT_HOST_ROOT", root.toString())
                .environment("GPU_NODE_AGENT_DRIVER_LIMITS_STOP", "2s");
    }

    private JsonValue json(String... words) throws Exception {
        Terminal terminal = terminal();
        String[] all = java.util.Arrays.copyOf(words, words.length + 2);
        all[words.length] = "--output";
        all[words.length + 1] = "json";
        terminal.execute(all);
        return JsonValue.parse(terminal.out());
    }

    @Test
    void startedByHandItRunsAndIsSaidTo() throws Exception {
        // Given
        Terminal terminal = terminal();

        // When
        ExitCode code = terminal.execute("persistenced", "start");

        // Then
        assertThat(code).as(terminal.err()).isEqualTo(ExitCode.OK);
        assertThat(terminal.out()).matches("started in \\d+ ms, pid \\d+, started by the agent\n");
        JsonValue status = json("persistenced", "status");
        assertThat(status.member("state").textOr("")).isEqualTo("ready");
        assertThat(status.member("keeper").textOr("")).isEqualTo("agent");
        assertThat(status.member("pid").wholeNumber()).isPresent();
    }

    @Test
    void aGpuThatItCouldNotOpenIsTold() throws Exception {
        // Given: it opens the first one only, of those that the driver has
        Files.createDirectories(root.resolve("proc/driver/nvidia/gpus/0000:ff:00.0"));
        terminal().execute("persistenced", "start");
        Terminal terminal = terminal();

        // When
        terminal.execute("persistenced", "status");

        // Then
        assertThat(terminal.out()).containsPattern("it holds \\d of \\d GPUs");
    }

    @Test
    void aLockThatCannotBeTakenIsToldWithItsReason() throws Exception {
        // Given: a file where the state directory belongs
        Files.createDirectories(root.resolve("var/lib"));
        Files.writeString(root.resolve("var/lib/gpu-node-agent"), "");
        Terminal terminal = terminal();

        // When
        ExitCode code = terminal.execute("persistenced", "stop");

        // Then
        assertThat(code).isEqualTo(ExitCode.FAILURE);
        assertThat(terminal.err())
                .contains(
                        "nothing was changed: the lock /var/lib/gpu-node-agent/driver.lock cannot be taken: FileAlreadyExists");
    }

    @Test
    void whatWouldBeRunIsPrintedAndNotRun() throws Exception {
        // Given
        Terminal terminal = terminal();

        // When
        ExitCode code = terminal.execute("persistenced", "start", "--dry-run");

        // Then
        assertThat(code).isEqualTo(ExitCode.OK);
        assertThat(terminal.out()).isEqualTo("/usr/bin/nvidia-persistenced --persistence-mode\n");
        assertThat(json("persistenced", "status").member("state").textOr("")).isEqualTo("stopped");
    }

    @Test
    void whatWasStoppedByHandStaysStopped() throws Exception {
        // Given
        terminal().execute("persistenced", "start");
        Terminal terminal = terminal();

        // When
        ExitCode code = terminal.execute("persistenced", "stop");

        // Then
        assertThat(code).as(terminal.err()).isEqualTo(ExitCode.OK);
        assertThat(terminal.out()).startsWith("stopped in ");
        JsonValue status = json("persistenced", "status");
        assertThat(status.member("state").textOr("")).isEqualTo("stopped");
        assertThat(status.member("needed").isTrue()).isFalse();
        assertThat(status.member("reason").textOr("")).contains("by hand");
    }

    @Test
    void startedAgainByHandItIsNeededAgain() throws Exception {
        // Given
        terminal().execute("persistenced", "stop");

        // When
        JsonValue outcome = json("persistenced", "start");

        // Then
        assertThat(outcome.member("outcome").textOr("")).isEqualTo("ready");
        assertThat(json("persistenced", "status").member("needed").isTrue()).isTrue();
    }

    @Test
    void oneThatDoesNotListenIsKilled() throws Exception {
        // Given
        StandInDaemons.fault(root, "deaf");
        terminal().execute("persistenced", "start");

        // When
        JsonValue outcome = json("persistenced", "stop");

        // Then
        assertThat(outcome.member("outcome").textOr("")).isEqualTo("stopped");
        assertThat(outcome.member("killed").isTrue()).isTrue();
    }

    @Test
    void aFailureHasItsReasonAndTheNextStep() throws Exception {
        // Given
        StandInDaemons.fault(root, "no-gpu");
        Terminal terminal = terminal();

        // When
        ExitCode code = terminal.execute("persistenced", "start");

        // Then
        assertThat(code).isEqualTo(ExitCode.FAILURE);
        assertThat(terminal.err()).isEqualTo("""
                        nvidia-persistenced: it ended at once: exit status 1
                          nvidia-persistenced failed to initialize. Check syslog for more details.
                        next step: see its messages and the kernel log
                        """);
    }

    @Test
    void inTheMiddleOfAChangeOfTheDriverNothingIsStopped() throws Exception {
        // Given
        terminal().execute("persistenced", "start");
        Terminal terminal = terminal();
        try (OwnerLock lock = OwnerLock.take(new SystemHostFiles(root), Path.of("/var/lib/gpu-node-agent/driver.lock"))
                .orElseThrow()) {
            assertThat(lock).isNotNull();

            // When
            ExitCode code = terminal.execute("persistenced", "stop");

            // Then
            assertThat(code).isEqualTo(ExitCode.FAILURE);
            assertThat(terminal.err()).contains("the driver is being changed by process");
        }
        assertThat(json("persistenced", "status").member("state").textOr("")).isEqualTo("ready");
    }

    @Test
    void withoutADriverThereIsNothingToKeepInitialised() throws Exception {
        // Given
        DriverHost host = new DriverHost(root);
        host.modules("");
        host.remove("/proc/driver/nvidia/version");
        Terminal terminal = terminal();

        // When
        ExitCode code = terminal.execute("persistenced", "start");

        // Then
        assertThat(code).isEqualTo(ExitCode.FAILURE);
        assertThat(terminal.err()).contains("no driver is loaded").contains("driver load");
    }
}
