package io.gpunode.agent.health;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.inventory.HealthReports;
import io.gpunode.agent.lifecycle.Heartbeats;
import io.gpunode.agent.model.Finding;
import io.gpunode.agent.model.HealthVerdict;
import io.gpunode.agent.model.XidEvent;
import io.gpunode.agent.os.KernelLog;
import io.gpunode.agent.testing.Snapshots;
import io.gpunode.agent.time.ManualTime;
import io.gpunode.agent.time.SystemTime;
import io.gpunode.agent.time.Tick;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The loop over a kernel log that breaks, floods and is forbidden; turned by hand. */
@Timeout(10)
class KernelLogWatcherTest {
    private static final String XID = "NVRM: Xid (PCI:0000:1b:00): 48, pid=1, name=x, a double-bit error";

    private final ManualTime time = new ManualTime();
    private final List<XidEvent> seen = new ArrayList<>();
    private final HealthKeeper keeper =
            new HealthKeeper(HealthConfigs.usual(), new Seen(), () -> {}, time, time.wall());
    private FakeKernelLog log = new FakeKernelLog();
    private int opened;
    private KernelLogWatcher watcher = watcher(() -> {
        opened++;
        return log;
    });

    @BeforeEach
    void knowTheGpus() {
        keeper.picture(Snapshots.h100x8().build());
    }

    @Test
    void linesAboutGpusReachTheKeeper() throws Exception {
        // Given
        log.write("usb 1-1: new device");
        log.write(XID);

        // When
        Duration pause = watcher.turnByHand();

        // Then
        assertThat(seen).singleElement().satisfies(event -> {
            assertThat(event.gpu()).isEqualTo(Snapshots.id(0));
            assertThat(event.xid()).isEqualTo(48);
        });
        assertThat(pause).isZero();
    }

    @Test
    void aSourceThatDoesNotWaitIsNotReadAgainAtOnce() throws Exception {
        // When
        Duration pause = watcher.turnByHand();

        // Then
        assertThat(pause).isGreaterThan(Duration.ofMillis(100));
    }

    @Test
    void aFloodIsReadInTurns() throws Exception {
        // Given
        for (int i = 0; i < 10_000; i++) {
            log.write(XID);
        }

        // When
        Duration pause = watcher.turnByHand();

        // Then
        assertThat(log.left()).isBetween(7_000, 9_000);
        assertThat(pause).isPositive();
    }

    @Test
    void aLogThatMayNotBeReadIsTriedOnce() throws Exception {
        // Given
        KernelLogWatcher forbidden = watcher(() -> {
            opened++;
            throw new AccessDeniedException("/dev/kmsg");
        });

        // When
        Duration first = forbidden.turnByHand();
        Duration second = forbidden.turnByHand();

        // Then
        assertThat(opened).isEqualTo(1);
        assertThat(first).isGreaterThanOrEqualTo(Duration.ofHours(1));
        assertThat(second).isGreaterThanOrEqualTo(Duration.ofHours(1));
    }

    @Test
    void aLogThatBreaksIsOpenedAgain() throws Exception {
        // Given
        FakeKernelLog broken = log;
        broken.breaks(new IOException("EIO"));
        Duration pause = watcher.turnByHand();

        // When
        log = new FakeKernelLog();
        log.write(XID);
        watcher.turnByHand();

        // Then
        assertThat(broken.closed()).isTrue();
        assertThat(pause).isPositive();
        assertThat(opened).isEqualTo(2);
        assertThat(seen).hasSize(1);
    }

    @Test
    void lostRecordsDoNotStopIt() throws Exception {
        // Given
        log.loses();
        log.write(XID);

        // When
        watcher.turnByHand();

        // Then
        assertThat(seen).hasSize(1);
    }

    @Test
    void stoppingLetsGoOfTheLog() throws Exception {
        // Given
        watcher.turnByHand();

        // When
        watcher.stop(Duration.ofSeconds(1));

        // Then
        assertThat(log.closed()).isTrue();
    }

    @Test
    void stoppingDoesNotWaitForTheNextRecord() throws Exception {
        // Given
        log.waits();
        watcher.start();
        log.awaitReader();
        Tick before = SystemTime.monotonic().now();

        // When
        watcher.stop(Duration.ofSeconds(8));

        // Then: well before the loop would be interrupted, after half the limit
        assertThat(SystemTime.monotonic().now().since(before)).isLessThan(Duration.ofSeconds(3));
        assertThat(log.closed()).isTrue();
    }

    private KernelLogWatcher watcher(Opening opening) {
        return new KernelLogWatcher(opening::open, keeper, time, new Heartbeats(time));
    }

    private interface Opening {
        KernelLog open() throws IOException;
    }

    private final class Seen implements HealthReports {
        @Override
        public void health(HealthVerdict verdict) {}

        @Override
        public void xid(XidEvent event, HealthVerdict verdict) {
            seen.add(event);
        }

        @Override
        public void node(List<Finding> findings) {}
    }
}
