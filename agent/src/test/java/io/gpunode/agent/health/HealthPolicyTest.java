package io.gpunode.agent.health;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.gpu.GpuEvents;
import io.gpunode.agent.model.Finding;
import io.gpunode.agent.model.Finding.Severity;
import io.gpunode.agent.model.GpuHealth;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.HealthVerdict;
import io.gpunode.agent.model.LaneState;
import io.gpunode.agent.model.MigDevice;
import io.gpunode.agent.model.Quantity;
import io.gpunode.agent.testing.Configs;
import io.gpunode.agent.testing.Snapshots;
import java.time.Duration;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

@Timeout(10)
class HealthPolicyTest {
    private static final Duration INTERVAL = HealthConfigs.INTERVAL;

    private final Patient patient = new Patient(HealthConfigs.usual());

    @Test
    void withoutEvidenceAGpuIsHealthy() {
        // When
        GpuHealth health = patient.reads(Map.of()).health();

        // Then
        assertThat(health).isEqualTo(GpuHealth.Healthy.CLEAN);
    }

    @Test
    void aFatalXidSaysWhyAndWhatHelps() {
        // When
        GpuHealth health = patient.xid(48).health();

        // Then
        assertThat(health).isInstanceOf(GpuHealth.Unhealthy.class);
        assertThat(health.all()).singleElement().satisfies(finding -> {
            assertThat(finding.check()).isEqualTo("xid");
            assertThat(finding.severity()).isEqualTo(Severity.FATAL);
            assertThat(finding.reason()).isEqualTo("XID 48: a double-bit ECC error");
            assertThat(finding.repair()).contains("nvidia-smi --gpu-reset -i 0000:3b:00.0");
            assertThat(finding.recovery()).contains("5 min");
            assertThat(finding.since()).isEqualTo(patient.time.instant());
        });
    }

    @Test
    void anXidThatNeedsARebootConcernsTheNode() {
        // When
        GpuHealth health = patient.xid(79).health();

        // Then
        assertThat(health).isInstanceOf(GpuHealth.Unhealthy.class);
        assertThat(health.all()).singleElement().satisfies(finding -> {
            assertThat(finding.severity()).isEqualTo(Severity.NODE);
            assertThat(finding.repair()).contains("systemctl reboot");
        });
    }

    @Test
    void anApplicationsErrorIsARemark() {
        // When
        GpuHealth health = patient.xid(31).health();

        // Then
        assertThat(health).isInstanceOf(GpuHealth.Healthy.class);
        assertThat(health.all()).singleElement().extracting(Finding::severity).isEqualTo(Severity.REMARK);
    }

    @Test
    void anXidThatIsIgnoredIsNoFinding() {
        // When
        GpuHealth health = patient.xid(154).health();

        // Then
        assertThat(health).isEqualTo(GpuHealth.Healthy.CLEAN);
    }

    @ParameterizedTest
    @CsvSource({
        "1, ''",
        "3, ' (3 times)'",
        "12, ' (10 times or more)'",
        "99, ' (10 times or more)'",
        "1000, ' (1000 times or more)'"
    })
    void theSameXidAgainIsCountedRoughly(int times, String words) {
        // When
        for (int i = 0; i < times; i++) {
            patient.xid(74);
        }

        // Then
        assertThat(patient.health().all())
                .singleElement()
                .extracting(Finding::reason)
                .isEqualTo("XID 74: an NVLink error" + words);
    }

    @Test
    void anXidIsOverAfterAQuietIntervalInWhichTheGpuAnswered() {
        // Given
        patient.xid(48).advance(INTERVAL);

        // When
        patient.reads(Map.of());

        // Then
        assertThat(patient.health()).isEqualTo(GpuHealth.Healthy.CLEAN);
    }

    @Test
    void anotherCountersFailureDoesNotKeepALinkThatIsUpAgain() {
        // Given
        patient.reads(Map.of(Quantity.NVLINK_ACTIVE_LINKS, 3));
        patient.reads(Map.of(Quantity.NVLINK_ACTIVE_LINKS, 1));
        patient.reads(Map.of(Quantity.NVLINK_ACTIVE_LINKS, 1));
        GpuHealth down = patient.health();

        // When
        patient.readsBut(Map.of(Quantity.NVLINK_ACTIVE_LINKS, 3), Quantity.NVLINK_RECOVERY_ERRORS);

        // Then
        assertThat(down).isInstanceOf(GpuHealth.Unhealthy.class);
        assertThat(patient.health()).isEqualTo(GpuHealth.Healthy.CLEAN);
    }

