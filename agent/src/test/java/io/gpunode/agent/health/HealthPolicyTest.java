package io.gpunode.agent.health;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.model.Finding;
import io.gpunode.agent.model.GpuHealth;
import io.gpunode.agent.model.LaneState;
import io.gpunode.agent.model.PciAddress;
import io.gpunode.agent.time.ManualTime;
import java.time.Duration;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(10)
class HealthPolicyTest {
    private static final Duration INTERVAL = Duration.ofMinutes(5);

    private final ManualTime time = new ManualTime();
    private final HealthPolicy policy =
            new HealthPolicy(new AgentConfig.Health(true, false, Set.of(), Set.of(), INTERVAL));
    private final Evidence clean = Evidence.none(new PciAddress(0, 0x1b, 0, 0), time.instant(), time.now());

    @Test
    void withoutEvidenceAGpuIsHealthy() {
        assertThat(policy.fold(clean)).isEqualTo(GpuHealth.Healthy.CLEAN);
    }

    @Test
    void aFatalXidSaysWhyAndWhatHelps() {
        // When
        GpuHealth health = policy.fold(xid(clean, 48));

        // Then
        assertThat(health).isInstanceOf(GpuHealth.Unhealthy.class);
        assertThat(health.all()).singleElement().satisfies(finding -> {
            assertThat(finding.check()).isEqualTo("xid");
            assertThat(finding.severity()).isEqualTo(Finding.Severity.FATAL);
            assertThat(finding.reason()).isEqualTo("XID 48: a double-bit ECC error");
            assertThat(finding.repair()).contains("nvidia-smi --gpu-reset -i 0000:1b:00.0");
            assertThat(finding.recovery()).contains("5 min");
            assertThat(finding.since()).isEqualTo(time.instant());
        });
    }

    @Test
    void anApplicationsErrorIsARemark() {
        // When
        GpuHealth health = policy.fold(xid(clean, 31));

        // Then
        assertThat(health).isInstanceOf(GpuHealth.Healthy.class);
        assertThat(health.all()).singleElement().extracting(Finding::severity).isEqualTo(Finding.Severity.REMARK);
    }

    @Test
    void theSameXidAgainIsCounted() {
        // When
        GpuHealth health = policy.fold(xid(xid(xid(clean, 74), 74), 74));

        // Then
        assertThat(health.all())
                .singleElement()
                .extracting(Finding::reason)
                .asString()
                .endsWith("(3 times)");
    }

    @Test
    void anXidIsOverAfterAQuietIntervalInWhichTheGpuAnswered() {
        // Given
        Evidence bad = xid(clean, 48);
        time.advance(INTERVAL);

        // When
        Evidence later = policy.withoutWhatIsOver(bad.withAnswer(time.now()), time.now());

        // Then
        assertThat(policy.fold(later)).isEqualTo(GpuHealth.Healthy.CLEAN);
    }

    @Test
    void anXidIsNotOverBeforeTheInterval() {
        // Given
        Evidence bad = xid(clean, 48);
        time.advance(INTERVAL.minusMillis(1));

        // When
        Evidence later = policy.withoutWhatIsOver(bad.withAnswer(time.now()), time.now());

        // Then
        assertThat(policy.fold(later)).isInstanceOf(GpuHealth.Unhealthy.class);
    }

    @Test
    void aNewXidStartsTheIntervalAgainForAll() {
        // Given
        Evidence bad = xid(clean, 48);
        time.advance(INTERVAL.minusSeconds(1));
        Evidence worse = xid(bad, 74);
        time.advance(Duration.ofSeconds(2));

        // When
        Evidence later = policy.withoutWhatIsOver(worse.withAnswer(time.now()), time.now());

        // Then
        assertThat(policy.fold(later).all()).hasSize(2);
    }

    @Test
    void aGpuThatHasNotAnsweredSinceIsNotBack() {
        // Given: XID 79, off the bus
        Evidence bad = xid(clean, 79);
        time.advance(INTERVAL.multipliedBy(10));

        // When
        Evidence later = policy.withoutWhatIsOver(bad, time.now());

        // Then
        assertThat(policy.fold(later)).isInstanceOf(GpuHealth.Unhealthy.class);
    }

    @Test
    void aGpuThatNeedsRepairIsNotBack() {
        // Given
        Evidence bad = xid(clean, 95).withRecoveryAction(1, time.instant());
        time.advance(INTERVAL.multipliedBy(2));

        // When
        Evidence later = policy.withoutWhatIsOver(bad.withAnswer(time.now()), time.now());

        // Then
        assertThat(policy.fold(later).all()).extracting(Finding::check).containsExactly("recovery-action", "xid");
    }

    @Test
    void aRemarkIsOverByItself() {
        // Given
        Evidence remarked = xid(clean, 31).withLane(new LaneState.Lost("NVML answers GPU_IS_LOST", time.instant()));
        time.advance(INTERVAL);

        // When
        Evidence later = policy.withoutWhatIsOver(remarked, time.now());

        // Then
        assertThat(later.incidents()).isEmpty();
    }

    @Test
    void anUnresponsiveLaneWithholdsUntilItResponds() {
        // Given
        Evidence hung = clean.withLane(new LaneState.Unresponsive("nvmlDeviceGetPowerUsage", time.instant()));

        // When
        GpuHealth while_ = policy.fold(hung);
        GpuHealth after = policy.fold(hung.withLane(LaneState.Responsive.INSTANCE));

        // Then
        assertThat(while_.all()).singleElement().satisfies(finding -> {
            assertThat(finding.check()).isEqualTo("lane");
            assertThat(finding.reason()).contains("nvmlDeviceGetPowerUsage");
        });
        assertThat(after).isEqualTo(GpuHealth.Healthy.CLEAN);
    }

    @ParameterizedTest
    @CsvSource({"1, FATAL", "2, FATAL", "3, REMARK", "4, FATAL", "5, REMARK", "17, FATAL"})
    void aRecoveryActionWithholdsUnlessOnlyPeersAreConcerned(long action, Finding.Severity severity) {
        // When
        GpuHealth health = policy.fold(clean.withRecoveryAction(action, time.instant()));

        // Then
        assertThat(health.all()).singleElement().extracting(Finding::severity).isEqualTo(severity);
    }

    @Test
    void aFloodOfDifferentXidsHasABound() {
        // Given
        Evidence flooded = clean;

        // When
        for (int xid = 1000; xid < 2000; xid++) {
            flooded = xid(flooded, xid);
        }

        // Then
        assertThat(flooded.incidents()).hasSize(32);
        assertThat(flooded.incidents().getLast().xid()).isEqualTo(1999);
    }

    private Evidence xid(Evidence before, long xid) {
        return before.withXid(xid, time.instant(), time.now());
    }
}
