package io.gpunode.agent.health;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.inventory.HealthReports;
import io.gpunode.agent.model.Finding;
import io.gpunode.agent.model.Finding.Severity;
import io.gpunode.agent.model.GpuHealth;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.GpuSample;
import io.gpunode.agent.model.HealthVerdict;
import io.gpunode.agent.model.LaneState;
import io.gpunode.agent.model.PciAddress;
import io.gpunode.agent.model.Quantity;
import io.gpunode.agent.model.XidEvent;
import io.gpunode.agent.testing.Snapshots;
import io.gpunode.agent.time.ManualTime;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The keeper between watchers and inventory: verdicts, findings about the node, the kernel's log. */
@Timeout(10)
class HealthKeeperTest {
    private static final PciAddress FIRST = new PciAddress(0, 0x1b, 0, 0);
    private static final PciAddress STRANGER = new PciAddress(0, 0xee, 0, 0);

    private final ManualTime time = new ManualTime();
    private final Reports reports = new Reports();
    private final Looks looks = new Looks();
    private final Snapshots node = Snapshots.h100x8();
    private final HealthKeeper keeper = new HealthKeeper(HealthConfigs.usual(), reports, looks, time, time.wall());

    @Test
    void anXidInTheLogIsOfTheGpuAtThatPlaceAndNoOther() {
        // Given
        keeper.picture(node.build());

        // When
        keeper.logged(xid(FIRST, 48));

        // Then
        assertThat(reports.withheld()).containsExactly(Snapshots.id(0));
    }

    @Test
    void anXidOfAGpuThatNobodyListsIsTheNodes() {
        // Given
        keeper.picture(node.build());

        // When
        keeper.logged(xid(STRANGER, 79));

        // Then
        assertThat(reports.withheld()).isEmpty();
        assertThat(reports.findings).singleElement().satisfies(finding -> {
            assertThat(finding.severity()).isEqualTo(Severity.NODE);
            assertThat(finding.reason()).contains("0000:ee:00.0", "XID 79");
        });
    }

    @Test
    void bothWitnessesAreOne() {
        // Given
        keeper.picture(node.build());

        // When
        keeper.xid(nvml(0, 48));
        keeper.logged(xid(FIRST, 48));

        // Then
        assertThat(reports.findings(0))
                .singleElement()
                .extracting(Finding::reason)
                .isEqualTo("XID 48: a double-bit ECC error");
        assertThat(reports.xids).hasSize(1);
    }

    @Test
    void aGpuThatFellOffTheBusIsWithheldOnce() {
        // Given
        keeper.picture(node.build());

        // When
        keeper.logged(xid(FIRST, 79));
        keeper.logged(new KernelMessage.FallenOffBus(FIRST));

        // Then
        assertThat(reports.findings(0))
                .singleElement()
                .extracting(Finding::reason)
                .isEqualTo("XID 79: the GPU has fallen off the bus");
    }