    @Test
    void aRowThatIsNotPendingAnyMoreIsOverWhateverElseFails() {
        // Given
        patient.reads(Map.of(Quantity.ROW_REMAP_PENDING, 1));

        // When
        patient.readsBut(Map.of(Quantity.ROW_REMAP_PENDING, 0), Quantity.ROW_REMAP_FAILED);

        // Then
        assertThat(patient.health()).isEqualTo(GpuHealth.Healthy.CLEAN);
    }

    @Test
    void linksErrorsThatAreNotFatalDoNotKeepAGpuThatHadAFatalOne() {
        // Given
        patient.loggedNvlink(true).advance(INTERVAL.dividedBy(2));
        patient.loggedNvlink(false).advance(INTERVAL.dividedBy(2));

        // When
        patient.reads(Map.of());

        // Then
        assertThat(patient.health()).isInstanceOf(GpuHealth.Healthy.class);
    }

    @Test
    void anXidIsNotOverBeforeTheInterval() {
        // Given
        patient.xid(48).advance(INTERVAL.minusMillis(1));

        // When
        patient.reads(Map.of());

        // Then
        assertThat(patient.health()).isInstanceOf(GpuHealth.Unhealthy.class);
    }

    @Test
    void aNewXidStartsTheIntervalAgainForAll() {
        // Given
        patient.xid(48).advance(INTERVAL.minusSeconds(1));
        patient.xid(74).advance(Duration.ofSeconds(2));

        // When
        patient.reads(Map.of());

        // Then
        assertThat(patient.health().all()).hasSize(2);
    }

    @Test
    void aGpuThatHasNotAnsweredSinceIsNotBack() {
        // Given: off the bus
        patient.xid(79).advance(INTERVAL.multipliedBy(10));

        // When
        patient.repeats();

        // Then
        assertThat(patient.health()).isInstanceOf(GpuHealth.Unhealthy.class);
    }

    @Test
    void aGpuThatNeedsRepairIsNotBack() {
        // Given
        patient.xid(95).advance(INTERVAL.multipliedBy(2));

        // When
        patient.reads(Map.of(Quantity.RECOVERY_ACTION, 1));

        // Then
        assertThat(patient.health().all()).extracting(Finding::check).containsExactly("recovery-action", "xid");
    }

    @Test
    void aRemarkIsOverByItself() {
        // Given
        patient.xid(31).advance(INTERVAL);

        // When
        patient.lane(new LaneState.Lost("NVML answers GPU_IS_LOST", patient.time.instant()));

        // Then
        assertThat(patient.health().all()).extracting(Finding::check).containsExactly("lost");
    }

    @Test
    void anUnresponsiveLaneWithholdsUntilItResponds() {
        // Given
        patient.lane(new LaneState.Unresponsive("nvmlDeviceGetPowerUsage", patient.time.instant()));
        GpuHealth hung = patient.health();

        // When
        patient.lane(LaneState.Responsive.INSTANCE);

        // Then
        assertThat(hung.all()).singleElement().satisfies(finding -> {
            assertThat(finding.check()).isEqualTo("lane");
            assertThat(finding.reason()).contains("nvmlDeviceGetPowerUsage");
        });
        assertThat(patient.health()).isEqualTo(GpuHealth.Healthy.CLEAN);
    }

    @Test
    void aGpuThatIsLostAgainSoonAfterItCameBackHasToStayForTheInterval() {
        // Given
        LaneState lost = new LaneState.Lost("NVML answers GPU_IS_LOST", patient.time.instant());
        patient.lane(lost).lane(LaneState.Responsive.INSTANCE);
        GpuHealth afterTheFirst = patient.health();
        patient.advance(Duration.ofSeconds(30)).lane(lost);

        // When
        patient.advance(Duration.ofSeconds(30)).lane(LaneState.Responsive.INSTANCE);

        // Then
        assertThat(afterTheFirst).isEqualTo(GpuHealth.Healthy.CLEAN);
        assertThat(patient.health()).isInstanceOf(GpuHealth.Unhealthy.class);
        assertThat(patient.health().all().getFirst().recovery()).contains("stayed away for 5 min");
    }

