package io.gpunode.agent.os;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

class SystemCommandRunnerTest {
    private static final Duration LONG = Duration.ofSeconds(20);

    private final CommandRunner commands = new SystemCommandRunner();

    @Test
    void outputErrorAndStatusAreKept() throws Exception {
        // When
        CommandRunner.Result result = shell("echo out; echo err >&2; exit 3", LONG, 1_000);

        // Then
        assertThat(result).isEqualTo(new CommandRunner.Result(3, "out\n", "err\n", false, false));
        assertThat(result.ok()).isFalse();
    }

    @Test
    void aProgramThatDoesNotEndIsKilledWithWhatItStarted() throws Exception {
        // When
        CommandRunner.Result result = shell("sleep 600 & echo begun; wait", Duration.ofMillis(300), 1_000);

        // Then
        assertThat(result.timedOut()).isTrue();
        assertThat(result.output()).isEqualTo("begun\n");
    }

    @Test
    void moreOutputThanIsKeptIsReadAndDropped() throws Exception {
        // When
        CommandRunner.Result result = shell("head -c 1000000 /dev/zero | tr '\\0' x", LONG, 10);

        // Then
        assertThat(result.output()).isEqualTo("xxxxxxxxxx");
        assertThat(result.truncated()).isTrue();
        assertThat(result.status()).isZero();
    }

    @Test
    void aChildThatHoldsThePipesOpenDoesNotHoldTheCaller() throws Exception {
        // When
        CommandRunner.Result result = shell("sleep 60 & echo $!", LONG, 1_000);

        // Then
        assertThat(result.status()).isZero();
        assertThat(result.truncated()).isTrue();
        ProcessHandle.of(Long.parseLong(result.output().strip())).ifPresent(ProcessHandle::destroyForcibly);
    }

    @Test
    void nothingOfTheAgentsEnvironmentReachesTheProgram() throws Exception {
        // When
        CommandRunner.Result result = commands.run(List.of("env"), LONG, 10_000);

        // Then
        assertThat(result.output().lines()).allMatch(line -> line.startsWith("PATH=") || line.startsWith("LC_ALL="));
    }

    @Test
    void aProgramThatIsNotThereIsNamed() {
        // Then
        assertThatThrownBy(() -> commands.run(List.of("/no/such/program"), LONG, 10))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("/no/such/program");
    }

    private CommandRunner.Result shell(String script, Duration limit, int outputLimit) throws Exception {
        return commands.run(List.of("sh", "-c", script), limit, outputLimit);
    }
}
