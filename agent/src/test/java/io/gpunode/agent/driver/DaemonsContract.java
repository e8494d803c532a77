package io.gpunode.agent.driver;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.driver.DaemonStatus.Keeper;
import io.gpunode.agent.driver.DaemonStatus.State;
import io.gpunode.agent.model.DriverVersion;
import io.gpunode.agent.os.ProcessIdentity;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What every {@link Daemons} does, shown with the persistence daemon. */
@Timeout(30)
abstract class DaemonsContract {
    static final Duration LIMIT = Duration.ofSeconds(10);
    static final Duration GRACE = Duration.ofSeconds(5);

    static final StagedDriver DRIVER = new StagedDriver(
            new DriverVersion("580.95.05"), ModuleType.OPEN, "6.12.0", List.of(), Path.of("/"), Optional.empty(), "");

    /** What is tested. */
    abstract Daemons daemons();

    /** Somebody has started one. */
    abstract ProcessIdentity startedBySomebody() throws Exception;

    /** The next one does not come up. */
    abstract void failsToStart() throws Exception;

    /** The next one does not end when it is asked to. */
    abstract void endsOnlyWhenKilled() throws Exception;

    DaemonStatus persistenced() throws InterruptedException {
        return daemons().observe().stream()
                .filter(status -> status.kind() == DaemonKind.PERSISTENCED)
                .findFirst()
                .orElseThrow();
    }

    DaemonOutcome start() throws InterruptedException {
        return daemons().start(DaemonKind.PERSISTENCED, DRIVER, LIMIT);
    }

    DaemonOutcome stop(Duration grace) throws InterruptedException {
        return daemons().stop(DaemonKind.PERSISTENCED, grace);
    }

    @Test
    void everyKindIsTold() throws Exception {
        // When
        List<DaemonStatus> all = daemons().observe();

        // Then
        assertThat(all).extracting(DaemonStatus::kind).containsExactly(DaemonKind.values());
    }

    @Test
    void aDaemonThatWasStartedIsReadyAndKept() throws Exception {
        // When
        DaemonOutcome outcome = start();

        // Then
        DaemonStatus status = persistenced();
        assertThat(outcome).isInstanceOfSatisfying(DaemonOutcome.Ready.class, ready -> {
            assertThat(ready.already()).isFalse();
            assertThat(ready.keeper()).isEqualTo(Keeper.AGENT);
            assertThat(status.process()).hasValue(ready.process());
        });
        assertThat(status.state()).isEqualTo(State.READY);
        assertThat(status.keeper()).isEqualTo(Keeper.AGENT);
    }

    @Test
    void aDaemonThatRunsIsNotStartedTwice() throws Exception {
        // Given
        DaemonOutcome first = start();

        // When
        DaemonOutcome second = start();

        // Then
        assertThat(second).isInstanceOfSatisfying(DaemonOutcome.Ready.class, ready -> {
            assertThat(ready.already()).isTrue();
            assertThat(ready.process()).isEqualTo(((DaemonOutcome.Ready) first).process());
        });
    }

    @Test
    void aDaemonThatSomebodyStartedIsTakenAsItIs() throws Exception {
        // Given
        ProcessIdentity process = startedBySomebody();

        // When
        DaemonOutcome outcome = start();

        // Then
        assertThat(outcome).isInstanceOfSatisfying(DaemonOutcome.Ready.class, ready -> {
            assertThat(ready.already()).isTrue();
            assertThat(ready.process()).isEqualTo(process);
            assertThat(ready.keeper()).isEqualTo(Keeper.SOMEBODY);
        });
    }

    @Test
    void aDaemonThatWasStoppedIsGone() throws Exception {
        // Given
        start();

        // When
        DaemonOutcome outcome = stop(GRACE);

        // Then
        assertThat(outcome).isInstanceOfSatisfying(DaemonOutcome.Gone.class, gone -> {
            assertThat(gone.already()).isFalse();
            assertThat(gone.killed()).isFalse();
        });
        assertThat(persistenced().runs()).isFalse();
    }

    @Test
    void oneThatSomebodyStartedIsStoppedToo() throws Exception {
        // Given
        startedBySomebody();

        // When
        DaemonOutcome outcome = stop(GRACE);

        // Then
        assertThat(outcome).isInstanceOf(DaemonOutcome.Gone.class);
        assertThat(persistenced().runs()).isFalse();
    }

    @Test
    void stoppingWhatDoesNotRunIsNothing() throws Exception {
        // When
        DaemonOutcome outcome = stop(GRACE);

        // Then
        assertThat(outcome)
                .isInstanceOfSatisfying(
                        DaemonOutcome.Gone.class,
                        gone -> assertThat(gone.already()).isTrue());
    }

    @Test
    void aDaemonThatDoesNotListenIsKilled() throws Exception {
        // Given
        endsOnlyWhenKilled();
        start();

        // When
        DaemonOutcome outcome = stop(Duration.ofMillis(300));

        // Then
        assertThat(outcome)
                .isInstanceOfSatisfying(
                        DaemonOutcome.Gone.class,
                        gone -> assertThat(gone.killed()).isTrue());
        assertThat(persistenced().runs()).isFalse();
    }

    @Test
    void aDaemonThatDoesNotComeUpLeavesNothing() throws Exception {
        // Given
        failsToStart();

        // When
        DaemonOutcome outcome = start();

        // Then
        assertThat(outcome)
                .isInstanceOfSatisfying(
                        DaemonOutcome.Failed.class,
                        failed -> assertThat(failed.line()).startsWith("nvidia-persistenced: "));
        assertThat(persistenced().runs()).isFalse();
    }

    @Test
    void oneThatTheNodeDoesNotNeedIsNotStarted() throws Exception {
        // When
        DaemonOutcome outcome = daemons().start(DaemonKind.IMEX, DRIVER, LIMIT);

        // Then
        assertThat(outcome).isInstanceOf(DaemonOutcome.NotNeeded.class);
    }
}