    @Test
    void aGpuThatStayedForTheIntervalIsBack() {
        // Given
        LaneState lost = new LaneState.Lost("NVML answers GPU_IS_LOST", patient.time.instant());
        patient.lane(lost).lane(LaneState.Responsive.INSTANCE);
        patient.advance(Duration.ofSeconds(30)).lane(lost).lane(LaneState.Responsive.INSTANCE);

        // When
        patient.advance(INTERVAL).reads(Map.of());

        // Then
        assertThat(patient.health()).isEqualTo(GpuHealth.Healthy.CLEAN);
    }

    @Test
    void whatCannotBeReadDoesNotCureAFinding() {
        // Given
        patient.reads(Map.of(Quantity.ROW_REMAP_FAILED, 1));

        // When
        patient.fails(Quantity.ROW_REMAP_FAILED);

        // Then
        assertThat(patient.health()).isInstanceOf(GpuHealth.Unhealthy.class);
    }

    @Test
    void anIgnoredCheckOnlyRemarks() {
        // Given
        Patient other = new Patient(HealthConfigs.ignoring("row-remap"));

        // When
        other.reads(Map.of(Quantity.ROW_REMAP_FAILED, 1));

        // Then
        assertThat(other.health()).isInstanceOf(GpuHealth.Healthy.class);
        assertThat(other.health().all())
                .singleElement()
                .extracting(Finding::severity)
                .isEqualTo(Severity.REMARK);
    }

    @Test
    void aFloodOfDifferentXidsHasABound() {
        // When
        for (int xid = 1000; xid < 2000; xid++) {
            patient.xid(xid);
        }

        // Then
        assertThat(patient.health().all()).hasSize(32);
        assertThat(patient.health().all().getLast().reason()).startsWith("XID 1999");
    }

    @Test
    void anXidOfAMigDeviceWithholdsThatDeviceAlone() {
        // Given
        MigDevice first = Snapshots.migDevice(0, 1, 0, "1g.10gb");
        MigDevice second = Snapshots.migDevice(1, 2, 0, "1g.10gb");
        patient.mig(first, second);

        // When
        HealthVerdict verdict =
                patient.xid(95, OptionalInt.of(2), OptionalInt.of(0)).verdict();

        // Then
        assertThat(verdict.health()).isEqualTo(GpuHealth.Healthy.CLEAN);
        assertThat(verdict.migDevice(first.id())).isEqualTo(GpuHealth.Healthy.CLEAN);
        assertThat(verdict.migDevice(second.id())).isInstanceOf(GpuHealth.Unhealthy.class);
    }

    @Test
    void anXidOfAGpuInstanceWithholdsAllItsDevices() {
        // Given
        MigDevice first = Snapshots.migDevice(0, 2, 0, "1c.2g.20gb");
        MigDevice second = Snapshots.migDevice(1, 2, 1, "1c.2g.20gb");
        MigDevice other = Snapshots.migDevice(2, 3, 0, "1g.10gb");
        patient.mig(first, second, other);

        // When
        HealthVerdict verdict =
                patient.xid(95, OptionalInt.of(2), OptionalInt.empty()).verdict();

        // Then
        assertThat(verdict.migDevices().keySet()).containsExactlyInAnyOrder(first.id(), second.id());
        assertThat(verdict.health()).isEqualTo(GpuHealth.Healthy.CLEAN);
    }

    @Test
    void anXidThatTakesTheWholeNodeIsTheGpusEvenWhenItNamesAnInstance() {
        // Given
        MigDevice device = Snapshots.migDevice(0, 2, 0, "1g.10gb");
        patient.mig(device);

        // When
        HealthVerdict verdict =
                patient.xid(79, OptionalInt.of(2), OptionalInt.of(0)).verdict();

        // Then
        assertThat(verdict.health()).isInstanceOf(GpuHealth.Unhealthy.class);
    }

    @Test
    void anXidOfAnInstanceThatIsNotThereIsARemark() {
        // Given
        patient.mig(Snapshots.migDevice(0, 1, 0, "1g.10gb"));

        // When
        HealthVerdict verdict =
                patient.xid(95, OptionalInt.of(5), OptionalInt.of(0)).verdict();

        // Then
        assertThat(verdict.migDevices()).isEmpty();
        assertThat(verdict.health()).isInstanceOf(GpuHealth.Healthy.class);
        assertThat(verdict.health().all())
                .singleElement()
                .extracting(Finding::reason)
                .asString()
                .endsWith("of MIG instance 5/0, which is not there");
    }

