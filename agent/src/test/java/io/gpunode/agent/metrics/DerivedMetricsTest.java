package io.gpunode.agent.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.config.AgentConfig;
import io.gpunode.agent.config.EntitySelector;
import io.gpunode.agent.model.GpuId;
import io.gpunode.agent.model.GpuSample;
import io.gpunode.agent.model.Quantity;
import io.gpunode.agent.model.Topology;
import io.gpunode.agent.model.XidCounts;
import io.gpunode.agent.model.XidEvent;
import io.gpunode.agent.testing.FakeSnapshotSource;
import io.gpunode.agent.testing.Snapshots;
import io.gpunode.agent.time.ManualTime;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The metrics under {@code DCGM_EXP_}: what they count, to whom it belongs, and that their series do not come and go. */
@Timeout(10)
class DerivedMetricsTest {
    private static final GpuId GPU = Snapshots.id(0);

    private final ManualTime time = new ManualTime();
    private final Snapshots node = Snapshots.pcie(2);
    private final FakeSnapshotSource source = new FakeSnapshotSource(node.build());
    private long sampledAt;

    @Test
    void everyCodeHasASeriesOfItsOwnAndTheOneWithoutACodeStays() {
        // Given
        MetricsExposition exposition = showing("DCGM_EXP_XID_ERRORS_COUNT", "DCGM_EXP_XID_ERRORS_TOTAL");
        String before = values(exposition, "DCGM_EXP_XID_ERRORS_TOTAL", "gpu=\"0\"");

        // When
        publish(XidCounts.NONE.plus(xid(31)).plus(xid(31)).plus(xid(43)));

        // Then
        assertThat(before).isEqualTo("xid=\"\" 0");
        assertThat(values(exposition, "DCGM_EXP_XID_ERRORS_TOTAL", "gpu=\"0\""))
                .isEqualTo("xid=\"\" 0; xid=\"31\" 2; xid=\"43\" 1");
        assertThat(values(exposition, "DCGM_EXP_XID_ERRORS_COUNT", "gpu=\"0\""))
                .isEqualTo("xid=\"\" 0; xid=\"31\" 2; xid=\"43\" 1");
        assertThat(values(exposition, "DCGM_EXP_XID_ERRORS_TOTAL", "gpu=\"1\"")).isEqualTo("xid=\"\" 0");
    }

    @Test
    void aCountWithinTheWindowFallsBackToZeroAndItsSeriesStays() {
        // Given
        MetricsExposition exposition = showing("DCGM_EXP_XID_ERRORS_COUNT", "DCGM_EXP_XID_ERRORS_TOTAL");
        exposition.windows(Duration.ofMinutes(1), Duration.ofMinutes(1));
        publish(XidCounts.NONE.plus(xid(31)));
        time.advance(Duration.ofSeconds(40));
        publish(XidCounts.NONE.plus(xid(31)).plus(xid(31)));

        // When
        time.advance(Duration.ofSeconds(30));

        // Then: the first is 70 s old, the second 30 s
        assertThat(values(exposition, "DCGM_EXP_XID_ERRORS_COUNT", "gpu=\"0\"")).isEqualTo("xid=\"\" 0; xid=\"31\" 1");
        time.advance(Duration.ofMinutes(1));
        assertThat(values(exposition, "DCGM_EXP_XID_ERRORS_COUNT", "gpu=\"0\"")).isEqualTo("xid=\"\" 0; xid=\"31\" 0");
        assertThat(values(exposition, "DCGM_EXP_XID_ERRORS_TOTAL", "gpu=\"0\"")).isEqualTo("xid=\"\" 0; xid=\"31\" 2");
        assertThat(Pages.text(exposition)).contains("window_size_in_ms=\"60000\",xid=\"31\"");
    }

    @Test
    void xidsFromBeforeAnybodyLookedAreInNoWindow() {
        // Given
        publish(XidCounts.NONE.plus(xid(31)).plus(xid(31)));

        // When
        MetricsExposition exposition = showing("DCGM_EXP_XID_ERRORS_COUNT", "DCGM_EXP_XID_ERRORS_TOTAL");

        // Then
        assertThat(values(exposition, "DCGM_EXP_XID_ERRORS_COUNT", "gpu=\"0\"")).isEqualTo("xid=\"\" 0; xid=\"31\" 0");
        assertThat(values(exposition, "DCGM_EXP_XID_ERRORS_TOTAL", "gpu=\"0\"")).isEqualTo("xid=\"\" 0; xid=\"31\" 2");
    }

