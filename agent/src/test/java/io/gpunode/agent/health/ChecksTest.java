package io.gpunode.agent.health;

import static org.assertj.core.api.Assertions.assertThat;

import io.gpunode.agent.model.Finding;
import io.gpunode.agent.model.Finding.Severity;
import io.gpunode.agent.model.Gpu;
import io.gpunode.agent.model.GpuHealth;
import io.gpunode.agent.model.Quantity;
import io.gpunode.agent.model.Reading;
import io.gpunode.agent.testing.Snapshots;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What each check makes of readings. */
@Timeout(10)
class ChecksTest {
    private static final Duration SAMPLING = Duration.ofSeconds(5);

    private final Patient patient = new Patient(HealthConfigs.usual());

    @ParameterizedTest
    @CsvSource({
        "RECOVERY_ACTION, 1, recovery-action, FATAL",
        "RECOVERY_ACTION, 2, recovery-action, NODE",
        "RECOVERY_ACTION, 3, recovery-action, REMARK",
        "RECOVERY_ACTION, 4, recovery-action, FATAL",
        "RECOVERY_ACTION, 5, recovery-action, REMARK",
        "RECOVERY_ACTION, 17, recovery-action, FATAL",
        "ROW_REMAP_FAILED, 1, row-remap, FATAL",
        "ROW_REMAP_PENDING, 1, row-remap, REMARK",
        "REMAPPED_ROWS_UNCORRECTABLE, 512, row-remap, REMARK",
        "RETIRED_PAGES_DOUBLE_BIT, 63, retired-pages, FATAL",
        "RETIRED_PAGES_PENDING, 1, retired-pages, REMARK",
        "ECC_UNCORRECTED_VOLATILE, 1, ecc, REMARK",
        "ECC_UNCORRECTED_AGGREGATE, 7, ecc, REMARK",
    })
    void aReadingIsAFinding(Quantity quantity, long value, String check, Severity severity) {
        // When
        GpuHealth health = patient.reads(Map.of(quantity, value)).health();

        // Then
        assertThat(health.all()).singleElement().satisfies(finding -> {
            assertThat(finding.check()).isEqualTo(check);
            assertThat(finding.severity()).isEqualTo(severity);
            assertThat(finding.repair()).isNotBlank();
            assertThat(finding.recovery()).startsWith("by itself, as soon as ");
        });
    }

    @ParameterizedTest
    @CsvSource({
        "RECOVERY_ACTION, 0",
        "ROW_REMAP_FAILED, 0",
        "REMAPPED_ROWS_UNCORRECTABLE, 511",
        "RETIRED_PAGES_SINGLE_BIT, 62",
        "ECC_UNCORRECTED_VOLATILE, 0",
        "GPU_TEMPERATURE_CELSIUS, 90"
    })
    void anOrdinaryReadingIsNone(Quantity quantity, long value) {
        // When
        GpuHealth health = patient.reads(Map.of(quantity, value)).health();

        // Then
        assertThat(health).isEqualTo(GpuHealth.Healthy.CLEAN);
    }

    @Test
    void pagesOfBothKindsAreOneList() {
        // When
        patient.reads(Map.of(Quantity.RETIRED_PAGES_SINGLE_BIT, 60, Quantity.RETIRED_PAGES_DOUBLE_BIT, 3));

        // Then
        assertThat(patient.health()).isInstanceOf(GpuHealth.Unhealthy.class);
    }

    @ParameterizedTest
    @CsvSource({"1, in device memory", "0, in a memory of the chip (SRAM)"})
    void aNewUncorrectableErrorWithholdsForAWhile(long inDram, String where) {
        // Given
        patient.reads(ecc(3, 3));
        GpuHealth before = patient.health();

        // When
        patient.advance(SAMPLING).reads(ecc(4, 3 + inDram));
        GpuHealth after = patient.health();
        patient.advance(SAMPLING).reads(ecc(4, 3 + inDram));
        GpuHealth later = patient.health();
        patient.advance(HealthConfigs.INTERVAL).reads(ecc(4, 3 + inDram));

        // Then
        assertThat(before).isInstanceOf(GpuHealth.Healthy.class);
        assertThat(after).isInstanceOf(GpuHealth.Unhealthy.class);
        assertThat(after.all()).extracting(Finding::reason).contains("a new uncorrectable error " + where);
        assertThat(later).isInstanceOf(GpuHealth.Unhealthy.class);
        assertThat(patient.health()).isInstanceOf(GpuHealth.Healthy.class);
    }

    @Test
    void aCounterThatWasResetHasNotGrown() {
        // Given
        patient.reads(ecc(9, 9)).reads(ecc(0, 0));

        // When
        patient.reads(ecc(0, 0));

        // Then
        assertThat(patient.health()).isEqualTo(GpuHealth.Healthy.CLEAN);
    }

