package io.gpunode.agent.driver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.gpunode.agent.config.AgentConfig.Driver;
import io.gpunode.agent.config.AgentConfig.Driver.DaemonKeeping;
import io.gpunode.agent.config.AgentConfig.Driver.Use;
import io.gpunode.agent.model.DriverVersion;
import io.gpunode.agent.os.MountPlace;
import io.gpunode.agent.os.SystemCommandRunner;
import io.gpunode.agent.time.SystemTime;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * The real {@code nvidia-persistenced} on a machine without a driver, where it fails as it does everywhere without one. It is given a {@code /run} and a
 * {@code /dev} of its own: its library makes {@code /dev/nvidiactl} also there. Needs {@code REAL_PERSISTENCED}, which
 * {@code src/test/scripts/fetch-real-persistenced.sh} prints, and root.
 */
@Timeout(60)
class RealPersistencedIT {
    @Test
    void withoutADriverItFailsWithItsReasonAndLeavesNothingInTheWay() throws Exception {
        // Given
        String directory = System.getenv("REAL_PERSISTENCED");
        assumeTrue(
                directory != null,
                "skipped: REAL_PERSISTENCED is not set (see agent/src/test/scripts/fetch-real-persistenced.sh)");
        try (MountPlace place = MountPlace.open()) {
            place.run("mount", "-t", "tmpfs", "run", "/run");
            place.run("mount", "-t", "tmpfs", "dev", "/dev");
            place.run("mknod", "-m", "666", "/dev/null", "c", "1", "3");
            HostDaemons daemons = new HostDaemons(
                    place.files(),
                    place.processes(),
                    new FakeSystemd(),
                    new SystemCommandRunner(),
                    new Driver.Daemons(Use.ON, true, Use.OFF, Use.OFF, DaemonKeeping.CHILD),
                    Duration.ofSeconds(20),
                    false,
                    SystemTime.monotonic());
            StagedDriver driver = new StagedDriver(
                    new DriverVersion("535.261.03"),
                    ModuleType.PROPRIETARY,
                    "6.1.0",
                    List.of(),
                    Path.of(directory),
                    Optional.empty(),
                    "");

            // When: the second time over what the first has left
            daemons.start(DaemonKind.PERSISTENCED, driver, Duration.ofSeconds(20));
            DaemonOutcome outcome = daemons.start(DaemonKind.PERSISTENCED, driver, Duration.ofSeconds(20));

            // Then
            assertThat(outcome).isInstanceOfSatisfying(DaemonOutcome.Failed.class, failed -> {
                assertThat(failed.fault()).isEqualTo(DaemonFault.EXITED);
                assertThat(failed.text()).isEqualTo("exit status 1");
                assertThat(failed.evidence())
                        .containsExactly("nvidia-persistenced failed to initialize. Check syslog for more details.");
            });
            assertThat(place.processes().running("nvidia-persistenced")).isEmpty();
        }
    }
}