    @Test
    void anXidBelongsToTheInstanceThatTheDriverNamed() {
        // Given
        node.mig(0, Snapshots.migDevice(0, 7, 0, "1g.10gb"), Snapshots.migDevice(1, 9, 0, "2g.20gb"));
        MetricsExposition exposition = showing("DCGM_EXP_XID_ERRORS_TOTAL");

        // When
        publish(XidCounts.NONE.plus(xidOf(13, 9)).plus(xidOf(31, 4)).plus(xid(79)));

        // Then: 31 is of an instance that there is not
        assertThat(values(exposition, "DCGM_EXP_XID_ERRORS_TOTAL", "GPU_I_ID=\"7\""))
                .isEqualTo("xid=\"\" 0");
        assertThat(values(exposition, "DCGM_EXP_XID_ERRORS_TOTAL", "GPU_I_ID=\"9\""))
                .isEqualTo("xid=\"\" 0; xid=\"13\" 1");
        assertThat(values(exposition, "DCGM_EXP_XID_ERRORS_TOTAL", "modelName=\"NVIDIA L40S\",hostname"))
                .isEqualTo("xid=\"\" 0; xid=\"31\" 1; xid=\"79\" 1; xid=\"\" 0");
        assertThat(Pages.text(exposition)).contains("GPU_I_ID=\"9\",GPU_CI_ID=\"0\",hostname=\"node-a\",xid=\"13\"} 1");
    }

    @Test
    void whatThePageDoesNotTellApartIsAddedUp() {
        // Given: one instance with two compute instances, and two that are not there
        node.mig(0, Snapshots.migDevice(0, 7, 0, "1g.10gb"));
        MetricsExposition exposition = showing("DCGM_EXP_XID_ERRORS_COUNT", "DCGM_EXP_XID_ERRORS_TOTAL");

        // When
        publish(XidCounts.NONE
                .plus(xid(13))
                .plus(xidOf(13, 4))
                .plus(xidOf(13, 5))
                .plus(xidOf(13, 5))
                .plus(xidOf(13, 7))
                .plus(xidOf(13, 7, 1)));

        // Then
        for (String family : List.of("DCGM_EXP_XID_ERRORS_COUNT", "DCGM_EXP_XID_ERRORS_TOTAL")) {
            assertThat(values(exposition, family, "GPU_I_ID=\"7\""))
                    .isEqualTo("xid=\"\" 0; xid=\"13\" 1; xid=\"13\" 1");
            assertThat(lines(exposition, family, "gpu=\"0\"").stream()
                            .filter(line -> !line.contains("GPU_I_ID"))
                            .map(line -> line.replaceAll(".* ", "")))
                    .containsExactly("0", "4");
        }
    }

    @Test
    void aLaterXidElsewhereDoesNotHideTheLastOneOfAnInstance() {
        // Given
        node.mig(0, Snapshots.migDevice(0, 7, 0, "1g.10gb"), Snapshots.migDevice(1, 9, 0, "2g.20gb"));
        MetricsExposition exposition = showing("DCGM_FI_DEV_XID_ERRORS");

        // When: those of 4 and of the GPU itself are the GPU's
        publish(XidCounts.NONE
                .plus(xidOf(43, 7))
                .plus(xidOf(31, 9))
                .plus(xidOf(13, 9))
                .plus(xid(63))
                .plus(xidOf(94, 4)));

        // Then
        assertThat(lines(exposition, "DCGM_FI_DEV_XID_ERRORS", "gpu=\"0\"").stream()
                        .map(line -> line.replaceAll(".*?(GPU_I_ID=\"\\d\",GPU_CI_ID=\"\\d\")?,hostname.* ", "$1 ")))
                .containsExactlyInAnyOrder(
                        "GPU_I_ID=\"7\",GPU_CI_ID=\"0\" 43", "GPU_I_ID=\"9\",GPU_CI_ID=\"0\" 13", " 94");
    }