    @Test
    void anXidOfAnInstanceThatComesIntoThePictureLaterIsItsOwn() {
        // Given
        patient.mig();
        patient.xid(95, OptionalInt.of(2), OptionalInt.of(0));
        MigDevice device = Snapshots.migDevice(0, 2, 0, "1g.10gb");

        // When
        patient.mig(device);

        // Then
        assertThat(patient.verdict().migDevice(device.id())).isInstanceOf(GpuHealth.Unhealthy.class);
    }

    @Test
    void aNewInstanceWithTheNumberOfABrokenOneIsHealthy() {
        // Given
        patient.mig(Snapshots.migDevice(0, 2, 0, "1g.10gb"));
        patient.xid(95, OptionalInt.of(2), OptionalInt.of(0));
        MigDevice created = Snapshots.migDevice(7, 2, 0, "1g.10gb");

        // When
        patient.mig(created);

        // Then
        assertThat(patient.verdict().migDevice(created.id())).isEqualTo(GpuHealth.Healthy.CLEAN);
        assertThat(patient.verdict().health()).isEqualTo(GpuHealth.Healthy.CLEAN);
    }

    @Test
    void anXidOfOneDeviceDoesNotKeepAnotherFromComingBack() {
        // Given
        MigDevice first = Snapshots.migDevice(0, 1, 0, "1g.10gb");
        MigDevice second = Snapshots.migDevice(1, 2, 0, "1g.10gb");
        patient.mig(first, second);
        patient.xid(95, OptionalInt.of(1), OptionalInt.of(0)).advance(INTERVAL);
        patient.xid(95, OptionalInt.of(2), OptionalInt.of(0)).advance(Duration.ofSeconds(1));

        // When
        patient.reads(Map.of());

        // Then
        GpuId broken = second.id();
        assertThat(patient.verdict().migDevices().keySet()).containsExactly(broken);
    }

    @Test
    void bothWitnessesOfOneXidAreOne() {
        // When
        patient.xid(74).logged(74);

        // Then
        assertThat(patient.health().all())
                .singleElement()
                .extracting(Finding::reason)
                .isEqualTo("XID 74: an NVLink error");
    }

    @Test
    void theLogMayTellFirst() {
        // When
        patient.logged(74).logged(74).xid(74).xid(74).xid(74);

        // Then
        assertThat(patient.health().all())
                .singleElement()
                .extracting(Finding::reason)
                .isEqualTo("XID 74: an NVLink error (3 times)");
    }

    @Test
    void whatTheOtherWitnessTellsMuchLaterIsAnother() {
        // When
        patient.xid(74).advance(Incident.PAIR).logged(74);

        // Then
        assertThat(patient.health().all())
                .singleElement()
                .extracting(Finding::reason)
                .isEqualTo("XID 74: an NVLink error (2 times)");
    }

    @Test
    void anXidThatOnlyTheLogTellsOfCounts() {
        // When
        patient.logged(48);

        // Then
        assertThat(patient.health()).isInstanceOf(GpuHealth.Unhealthy.class);
    }

    @ParameterizedTest
    @EnumSource(
            value = GpuEvents.Kind.class,
            names = {"XID", "RECOVERY_ACTION_CHANGED", "LAYOUT_CHANGED"},
            mode = EnumSource.Mode.EXCLUDE)
    void everyOtherEventHasWords(GpuEvents.Kind kind) {
        // When
        patient.event(kind);

        // Then
        assertThat(patient.health().all()).singleElement().satisfies(finding -> {
            assertThat(finding.check()).isEqualTo("event");
            assertThat(finding.reason()).startsWith("the driver ");
        });
    }

    @Test
    void whatMayBeIgnoredIsWhatTheConfigurationKnows() {
        // When
        Set<String> all = Configs.withEnvironment(Map.of("DP_DISABLE_HEALTHCHECKS", "all"))
                .health()
                .ignoredChecks();

        // Then
        assertThat(all).containsExactlyInAnyOrderElementsOf(Checks.ignorable());
    }
}
