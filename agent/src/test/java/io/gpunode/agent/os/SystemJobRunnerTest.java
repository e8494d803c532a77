package io.gpunode.agent.os;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.gpunode.agent.time.SystemTime;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(30)
class SystemJobRunnerTest {
    @TempDir
    Path directory;

    private final SystemJobRunner runner =
            new SystemJobRunner(new SystemHostFiles(Path.of("/")), SystemTime.monotonic());
    private final List<String> lines = new ArrayList<>();

    @Test
    void theOutputIsInTheLogAndToldLineByLine() throws Exception {
        // When
        JobRunner.Outcome outcome = run(Duration.ofSeconds(20), 1_000, "echo one; echo two >&2; exit 3");

        // Then
        assertThat(outcome).isEqualTo(new JobRunner.Outcome(3, false));
        assertThat(lines).containsExactly("one", "two");
        assertThat(directory.resolve("log")).hasContent("one\ntwo\n");
    }

    @Test
    void allOfAnOutputIsToldHoweverFastTheProgramEnds() throws Exception {
        // When
        JobRunner.Outcome outcome = run(Duration.ofSeconds(20), 10_000_000, "seq 1 20000");

        // Then
        assertThat(outcome.ok()).isTrue();
        assertThat(lines).hasSize(20_000).endsWith("20000");
    }

    @Test
    void theLogHasALimit() throws Exception {
        // When
        run(Duration.ofSeconds(20), 100, "seq 1 1000");

        // Then
        assertThat(Files.size(directory.resolve("log"))).isEqualTo(100);
        assertThat(lines).hasSize(1_000);
    }

    @Test
    void aJobThatDoesNotEndIsEndedWithItsChildren() throws Exception {
        // When
        JobRunner.Outcome outcome = run(Duration.ofMillis(500), 1_000, "sh -c 'echo $$; sleep 600' & echo $$; wait");

        // Then
        assertThat(outcome.timedOut()).isTrue();
        assertThat(lines).hasSize(2);
        for (String line : lines) {
            // The kernel ends what is killed in its own time.
            Optional<ProcessHandle> process = ProcessHandle.of(Long.parseLong(line));
            if (process.isPresent()) {
                process.get().onExit().get(10, TimeUnit.SECONDS);
            }
        }
    }

    @Test
    void aProgramThatIsNotThereIsAFailure() {
        // Given
        JobRunner.Job job = new JobRunner.Job(
                List.of("/no/such/program"),
                Map.of(),
                directory.resolve("gone"),
                directory.resolve("log"),
                100,
                new JobRunner.Limits(Duration.ofSeconds(5), 0, 0));

        // When
        assertThatThrownBy(() -> runner.run(job, lines::add))
                // Then
                .isInstanceOf(IOException.class);
    }

    @Test
    void memoryIsLimited() throws Exception {
        // Given
        JobRunner.Job job = job(Duration.ofSeconds(20), 1_000, "head -c 100M /dev/zero | tail -c 100M | wc -c", 32);

        // When
        runner.run(job, lines::add);

        // Then
        assertThat(lines).noneMatch(line -> line.equals("104857600"));
    }

    private JobRunner.Outcome run(Duration limit, long logLimit, String script)
            throws IOException, InterruptedException {
        return runner.run(job(limit, logLimit, script, 0), lines::add);
    }

    private JobRunner.Job job(Duration limit, long logLimit, String script, int memory) {
        return new JobRunner.Job(
                List.of("sh", "-c", script),
                Map.of(),
                directory,
                directory.resolve("log"),
                logLimit,
                new JobRunner.Limits(limit, memory, 0));
    }
}