    @Test
    void clockEventsAreCountedBySamplingAndByTheirBeginning() {
        // Given: a reason that is there already
        MetricsExposition exposition = showing("DCGM_EXP_CLOCK_EVENTS_COUNT", "DCGM_EXP_CLOCK_EVENTS_TOTAL");
        sample(Map.of(Quantity.CLOCKS_EVENT_REASONS, 0x1L));

        // When
        sample(Map.of(Quantity.CLOCKS_EVENT_REASONS, 0x5L));
        sample(Map.of(Quantity.CLOCKS_EVENT_REASONS, 0x4L));
        sample(Map.of(Quantity.CLOCKS_EVENT_REASONS, 0x0L));
        sample(Map.of(Quantity.CLOCKS_EVENT_REASONS, 0x5L));

        // Then
        assertThat(values(exposition, "DCGM_EXP_CLOCK_EVENTS_TOTAL", "gpu=\"0\""))
                .isEqualTo("clock_event=\"gpu_idle\" 1; clock_event=\"clocks_setting\" 0; clock_event=\"power_cap\" 2;"
                        + " clock_event=\"hw_slowdown\" 0; clock_event=\"sync_boost\" 0; clock_event=\"sw_thermal\" 0;"
                        + " clock_event=\"hw_thermal\" 0; clock_event=\"hw_power_brake\" 0;"
                        + " clock_event=\"display_clocks\" 0");
        assertThat(values(exposition, "DCGM_EXP_CLOCK_EVENTS_COUNT", "clock_event=\"power_cap\""))
                .endsWith(" 3");
        // Nobody has read those of the other GPU.
        assertThat(values(exposition, "DCGM_EXP_CLOCK_EVENTS_TOTAL", "gpu=\"1\""))
                .isEmpty();
    }

    @Test
    void aPictureWithoutANewSamplingCountsNoSampling() {
        // Given
        MetricsExposition exposition = showing("DCGM_EXP_CLOCK_EVENTS_COUNT");
        sample(Map.of(Quantity.CLOCKS_EVENT_REASONS, 0x4L));

        // When
        source.publish(node.build());
        source.publish(node.build());

        // Then
        assertThat(values(exposition, "DCGM_EXP_CLOCK_EVENTS_COUNT", "clock_event=\"power_cap\""))
                .endsWith(" 1");
    }

    @Test
    void aHealthyGpuPassesAllElevenWatches() {
        // Given
        MetricsExposition exposition = showing("DCGM_EXP_GPU_HEALTH_STATUS");

        // When
        sample(Map.of(Quantity.POWER_MILLIWATTS, 1L));

        // Then
        List<String> lines = lines(exposition, "DCGM_EXP_GPU_HEALTH_STATUS", "gpu=\"0\"");
        assertThat(lines)
                .hasSize(11)
                .allSatisfy(line -> assertThat(line)
                        .contains("health_error_code=\"DCGM_FR_OK\"")
                        .endsWith(" 0"));
    }

    @ParameterizedTest
    @CsvSource({
        "ECC_UNCORRECTED_VOLATILE, 0, 1, MEM, 20, DCGM_FR_VOLATILE_DBE_DETECTED",
        "RETIRED_PAGES_SINGLE_BIT, 0, 63, MEM, 20, DCGM_FR_RETIRED_PAGES_LIMIT",
        "RETIRED_PAGES_DOUBLE_BIT, 14, 16, MEM, 20, DCGM_FR_RETIRED_PAGES_DBE_LIMIT",
        "RETIRED_PAGES_PENDING, 0, 1, MEM, 10, DCGM_FR_PENDING_PAGE_RETIREMENTS",
        "REMAPPED_ROWS_UNCORRECTABLE, 0, 512, MEM, 10, DCGM_FR_UNCORRECTABLE_ROW_REMAP",
        "ROW_REMAP_FAILED, 0, 1, MEM, 20, DCGM_FR_ROW_REMAP_FAILURE",
        "PCIE_REPLAYS, 0, 100000, PCIE, 10, DCGM_FR_PCI_REPLAY_RATE",
        "NVLINK_CRC_FLIT_ERRORS, 0, 1, NVLINK, 10, DCGM_FR_NVLINK_ERROR_THRESHOLD",
        "NVLINK_CRC_DATA_ERRORS, 0, 6000, NVLINK, 20, DCGM_FR_NVLINK_CRC_ERROR_THRESHOLD",
        "NVLINK_REPLAY_ERRORS, 0, 1, NVLINK, 20, DCGM_FR_NVLINK_ERROR_CRITICAL",
        "NVLINK_RECEIVE_ERRORS, 4, 5, NVLINK, 20, DCGM_FR_NVLINK_ERROR_CRITICAL",
        "NVLINK_RECOVERIES, 0, 1, NVLINK, 20, DCGM_FR_NVLINK_ERROR_CRITICAL",
        "NVLINK_EFFECTIVE_ERRORS, 0, 1, NVLINK, 20, DCGM_FR_NVLINK_ERROR_CRITICAL",
        "MEMORY_UNREPAIRABLE, 0, 1, MEM, 20, DCGM_FR_FAULTY_MEMORY",
        "NVLINK_ACTIVE_LINKS, 3, 1, NVLINK, 20, DCGM_FR_NVLINK_DOWN",
        "THERMAL_VIOLATION_NANOSECONDS, 5, 6, THERMAL, 10, DCGM_FR_CLOCK_THROTTLE_THERMAL",
        "POWER_VIOLATION_NANOSECONDS, 5, 6, POWER, 10, DCGM_FR_CLOCK_THROTTLE_POWER",
        "RECOVERY_ACTION, 0, 2, DRIVER, 20, DCGM_FR_GPU_RECOVERY_REBOOT",
        "RECOVERY_ACTION, 0, 3, DRIVER, 10, DCGM_FR_GPU_RECOVERY_DRAIN_P2P"
    })
    void aReadingThatARuleNamesIsFound(
            Quantity quantity, long before, long after, String watch, int status, String code) {
        // Given
        MetricsExposition exposition = showing("DCGM_EXP_GPU_HEALTH_STATUS");
        sample(Map.of(quantity, before));

        // When
        sample(Map.of(quantity, after));

        // Then
        assertThat(found(exposition)).containsExactly(code + " " + watch + " " + status);
    }