    @Test
    void heatIsRemarkedOnWhenItStays() {
        // Given
        patient.reads(heat(90)).reads(heat(90));
        GpuHealth short_ = patient.health();

        // When
        patient.reads(heat(91));
        GpuHealth long_ = patient.health();
        patient.reads(heat(60));

        // Then
        assertThat(short_).isEqualTo(GpuHealth.Healthy.CLEAN);
        assertThat(long_.all()).singleElement().satisfies(finding -> {
            assertThat(finding.check()).isEqualTo("temperature");
            assertThat(finding.severity()).isEqualTo(Severity.REMARK);
        });
        assertThat(patient.health()).isEqualTo(GpuHealth.Healthy.CLEAN);
    }

    @Test
    void theShutdownTemperatureWithholdsForAWhile() {
        // When
        patient.reads(heat(95));
        GpuHealth hot = patient.health();
        patient.advance(SAMPLING).reads(heat(60));

        // Then
        assertThat(hot).isInstanceOf(GpuHealth.Unhealthy.class);
        assertThat(patient.health()).isInstanceOf(GpuHealth.Unhealthy.class);
    }

    @Test
    void aThresholdOfZeroIsNone() {
        // When
        patient.reads(Map.of(Quantity.GPU_TEMPERATURE_CELSIUS, 40, Quantity.SHUTDOWN_TEMPERATURE_CELSIUS, 0));

        // Then
        assertThat(patient.health()).isEqualTo(GpuHealth.Healthy.CLEAN);
    }

    @ParameterizedTest
    @CsvSource({"0x20, temperature", "0x40, temperature", "0x80, power-brake"})
    void aSlowedGpuIsRemarkedOnWhenItStays(String bit, String check) {
        // When
        Map<Quantity, Long> slowed = Map.of(Quantity.CLOCKS_EVENT_REASONS, Long.decode(bit));
        patient.reads(slowed).reads(slowed).reads(slowed);

        // Then
        assertThat(patient.health().all()).extracting(Finding::check).containsExactly(check);
    }

    @Test
    void aNarrowLinkIsRemarkedOnWhenItStays() {
        // Given
        Map<Quantity, Integer> narrow = Map.of(Quantity.PCIE_LINK_WIDTH, 8, Quantity.PCIE_MAX_LINK_WIDTH, 16);

        // When
        patient.reads(narrow).reads(narrow).reads(narrow);

        // Then
        assertThat(patient.health().all())
                .singleElement()
                .extracting(Finding::reason)
                .isEqualTo("the PCIe link has 8 lanes of 16");
    }

    @ParameterizedTest
    @CsvSource({"0, 0", "80, 1"})
    void aSlowLinkCountsOnlyUnderLoad(int utilization, int findings) {
        // Given
        Map<Quantity, Integer> slow = Map.of(
                Quantity.PCIE_LINK_GENERATION,
                1,
                Quantity.PCIE_MAX_LINK_GENERATION,
                4,
                Quantity.GPU_UTILIZATION_PERCENT,
                utilization);

        // When
        patient.reads(slow).reads(slow).reads(slow);

        // Then
        assertThat(patient.health().all()).hasSize(findings);
    }

    @ParameterizedTest
    @CsvSource({"16, 0", "17, 0", "40, 1"})
    void repetitionsBeyondTheLinksErrorRateAreRemarkedOn(long replays, int findings) {
        // Given: 16 GT/s on 16 lanes, one bit in 10^12: 15.4 in a minute
        patient.reads(link(1000));

        // When
        patient.advance(SAMPLING).reads(link(1000 + replays - 2));

        // Then
        assertThat(patient.health().all()).hasSize(findings);
    }

    @Test
    void aLinkThatGoesDownWithholds() {
        // Given
        patient.reads(links(0b1111)).reads(links(0b1011));
        GpuHealth once = patient.health();

        // When
        patient.reads(links(0b1011));
        GpuHealth down = patient.health();
        patient.reads(links(0b1111));

        // Then
        assertThat(once).isEqualTo(GpuHealth.Healthy.CLEAN);
        assertThat(down).isInstanceOf(GpuHealth.Unhealthy.class);
        assertThat(down.all())
                .singleElement()
                .extracting(Finding::reason)
                .isEqualTo("NVLinks are down that were up: 2");
        assertThat(patient.health()).isEqualTo(GpuHealth.Healthy.CLEAN);
    }

    @Test
    void linksThatWereNeverUpAreNotMissed() {
        // When
        patient.reads(links(0)).reads(links(0)).reads(links(0));

        // Then
        assertThat(patient.health()).isEqualTo(GpuHealth.Healthy.CLEAN);
    }

