package io.gpunode.agent.driver;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.AgentConfig.Driver;
import io.gpunode.agent.config.AgentConfig.Driver.DaemonKeeping;
import io.gpunode.agent.config.AgentConfig.Driver.Use;
import io.gpunode.agent.driver.DaemonStatus.Keeper;
import io.gpunode.agent.os.HostFiles;
import io.gpunode.agent.os.HostProcesses;
import io.gpunode.agent.os.ProcessIdentity;
import io.gpunode.agent.os.SystemCommandRunner;
import io.gpunode.agent.os.SystemHostFiles;
import io.gpunode.agent.os.SystemHostProcesses;
import io.gpunode.agent.time.SystemTime;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** With real processes: a program that behaves as the persistence daemon does. */
class StandInPersistencedTest extends DaemonsContract {
    @TempDir
    Path root;

    private HostFiles files;
    private HostProcesses processes;
    private HostDaemons daemons;

    @BeforeEach
    void install() throws Exception {
        StandInDaemons.installPersistenced(root);
        Files.createDirectories(root.resolve("dev"));
        Files.createDirectories(root.resolve("sys/module/nvidia"));
        Files.writeString(root.resolve("dev/nvidia0"), "");
        files = new SystemHostFiles(root);
        processes = new SystemHostProcesses(new SystemHostFiles(Path.of("/")), files, SystemTime.monotonic());
        daemons = open(false);
    }

    @AfterEach
    void end() throws Exception {
        daemons.close();
        for (ProcessIdentity process : processes.running("nvidia-persistenced")) {
            processes.stop(process, Duration.ZERO, Duration.ofSeconds(5));
        }
    }

    private HostDaemons open(boolean keep) {
        return new HostDaemons(
                new DaemonHost(
                        files,
                        processes,
                        new SystemCommandRunner(),
                        new Driver.Daemons(Use.AUTO, true, Use.AUTO, Use.OFF, DaemonKeeping.AUTO)),
                new FakeSystemd(),
                LIMIT,
                keep,
                Duration.ofMillis(20),
                SystemTime.monotonic());
    }

    @Override
    Daemons daemons() {
        return daemons;
    }

    @Override
    ProcessIdentity startedBySomebody() throws Exception {
        Process first =
                new ProcessBuilder(root.resolve("usr/bin/nvidia-persistenced").toString()).start();
        assertThat(first.waitFor(10, TimeUnit.SECONDS)).isTrue();
        return processes.running("nvidia-persistenced").getFirst();
    }

    @Override
    void failsToStart() throws Exception {
        StandInDaemons.fault(root, "no-gpu");
    }

    @Override
    void endsOnlyWhenKilled() throws Exception {
        StandInDaemons.fault(root, "deaf");
    }

    @Test
    void whileItRunsItHoldsTheDeviceAndAfterwardsNobodyDoes() throws Exception {
        // Given
        start();
        Path device = root.resolve("dev/nvidia0").toRealPath();
        ProcessIdentity process = persistenced().process().orElseThrow();
        assertThat(holds(process, device)).isTrue();

        // When
        stop(GRACE);

        // Then
        assertThat(holds(process, device)).isFalse();
        assertThat(root.resolve("run/nvidia-persistenced")).doesNotExist();
    }

    private static boolean holds(ProcessIdentity process, Path file) throws Exception {
        Path descriptors = Path.of("/proc/" + process.pid() + "/fd");
        if (!Files.exists(descriptors)) {
            return false;
        }
        try (var entries = Files.list(descriptors)) {
            return entries.anyMatch(entry -> {
                try {
                    return Files.readSymbolicLink(entry).equals(file);
                } catch (java.io.IOException e) {
                    return false;
                }
            });
        }
    }

    @Test
    void whatAFailedOneSaidIsEvidence() throws Exception {
        // Given
        failsToStart();

        // When
        DaemonOutcome outcome = start();

        // Then
        assertThat(outcome).isInstanceOfSatisfying(DaemonOutcome.Failed.class, failed -> {
            assertThat(failed.text()).isEqualTo("exit status 1");
            assertThat(failed.evidence())
                    .containsExactly("nvidia-persistenced failed to initialize. Check syslog for more details.");
        });
    }

    @Test
    void thePidFileAndTheSocketOfOneThatWasKilledAreNoHindrance() throws Exception {
        // Given: it has no time to tidy up
        StandInDaemons.fault(root, "deaf");
        processes.stop(startedBySomebody(), Duration.ZERO, Duration.ofSeconds(5));
        assertThat(root.resolve("run/nvidia-persistenced/socket")).exists();

        // When
        DaemonOutcome outcome = start();

        // Then
        assertThat(outcome).isInstanceOf(DaemonOutcome.Ready.class);
    }

    @Test
    void oneThatIsNeverReadyIsEndedWithItsChildInTheBackground() throws Exception {
        // Given
        StandInDaemons.fault(root, "hang");

        // When
        DaemonOutcome outcome = daemons.start(DaemonKind.PERSISTENCED, DRIVER, Duration.ofMillis(500));

        // Then
        assertThat(outcome)
                .isInstanceOfSatisfying(
                        DaemonOutcome.Failed.class,
                        failed -> assertThat(failed.fault()).isEqualTo(DaemonFault.NOT_READY_IN_TIME));
        assertThat(processes.running("nvidia-persistenced")).isEmpty();
    }

    @Test
    void oneThatIsKilledBehindTheAgentsBackComesBack() throws Exception {
        // Given
        daemons = open(true);
        ProcessIdentity first = ((DaemonOutcome.Ready) start()).process();

        // When
        processes.stop(first, Duration.ZERO, Duration.ofSeconds(5));

        // Then
        DaemonStatus status = awaitOther(first);
        assertThat(status.keeper()).isEqualTo(Keeper.AGENT);
        assertThat(status.restarts()).isEqualTo(1);
        daemons.close();
        assertThat(processes.identify(status.process().orElseThrow().pid())).isPresent();
    }

    private DaemonStatus awaitOther(ProcessIdentity first) throws InterruptedException {
        CountDownLatch never = new CountDownLatch(1);
        for (int i = 0; i < 1_000; i++) {
            DaemonStatus status = persistenced();
            Optional<ProcessIdentity> now = status.process();
            if (now.isPresent()
                    && !now.get().equals(first)
                    && status.keeper() == Keeper.AGENT
                    && status.restarts() == 1) {
                return status;
            }
            assertThat(never.await(10, TimeUnit.MILLISECONDS)).isFalse();
        }
        return persistenced();
    }
}