    @ParameterizedTest
    @CsvSource({
        "39, PCIE, 10, DCGM_FR_XID_ERROR",
        "73, NVLINK, 10, DCGM_FR_XID_ERROR",
        "63, MEM, 10, DCGM_FR_PENDING_PAGE_RETIREMENTS",
        "64, MEM, 20, DCGM_FR_ROW_REMAP_FAILURE",
        "60, THERMAL, 10, DCGM_FR_CLOCK_THROTTLE_THERMAL",
        "57, POWER, 10, DCGM_FR_CLOCK_THROTTLE_POWER",
        "79, ALL, 20, DCGM_FR_FALLEN_OFF_BUS",
        "94, ALL, 10, DCGM_FR_CONTAINED_ERROR",
        "95, ALL, 20, DCGM_FR_UNCONTAINED_ERROR"
    })
    void anXidThatARuleNamesIsFoundForGood(long xid, String watch, int status, String code) {
        // Given
        MetricsExposition exposition = showing("DCGM_EXP_GPU_HEALTH_STATUS");

        // When
        publish(XidCounts.NONE.plus(xid(xid)));
        time.advance(Duration.ofDays(2));

        // Then
        assertThat(found(exposition)).containsExactly(code + " " + watch + " " + status);
    }

    @Test
    void aLaterWarningDoesNotHideAFailure() {
        // Given
        MetricsExposition exposition = showing("DCGM_EXP_GPU_HEALTH_STATUS");

        // When
        publish(XidCounts.NONE.plus(xid(64)).plus(xid(31)));

        // Then
        assertThat(found(exposition)).containsExactly("DCGM_FR_ROW_REMAP_FAILURE MEM 20");
    }

    @Test
    void ofASplitGpuOnlyLinksThatAreDownAreNoFinding() {
        // Given
        node.mig(0, Snapshots.migDevice(0, 7, 0, "1g.10gb"));
        MetricsExposition exposition = showing("DCGM_EXP_GPU_HEALTH_STATUS");
        sample(Map.of(Quantity.NVLINK_ACTIVE_LINKS, 3L, Quantity.NVLINK_REPLAY_ERRORS, 0L));

        // When
        sample(Map.of(Quantity.NVLINK_ACTIVE_LINKS, 0L, Quantity.NVLINK_REPLAY_ERRORS, 1L));

        // Then
        assertThat(found(exposition)).containsExactly("DCGM_FR_NVLINK_ERROR_CRITICAL NVLINK 20");
    }

    @Test
    void growthThatIsOverIsNoFindingAnyMore() {
        // Given
        MetricsExposition exposition = showing("DCGM_EXP_GPU_HEALTH_STATUS");
        sample(Map.of(Quantity.NVLINK_REPLAY_ERRORS, 0L));
        sample(Map.of(Quantity.NVLINK_REPLAY_ERRORS, 3L));

        // When
        time.advance(Duration.ofMinutes(2));

        // Then
        assertThat(found(exposition)).isEmpty();
    }