    @Test
    void aGpuInMigModeMissesNoLinks() {
        // Given
        patient.reads(links(0b1111));
        patient.mig(Snapshots.migDevice(0, 1, 0, "1g.10gb"));

        // When
        patient.reads(links(0)).reads(links(0)).reads(links(0));

        // Then
        assertThat(patient.health()).isEqualTo(GpuHealth.Healthy.CLEAN);
    }

    @ParameterizedTest
    @CsvSource({
        "NVLINK_CRC_FLIT_ERRORS, 1, REMARK",
        "NVLINK_CRC_DATA_ERRORS, 6000, FATAL",
        "NVLINK_REPLAY_ERRORS, 1, REMARK",
        "NVLINK_RECOVERY_ERRORS, 1, REMARK",
        "NVLINK_RECOVERY_ERRORS, 10, FATAL"
    })
    void errorsOnLinksCountByTheirRate(Quantity counter, long growth, Severity severity) {
        // Given
        patient.reads(Map.of(counter, 50));

        // When
        patient.advance(SAMPLING).reads(Map.of(counter, 50 + growth));

        // Then
        assertThat(patient.health().all()).singleElement().satisfies(finding -> {
            assertThat(finding.check()).isEqualTo("nvlink");
            assertThat(finding.severity()).isEqualTo(severity);
        });
    }

    @Test
    void linksThatWereQuietForTwoMinutesAreWell() {
        // Given
        patient.reads(Map.of(Quantity.NVLINK_REPLAY_ERRORS, 0));
        patient.advance(SAMPLING).reads(Map.of(Quantity.NVLINK_REPLAY_ERRORS, 5));

        // When
        patient.advance(Duration.ofMinutes(2)).reads(Map.of(Quantity.NVLINK_REPLAY_ERRORS, 5));

        // Then
        assertThat(patient.health()).isEqualTo(GpuHealth.Healthy.CLEAN);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "in progress | unknown          | ''                    | FATAL",
                "not started | unknown          | ''                    | FATAL",
                "failed with NOT_FOUND | unknown | ''                   | FATAL",
                "completed   | unhealthy        | a route is unhealthy  | FATAL",
                "completed   | limited capacity | ''                    | REMARK",
                "completed   | unknown          | bandwidth is degraded | REMARK"
            })
    void aGpuOutsideItsFabricIsWithheld(String state, String health, String problem, Severity severity) {
        // Given
        List<String> problems = problem.isEmpty() ? List.of() : List.of(problem);

        // When
        patient.gpu(gpu -> withFabric(gpu, new Gpu.FabricState(state, "", 0, health, problems)));

        // Then
        assertThat(patient.health().all()).singleElement().satisfies(finding -> {
            assertThat(finding.check()).isEqualTo("fabric");
            assertThat(finding.severity()).isEqualTo(severity);
            assertThat(finding.repair()).contains("nvidia-fabricmanager");
        });
    }

    @Test
    void aGpuThatHasJoinedItsFabricIsHealthy() {
        // When
        patient.gpu(gpu -> withFabric(gpu, new Gpu.FabricState("completed", "", 0, "healthy", List.of())));

        // Then
        assertThat(patient.health()).isEqualTo(GpuHealth.Healthy.CLEAN);
    }

    private static Map<Quantity, Long> ecc(long total, long inDram) {
        return Map.of(Quantity.ECC_UNCORRECTED_VOLATILE, total, Quantity.ECC_UNCORRECTED_DRAM_VOLATILE, inDram);
    }

    private static Map<Quantity, Integer> heat(int celsius) {
        return Map.of(
                Quantity.GPU_TEMPERATURE_CELSIUS,
                celsius,
                Quantity.SLOWDOWN_TEMPERATURE_CELSIUS,
                89,
                Quantity.SHUTDOWN_TEMPERATURE_CELSIUS,
                95);
    }

    private static Map<Quantity, Long> link(long replays) {
        return Map.of(Quantity.PCIE_REPLAYS, replays, Quantity.PCIE_LINK_GENERATION, 4L, Quantity.PCIE_LINK_WIDTH, 16L);
    }

    private static Map<Quantity, Long> links(long active) {
        return Map.of(Quantity.NVLINK_ACTIVE_LINKS, active);
    }

    private static Gpu withFabric(Gpu gpu, Gpu.FabricState fabric) {
        return new Gpu(
                gpu.id(),
                gpu.index(),
                gpu.minor(),
                gpu.pci(),
                gpu.name(),
                gpu.serial(),
                gpu.vbiosVersion(),
                gpu.computeCapability(),
                gpu.architecture(),
                gpu.memoryBytes(),
                gpu.persistenceMode(),
                gpu.pciClass(),
                gpu.numaNode(),
                gpu.migMode(),
                gpu.migDevices(),
                Reading.of(fabric),
                gpu.health(),
                gpu.lane(),
                gpu.lastXid(),
                gpu.xidCounts(),
                gpu.sample(),
                gpu.processes());
    }
}
