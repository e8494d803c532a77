package io.gpunode.agent.os;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.time.Duration;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What every {@link HostProcesses} does. */
@Timeout(20)
public abstract class HostProcessesContract {
    private static final Duration SHORT = Duration.ofMillis(300);
    private static final Duration LONG = Duration.ofSeconds(10);

    /** What is tested. */
    protected abstract HostProcesses processes();

    /** A process that ends when it is asked to. */
    protected abstract ProcessIdentity willing() throws Exception;

    /** A process that only the kill ends. */
    protected abstract ProcessIdentity stubborn() throws Exception;

    /** Ends a process without anybody's asking. */
    protected abstract void end(ProcessIdentity process) throws Exception;

    @Test
    void aProcessIsFoundByItsProgramAndById() throws Exception {
        // Given
        ProcessIdentity process = willing();

        // When
        Optional<ProcessIdentity> byId = processes().identify(process.pid());

        // Then
        assertThat(byId).hasValue(process);
        assertThat(processes().running(process.program())).contains(process);
    }

    @Test
    void aProgramOfAnotherNameIsNotFound() throws Exception {
        // Given
        ProcessIdentity process = willing();

        // When
        var found = processes().running(process.program() + "d");

        // Then
        assertThat(found).isEmpty();
    }

    @Test
    void aProcessThatIsAskedToEndEnds() throws Exception {
        // Given
        ProcessIdentity process = willing();

        // When
        StopOutcome outcome = processes().stop(process, LONG, LONG);

        // Then
        assertThat(outcome)
                .isInstanceOfSatisfying(
                        StopOutcome.Ended.class,
                        ended -> assertThat(ended.killed()).isFalse());
        assertThat(processes().identify(process.pid())).isEmpty();
    }

    @Test
    void aProcessThatDoesNotListenIsKilledAfterItsGrace() throws Exception {
        // Given
        ProcessIdentity process = stubborn();

        // When
        StopOutcome outcome = processes().stop(process, SHORT, LONG);

        // Then
        assertThat(outcome).isInstanceOfSatisfying(StopOutcome.Ended.class, ended -> {
            assertThat(ended.killed()).isTrue();
            assertThat(ended.took()).isGreaterThanOrEqualTo(SHORT);
        });
    }

    @Test
    void whoHasTheIdOfAProcessThatEndedIsLeftAlone() throws Exception {
        // Given
        ProcessIdentity now = willing();
        ProcessIdentity before = new ProcessIdentity(now.pid(), now.startedMillis() - 5_000, now.executable());

        // When
        StopOutcome outcome = processes().stop(before, LONG, LONG);

        // Then
        assertThat(outcome).isEqualTo(new StopOutcome.NotThere());
        assertThat(processes().identify(now.pid())).hasValue(now);
    }

    @Test
    void whoRunsAnotherProgramIsLeftAlone() throws Exception {
        // Given
        ProcessIdentity now = willing();
        ProcessIdentity other = new ProcessIdentity(now.pid(), now.startedMillis(), "/usr/bin/nvidia-persistenced");

        // When
        StopOutcome outcome = processes().stop(other, LONG, LONG);

        // Then
        assertThat(outcome).isEqualTo(new StopOutcome.NotThere());
        assertThat(processes().identify(now.pid())).hasValue(now);
    }

    @Test
    void aWatchTellsOfTheEnd() throws Exception {
        // Given
        ProcessIdentity process = willing();
        try (ProcessWatch watch = processes().watch(process).orElseThrow()) {
            assertThat(watch.awaitEnd(Duration.ofMillis(1))).isFalse();
            end(process);

            // When
            boolean ended = watch.awaitEnd(LONG);

            // Then
            assertThat(ended).isTrue();
        }
    }

    @Test
    void aWatchIsWokenByAnotherThread() throws Exception {
        // Given
        ProcessIdentity process = willing();
        try (ProcessWatch watch = processes().watch(process).orElseThrow()) {
            Thread other = Thread.ofVirtual().start(watch::wake);

            // When
            boolean ended = watch.awaitEnd(Duration.ofSeconds(60));

            // Then
            assertThat(ended).isFalse();
            other.join(LONG);
        }
    }

    @Test
    void whatHasEndedCannotBeWatched() throws Exception {
        // Given
        ProcessIdentity process = willing();
        end(process);

        // When
        Optional<ProcessWatch> watch = processes().watch(process);

        // Then
        assertThat(watch).isEmpty();
    }

    @Test
    void nobodyHasAnIdThatIsNotGiven() throws IOException {
        // When
        Optional<ProcessIdentity> nobody = processes().identify(99_999_999);

        // Then
        assertThat(nobody).isEmpty();
    }
}