    @Test
    void everyPairOfGpusHasItsStatus() {
        // Given
        MetricsExposition exposition = showing("DCGM_EXP_P2P_STATUS");
        Topology before = source.current().topology();
        int[][] status = {{-1, 0}, {5, -1}};

        // When
        node.topology(new Topology(before.gpus(), before.ancestor(), before.nvLinks(), before.nvSwitch(), status));
        source.publish(node.build());

        // Then
        assertThat(values(exposition, "DCGM_EXP_P2P_STATUS", "gpu=\"0\","))
                .isEqualTo("link_status=\"OK\",peer_gpu=\"1\" 0");
        assertThat(values(exposition, "DCGM_EXP_P2P_STATUS", "gpu=\"1\","))
                .isEqualTo("link_status=\"NotSupported\",peer_gpu=\"0\" 5");
    }

    @Test
    void thePastIsKeptOnlyWhileSomebodyAsksForIt() {
        // Given
        MetricsExposition exposition = showing("DCGM_FI_DEV_GPU_TEMP");

        // When
        publish(XidCounts.NONE.plus(xid(31)));

        // Then
        assertThat(Pages.text(exposition)).doesNotContain("DCGM_EXP_");
        assertThat(exposition.wanted().wants(Quantity.THERMAL_VIOLATION_NANOSECONDS))
                .isFalse();
        assertThat(showing("DCGM_EXP_GPU_HEALTH_STATUS").wanted().wants(Quantity.THERMAL_VIOLATION_NANOSECONDS))
                .isTrue();
    }

    private MetricsExposition showing(String... fields) {
        return new MetricsExposition(
                new AgentConfig.Metrics(
                        Pages.named(List.of(fields)),
                        "",
                        EntitySelector.FLEXIBLE,
                        AgentConfig.MetricLabels.NEWEST,
                        false,
                        true),
                "node-a",
                "0.1.0",
                Long::toString,
                new MicrometerMeters(_ -> {}, time, _ -> {}),
                source,
                Optional::empty,
                time,
                Pages.WALL);
    }

    private void publish(XidCounts counts) {
        source.publish(node.xidCounts(0, counts).build());
    }

    private void sample(Map<Quantity, Long> numbers) {
        long[] values = new long[Quantity.count()];
        byte[] statuses = new byte[Quantity.count()];
        numbers.forEach((quantity, number) -> {
            values[quantity.ordinal()] = number;
            statuses[quantity.ordinal()] = GpuSample.PRESENT;
        });
        source.publish(
                node.sample(0, GpuSample.copyOf(values, statuses, ++sampledAt)).build());
    }

    /** What is found against GPU 0: code, watch and status. */
    private static List<String> found(MetricsExposition exposition) {
        return lines(exposition, "DCGM_EXP_GPU_HEALTH_STATUS", "gpu=\"0\"").stream()
                .filter(line -> !line.endsWith(" 0"))
                .map(line -> line.replaceAll(
                        ".*health_error_code=\"([^\"]*)\",health_watch=\"([^\"]*)\".* (\\d+)$", "$1 $2 $3"))
                .toList();
    }

    /** Labels of their own and values of the series with this text. */
    private static String values(MetricsExposition exposition, String family, String with) {
        return String.join(
                "; ",
                lines(exposition, family, with).stream()
                        .map(line -> line.replaceAll(
                                ".*hostname=\"node-a\",(?:window_size_in_ms=\"\\d+\",)?([^{}]*?)(?:,window_size_in_ms=\"\\d+\")?\\}",
                                "$1"))
                        .toList());
    }

    private static List<String> lines(MetricsExposition exposition, String family, String with) {
        return Pages.text(exposition)
                .lines()
                .filter(line -> line.startsWith(family + "{") && line.contains(with))
                .toList();
    }

    private static XidEvent xid(long number) {
        return new XidEvent(GPU, number, Instant.EPOCH, OptionalInt.empty(), OptionalInt.empty());
    }

    private static XidEvent xidOf(long number, int instance) {
        return xidOf(number, instance, 0);
    }

    private static XidEvent xidOf(long number, int instance, int computeInstance) {
        return new XidEvent(GPU, number, Instant.EPOCH, OptionalInt.of(instance), OptionalInt.of(computeInstance));
    }
}
