package io.gpunode.agent.health;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.kubernetes.NodeCondition;
import io.gpunode.agent.kubernetes.NodeEvent;
import io.gpunode.agent.model.Finding;
import io.gpunode.agent.model.Finding.Severity;
import io.gpunode.agent.model.GpuHealth;
import io.gpunode.agent.model.NodeSnapshot;
import io.gpunode.agent.model.PciAddress;
import io.gpunode.agent.testing.FakeSnapshotSource;
import io.gpunode.agent.testing.Snapshots;
import io.gpunode.agent.time.ManualTime;
import io.gpunode.agent.time.Tick;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class HealthAnnouncementsTest {
    private static final Finding XID_48 = finding("xid", Severity.FATAL, "XID 48: a double bit error", "reset it");
    private static final Finding XID_79 = finding("xid", Severity.FATAL, "XID 79: fell off the bus", "reboot");
    private static final Finding XID_31 = finding("xid", Severity.REMARK, "XID 31: an error of the application", "");

    private final Snapshots node = Snapshots.h100x8();
    private final FakeSnapshotSource source = new FakeSnapshotSource(node.build());
    private final List<NodeEvent> events = new ArrayList<>();
    private final List<NodeCondition.Wish> wishes = new ArrayList<>();
    private final HealthAnnouncements announcements =
            new HealthAnnouncements(source, Optional.of(events::add), Optional.of(wishes::add));

    @BeforeEach
    void subscribe() {
        announcements.start();
    }

    private static Finding finding(String check, Severity severity, String reason, String repair) {
        return new Finding(check, severity, reason, repair, "by itself", Snapshots.AT);
    }

    private static GpuHealth ill(Finding... findings) {
        return new GpuHealth.Unhealthy(List.of(findings));
    }

    private static NodeSnapshot with(NodeSnapshot snapshot, Finding... findings) {
        return new NodeSnapshot(
                snapshot.version(),
                snapshot.structureVersion(),
                snapshot.takenAt(),
                snapshot.nvml(),
                snapshot.gpus(),
                snapshot.topology(),
                List.of(findings),
                snapshot.unidentified());
    }

    @Test
    void aFindingThatAppearsIsToldWithItsRepair() {
        // When
        source.publish(node.health(3, ill(XID_48)).build());

        // Then
        assertThat(events).singleElement().satisfies(event -> {
            assertThat(event.warning()).isTrue();
            assertThat(event.reason()).isEqualTo("GpuUnhealthy");
            assertThat(event.message())
                    .isEqualTo("GPU " + Snapshots.uuid(3)
                            + " (index 3, PCI 0000:61:00.0) is withheld from new containers: XID 48: a double bit error."
                            + " Repair: reset it");
        });
        assertThat(wishes.getLast().status()).isEqualTo(NodeCondition.Status.FALSE);
        assertThat(wishes.getLast().message()).contains("XID 48: a double bit error");
    }

    @Test
    void theSameFindingAgainIsNotToldAgain() {
        // Given
        source.publish(node.health(3, ill(XID_48)).build());

        // When
        source.publish(
                node.health(3, ill(finding("xid", Severity.FATAL, "XID 48: a double bit error (7 times)", "reset it")))
                        .build());

        // Then
        assertThat(events).hasSize(1);
        assertThat(wishes.getLast()).isEqualTo(wishes.get(wishes.size() - 2));
    }

    @Test
    void anotherXidOfTheSameGpuIsAnotherEvent() {
        // Given
        source.publish(node.health(3, ill(XID_48)).build());

        // When
        source.publish(node.health(3, ill(XID_48, XID_79)).build());

        // Then
        assertThat(events).hasSize(2);
        assertThat(events.get(1).message()).contains("XID 79");
        assertThat(events.get(1).subject()).isNotEqualTo(events.get(0).subject());
    }

    @Test
    void aGpuThatMayBeUsedAgainIsToldOnce() {
        // Given
        source.publish(node.health(3, ill(XID_48, XID_79)).build());
        source.publish(node.health(3, ill(XID_79)).build());

        // When
        source.publish(node.health(3, new GpuHealth.Healthy(List.of(XID_31))).build());
        source.publish(node.healthy(3).build());

        // Then
        assertThat(events)
                .extracting(NodeEvent::reason)
                .containsExactly("GpuUnhealthy", "GpuUnhealthy", "GpuRemark", "GpuRecovered");
        assertThat(events.getLast().warning()).isFalse();
        assertThat(wishes.getLast())
                .isEqualTo(new NodeCondition.Wish(NodeCondition.Status.TRUE, "GpusHealthy", "all 8 GPUs are healthy"));
    }

    @Test
    void aRemarkIsNoWarning() {
        // When
        source.publish(node.health(3, new GpuHealth.Healthy(List.of(XID_31))).build());

        // Then
        assertThat(events).singleElement().satisfies(event -> {
            assertThat(event.warning()).isFalse();
            assertThat(event.reason()).isEqualTo("GpuRemark");
        });
        assertThat(wishes.getLast().status()).isEqualTo(NodeCondition.Status.TRUE);
    }

    @Test
    void aFindingAboutTheNodeIsToldToo() {
        // Given
        Finding fabric = finding("nvswitch", Severity.NODE, "SXid 12028: an NVSwitch failed", "reboot");

        // When
        source.publish(with(node.gpu(0, gpu -> gpu).build(), fabric));

        // Then
        assertThat(events).singleElement().satisfies(event -> {
            assertThat(event.reason()).isEqualTo("GpuNodeUnhealthy");
            assertThat(event.message()).isEqualTo("SXid 12028: an NVSwitch failed. Repair: reboot");
        });
        assertThat(wishes.getLast().status()).isEqualTo(NodeCondition.Status.FALSE);
    }

    @Test
    void thePictureThatIsThereAtTheStartIsTold() {
        // Given
        announcements.stop(Duration.ofSeconds(1));
        source.publish(node.waiting().build());
        wishes.clear();
        HealthAnnouncements later = new HealthAnnouncements(source, Optional.of(events::add), Optional.of(wishes::add));

        // When
        later.start();

        // Then
        assertThat(wishes).singleElement().satisfies(wish -> {
            assertThat(wish.status()).isEqualTo(NodeCondition.Status.UNKNOWN);
            assertThat(wish.reason()).isEqualTo("DriverNotReady");
        });
    }

    @Test
    void errorsOfTwoSwitchesAreTwoEvents() {
        // Given
        NodeEvidence evidence = new NodeEvidence();
        Tick now = new ManualTime().now();
        evidence.switchXid(switchError(5, 12_028), Snapshots.AT, now);
        source.publish(with(
                node.gpu(0, gpu -> gpu).build(),
                evidence.findings(List.of(), Map.of()).toArray(new Finding[0])));

        // When
        evidence.switchXid(switchError(5, 12_028), Snapshots.AT, now);
        evidence.switchXid(switchError(5, 20_034), Snapshots.AT, now);
        evidence.switchXid(switchError(6, 12_028), Snapshots.AT, now);
        DriverReport lost = DriverReport.xid(79, OptionalInt.empty(), OptionalInt.empty());
        evidence.strangersXid(new PciAddress(0, 0x17, 0, 0), lost, Finding.Severity.NODE, Snapshots.AT, now);
        evidence.strangersXid(new PciAddress(0, 0x18, 0, 0), lost, Finding.Severity.NODE, Snapshots.AT, now);
        source.publish(with(
                node.gpu(0, gpu -> gpu).build(),
                evidence.findings(List.of(), Map.of()).toArray(new Finding[0])));

        // Then
        assertThat(events)
                .extracting(NodeEvent::subject)
                .doesNotHaveDuplicates()
                .satisfiesExactly(
                        one -> assertThat(one).endsWith("NVSwitch 0000:05:00.0: SXid 12028"),
                        two -> assertThat(two).endsWith("NVSwitch 0000:05:00.0: SXid 20034"),
                        three -> assertThat(three).endsWith("NVSwitch 0000:06:00.0: SXid 12028"),
                        four -> assertThat(four).contains("GPU 0000:17:00.0").endsWith("XID 79"),
                        five -> assertThat(five).contains("GPU 0000:18:00.0").endsWith("XID 79"));
    }

    private static KernelMessage.SwitchXid switchError(int bus, int number) {
        return new KernelMessage.SwitchXid(new PciAddress(0, bus, 0, 0), number, true, "Link 03 detail");
    }

    @Test
    void withoutNvmlNothingIsKnownAndNothingHasRecovered() {
        // Given
        source.publish(node.health(3, ill(XID_48)).build());

        // When
        source.publish(node.waiting().build());

        // Then
        assertThat(events).hasSize(1);
        assertThat(wishes.getLast().status()).isEqualTo(NodeCondition.Status.UNKNOWN);
        assertThat(wishes.getLast().reason()).isEqualTo("DriverNotReady");
    }

    @Test
    void manyUnhealthyGpusAreNamedAsFarAsTheyFit() {
        // When
        for (int i = 0; i < 8; i++) {
            node.health(i, ill(XID_48));
        }
        source.publish(
                with(node.build(), finding("a", Severity.NODE, "one", ""), finding("b", Severity.NODE, "two", "")));

        // Then
        assertThat(wishes.getLast().message()).startsWith("one; two; GPU").endsWith("; and 2 more");
    }

    @Test
    void afterItsEndNothingIsTold() {
        // Given
        announcements.stop(Duration.ofSeconds(1));

        // When
        source.publish(node.health(3, ill(XID_48)).build());

        // Then
        assertThat(events).isEmpty();
    }
}