    @Test
    void aLinksErrorThatTheDriverCallsNonfatalIsARemark() {
        // Given
        keeper.picture(node.build());

        // When
        keeper.logged(nvlink(false));

        // Then
        assertThat(reports.withheld()).isEmpty();
        assertThat(reports.findings(0))
                .singleElement()
                .extracting(Finding::severity)
                .isEqualTo(Severity.REMARK);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aLinksErrorThatTheDriverCallsFatalWithholdsItsGpuWhoeverTellsFirst(boolean nvmlFirst) {
        // Given
        keeper.picture(node.build());

        // When
        if (nvmlFirst) {
            keeper.xid(nvml(0, 145));
            keeper.logged(nvlink(true));
        } else {
            keeper.logged(nvlink(true));
            keeper.xid(nvml(0, 145));
        }

        // Then
        assertThat(reports.withheld()).containsExactly(Snapshots.id(0));
        assertThat(reports.findings(0))
                .singleElement()
                .extracting(Finding::reason)
                .isEqualTo("XID 145: an NVLink error (RLW), which the driver calls fatal");
    }

    @Test
    void aFloodOfHarmlessXidsHidesNoFatalOne() {
        // Given
        keeper.picture(node.build());
        keeper.xid(nvml(0, 48));

        // When: remarks and what is passed over, of many instances
        for (int instance = 0; instance < 20; instance++) {
            for (long harmless : new long[] {13, 31, 43, 63, 154}) {
                keeper.xid(new XidEvent(
                        Snapshots.id(0), harmless, time.instant(), OptionalInt.of(instance), OptionalInt.of(0)));
            }
        }

        // Then
        assertThat(reports.withheld()).containsExactly(Snapshots.id(0));
        assertThat(reports.findings(0)).hasSizeLessThanOrEqualTo(32);
    }

    @Test
    void anXidThatWasLoggedBeforeTheFirstPictureIsTheGpusOnceItIsListed() {
        // Given
        keeper.logged(xid(FIRST, 48));

        // When
        keeper.picture(node.build());

        // Then
        assertThat(reports.withheld()).containsExactly(Snapshots.id(0));
        assertThat(reports.findings).isEmpty();
    }

    @Test
    void anXidThatIsPassedOverIsNothingForAGpuThatNobodyListsEither() {
        // Given
        keeper.picture(node.build());

        // When
        keeper.logged(xid(STRANGER, 63));

        // Then
        assertThat(reports.findings).isEmpty();
    }

    @Test
    void remarksAboutTheNodeDoNotDriveOutWhatIsGrave() {
        // Given
        keeper.picture(node.build());
        keeper.logged(new KernelMessage.SwitchXid(STRANGER, 24007, true, "Fatal"));

        // When
        for (int number = 0; number < 100; number++) {
            keeper.logged(new KernelMessage.SwitchXid(STRANGER, number, false, "Non-fatal"));
        }

        // Then
        assertThat(reports.findings).extracting(Finding::severity).contains(Severity.NODE);
    }

    @Test
    void aRepairOfAGpuThatTakesTheNodeIsTheNodesFindingToo() {
        // Given
        keeper.picture(node.build());

        // When
        keeper.xid(nvml(0, 79));

        // Then
        assertThat(reports.findings).singleElement().satisfies(finding -> {
            assertThat(finding.severity()).isEqualTo(Severity.NODE);
            assertThat(finding.reason()).isEqualTo("GPU 0000:1b:00.0: XID 79: the GPU has fallen off the bus");
            assertThat(finding.repair()).contains("systemctl reboot");
        });
    }

    @Test
    void anSxidIsTheNodesAndWithholdsNoGpu() {
        // Given
        keeper.picture(node.build());

        // When
        keeper.logged(new KernelMessage.SwitchXid(STRANGER, 20009, false, "Non-fatal, Link 28"));

        // Then
        assertThat(reports.withheld()).isEmpty();
        assertThat(reports.findings).singleElement().satisfies(finding -> {
            assertThat(finding.check()).isEqualTo("nvswitch");
            assertThat(finding.severity()).isEqualTo(Severity.REMARK);
        });
    }

    @Test
    void anSxidThatIsNotFatalIsOverAfterAQuietInterval() {
        // Given
        keeper.picture(node.build());
        keeper.logged(new KernelMessage.SwitchXid(STRANGER, 20009, false, "Non-fatal"));

        // When
        time.advance(HealthConfigs.INTERVAL);
        keeper.picture(node.build());

        // Then
        assertThat(reports.findings).isEmpty();
    }

    @Test
    void aFatalSxidStandsUntilTheDriverIsLoadedAnew() {
        // Given
        keeper.picture(node.build());
        keeper.logged(new KernelMessage.SwitchXid(STRANGER, 24007, true, "Fatal, Link 30"));
        time.advance(HealthConfigs.INTERVAL.multipliedBy(10));
        keeper.picture(node.build());
        List<Finding> before = reports.findings;

        // When
        keeper.picture(node.reopened(2).build());

        // Then
        assertThat(before).extracting(Finding::severity).containsExactly(Severity.NODE);
        assertThat(reports.findings).isEmpty();
    }

    @Test
    void aGpuThatCouldNotBeStartedIsTheNodesUntilItAnswers() {
        // Given
        keeper.picture(Snapshots.noGpus().build());
        keeper.logged(new KernelMessage.InitFailed(Optional.of(FIRST), OptionalInt.of(0)));
        List<Finding> before = reports.findings;

        // When
        time.advance(Duration.ofSeconds(1));
        keeper.picture(node.build());

        // Then
        assertThat(before).singleElement().satisfies(finding -> {
            assertThat(finding.check()).isEqualTo("init");
            assertThat(finding.reason()).isEqualTo("the driver could not start GPU 0000:1b:00.0");
        });
        assertThat(reports.findings).isEmpty();
    }

    @Test
    void aFloodOfSwitchErrorsHasABound() {
        // Given
        keeper.picture(node.build());

        // When
        for (int number = 0; number < 1_000; number++) {
            keeper.logged(new KernelMessage.SwitchXid(STRANGER, number, true, "Fatal"));
        }

        // Then
        assertThat(reports.findings).hasSizeLessThanOrEqualTo(32);
    }

    @Test
    void aThousandXidsAreOneVerdictInFewWords() {
        // Given
        keeper.picture(node.build());

        // When
        for (int i = 0; i < 1_000; i++) {
            keeper.xid(nvml(0, 74));
        }

        // Then
        assertThat(reports.withheld()).containsExactly(Snapshots.id(0));
        assertThat(reports.findings(0))
                .singleElement()
                .extracting(Finding::reason)
                .isEqualTo("XID 74: an NVLink error (1000 times or more)");
        assertThat(reports.words).hasSizeLessThanOrEqualTo(12);
    }

    @Test
    void theWallClockMayJump() {
        // Given
        keeper.picture(node.build());
        keeper.xid(nvml(0, 48));
        time.setWall(time.instant().minus(Duration.ofDays(400)));

        // When
        node.sample(0, Map.of(Quantity.POWER_MILLIWATTS, 1));
        keeper.picture(node.build());
        List<GpuId> early = reports.withheld();
        time.setWall(time.instant().plus(Duration.ofDays(800)));
        keeper.picture(node.build());
        List<GpuId> jumped = reports.withheld();

        // Then
        assertThat(early).containsExactly(Snapshots.id(0));
        assertThat(jumped).containsExactly(Snapshots.id(0));
    }

    @Test
    void allGpusMayBeLost() {
        // Given
        keeper.picture(node.build());
        for (int gpu = 0; gpu < 8; gpu++) {
            node.lane(gpu, new LaneState.Lost("NVML answers GPU_IS_LOST", time.instant()));
        }

        // When
        keeper.picture(node.build());

        // Then
        assertThat(reports.withheld()).hasSize(8);
    }

    @Test
    void anEccErrorThatNvmlCountsForAGpuInstanceWithholdsItsMigDeviceAlone() {
        // Given
        pictureOfErrors(1, 0, 0, 0);
        assertThat(reports.verdicts).doesNotContainKey(Snapshots.id(0));

        // When
        pictureOfErrors(2, 1, 0, 1);

        // Then
        HealthVerdict verdict = Objects.requireNonNull(reports.verdicts.get(Snapshots.id(0)));
        assertThat(verdict.health()).isInstanceOf(GpuHealth.Healthy.class);
        assertThat(verdict.migDevice(Snapshots.migDevice(0, 0, "3g.40gb").id())).isInstanceOf(GpuHealth.Healthy.class);
        assertThat(verdict.migDevice(Snapshots.migDevice(0, 1, "3g.40gb").id()))
                .isInstanceOfSatisfying(
                        GpuHealth.Unhealthy.class,
                        health -> assertThat(health.findings().getFirst().reason())
                                .contains("a memory of the chip (SRAM)"));
    }

    @Test
    void anEccErrorOfNoInstanceWithholdsTheGpu() {
        // Given
        pictureOfErrors(1, 0, 0, 0);

        // When
        pictureOfErrors(2, 2, 0, 1);

        // Then
        assertThat(reports.withheld()).containsExactly(Snapshots.id(0));
    }

    /** GPU 0 is split in two; uncorrectable errors of the GPU as a whole, and those in the chip's memories of its first and second part. */
    private void pictureOfErrors(long reading, long ofGpu, long first, long second) {
        keeper.picture(node.mig(
                        0,
                        Snapshots.withSample(
                                Snapshots.migDevice(0, 0, "3g.40gb"),
                                errors(Quantity.ECC_UNCORRECTED_SRAM_VOLATILE, first, reading)),
                        Snapshots.withSample(
                                Snapshots.migDevice(0, 1, "3g.40gb"),
                                errors(Quantity.ECC_UNCORRECTED_SRAM_VOLATILE, second, reading)))
                .sample(0, errors(Quantity.ECC_UNCORRECTED_VOLATILE, ofGpu, reading))
                .build());
    }

    private static GpuSample errors(Quantity counter, long count, long reading) {
        long[] values = new long[Quantity.count()];
        byte[] statuses = new byte[Quantity.count()];
        values[counter.ordinal()] = count;
        statuses[counter.ordinal()] = GpuSample.PRESENT;
        return GpuSample.copyOf(values, statuses, reading);
    }

    @Test
    void aChangeOfTheNeededRepairIsLookedAt() {
        // Given
        keeper.picture(node.build());

        // When
        keeper.logged(xid(FIRST, 154));

        // Then
        assertThat(looks.count).isEqualTo(1);
        assertThat(reports.withheld()).isEmpty();
    }

    private static KernelMessage.Xid xid(PciAddress pci, long number) {
        return new KernelMessage.Xid(pci, number, OptionalInt.empty(), OptionalInt.empty(), false);
    }

    private static KernelMessage.Xid nvlink(boolean fatal) {
        return new KernelMessage.Xid(FIRST, 145, OptionalInt.empty(), OptionalInt.empty(), fatal);
    }

    private XidEvent nvml(int gpu, long number) {
        return new XidEvent(Snapshots.id(gpu), number, time.instant(), OptionalInt.empty(), OptionalInt.empty());
    }

    /** Counts. */
    private static final class Looks implements Runnable {
        private int count;

        @Override
        public void run() {
            count++;
        }
    }

    /** The inventory's side: the last of each. */
    private static final class Reports implements HealthReports {
        private final Map<GpuId, HealthVerdict> verdicts = new HashMap<>();
        private final List<XidEvent> xids = new ArrayList<>();
        private final Set<String> words = new HashSet<>();
        private List<Finding> findings = List.of();

        @Override
        public void health(HealthVerdict verdict) {
            verdicts.put(verdict.gpu(), verdict);
            verdict.health().all().forEach(finding -> words.add(finding.reason()));
        }

        @Override
        public void xid(XidEvent event, HealthVerdict verdict) {
            xids.add(event);
            health(verdict);
        }

        @Override
        public void node(List<Finding> found) {
            findings = found;
        }

        List<Finding> findings(int gpu) {
            return verdicts.getOrDefault(Snapshots.id(gpu), HealthVerdict.clean(Snapshots.id(gpu)))
                    .health()
                    .all();
        }

        List<GpuId> withheld() {
            return verdicts.values().stream()
                    .filter(verdict -> verdict.health() instanceof GpuHealth.Unhealthy)
                    .map(HealthVerdict::gpu)
                    .sorted()
                    .toList();
        }
    }
}
